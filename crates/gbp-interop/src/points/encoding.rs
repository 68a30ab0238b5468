//! Points 1 to 4: how frames are written.

use anyhow::{Context as _, ensure};
use coterie_compat::RawFrame;
use coterie_wire::cbor::Writer;
use coterie_wire::{Codec, Frame};
use serde_json::{Value, json};

use super::{pair, refuses};
use crate::members::Member as _;
use crate::package::{Package, bytes, to_bytes};

/// The published example: group, payload, frame.
const GROUP: &str = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf";
const PAYLOAD: &str = "3094d76810746cf6111be8c2e0f5aca130848d1ebc";
const FRAME_A: &str = "aa6176016367696450a0a1a2a3a4a5a6a7a8a9aaabacadaeaf6265700163746964006273740263736964186562666c07\
                       63736571016370737a1562706c553094d76810746cf6111be8c2e0f5aca130848d1ebc";

/// A frame as the package writes it.
fn written_there(package: &Package, frame: &RawFrame<'_>) -> anyhow::Result<Vec<u8>> {
    let numbers = [json!({ "int": frame.epoch.to_string() }), json!(frame.transition), json!(frame.class)];
    let rest = [json!(frame.stream), json!(frame.flags), json!(frame.sequence), bytes(frame.payload)];
    let arguments = [&[json!(frame.version), bytes(frame.group)][..], &numbers, &rest].concat();
    to_bytes(&package.call(&Value::Null, "encode_gbp_frame", &arguments)?)
}

pub(super) fn same_bytes(package: &Package) -> anyhow::Result<()> {
    let (group, payload, published) = (hex::decode(GROUP)?, hex::decode(PAYLOAD)?, hex::decode(FRAME_A)?);
    let raw = RawFrame {
        version: 1,
        group: &group,
        epoch: 1,
        transition: 0,
        class: 2,
        stream: 101,
        flags: 7,
        sequence: 1,
        payload: &payload,
    };
    ensure!(raw.encode()? == published, "ours writes the example otherwise");
    ensure!(written_there(package, &raw)? == published, "the package writes the example otherwise");
    ensure!(Frame::decode(&published)?.encode()? == published, "the example is written otherwise again");
    let (mut ours, mut theirs) = pair(package, true)?;
    for codec in Codec::ALL {
        for wire in [theirs.say(1, "theirs", codec)?, ours.say(1, "ours", codec)?] {
            ensure!(Frame::decode(&wire)?.encode()? == wire, "a frame is written otherwise again");
        }
    }
    // Decodes there: it is refused for its group, not for its shape.
    refuses(&mut theirs, &published, 2).map(drop)
}

pub(super) fn codec_key(package: &Package) -> anyhow::Result<()> {
    let (mut ours, mut theirs) = pair(package, true)?;
    for codec in Codec::ALL {
        let named = codec != Codec::Cbor;
        for wire in [theirs.say(2, "x", codec)?, ours.say(2, "x", codec)?] {
            ensure!((wire.first() == Some(&0xab)) == named, "{codec:?} begins with {:?}", wire.first());
        }
    }
    let wire =
        with_key(&ours.say(3, "x", Codec::Cbor)?, &Writer::default().text("pf").unsigned(0_u8).finish())?;
    ensure!(theirs.receive(&wire)?.payloads.len() == 1, "the package refuses pf 0");
    let wire =
        with_key(&theirs.say(3, "x", Codec::Cbor)?, &Writer::default().text("pf").unsigned(0_u8).finish())?;
    ensure!(ours.receive(&wire)?.payloads.len() == 1, "ours refuses pf 0");
    Ok(())
}

pub(super) fn keys_in_any_order(package: &Package) -> anyhow::Result<()> {
    let (mut ours, mut theirs) = pair(package, true)?;
    let extra = Writer::default().text("later").text("unknown").finish();
    for change in [with_key as fn(&[u8], &[u8]) -> _, turned_round] {
        let wire = change(&ours.say(4, "x", Codec::Cbor)?, &extra)?;
        ensure!(theirs.receive(&wire)?.payloads.len() == 1, "the package refuses it");
        let wire = change(&theirs.say(4, "x", Codec::Cbor)?, &extra)?;
        ensure!(ours.receive(&wire)?.payloads.len() == 1, "ours refuses it");
    }
    Ok(())
}

/// A frame without codec, and one more pair.
fn with_key(wire: &[u8], pair: &[u8]) -> anyhow::Result<Vec<u8>> {
    let (head, rest) = wire.split_first().context("a frame")?;
    ensure!(*head == 0xaa, "a frame without codec");
    Ok([&[0xab], rest, pair].concat())
}

/// The keys of a frame from the last to the first, behind one more pair.
fn turned_round(wire: &[u8], pair: &[u8]) -> anyhow::Result<Vec<u8>> {
    let frame = Frame::decode(wire)?;
    let header = frame.header;
    let mut writer = Writer::default();
    writer.text("pl").bytes(frame.payload).text("psz").unsigned(frame.payload.len() as u64);
    writer.text("seq").unsigned(header.sequence.number()).text("fl").unsigned(header.flags.bits());
    writer.text("sid").unsigned(header.stream.number()).text("st").unsigned(header.class.number());
    writer.text("tid").unsigned(header.transition.number()).text("ep").unsigned(header.epoch.number());
    writer.text("gid").bytes(header.group.as_bytes()).text("v").unsigned(1_u8);
    Ok([&[0xab], pair, &writer.finish()].concat())
}

pub(super) fn boundaries(package: &Package) -> anyhow::Result<()> {
    let group = hex::decode(GROUP)?;
    let payload = vec![7; 65_536];
    for number in [0, 1, 23, 24, 255, 256, 65_535, 65_536, u32::MAX] {
        for epoch in [u64::from(number), u64::from(number).saturating_add(1), u64::MAX] {
            let length = usize::try_from(number)?.min(payload.len());
            let raw = RawFrame {
                version: 1,
                group: &group,
                epoch,
                transition: number,
                class: 1,
                stream: number,
                flags: u16::try_from(number).unwrap_or(u16::MAX),
                sequence: number,
                payload: payload.get(..length).unwrap_or_default(),
            };
            ensure!(raw.encode()? == written_there(package, &raw)?, "{number} in epoch {epoch}");
        }
    }
    Ok(())
}
