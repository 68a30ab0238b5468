//! What a member tells those outside, and how it speaks.

use openmls::group::OutgoingWireFormatPolicy;
use openmls::prelude::tls_codec::Serialize as _;
use openmls::prelude::{MIXED_CIPHERTEXT_WIRE_FORMAT_POLICY, MIXED_PLAINTEXT_WIRE_FORMAT_POLICY};
use openmls_traits::OpenMlsProvider;

use super::Group;
use super::commit::encode;
use crate::device::join_config_with;
use crate::error::MlsError;
use crate::extension::{self, GroupExtension};
use crate::limits::MAX_PADDING;

/// How this member frames what it sends. Others' choices are always accepted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Framing {
    /// Whether proposals and commits are encrypted, so that whoever carries them learns less.
    pub handshake: HandshakeFraming,
    /// Encrypted messages are padded to a multiple of this many bytes, which hides their exact lengths; zero leaves
    /// them as they are.
    pub padding: usize,
}

/// Whether proposals and commits are encrypted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum HandshakeFraming {
    /// They are: only members read them.
    #[default]
    Encrypted,
    /// They are signed but readable, so that a server can follow who is in the group.
    Public,
}

impl Group {
    /// Says how this member frames what it sends from now on, and remembers it.
    ///
    /// # Errors
    /// When the padding is above [`MAX_PADDING`], this device was removed, or the store fails.
    pub fn set_framing(&mut self, framing: Framing) -> Result<(), MlsError> {
        if framing.padding > MAX_PADDING {
            return Err(MlsError::TooLarge { what: "the padding", limit: MAX_PADDING });
        }
        let handshake = match framing.handshake {
            HandshakeFraming::Encrypted => MIXED_CIPHERTEXT_WIRE_FORMAT_POLICY,
            HandshakeFraming::Public => MIXED_PLAINTEXT_WIRE_FORMAT_POLICY,
        };
        let config = join_config_with(handshake, framing.padding);
        self.step(|live, provider, _| Ok(live.mls.set_configuration(provider.storage(), &config)?))
    }

    /// How this member frames what it sends.
    ///
    /// # Errors
    /// When this device was removed.
    pub fn framing(&mut self) -> Result<Framing, MlsError> {
        let config = self.live()?.mls.configuration();
        let handshake = match config.wire_format_policy().outgoing() {
            OutgoingWireFormatPolicy::AlwaysCiphertext => HandshakeFraming::Encrypted,
            OutgoingWireFormatPolicy::AlwaysPlaintext => HandshakeFraming::Public,
        };
        Ok(Framing { handshake, padding: config.padding_size() })
    }

    /// What somebody outside needs to join by a commit of its own, signed by this member: with the group's tree
    /// inside, or to be handed out beside [`Self::ratchet_tree`].
    ///
    /// # Errors
    /// When this device was removed.
    pub fn group_info(&mut self, with_tree: bool) -> Result<Vec<u8>, MlsError> {
        let shared = std::sync::Arc::clone(&self.shared);
        let live = self.live()?;
        let signer = live.signer(&shared)?;
        encode(&live.mls.export_group_info(shared.crypto(), &*signer, with_tree)?)
    }

    /// The public keys of everybody in the group, as joiners need them.
    ///
    /// # Errors
    /// When this device was removed.
    pub fn ratchet_tree(&mut self) -> Result<Vec<u8>, MlsError> {
        self.live()?.mls.export_ratchet_tree().tls_serialize_detached().map_err(MlsError::internal)
    }

    /// The group's extensions.
    ///
    /// # Errors
    /// When this device was removed.
    pub fn extensions(&mut self) -> Result<Vec<GroupExtension>, MlsError> {
        extension::encode(self.live()?.mls.extensions())
    }
}
