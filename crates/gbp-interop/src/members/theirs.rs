//! A member on a published peer.

use anyhow::{Context as _, ensure};
use coterie_wire::Codec;
use coterie_wire::control::Opcode;
use serde_json::{Value, json};

use super::{Heard, MUTE, MUTE_THREE, Member};
use crate::package::{Package, bytes, to_bytes};

/// A member on a published peer.
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

    /// One commit and one Welcome for all of these.
    pub(crate) fn invite_all(&self, key_packages: &[Vec<u8>]) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
        let key_packages: Vec<Value> = key_packages.iter().map(|one| bytes(one)).collect();
        let both = self.of_mls("invite_full", &key_packages)?;
        let part = |index: usize| to_bytes(both.get(index).context("a commit and a Welcome")?);
        Ok((part(0)?, part(1)?))
    }

    /// Takes a frame in and does what an application of theirs does about it: it follows a commit that is announced and says
    /// so, with what is answered here, and merges what is executed.
    pub(crate) fn follow(&mut self, frame: &[u8]) -> anyhow::Result<(Heard, Option<Vec<u8>>)> {
        let events = self.of_node("on_wire", &[self.mls.clone(), bytes(frame)])?;
        let mut ready = None;
        for event in events.as_array().context("events")? {
            let number = |name: &str| event.get(name).and_then(Value::as_u64);
            let opcode = number("opcode_code").and_then(|number| u16::try_from(number).ok());
            match opcode.map(Opcode::from_number) {
                Some(Some(Opcode::Prepare)) => {
                    self.process(&to_bytes(event.get("args").context("a commit")?)?)?;
                    let transition = number("transition_id").unwrap_or_default().try_into()?;
                    ready = Some(self.control(Opcode::Ready, transition, &[])?);
                }
                Some(Some(Opcode::Execute)) => self.finalize()?,
                Some(Some(Opcode::Abort)) => self.clear()?,
                _ => {}
            }
        }
        Ok((heard(&events)?, ready))
    }

    /// What the crates' node shows and the package hides.
    pub(crate) fn shows(&self, name: &str) -> anyhow::Result<Value> {
        self.package.get(&self.node, name)
    }

    /// Claims to coordinate.
    pub(crate) fn claim(&self) -> anyhow::Result<Vec<u8>> {
        wire(&self.of_node("claim_coordinator", &[self.mls.clone(), json!(0)])?)
    }

    /// What its timers say now.
    pub(crate) fn expired(&self) -> anyhow::Result<Heard> {
        heard(&self.of_node("check_timeouts", &[])?)
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
        self.invite_all(&[key_package.to_vec()])
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
        heard(&self.of_node("on_wire", &[self.mls.clone(), bytes(wire)])?)
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

/// Events in the words of both sides.
fn heard(events: &Value) -> anyhow::Result<Heard> {
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
