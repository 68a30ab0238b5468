//! Members on either side, and the groups that they are in.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use coterie_compat::{
    AudioClient, Control, GroupNode, MlsContext, NodeEvent, SignalClient, SignalOrder, TextClient,
};
use coterie_crypto::entropy::OsEntropy;
use coterie_types::{Epoch, MemberId, MessageId, RequestId, Timestamp, TransitionId};
use coterie_wire::Codec;
use coterie_wire::control::Opcode;
use coterie_wire::payload::{MediaSource, Role};
use serde_json::{Value, json};

use crate::package::{Package, bytes, to_bytes};

/// What a node said about a frame, in the same words for both sides.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Heard {
    /// Kinds of the events, in their order.
    pub(crate) kinds: Vec<String>,
    /// Numbers of the errors.
    pub(crate) errors: Vec<u64>,
    /// Payloads, each with its codec and stream.
    pub(crate) payloads: Vec<(Vec<u8>, u64, u64)>,
}

/// A member on either side.
pub(crate) trait Member {
    fn key_package(&mut self) -> anyhow::Result<Vec<u8>>;
    fn invite_first(&mut self, key_package: &[u8]) -> anyhow::Result<Vec<u8>>;
    fn invite(&mut self, key_package: &[u8]) -> anyhow::Result<(Vec<u8>, Vec<u8>)>;
    fn remove(&mut self, leaf: u32) -> anyhow::Result<Vec<u8>>;
    fn process(&mut self, commit: &[u8]) -> anyhow::Result<()>;
    fn finalize(&mut self) -> anyhow::Result<()>;
    fn clear(&mut self) -> anyhow::Result<()>;
    fn join(&mut self, welcome: &[u8]) -> anyhow::Result<()>;
    fn start(&mut self, number: u32, epoch: u64, expected: u32) -> anyhow::Result<()>;
    fn apply(&mut self, transition: u32) -> anyhow::Result<()>;
    fn control(&mut self, opcode: Opcode, transition: u32, arguments: &[u8]) -> anyhow::Result<Vec<u8>>;
    fn say(&mut self, id: u64, text: &str, codec: Codec) -> anyhow::Result<Vec<u8>>;
    /// A frame of audio, and a signal with arguments.
    fn audio_and_signal(&mut self, codec: Codec) -> anyhow::Result<[Vec<u8>; 2]>;
    fn receive(&mut self, wire: &[u8]) -> anyhow::Result<Heard>;
    /// MLS epoch, node epoch, last transition, state.
    fn place(&mut self) -> anyhow::Result<(u64, u64, u64, u64)>;
    fn group(&mut self) -> anyhow::Result<Vec<u8>>;
}

/// The signal that mutes a member, and its arguments for the member 3.
const MUTE: u32 = 200;
const MUTE_THREE: [u8; 3] = [0xa1, 0, 3];

/// The real time: key packages of the package are judged by it.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_secs(since.as_secs())
}

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
        Ok(TextClient::new()?.send(to, MemberId::EVERYBODY, MessageId::new(id), text, codec)?.wire)
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

/// A member on the published package.
pub(crate) struct Theirs<'a> {
    pub(crate) package: &'a Package,
    pub(crate) mls: Value,
    pub(crate) node: Value,
}

impl<'a> Theirs<'a> {
    pub(crate) fn new(package: &'a Package, name: &str) -> anyhow::Result<Self> {
        let mls = package.call(&json!("MlsContext"), "create", &[json!(name)])?;
        Ok(Self { package, mls, node: Value::Null })
    }

    fn of_mls(&self, call: &str, arguments: &[Value]) -> anyhow::Result<Value> {
        self.package.call(&self.mls, call, arguments)
    }

    fn of_node(&self, call: &str, arguments: &[Value]) -> anyhow::Result<Value> {
        self.package.call(&self.node, call, arguments)
    }
}

impl Member for Theirs<'_> {
    fn key_package(&mut self) -> anyhow::Result<Vec<u8>> {
        to_bytes(&self.of_mls("export_key_package", &[])?)
    }

    fn invite_first(&mut self, key_package: &[u8]) -> anyhow::Result<Vec<u8>> {
        to_bytes(&self.of_mls("invite", &[bytes(key_package)])?)
    }

    fn invite(&mut self, key_package: &[u8]) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
        let both = self.of_mls("invite_full", &[bytes(key_package)])?;
        let part = |index: usize| to_bytes(both.get(index).context("a commit and a Welcome")?);
        Ok((part(0)?, part(1)?))
    }

    fn remove(&mut self, leaf: u32) -> anyhow::Result<Vec<u8>> {
        to_bytes(&self.of_mls("remove_member", &[json!(leaf)])?)
    }

    fn process(&mut self, commit: &[u8]) -> anyhow::Result<()> {
        let kind = self.of_mls("process_message", &[bytes(commit)])?;
        ensure!(kind == "commit", "it took a commit for {kind}");
        Ok(())
    }

    fn finalize(&mut self) -> anyhow::Result<()> {
        self.of_mls("finalize_commit", &[]).map(drop)
    }

    fn clear(&mut self) -> anyhow::Result<()> {
        self.of_mls("clear_pending_commit", &[]).map(drop)
    }

    fn join(&mut self, welcome: &[u8]) -> anyhow::Result<()> {
        self.of_mls("accept_welcome", &[bytes(welcome)]).map(drop)
    }

    fn start(&mut self, number: u32, epoch: u64, expected: u32) -> anyhow::Result<()> {
        let group = self.package.get(&self.mls, "group_id")?;
        self.node = self.package.call(&json!("GroupNode"), "create", &[json!(number), group])?;
        self.of_node("bootstrap_as_joiner", &[json!(epoch), json!(expected)])?;
        self.of_node("drain_events", &[]).map(drop)
    }

    fn apply(&mut self, transition: u32) -> anyhow::Result<()> {
        self.of_node("apply_transition", &[json!(transition)])?;
        self.of_node("drain_events", &[]).map(drop)
    }

    fn control(&mut self, opcode: Opcode, transition: u32, arguments: &[u8]) -> anyhow::Result<Vec<u8>> {
        let numbers = [json!(0), json!(opcode.number()), json!(transition), json!(1)];
        let order = [&[self.mls.clone()][..], &numbers, &[bytes(arguments)]].concat();
        wire(&self.of_node("send_control", &order)?)
    }

    fn say(&mut self, id: u64, text: &str, codec: Codec) -> anyhow::Result<Vec<u8>> {
        let client = self.package.call(&json!("GtpClient"), "create", &[])?;
        let codec = coterie_wire::PayloadFormat::from(codec).number();
        let to = [self.node.clone(), self.mls.clone(), json!(0)];
        let order = [&to[..], &[json!(id), json!(text), json!(codec)]].concat();
        wire(&self.package.call(&client, "send", &order)?)
    }

    fn audio_and_signal(&mut self, codec: Codec) -> anyhow::Result<[Vec<u8>; 2]> {
        let codec = json!(coterie_wire::PayloadFormat::from(codec).number());
        let sent = |class: &str, rest: &[Value]| {
            let client = self.package.call(&json!(class), "create", &[])?;
            let to = [self.node.clone(), self.mls.clone(), json!(0)];
            wire(&self.package.call(&client, "send", &[&to[..], rest].concat())?)
        };
        let audio = sent("GapClient", &[json!(5), json!(960), bytes(&[1, 2, 3]), codec.clone()])?;
        let signal =
            sent("GspClient", &[json!(MUTE), json!(1), json!(9), bytes(&MUTE_THREE), codec.clone()])?;
        Ok([audio, signal])
    }

    fn receive(&mut self, wire: &[u8]) -> anyhow::Result<Heard> {
        let events = self.of_node("on_wire", &[self.mls.clone(), bytes(wire)])?;
        let mut heard = Heard::default();
        for event in events.as_array().context("events")? {
            let number = |name: &str| event.get(name).and_then(Value::as_u64).unwrap_or_default();
            let kind = event.get("kind").and_then(Value::as_str).unwrap_or_default();
            match kind {
                "error" => heard.errors.push(number("code")),
                "payload_received" => {
                    let plaintext = event.get("plaintext").map(to_bytes).transpose();
                    heard.payloads.push((
                        plaintext.unwrap_or_default().unwrap_or_default(),
                        number("codec"),
                        number("stream_id"),
                    ));
                }
                _ => {}
            }
            heard.kinds.push(kind.to_owned());
        }
        Ok(heard)
    }

    fn place(&mut self) -> anyhow::Result<(u64, u64, u64, u64)> {
        let number = |of: &Value, name| {
            let value = self.package.get(of, name)?;
            value.as_u64().with_context(|| format!("{name} is a number"))
        };
        let (last, state) = (number(&self.node, "last_transition_id")?, number(&self.node, "state")?);
        Ok((number(&self.mls, "epoch")?, number(&self.node, "epoch")?, last, state))
    }

    fn group(&mut self) -> anyhow::Result<Vec<u8>> {
        to_bytes(&self.package.get(&self.mls, "group_id")?)
    }
}

fn wire(frame: &Value) -> anyhow::Result<Vec<u8>> {
    to_bytes(frame.get("wire").context("a frame")?)
}
