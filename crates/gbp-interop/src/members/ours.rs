//! A member of ours.

use std::sync::Arc;

use coterie_compat::{
    AudioClient, Control, GroupNode, MlsContext, NodeEvent, SignalClient, SignalOrder, TextClient,
};
use coterie_crypto::entropy::OsEntropy;
use coterie_types::{Epoch, MemberId, MessageId, RequestId, TransitionId};
use coterie_wire::Codec;
use coterie_wire::control::Opcode;
use coterie_wire::payload::{MediaSource, Role};

use super::{Heard, MUTE, MUTE_THREE, Member, now};

/// A member of ours.
pub(crate) struct Ours {
    pub(crate) mls: MlsContext,
    pub(crate) node: GroupNode,
}

impl Ours {
    pub(crate) fn new(name: &str) -> anyhow::Result<Self> {
        let mls = MlsContext::create(name.as_bytes(), Arc::new(OsEntropy), now())?;
        let node = GroupNode::new(MemberId::new(1), mls.group_id().as_bytes())?;
        Ok(Self { mls, node })
    }
}

impl Member for Ours {
    fn key_package(&mut self) -> anyhow::Result<Vec<u8>> {
        Ok(self.mls.key_package(now())?)
    }

    fn invite_first(&mut self, key_package: &[u8]) -> anyhow::Result<Vec<u8>> {
        Ok(self.mls.invite_first(key_package, now())?)
    }

    fn invite(&mut self, key_package: &[u8]) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
        Ok(self.mls.invite(key_package, now())?)
    }

    fn remove(&mut self, leaf: u32) -> anyhow::Result<Vec<u8>> {
        Ok(self.mls.remove(coterie_types::LeafIndex::new(leaf), now())?)
    }

    fn process(&mut self, commit: &[u8]) -> anyhow::Result<()> {
        self.mls.process(commit, now())?;
        Ok(())
    }

    fn finalize(&mut self) -> anyhow::Result<()> {
        Ok(self.mls.finalize()?)
    }

    fn clear(&mut self) -> anyhow::Result<()> {
        Ok(self.mls.clear_pending()?)
    }

    fn join(&mut self, welcome: &[u8]) -> anyhow::Result<()> {
        Ok(self.mls.accept_welcome(welcome, now())?)
    }

    fn start(&mut self, number: u32, epoch: u64, expected: u32) -> anyhow::Result<()> {
        self.node = GroupNode::new(MemberId::new(number), self.mls.group_id().as_bytes())?;
        self.node.start(Epoch::new(epoch), TransitionId::new(expected), now())?;
        self.node.drain();
        Ok(())
    }

    fn apply(&mut self, transition: u32) -> anyhow::Result<()> {
        self.node.apply(TransitionId::new(transition), now())?;
        self.node.drain();
        Ok(())
    }

    fn control(&mut self, opcode: Opcode, transition: u32, arguments: &[u8]) -> anyhow::Result<Vec<u8>> {
        let order = Control {
            target: MemberId::EVERYBODY,
            opcode,
            transition: TransitionId::new(transition),
            request: RequestId::new(1),
            arguments,
        };
        Ok(self.node.send_control(&mut self.mls, order)?.wire)
    }

    fn say(&mut self, id: u64, text: &str, codec: Codec) -> anyhow::Result<Vec<u8>> {
        let to = (&mut self.node, &mut self.mls);
        Ok(TextClient::default().send(to, MemberId::EVERYBODY, MessageId::new(id), text, codec)?.wire)
    }

    fn audio_and_signal(&mut self, codec: Codec) -> anyhow::Result<[Vec<u8>; 2]> {
        let (everybody, media) = (MemberId::EVERYBODY, (MediaSource::new(5), 960));
        let to = (&mut self.node, &mut self.mls);
        let audio = AudioClient::default().send(to, everybody, media, &[1, 2, 3], codec)?;
        let order = SignalOrder {
            target: everybody,
            signal: MUTE,
            role_claim: Role::new(1),
            request: RequestId::new(9),
            arguments: &MUTE_THREE,
            codec,
        };
        let signal = SignalClient::default().send((&mut self.node, &mut self.mls), order)?;
        Ok([audio.wire, signal.wire])
    }

    fn receive(&mut self, wire: &[u8]) -> anyhow::Result<Heard> {
        let mut heard = Heard::default();
        for event in self.node.receive(&self.mls, wire, now()) {
            let kind = match event {
                NodeEvent::StateChanged { .. } => "state_changed",
                NodeEvent::Control(_) => "control",
                NodeEvent::EpochAdvanced { .. } => "epoch_advanced",
                NodeEvent::CoordinatorClaim { .. } => "coordinator_claim",
                NodeEvent::Error { number, .. } => {
                    heard.errors.push(number.number().into());
                    "error"
                }
                NodeEvent::Payload { opened, plaintext } => {
                    let (codec, stream) = (opened.format.number(), opened.stream.number());
                    heard.payloads.push((plaintext, codec.into(), stream.into()));
                    "payload_received"
                }
            };
            heard.kinds.push(kind.to_owned());
        }
        Ok(heard)
    }

    fn place(&mut self) -> anyhow::Result<(u64, u64, u64, u64)> {
        let node = &self.node;
        let (last, state) = (node.last_transition().number(), node.state().number());
        Ok((self.mls.epoch().number(), node.epoch().number(), last.into(), state.into()))
    }

    fn group(&mut self) -> anyhow::Result<Vec<u8>> {
        Ok(self.mls.group_id().as_bytes().to_vec())
    }
}
