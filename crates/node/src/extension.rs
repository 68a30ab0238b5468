//! Extensions and pre-shared keys as they cross the boundary.

use coterie_mls::{ExternalSenderInfo, GroupExtension, PskId, RequiredCapabilities};
use coterie_types::Epoch;
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

use crate::arguments::{List, unsigned, unsigned16};
use crate::bytes::Uint8Array;
use crate::failure::NativeFailure;

/// One extension of a group.
#[napi(discriminant = "type", discriminant_case = "kebab-case")]
pub enum NativeExtension {
    /// What every member must be able to follow.
    RequiredCapabilities {
        /// Types of extensions.
        #[napi(ts_type = "Array<number>")]
        extensions: List<u32>,
        /// Types of proposals.
        #[napi(ts_type = "Array<number>")]
        proposals: List<u32>,
        /// Types of credentials.
        #[napi(ts_type = "Array<number>")]
        credentials: List<u32>,
    },
    /// Who may propose from outside.
    ExternalSenders {
        /// In the order in which they are numbered.
        #[napi(ts_type = "Array<NativeExternalSender>")]
        senders: List<NativeExternalSender>,
    },
    /// Any other.
    Other {
        /// Its type.
        number: u32,
        /// Its content.
        data: Uint8Array,
    },
}

/// Somebody outside a group whom the group lets propose changes.
#[napi(object)]
pub struct NativeExternalSender {
    /// Whom the credential names.
    pub identity: Uint8Array,
    /// The key its proposals are verified with.
    pub signature_key: Uint8Array,
}

/// A pre-shared key, by name.
#[napi(discriminant = "type", discriminant_case = "kebab-case", object_to_js = false)]
pub enum NativePskId {
    /// One that the application stored.
    External {
        /// Its name.
        id: Uint8Array,
    },
    /// The secret of an epoch of the same group.
    Resumption {
        /// Which epoch.
        epoch: BigInt,
    },
}

impl From<GroupExtension> for NativeExtension {
    fn from(extension: GroupExtension) -> Self {
        if let Some(required) = extension.as_required_capabilities() {
            let RequiredCapabilities { extensions, proposals, credentials } = required;
            return Self::RequiredCapabilities {
                extensions: extensions.into(),
                proposals: proposals.into(),
                credentials: credentials.into(),
            };
        }
        match extension.as_external_senders() {
            Some(senders) => Self::ExternalSenders { senders: senders.into() },
            None => Self::Other { number: extension.extension_type.into(), data: extension.data.into() },
        }
    }
}

impl From<ExternalSenderInfo> for NativeExternalSender {
    fn from(sender: ExternalSenderInfo) -> Self {
        Self { identity: sender.identity.into(), signature_key: sender.signature_key.into() }
    }
}

impl From<NativeExternalSender> for ExternalSenderInfo {
    fn from(sender: NativeExternalSender) -> Self {
        Self { identity: sender.identity.into(), signature_key: sender.signature_key.into() }
    }
}

/// Extensions as the core takes them.
pub(crate) fn extensions(list: List<NativeExtension>) -> Result<Vec<GroupExtension>, NativeFailure> {
    list.try_into_vec(|extension| match extension {
        NativeExtension::RequiredCapabilities { extensions, proposals, credentials } => {
            Ok(GroupExtension::required_capabilities(
                &extensions.try_into_vec(unsigned16)?,
                &proposals.try_into_vec(unsigned16)?,
                &credentials.try_into_vec(unsigned16)?,
            )?)
        }
        NativeExtension::ExternalSenders { senders } => {
            Ok(GroupExtension::external_senders(&senders.into_vec::<ExternalSenderInfo>())?)
        }
        NativeExtension::Other { number, data } => {
            Ok(GroupExtension { extension_type: unsigned16(number)?, data: data.into() })
        }
    })
}

/// Names of pre-shared keys as the core takes them.
pub(crate) fn psk_ids(list: Option<List<NativePskId>>) -> Result<Vec<PskId>, NativeFailure> {
    list.map_or(Ok(Vec::new()), |list| list.try_into_vec(psk_id))
}

/// The name of a pre-shared key as the core takes it.
pub(crate) fn psk_id(id: NativePskId) -> Result<PskId, NativeFailure> {
    Ok(match id {
        NativePskId::External { id } => PskId::External(id.into()),
        NativePskId::Resumption { epoch } => PskId::Resumption(Epoch::new(unsigned(&epoch)?)),
    })
}
