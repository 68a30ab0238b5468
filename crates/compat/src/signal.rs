//! Signals as the published client sends and takes them. Nobody's authority is asked.

use coterie_gsp::{Authority, Incoming, Refused, Verdict};
use coterie_seen::Origin;
use coterie_types::{Epoch, MemberId, RequestId, StreamClass};
use coterie_wire::payload::{Role, Signal, SignalMessage};
use coterie_wire::{Codec, PayloadFormat};

use crate::error::CompatError;
use crate::mls::MlsContext;
use crate::node::{GroupNode, OutboundFrame};

/// Sends signals and tells new from duplicate.
#[derive(Debug)]
pub struct SignalClient(coterie_gsp::SignalClient);

/// A signal that is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct SignalOrder<'a> {
    /// Whom it is for.
    pub target: MemberId,
    /// Its number.
    pub signal: u32,
    /// The role that the sender says to act in.
    pub role_claim: Role,
    /// Names it among those of its sender.
    pub request: RequestId,
    /// Its arguments in CBOR.
    pub arguments: &'a [u8],
    /// How the payload is encoded.
    pub codec: Codec,
}

/// A signal that was taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeardSignal {
    /// Whether its sender's request id was not seen in this epoch.
    pub is_new: bool,
    /// The signal.
    pub message: SignalMessage,
    /// Its arguments as they came.
    pub arguments: Vec<u8>,
}

impl Default for SignalClient {
    fn default() -> Self {
        Self(coterie_gsp::SignalClient::new(MemberId::EVERYBODY, Authority::Open))
    }
}

impl SignalClient {
    /// Seals a signal.
    ///
    /// # Errors
    /// When there is no such signal, its arguments are not of its form, or the node does not send.
    pub fn send(
        &self,
        (node, mls): (&mut GroupNode, &mut MlsContext),
        order: SignalOrder<'_>,
    ) -> Result<OutboundFrame, CompatError> {
        let SignalOrder { target, signal, role_claim, request, arguments, codec } = order;
        let signal = Signal::from_parts(signal, arguments)?;
        let message = SignalMessage { signal, request, sender: node.member(), role_claim };
        let payload = message.encode_with(codec, arguments)?;
        node.send(mls, target, (StreamClass::Signal, codec), payload.as_slice().into())
    }

    /// Takes a payload.
    ///
    /// # Errors
    /// When it is none; nothing was changed.
    pub fn accept(
        &mut self,
        payload: &[u8],
        epoch: Epoch,
        format: PayloadFormat,
    ) -> Result<HeardSignal, Refused> {
        let incoming = Incoming { payload, format, origin: Origin::Unknown, epoch };
        let received = self.0.receive(&incoming)?;
        let is_new = received.verdict == Verdict::New;
        Ok(HeardSignal { is_new, message: received.message, arguments: received.arguments })
    }

    /// Forgets what was seen.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

/// The published name of a signal.
#[must_use]
pub const fn signal_name(signal: Signal) -> &'static str {
    match signal {
        Signal::Join => "JOIN",
        Signal::Leave => "LEAVE",
        Signal::RoleChange { .. } => "ROLE_CHANGE",
        Signal::Mute { .. } => "MUTE",
        Signal::Unmute { .. } => "UNMUTE",
        Signal::StreamStart { .. } => "STREAM_START",
        Signal::StreamStop { .. } => "STREAM_STOP",
        Signal::CodecUpdate { .. } => "CODEC_UPDATE",
    }
}
