//! openmls's errors in the terms of [`MlsError`]: which reaction fits, and who is to blame.

use coterie_types::{Epoch, LeafIndex};
use openmls::framing::errors::MessageDecryptionError;
use openmls::group::{
    CommitBuilderStageError, CreateCommitError, CreateMessageError, ExportGroupInfoError,
    ExternalCommitBuilderError, ExternalCommitBuilderFinalizeError, LeaveGroupError, MergeCommitError,
    MergePendingCommitError, MlsGroupStateError, NewGroupError, ProcessMessageError, ProposalError,
    ProposalValidationError, ProposeAddMemberError, ProposeRemoveMemberError, ProposeSelfUpdateError,
    StageCommitError, ValidationError, WelcomeError,
};
use openmls::prelude::Sender;
use openmls::schedule::errors::PskError;

use crate::error::MlsError;
use crate::limits::{MAX_CHANGES_PER_COMMIT, MAX_FORWARD_DISTANCE};
use crate::provider::StorageFault;

impl From<StorageFault> for MlsError {
    fn from(fault: StorageFault) -> Self {
        match fault {
            StorageFault::Store(error) => Self::Store(error),
            StorageFault::Decode | StorageFault::Encode => Self::internal(fault),
        }
    }
}

impl From<MlsGroupStateError> for MlsError {
    fn from(error: MlsGroupStateError) -> Self {
        match error {
            MlsGroupStateError::UseAfterEviction => Self::Removed,
            MlsGroupStateError::PendingProposal => Self::ProposalsPending,
            MlsGroupStateError::PendingCommit => Self::CommitPending,
            MlsGroupStateError::NoPendingCommit => Self::NoPendingCommit,
            other => Self::internal(other),
        }
    }
}

impl From<PskError> for MlsError {
    fn from(error: PskError) -> Self {
        match error {
            PskError::KeyNotFound => Self::PskNotFound,
            other => Self::InvalidProposal { offender: None, reason: other.to_string() },
        }
    }
}

impl From<ProposalValidationError> for MlsError {
    fn from(error: ProposalValidationError) -> Self {
        match error {
            ProposalValidationError::DuplicateSignatureKey
            | ProposalValidationError::DuplicateEncryptionKey
            | ProposalValidationError::DuplicateInitKey => Self::AlreadyMember,
            other => Self::InvalidProposal { offender: None, reason: other.to_string() },
        }
    }
}

impl From<NewGroupError<StorageFault>> for MlsError {
    fn from(error: NewGroupError<StorageFault>) -> Self {
        match error {
            NewGroupError::StorageError(fault) => fault.into(),
            NewGroupError::GroupAlreadyExists => Self::GroupExists,
            NewGroupError::UnsupportedCiphersuite(_) => Self::Unsupported("the cipher suite"),
            other => Self::internal(other),
        }
    }
}

impl From<WelcomeError<StorageFault>> for MlsError {
    fn from(error: WelcomeError<StorageFault>) -> Self {
        match error {
            WelcomeError::StorageError(fault) => fault.into(),
            WelcomeError::GroupAlreadyExists => Self::GroupExists,
            WelcomeError::UnsupportedCiphersuite(_)
            | WelcomeError::UnsupportedMlsVersion
            | WelcomeError::UnsupportedCapability => Self::Unsupported("a feature of the group"),
            WelcomeError::Psk(error) => error.into(),
            WelcomeError::NoMatchingKeyPackage
            | WelcomeError::PrivateInitKeyNotFound
            | WelcomeError::NoMatchingEncryptionKey => Self::KeyPackageNotFound,
            other => Self::InvalidWelcome(other.to_string()),
        }
    }
}

impl From<CreateMessageError> for MlsError {
    fn from(error: CreateMessageError) -> Self {
        match error {
            CreateMessageError::GroupStateError(error) => error.into(),
            other => Self::internal(other),
        }
    }
}

impl From<CreateCommitError> for MlsError {
    fn from(error: CreateCommitError) -> Self {
        match error {
            CreateCommitError::CannotRemoveSelf => Self::CannotRemoveSelf,
            CreateCommitError::PskError(error) => error.into(),
            CreateCommitError::ProposalValidationError(error) => error.into(),
            other => Self::InvalidProposal { offender: None, reason: other.to_string() },
        }
    }
}

impl From<CommitBuilderStageError<StorageFault>> for MlsError {
    fn from(error: CommitBuilderStageError<StorageFault>) -> Self {
        match error {
            CommitBuilderStageError::KeyStoreError(fault) => fault.into(),
            other => Self::internal(other),
        }
    }
}

impl From<ProposeAddMemberError<StorageFault>> for MlsError {
    fn from(error: ProposeAddMemberError<StorageFault>) -> Self {
        match error {
            ProposeAddMemberError::StorageError(fault) => fault.into(),
            ProposeAddMemberError::GroupStateError(error) => error.into(),
            other => Self::InvalidKeyPackage(other.to_string()),
        }
    }
}

impl From<ProposeRemoveMemberError<StorageFault>> for MlsError {
    fn from(error: ProposeRemoveMemberError<StorageFault>) -> Self {
        match error {
            ProposeRemoveMemberError::StorageError(fault) => fault.into(),
            ProposeRemoveMemberError::GroupStateError(error) => error.into(),
            other => Self::internal(other),
        }
    }
}

impl From<ProposeSelfUpdateError<StorageFault>> for MlsError {
    fn from(error: ProposeSelfUpdateError<StorageFault>) -> Self {
        match error {
            ProposeSelfUpdateError::StorageError(fault) => fault.into(),
            ProposeSelfUpdateError::GroupStateError(error) => error.into(),
            other => Self::internal(other),
        }
    }
}

impl From<ProposalError<StorageFault>> for MlsError {
    fn from(error: ProposalError<StorageFault>) -> Self {
        match error {
            ProposalError::StorageError(fault) => fault.into(),
            ProposalError::GroupStateError(error) => error.into(),
            ProposalError::ProposeAddMemberError(error) => error.into(),
            ProposalError::ProposeRemoveMemberError(error) => error.into(),
            ProposalError::ProposeSelfUpdateError(error) => error.into(),
            ProposalError::LibraryError(error) => Self::internal(error),
            other => Self::InvalidProposal { offender: None, reason: other.to_string() },
        }
    }
}

impl From<LeaveGroupError<StorageFault>> for MlsError {
    fn from(error: LeaveGroupError<StorageFault>) -> Self {
        match error {
            LeaveGroupError::StorageError(fault) => fault.into(),
            LeaveGroupError::GroupStateError(error) => error.into(),
            other => Self::internal(other),
        }
    }
}

impl From<ExportGroupInfoError> for MlsError {
    fn from(error: ExportGroupInfoError) -> Self {
        match error {
            ExportGroupInfoError::GroupStateError(error) => error.into(),
            other => Self::internal(other),
        }
    }
}

impl From<ExternalCommitBuilderError<StorageFault>> for MlsError {
    fn from(error: ExternalCommitBuilderError<StorageFault>) -> Self {
        match error {
            ExternalCommitBuilderError::StorageError(fault) => fault.into(),
            ExternalCommitBuilderError::UnsupportedCiphersuite(_) => Self::Unsupported("the cipher suite"),
            ExternalCommitBuilderError::LibraryError(error) => Self::internal(error),
            other => Self::InvalidGroupInfo(other.to_string()),
        }
    }
}

impl From<ExternalCommitBuilderFinalizeError<StorageFault>> for MlsError {
    fn from(error: ExternalCommitBuilderFinalizeError<StorageFault>) -> Self {
        match error {
            ExternalCommitBuilderFinalizeError::StorageError(fault) => fault.into(),
            ExternalCommitBuilderFinalizeError::MergeCommitError(error) => error.into(),
            ExternalCommitBuilderFinalizeError::LibraryError(error) => Self::internal(error),
        }
    }
}

impl From<MergeCommitError<StorageFault>> for MlsError {
    fn from(error: MergeCommitError<StorageFault>) -> Self {
        match error {
            MergeCommitError::StorageError(fault) => fault.into(),
            other => Self::internal(other),
        }
    }
}

impl From<MergePendingCommitError<StorageFault>> for MlsError {
    fn from(error: MergePendingCommitError<StorageFault>) -> Self {
        match error {
            MergePendingCommitError::MlsGroupStateError(error) => error.into(),
            MergePendingCommitError::MergeCommitError(error) => error.into(),
        }
    }
}

/// Why a message that was decoded for `got` was refused by a member in `current`.
pub(crate) fn of_message(error: ProcessMessageError<StorageFault>, current: Epoch, got: Epoch) -> MlsError {
    match error {
        ProcessMessageError::StorageError(fault) => fault.into(),
        ProcessMessageError::GroupStateError(error) => error.into(),
        ProcessMessageError::ValidationError(error) => of_validation(error, current, got),
        ProcessMessageError::InvalidCommit(error) => of_commit(error, None),
        ProcessMessageError::InvalidCommitBy { sender, error } => of_commit(error, member(&sender)),
        ProcessMessageError::LibraryError(error) => MlsError::internal(error),
        other => MlsError::InvalidProposal { offender: None, reason: other.to_string() },
    }
}

fn of_validation(error: ValidationError, current: Epoch, got: Epoch) -> MlsError {
    match error {
        ValidationError::WrongGroupId => MlsError::WrongGroup,
        ValidationError::WrongEpoch | ValidationError::NoPastEpochData => {
            MlsError::WrongEpoch { current, got }
        }
        ValidationError::UnableToDecrypt(error) => of_decryption(error, current, got),
        ValidationError::LibraryError(error) => MlsError::internal(error),
        ValidationError::KeyPackageVerifyError(error) => MlsError::InvalidKeyPackage(error.to_string()),
        ValidationError::TooManyProposals => {
            MlsError::TooLarge { what: "the commit", limit: MAX_CHANGES_PER_COMMIT }
        }
        error @ ValidationError::UnauthorizedCommit => {
            MlsError::InvalidCommit { offender: None, reason: error.to_string() }
        }
        ValidationError::UnknownMember
        | ValidationError::MissingMembershipTag
        | ValidationError::InvalidMembershipTag
        | ValidationError::InvalidSignature => MlsError::NotAuthentic,
        other => MlsError::InvalidProposal { offender: None, reason: other.to_string() },
    }
}

fn of_decryption(error: MessageDecryptionError, current: Epoch, got: Epoch) -> MlsError {
    match error {
        MessageDecryptionError::SecretTreeError(error) => of_ratchet(&error.to_string(), current, got),
        MessageDecryptionError::GenerationOutOfBound => MlsError::AlreadyProcessed,
        MessageDecryptionError::LibraryError(error) => MlsError::internal(error),
        MessageDecryptionError::MalformedContent => MlsError::Malformed("the content of a message"),
        _ => MlsError::NotAuthentic,
    }
}

fn of_commit(error: StageCommitError, offender: Option<LeafIndex>) -> MlsError {
    match error {
        StageCommitError::PskError(PskError::KeyNotFound) => MlsError::PskNotFound,
        StageCommitError::LibraryError(error) => MlsError::internal(error),
        other => MlsError::InvalidCommit { offender, reason: other.to_string() },
    }
}

/// The leaf of a sender whose signature was verified, if it is a member.
pub(crate) fn member(sender: &Sender) -> Option<LeafIndex> {
    match sender {
        Sender::Member(leaf) => Some(LeafIndex::new(leaf.u32())),
        _ => None,
    }
}

/// openmls does not export this error's type, only its words; a test of this crate pins those that count.
fn of_ratchet(reason: &str, current: Epoch, got: Epoch) -> MlsError {
    match reason {
        // Also what openmls answers where the epoch's keys are gone, or were never here: such a message is lost, which
        // must not pass for a duplicate.
        "Generation is too old to be processed." if got < current => MlsError::WrongEpoch { current, got },
        "The requested secret was deleted to preserve forward secrecy."
        | "Generation is too old to be processed." => MlsError::AlreadyProcessed,
        "Generation is too far in the future to be processed." => MlsError::TooLarge {
            what: "the gap in a sender's messages",
            limit: MAX_FORWARD_DISTANCE as usize,
        },
        _ => MlsError::NotAuthentic,
    }
}
