//! The three clients.

use coterie_compat::{
    AudioClient, AudioStatus, GroupNode, MlsContext, OutboundFrame, SignalClient, SignalOrder, TextClient,
    signal_name,
};
use coterie_types::{Epoch, MemberId, RequestId};
use coterie_wire::payload::{MediaSource, Role};
use coterie_wire::{Codec, PayloadFormat};
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

use super::mls::NativeCompatMls;
use super::node::{NativeCompatFrame, NativeCompatNode};
use super::unsigned8;
use crate::answer::guarded;
use crate::arguments::{invalid, timestamp, unsigned};
use crate::bytes::Uint8Array;
use crate::failure::{NativeFailure, Outcome, outcome};
use crate::held::Held;

/// Text.
#[napi]
pub struct NativeCompatText {
    pub(super) client: Held<TextClient>,
}

/// Audio.
#[napi]
pub struct NativeCompatAudio(Held<AudioClient>);

/// Signals.
#[napi]
pub struct NativeCompatSignal(Held<SignalClient>);

/// A payload to be taken.
#[napi(object, object_to_js = false)]
pub struct NativeCompatPayload {
    /// The payload.
    pub plaintext: Uint8Array,
    /// The epoch.
    pub epoch: BigInt,
    /// Its codec.
    pub codec: u32,
    /// Now.
    pub now: f64,
}

/// Audio that is to be sent.
#[napi(object, object_to_js = false)]
pub struct NativeCompatAudioOrder {
    /// Whom it is for.
    pub target: u32,
    /// Its source.
    pub source: u32,
    /// When it was recorded.
    pub timestamp: BigInt,
    /// The frame.
    pub frame: Uint8Array,
    /// Its codec.
    pub codec: u32,
}

/// A signal that is to be sent.
#[napi(object, object_to_js = false)]
pub struct NativeCompatSignalOrder {
    /// Whom it is for.
    pub target: u32,
    /// Its number.
    pub signal: u32,
    /// The role that the sender says to act in.
    pub role_claim: u32,
    /// Names it among those of its sender.
    pub request: u32,
    /// Its arguments.
    pub args: Uint8Array,
    /// Its codec.
    pub codec: u32,
}

/// Audio that was taken.
#[napi(object, object_from_js = false)]
pub struct NativeCompatHeardAudio {
    /// Whether it is ahead of all others of its source.
    pub is_new: bool,
    /// Its source.
    pub source: u32,
    /// Its number.
    pub seq: u32,
    /// When it was recorded.
    pub rtp_timestamp: BigInt,
    /// The low half of its epoch.
    pub key_phase: u32,
    /// The frame.
    pub opus: Uint8Array,
}

/// A signal that was taken.
#[napi(object, object_from_js = false)]
pub struct NativeCompatHeardSignal {
    /// Whether it was not seen before.
    pub is_new: bool,
    /// Its name.
    pub signal: String,
    /// Its number.
    pub signal_code: u32,
    /// Who says to have given it.
    pub sender: u32,
    /// The role that the sender says to act in.
    pub role_claim: u32,
    /// Names it among those of its sender.
    pub request_id: u32,
    /// Its arguments.
    pub args: Uint8Array,
}

type Sent = Outcome<NativeCompatFrame>;

/// Seals by both at once.
fn sealed(
    node: &NativeCompatNode,
    mls: &NativeCompatMls,
    seal: impl FnOnce((&mut GroupNode, &mut MlsContext)) -> Result<OutboundFrame, NativeFailure>,
) -> Sent {
    outcome(guarded(|| {
        let frame = node.node.lend(|node| mls.context.lend(|context| seal((node, context))));
        Ok::<_, NativeFailure>(NativeCompatFrame::from(frame?))
    }))
}

pub(super) fn codec(number: u32) -> Result<Codec, NativeFailure> {
    let codec = u8::try_from(number).ok().and_then(|number| PayloadFormat::new(number).codec());
    codec.ok_or_else(|| invalid("the codec must be from 0 to 2"))
}

impl NativeCompatPayload {
    fn parts(&self) -> Result<(Epoch, PayloadFormat), NativeFailure> {
        Ok((Epoch::new(unsigned(&self.epoch)?), PayloadFormat::new(unsigned8(self.codec)?)))
    }
}

#[napi]
impl NativeCompatText {
    /// A client that has seen nothing.
    #[napi(catch_unwind, ts_return_type = "NativeCompatText | NativeFailure")]
    pub fn create() -> Outcome<NativeCompatText> {
        outcome(guarded(|| Ok(Self { client: Held::new(TextClient::default()) })))
    }

    /// Forgets what was seen.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn reset(&self) -> Outcome<()> {
        self.client.with(|client| {
            client.reset();
            Ok(())
        })
    }

    /// Lets go of it.
    #[napi]
    pub fn close(&self) {
        self.client.close();
    }
}

#[napi]
impl NativeCompatAudio {
    /// A client that has seen nothing.
    #[napi(catch_unwind, ts_return_type = "NativeCompatAudio | NativeFailure")]
    pub fn create() -> Outcome<NativeCompatAudio> {
        outcome(guarded(|| Ok(Self(Held::new(AudioClient::default())))))
    }

    /// Seals audio.
    #[napi(catch_unwind, ts_return_type = "NativeCompatFrame | NativeFailure")]
    pub fn send(
        &self,
        node: &NativeCompatNode,
        mls: &NativeCompatMls,
        order: NativeCompatAudioOrder,
    ) -> Sent {
        sealed(node, mls, |both| {
            let media = (MediaSource::new(order.source), unsigned(&order.timestamp)?);
            let (target, codec) = (MemberId::new(order.target), codec(order.codec)?);
            self.0.lend(|client| Ok(client.send(both, target, media, &order.frame, codec)?))
        })
    }

    /// Takes a payload.
    #[napi(catch_unwind, ts_return_type = "NativeCompatHeardAudio | NativeFailure")]
    pub fn accept(&self, payload: NativeCompatPayload) -> Outcome<NativeCompatHeardAudio> {
        outcome(guarded(|| {
            let ((epoch, format), now) = (payload.parts()?, timestamp(payload.now));
            let heard = self.0.lend(|client| Ok(client.accept(&payload.plaintext, epoch, format, now)?))?;
            let packet = heard.payload;
            Ok(NativeCompatHeardAudio {
                is_new: heard.status == AudioStatus::New,
                source: packet.source.number(),
                seq: packet.sequence.into(),
                rtp_timestamp: packet.timestamp.into(),
                key_phase: packet.key_phase,
                opus: packet.frame.into(),
            })
        }))
    }

    /// Forgets what was sent and seen.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn reset(&self) -> Outcome<()> {
        self.0.with(|client| {
            client.reset();
            Ok(())
        })
    }

    /// Lets go of it.
    #[napi]
    pub fn close(&self) {
        self.0.close();
    }
}

#[napi]
impl NativeCompatSignal {
    /// A client that has seen nothing.
    #[napi(catch_unwind, ts_return_type = "NativeCompatSignal | NativeFailure")]
    pub fn create() -> Outcome<NativeCompatSignal> {
        outcome(guarded(|| Ok(Self(Held::new(SignalClient::default())))))
    }

    /// Seals a signal.
    #[napi(catch_unwind, ts_return_type = "NativeCompatFrame | NativeFailure")]
    pub fn send(
        &self,
        node: &NativeCompatNode,
        mls: &NativeCompatMls,
        order: NativeCompatSignalOrder,
    ) -> Sent {
        sealed(node, mls, |both| {
            let signal = SignalOrder {
                target: MemberId::new(order.target),
                signal: order.signal,
                role_claim: Role::new(order.role_claim),
                request: RequestId::new(order.request),
                arguments: &order.args,
                codec: codec(order.codec)?,
            };
            self.0.lend(|client| Ok(client.send(both, signal)?))
        })
    }

    /// Takes a payload.
    #[napi(catch_unwind, ts_return_type = "NativeCompatHeardSignal | NativeFailure")]
    pub fn accept(&self, payload: NativeCompatPayload) -> Outcome<NativeCompatHeardSignal> {
        outcome(guarded(|| {
            let (epoch, format) = payload.parts()?;
            let heard = self.0.lend(|client| Ok(client.accept(&payload.plaintext, epoch, format)?))?;
            let message = heard.message;
            Ok(NativeCompatHeardSignal {
                is_new: heard.is_new,
                signal: signal_name(message.signal).to_owned(),
                signal_code: message.signal.number().into(),
                sender: message.sender.number(),
                role_claim: message.role_claim.number(),
                request_id: message.request.number(),
                args: heard.arguments.into(),
            })
        }))
    }

    /// Forgets what was seen.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn reset(&self) -> Outcome<()> {
        self.0.with(|client| {
            client.reset();
            Ok(())
        })
    }

    /// Lets go of it.
    #[napi]
    pub fn close(&self) {
        self.0.close();
    }
}
