//! Why a call on a device or a group failed.

use coterie_crypto::certificate::CertificateError;
use coterie_crypto::{CryptoError, EntropyError};
use coterie_store::StoreError;
use coterie_types::{Code, Epoch, ErrorCode, GroupId, LeafIndex};

/// Why a call failed. Nothing was changed by it, unless the variant says otherwise. Holds no key, payload or
/// user input, so it is safe to log.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MlsError {
    /// The caller misused this function.
    #[error("{0}")]
    InvalidArgument(&'static str),
    /// Not a well-formed message of the expected kind.
    #[error("the bytes are not {0}")]
    Malformed(&'static str),
    /// A suite, version or credential that this engine does not speak.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// Above a limit of [`crate::limits`].
    #[error("{what} exceeds the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit, in the unit of what it limits.
        limit: usize,
    },
    /// A tag or signature did not verify. Says nothing about why.
    #[error("the message did not authenticate")]
    NotAuthentic,
    /// The message carries another group's id.
    #[error("the message belongs to another group")]
    WrongGroup,
    /// Ahead of this member, or too far behind.
    #[error("the message is for {got}, this member is in {current}")]
    WrongEpoch {
        /// Where this member is.
        current: Epoch,
        /// What the message is for.
        got: Epoch,
    },
    /// Its key was used up: a duplicate, or too late.
    #[error("the message was processed before, or its key is gone")]
    AlreadyProcessed,
    /// A commit breaks the rules.
    #[error("the commit is invalid: {reason}")]
    InvalidCommit {
        /// Who signed it, where the signature proves it.
        offender: Option<LeafIndex>,
        /// Which rule it breaks.
        reason: String,
    },
    /// A proposal breaks the rules.
    #[error("the proposal is invalid: {reason}")]
    InvalidProposal {
        /// Who signed it, where the signature proves it.
        offender: Option<LeafIndex>,
        /// Which rule it breaks.
        reason: String,
    },
    /// A key package is not usable.
    #[error("the key package is invalid: {0}")]
    InvalidKeyPackage(String),
    /// The Welcome is for a key package that is not here.
    #[error("the Welcome is for a key package that this device does not hold")]
    KeyPackageNotFound,
    /// The Welcome does not fit together.
    #[error("the Welcome is invalid: {0}")]
    InvalidWelcome(String),
    /// The GroupInfo is forged, incomplete, or does not fit the tree.
    #[error("the GroupInfo is invalid: {0}")]
    InvalidGroupInfo(String),
    /// This device holds the group already.
    #[error("this device already holds a group with this id")]
    GroupExists,
    /// This device does not hold the group.
    #[error("this device holds no group with this id")]
    GroupNotFound,
    /// This member is out.
    #[error("this member was removed from the group")]
    Removed,
    /// Nobody sits there.
    #[error("no member sits at {0}")]
    MemberNotFound(LeafIndex),
    /// Is in the group already.
    #[error("the key package's owner or one of its keys is in the group already")]
    AlreadyMember,
    /// RFC 9420 forbids it.
    #[error("a member cannot commit its own removal")]
    CannotRemoveSelf,
    /// A commit waits.
    #[error("a commit is waiting to be merged or discarded")]
    CommitPending,
    /// No commit waits.
    #[error("no commit is waiting")]
    NoPendingCommit,
    /// Proposals wait; RFC 9420 section 15.2 wants them committed before a member speaks.
    #[error("proposals are waiting to be committed")]
    ProposalsPending,
    /// Nothing would change.
    #[error("the commit would change nothing")]
    NothingToCommit,
    /// A pre-shared key is unknown.
    #[error("a pre-shared key that the message refers to is not known")]
    PskNotFound,
    /// A credential does not count.
    #[error(transparent)]
    InvalidCredential(#[from] CredentialError),
    /// The application's policy refused somebody, for the reason that it gives.
    #[error("refused by policy: {0}")]
    RefusedByPolicy(String),
    /// An own commit that was discarded here comes back: the group accepted it, and went on without this member.
    #[error("a commit that this member discarded was accepted by the group")]
    Diverged,
    /// The group has named its successor and takes nothing more.
    #[error("the group has ended; another one succeeds it")]
    Succeeded,
    /// The group has not named a successor.
    #[error("the group has not named a successor")]
    NotSucceeded,
    /// A Welcome to a group that succeeds one which this device is not in, or whose end it has not reached.
    #[error("the group succeeds another one, whose {epoch} this device has not reached")]
    DescentUnknown {
        /// The group that it succeeds.
        predecessor: GroupId,
        /// The last epoch of that.
        epoch: Epoch,
    },
    /// The application's rows could not be written, and a volatile group cannot undo a step: what the call does was
    /// done, and its result is lost.
    #[error("the step was done without the rows, which could not be written: {0}")]
    NotUndone(#[source] StoreError),
    /// The store is older than it once was; what this member would send now could repeat a key.
    #[error("the group comes from a store that was put back to an earlier state")]
    Restored,
    /// A subscriber of the group's events lags behind.
    #[error("a subscriber has not consumed the group's events")]
    FeedFull,
    /// The store failed; the group was put back to its last stored state.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// An invariant did not hold.
    #[error("internal error: {0}")]
    Internal(String),
}

/// Why a credential does not count.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// Credentials of its kind are not believed here.
    #[error("credentials of this kind are not accepted here")]
    KindNotAccepted,
    /// It was certified for another key than the one in use.
    #[error("the certificate is for another key")]
    KeyMismatch,
    /// It would take the place of a certified one that names somebody else.
    #[error("a certified member keeps its name, and stays certified")]
    NotASuccessor,
    /// Its certificates break a rule.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

impl ErrorCode for CredentialError {
    fn code(&self) -> Code {
        match self {
            Self::KindNotAccepted | Self::KeyMismatch | Self::NotASuccessor => Code::MLS_INVALID_CREDENTIAL,
            Self::Certificate(error) => error.code(),
        }
    }
}

impl From<CertificateError> for MlsError {
    fn from(error: CertificateError) -> Self {
        Self::InvalidCredential(error.into())
    }
}

impl MlsError {
    /// The same, of a message that this member's signature was verified on.
    pub(crate) fn signed_by(self, signer: Option<LeafIndex>) -> Self {
        match self {
            Self::InvalidCommit { reason, .. } => Self::InvalidCommit { offender: signer, reason },
            Self::InvalidProposal { reason, .. } => Self::InvalidProposal { offender: signer, reason },
            other => other,
        }
    }

    /// An invariant of ours that did not hold, by name.
    pub(crate) fn internal(invariant: impl std::fmt::Display) -> Self {
        Self::Internal(invariant.to_string())
    }
}

impl From<CryptoError> for MlsError {
    fn from(error: CryptoError) -> Self {
        match error {
            CryptoError::Entropy(error) => Self::Entropy(error),
            CryptoError::NotAuthentic => Self::NotAuthentic,
            other => Self::internal(other),
        }
    }
}

impl ErrorCode for MlsError {
    fn code(&self) -> Code {
        match self {
            Self::InvalidArgument(_) => Code::INVALID_ARGUMENT,
            Self::Malformed(_) => Code::MLS_MALFORMED,
            Self::Unsupported(_) => Code::MLS_UNSUPPORTED,
            Self::TooLarge { .. } => Code::MLS_TOO_LARGE,
            Self::NotAuthentic => Code::MLS_NOT_AUTHENTIC,
            Self::WrongGroup => Code::MLS_WRONG_GROUP,
            Self::WrongEpoch { .. } => Code::MLS_WRONG_EPOCH,
            Self::AlreadyProcessed => Code::MLS_ALREADY_PROCESSED,
            Self::InvalidCommit { .. } => Code::MLS_INVALID_COMMIT,
            Self::InvalidProposal { .. } => Code::MLS_INVALID_PROPOSAL,
            Self::InvalidKeyPackage(_) => Code::MLS_INVALID_KEY_PACKAGE,
            Self::KeyPackageNotFound => Code::MLS_KEY_PACKAGE_NOT_FOUND,
            Self::InvalidWelcome(_) => Code::MLS_WELCOME_INVALID,
            Self::InvalidGroupInfo(_) => Code::MLS_GROUP_INFO_INVALID,
            Self::GroupExists => Code::MLS_GROUP_EXISTS,
            Self::GroupNotFound => Code::MLS_GROUP_NOT_FOUND,
            Self::Removed => Code::MLS_REMOVED,
            Self::MemberNotFound(_) => Code::MLS_MEMBER_NOT_FOUND,
            Self::AlreadyMember => Code::MLS_ALREADY_MEMBER,
            Self::CannotRemoveSelf => Code::MLS_CANNOT_REMOVE_SELF,
            Self::CommitPending => Code::MLS_COMMIT_PENDING,
            Self::NoPendingCommit => Code::MLS_NO_PENDING_COMMIT,
            Self::ProposalsPending => Code::MLS_PROPOSALS_PENDING,
            Self::NothingToCommit => Code::MLS_NOTHING_TO_COMMIT,
            Self::PskNotFound => Code::MLS_PSK_NOT_FOUND,
            Self::InvalidCredential(error) => error.code(),
            Self::RefusedByPolicy(_) => Code::MLS_REFUSED_BY_POLICY,
            Self::Diverged => Code::MLS_DIVERGED,
            Self::Succeeded => Code::MLS_SUCCEEDED,
            Self::NotSucceeded => Code::MLS_NOT_SUCCEEDED,
            Self::DescentUnknown { .. } => Code::MLS_DESCENT_UNKNOWN,
            Self::NotUndone(_) => Code::MLS_NOT_UNDONE,
            Self::Restored => Code::MLS_RESTORED,
            Self::FeedFull => Code::FEED_FULL,
            Self::Store(error) => error.code(),
            Self::Entropy(error) => error.code(),
            Self::Internal(_) => Code::INTERNAL,
        }
    }

    fn offender(&self) -> Option<LeafIndex> {
        match self {
            Self::InvalidCommit { offender, .. } | Self::InvalidProposal { offender, .. } => *offender,
            _ => None,
        }
    }
}
