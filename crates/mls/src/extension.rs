//! Extensions of a group: what all its members agree on, beside who they are.
//!
//! They stand in the group context, so a member that disagrees about one of them cannot follow the group. A commit
//! replaces all of them at once. Types that a member does not know must be listed among its capabilities, or the
//! group refuses it.

use openmls::prelude::tls_codec::{DeserializeBytes, Serialize as _, VLBytes};
use openmls::prelude::{
    BasicCredential, CredentialType, Extension, ExtensionType, Extensions, ExternalSender, GroupContext,
    ProposalType, RequiredCapabilitiesExtension,
};

use crate::error::MlsError;
use crate::limits::{MAX_EXTENSION_LENGTH, MAX_EXTENSIONS};
use crate::succession;

/// The extension that names the group's frame profile, among the types for private use (RFC 9420 section 17.3).
/// Every device of ours can follow a group that has it.
pub const PROFILE_EXTENSION: u16 = 0xF0C0;

/// One extension of a group: a type and its bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupExtension {
    /// Its type (RFC 9420 section 17.3).
    pub extension_type: u16,
    /// Its content.
    pub data: Vec<u8>,
}

/// Somebody outside a group whom the group lets propose changes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExternalSenderInfo {
    /// Whom the credential names.
    pub identity: Vec<u8>,
    /// The key its proposals are verified with.
    pub signature_key: Vec<u8>,
}

/// What every member of a group must be able to follow, by the numbers of RFC 9420 section 17.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RequiredCapabilities {
    /// Types of extensions.
    pub extensions: Vec<u16>,
    /// Types of proposals.
    pub proposals: Vec<u16>,
    /// Types of credentials.
    pub credentials: Vec<u16>,
}

impl GroupExtension {
    /// What every member must be able to follow: extension, proposal and credential types.
    ///
    /// # Errors
    /// When there are more than can be encoded.
    pub fn required_capabilities(
        extensions: &[u16],
        proposals: &[u16],
        credentials: &[u16],
    ) -> Result<Self, MlsError> {
        let extensions: Vec<_> = extensions.iter().map(|number| ExtensionType::from(*number)).collect();
        let proposals: Vec<_> = proposals.iter().map(|number| ProposalType::from(*number)).collect();
        let credentials: Vec<_> = credentials.iter().map(|number| CredentialType::from(*number)).collect();
        let required = RequiredCapabilitiesExtension::new(&extensions, &proposals, &credentials);
        Self::of(&Extension::RequiredCapabilities(required))
    }

    /// Who may propose from outside, in the order in which they are numbered.
    ///
    /// # Errors
    /// When one of them cannot be encoded.
    pub fn external_senders(senders: &[ExternalSenderInfo]) -> Result<Self, MlsError> {
        let senders = senders
            .iter()
            .map(|sender| {
                let credential = BasicCredential::new(sender.identity.clone()).into();
                ExternalSender::new(sender.signature_key.clone().into(), credential)
            })
            .collect();
        Self::of(&Extension::ExternalSenders(senders))
    }

    /// As [`Self::external_senders`], from serialised `ExternalSender`s.
    ///
    /// # Errors
    /// When one of them is malformed.
    pub fn external_senders_from_bytes(senders: &[Vec<u8>]) -> Result<Self, MlsError> {
        let senders = senders
            .iter()
            .map(|bytes| {
                ExternalSender::tls_deserialize_exact_bytes(bytes)
                    .map_err(|_| MlsError::Malformed("an external sender"))
            })
            .collect::<Result<_, _>>()?;
        Self::of(&Extension::ExternalSenders(senders))
    }

    /// What it requires of members; none where it is of another type or says it in another form than ours.
    #[must_use]
    pub fn as_required_capabilities(&self) -> Option<RequiredCapabilities> {
        let Ok(Extension::RequiredCapabilities(required)) = self.decode() else { return None };
        let required = RequiredCapabilities {
            extensions: required.extension_types().iter().copied().map(u16::from).collect(),
            proposals: required.proposal_types().iter().copied().map(u16::from).collect(),
            credentials: required.credential_types().iter().copied().map(u16::from).collect(),
        };
        let RequiredCapabilities { extensions, proposals, credentials } = &required;
        let same = Self::required_capabilities(extensions, proposals, credentials).ok()? == *self;
        same.then_some(required)
    }

    /// Whom it lets propose from outside; none where it is of another type or names somebody by another credential
    /// than a basic one.
    #[must_use]
    pub fn as_external_senders(&self) -> Option<Vec<ExternalSenderInfo>> {
        let (list, []) = VLBytes::tls_deserialize_bytes(&self.data).ok()? else { return None };
        let mut rest = list.as_slice();
        let mut senders = Vec::new();
        while !rest.is_empty() {
            let (signature_key, after) = VLBytes::tls_deserialize_bytes(rest).ok()?;
            let (_, after) = after.split_first_chunk::<2>()?;
            let (identity, after) = VLBytes::tls_deserialize_bytes(after).ok()?;
            let (identity, signature_key) = (identity.into(), signature_key.into());
            senders.push(ExternalSenderInfo { identity, signature_key });
            rest = after;
        }
        // Equal bytes prove the type and that every credential is a basic one.
        let same = Self::external_senders(&senders).ok()? == *self;
        same.then_some(senders)
    }

    fn of(extension: &Extension) -> Result<Self, MlsError> {
        let bytes = extension.tls_serialize_detached().map_err(MlsError::internal)?;
        let malformed = || MlsError::internal("an extension begins with its type");
        let (head, rest) = bytes.split_first_chunk::<2>().ok_or_else(malformed)?;
        let data = VLBytes::tls_deserialize_exact_bytes(rest).map_err(MlsError::internal)?;
        Ok(Self { extension_type: u16::from_be_bytes(*head), data: data.into() })
    }

    fn decode(&self) -> Result<Extension, MlsError> {
        if self.data.len() > MAX_EXTENSION_LENGTH {
            return Err(MlsError::TooLarge { what: "an extension", limit: MAX_EXTENSION_LENGTH });
        }
        let mut bytes = self.extension_type.to_be_bytes().to_vec();
        let data = VLBytes::new(self.data.clone()).tls_serialize_detached().map_err(MlsError::internal)?;
        bytes.extend(data);
        Extension::tls_deserialize_exact_bytes(&bytes).map_err(|_| MlsError::Malformed("an extension"))
    }
}

/// openmls's form of a whole list.
pub(crate) fn decode(extensions: &[GroupExtension]) -> Result<Extensions<GroupContext>, MlsError> {
    if extensions.len() > MAX_EXTENSIONS {
        return Err(MlsError::TooLarge { what: "the list of extensions", limit: MAX_EXTENSIONS });
    }
    let decoded = extensions.iter().map(GroupExtension::decode).collect::<Result<Vec<_>, _>>()?;
    let list = Extensions::from_vec(decoded)
        .map_err(|error| MlsError::InvalidProposal { offender: None, reason: error.to_string() })?;
    succession::check_unnamed(&list)?;
    Ok(list)
}

/// A group's list in our form.
pub(crate) fn encode(extensions: &Extensions<GroupContext>) -> Result<Vec<GroupExtension>, MlsError> {
    extensions.iter().map(GroupExtension::of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_extension_keeps_its_bytes_and_a_broken_known_one_is_refused() {
        let unknown = GroupExtension { extension_type: PROFILE_EXTENSION, data: vec![1, 2, 3] };
        let list = decode(std::slice::from_ref(&unknown)).unwrap();
        assert_eq!(encode(&list).unwrap(), std::slice::from_ref(&unknown));
        let broken = GroupExtension { extension_type: 3, data: vec![0xff; 7] };
        assert!(matches!(decode(&[broken]), Err(MlsError::Malformed(_))));
        assert!(decode(&[unknown.clone(), unknown]).is_err(), "a type stands once");
    }
    #[test]
    fn what_is_known_is_read_back_and_nothing_else() {
        let required = GroupExtension::required_capabilities(&[PROFILE_EXTENSION], &[8], &[1]).unwrap();
        let read = required.as_required_capabilities().unwrap();
        assert_eq!(
            (read.extensions, read.proposals, read.credentials),
            (vec![PROFILE_EXTENSION], vec![8], vec![1])
        );
        assert_eq!(required.as_external_senders(), None);

        let sender = ExternalSenderInfo { identity: b"admin".to_vec(), signature_key: vec![7; 32] };
        let senders = GroupExtension::external_senders(&[sender.clone(), sender.clone()]).unwrap();
        assert_eq!(senders.as_external_senders(), Some(vec![sender.clone(), sender]));
        assert_eq!(senders.as_required_capabilities(), None);

        let mut certificate = senders;
        let credential_type = certificate.data.iter().position(|byte| *byte == 1).unwrap();
        certificate.data[credential_type] = 2;
        assert_eq!(certificate.as_external_senders(), None);
        certificate.data.truncate(20);
        assert_eq!(certificate.as_external_senders(), None);
    }
}
