//! Who may come in, and as whom.
//!
//! Two judges, in this order. [`Authentication`] decides whether a credential counts: its kind is accepted and its
//! certificates lead to an anchor. The application's [`Policy`] decides whether that somebody is wanted. Both are
//! asked before anything changes.
//!
//! A credential is judged at the caller's time when it comes in: with a key package, a proposal, a commit. Those who
//! are in a group already that this device joins are judged at the last moment at which their certificates were
//! valid, and a leaf that changes neither credential nor key is not judged again, so that a certificate that expires
//! neither locks joiners out nor stops anybody's commits (ADR 0013).

use std::sync::Arc;

use coterie_crypto::certificate::{Moment, TrustAnchors};
use coterie_types::{GroupId, Timestamp};
use openmls::prelude::{Credential, CredentialType, LeafNode};

use crate::credential::{self, CertificateInfo, Presented};
use crate::error::{CredentialError, MlsError};
use crate::roster::{Member, Sender};

/// Which credentials a device believes. By default Basic ones and no others.
#[derive(Clone)]
pub struct Authentication {
    anchors: Option<Arc<TrustAnchors>>,
    basic: bool,
    policy: Option<Arc<dyn Policy>>,
}

/// What the application has to say about members.
///
/// It is asked on the thread of the call, while the group waits: it must neither call the group nor take long.
pub trait Policy: Send + Sync {
    /// Whether the candidate may be, or become, a member.
    ///
    /// # Errors
    /// When it may not, with the application's reason.
    fn judge(&self, candidate: &Candidate) -> Result<(), Refusal>;
}

/// Why a policy refuses somebody, in the application's words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal(pub String);

/// Somebody whom a policy is asked about. The credential has been found to count.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Candidate {
    /// The group.
    pub group: GroupId,
    /// Whom its credential names.
    pub identity: Vec<u8>,
    /// The key that its messages would be verified with.
    pub signature_key: Vec<u8>,
    /// What its certificates say; none for a Basic credential.
    pub certificate: Option<CertificateInfo>,
    /// How it comes in.
    pub entry: Entry,
    /// Who brings it in, itself for an update; none for those who are there already.
    pub by: Option<Sender>,
    /// As whom the same member was known so far.
    pub replaces: Option<Member>,
}

/// How somebody comes into a group, or into view.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Entry {
    /// A member adds it, or proposes to.
    Add,
    /// It joins by a commit of its own.
    ExternalJoin,
    /// A member changes its credential or signature key.
    Update,
    /// It is in the group that this device is about to join.
    Present,
}

impl<F: Fn(&Candidate) -> Result<(), Refusal> + Send + Sync> Policy for F {
    fn judge(&self, candidate: &Candidate) -> Result<(), Refusal> {
        self(candidate)
    }
}

impl Default for Authentication {
    fn default() -> Self {
        Self { anchors: None, basic: true, policy: None }
    }
}

impl Authentication {
    /// Believes certificates that lead to one of `anchors`, and no Basic credentials.
    #[must_use]
    pub fn certificates(anchors: TrustAnchors) -> Self {
        Self { anchors: Some(Arc::new(anchors)), basic: false, policy: None }
    }

    /// Believes Basic credentials as well. Whoever can reach a group's members can then call itself by any name,
    /// certified ones included: tell them apart by [`Member::certificate`].
    #[must_use]
    pub fn and_basic(self) -> Self {
        Self { basic: true, ..self }
    }

    /// Asks `policy` about everybody.
    #[must_use]
    pub fn and_policy(self, policy: Arc<dyn Policy>) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// The kinds of credential that leaves of this device say they can follow.
    pub(crate) fn credential_types(&self) -> Vec<CredentialType> {
        let basic = self.basic.then_some(CredentialType::Basic);
        basic.into_iter().chain(self.anchors.as_ref().map(|_| CredentialType::X509)).collect()
    }

    /// Whether the credential counts for this key at that moment, and whom it names.
    pub(crate) fn admit(
        &self,
        credential: &Credential,
        signature_key: &[u8],
        moment: Moment,
    ) -> Result<Presented, MlsError> {
        match (credential.credential_type(), &self.anchors) {
            (CredentialType::Basic, _) if self.basic => {}
            (CredentialType::X509, Some(anchors)) => {
                let found = anchors.validate(&credential::chain(credential)?, moment, None)?;
                if found.public_key != signature_key {
                    return Err(CredentialError::KeyMismatch.into());
                }
            }
            _ => return Err(CredentialError::KindNotAccepted.into()),
        }
        credential::presented(credential)
    }

    /// The same for a leaf that comes in now.
    pub(crate) fn admit_leaf(&self, leaf: &LeafNode, now: Timestamp) -> Result<Presented, MlsError> {
        self.admit(leaf.credential(), leaf.signature_key().as_slice(), Moment::Now(now))
    }

    /// Whether `new` may take the place of `old`, and whom it names if it differs. Whoever was certified stays so,
    /// under the same name (RFC 9420 section 5.3.1).
    pub(crate) fn admit_successor(
        &self,
        old: &LeafNode,
        new: &LeafNode,
        now: Timestamp,
    ) -> Result<Option<Presented>, MlsError> {
        if !differs(old, new) {
            return Ok(None);
        }
        self.admit_change(old, new.credential(), new.signature_key().as_slice(), now).map(Some)
    }

    /// Whether somebody who comes back by a commit of its own may take the place of `old`: under the same name only,
    /// whatever kind of credential shows it.
    pub(crate) fn admit_return(
        &self,
        old: &LeafNode,
        new: &LeafNode,
        now: Timestamp,
    ) -> Result<Presented, MlsError> {
        let presented = self.admit_change(old, new.credential(), new.signature_key().as_slice(), now)?;
        if presented.identity != credential::presented(old.credential())?.identity {
            return Err(CredentialError::NotASuccessor.into());
        }
        Ok(presented)
    }

    /// The same for a credential that a leaf is yet to show.
    pub(crate) fn admit_change(
        &self,
        old: &LeafNode,
        new: &Credential,
        signature_key: &[u8],
        now: Timestamp,
    ) -> Result<Presented, MlsError> {
        let presented = self.admit(new, signature_key, Moment::Now(now))?;
        if old.credential().credential_type() == CredentialType::X509 {
            let before = credential::presented(old.credential())?;
            if presented.certificate.is_none() || presented.identity != before.identity {
                return Err(CredentialError::NotASuccessor.into());
            }
        }
        Ok(presented)
    }

    /// Whether any certificate counts.
    pub(crate) fn follows_certificates(&self) -> bool {
        self.anchors.is_some()
    }

    pub(crate) fn has_policy(&self) -> bool {
        self.policy.is_some()
    }

    /// Asks the application.
    pub(crate) fn consult(&self, candidate: &Candidate) -> Result<(), MlsError> {
        let Some(policy) = &self.policy else { return Ok(()) };
        policy.judge(candidate).map_err(|Refusal(reason)| MlsError::RefusedByPolicy(reason))
    }
}

/// Whether a leaf shows somebody else, or the same somebody with another key.
pub(crate) fn differs(old: &LeafNode, new: &LeafNode) -> bool {
    old.credential() != new.credential() || old.signature_key() != new.signature_key()
}

impl std::fmt::Debug for Authentication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authentication")
            .field("certificates", &self.anchors.is_some())
            .field("basic", &self.basic)
            .field("policy", &self.policy.is_some())
            .finish()
    }
}
