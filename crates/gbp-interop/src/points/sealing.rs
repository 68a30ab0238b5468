//! Points 5 to 8, 23 and 25: keys, numbers, the order of checks and codecs.

use anyhow::{Context as _, ensure};
use coterie_gbp::protection::interop::seal_as;
use coterie_types::{Epoch, GroupId, MemberId, RequestId, StreamClass, TransitionId};
use coterie_wire::control::{ControlMessage, Opcode};
use coterie_wire::{Codec, Flags, Frame, Header, PayloadFormat};

use super::{header, pair, refuses, talk};
use crate::members::{Member, Ours, Theirs};
use crate::package::Package;

const NUMBERS: [u32; 3] = [1, 256, u32::MAX];
const ACTIVE: u64 = 3;

fn sealed(ours: &mut Ours, header: &Header) -> anyhow::Result<Vec<u8>> {
    let plaintext = if header.class == StreamClass::Control {
        let (member, request) = (MemberId::new(1), RequestId::new(1));
        ControlMessage::raw(member, request, TransitionId::default(), Opcode::Ack, &[])?.encode()
    } else {
        b"plaintext".to_vec()
    };
    Ok(seal_as(ours.mls.keys(), header, &plaintext)?)
}

pub(super) fn class_keys(package: &Package) -> anyhow::Result<()> {
    for ours_founds in [true, false] {
        let (mut ours, mut theirs) = pair(package, ours_founds)?;
        let group = ours.group()?;
        for class in StreamClass::ALL {
            for number in NUMBERS {
                let wire = sealed(&mut ours, &header(&group, class, number)?)?;
                let heard = theirs.receive(&wire)?;
                ensure!(heard.errors.is_empty() && heard.kinds.len() == 1, "{class:?} {number}: {heard:?}");
            }
        }
        for number in 1..=256 {
            let wire = theirs.say(number, "x", Codec::Cbor)?;
            let sequence = Frame::decode(&wire)?.header.sequence.number();
            ensure!(u64::from(sequence) == number, "the package counts from 1");
            ensure!(ours.receive(&wire)?.payloads.len() == 1, "ours does not open number {number}");
            let control = theirs.control(Opcode::Ack, 0, &[])?;
            ensure!(ours.receive(&control)?.kinds == ["control"], "ours does not open control {number}");
        }
    }
    Ok(())
}

pub(super) fn refused(package: &Package) -> anyhow::Result<()> {
    let (mut ours, mut theirs) = pair(package, true)?;
    let wire = ours.say(1, "x", Codec::Cbor)?;
    let changed = |change: fn(&mut Header)| -> anyhow::Result<Vec<u8>> {
        let mut frame = Frame::decode(&wire)?;
        change(&mut frame.header);
        Ok(frame.encode()?)
    };
    let other_class = changed(|header| header.class = StreamClass::Signal)?;
    let other_number = changed(|header| {
        header.sequence = coterie_types::Sequence::new(77).unwrap_or(coterie_types::Sequence::FIRST);
    })?;
    let mut other_tag = wire.clone();
    *other_tag.last_mut().context("a tag")? ^= 1;
    for forged in [other_class, other_number, other_tag] {
        for member in [&mut theirs as &mut dyn Member, &mut ours] {
            refuses(member, &forged, 6)?;
            ensure!(member.place()?.3 == ACTIVE, "the node is no longer active");
        }
    }
    Ok(())
}

pub(super) fn high_numbers(package: &Package) -> anyhow::Result<()> {
    let (mut ours, mut theirs) = pair(package, true)?;
    let group = ours.group()?;
    for number in [1_000_000, 1_000_007, 3_000_000_000] {
        let wire = sealed(&mut ours, &header(&group, StreamClass::Text, number)?)?;
        ensure!(theirs.receive(&wire)?.payloads.len() == 1, "{number} is refused");
    }
    let back = sealed(&mut ours, &header(&group, StreamClass::Text, 2_000_000)?)?;
    refuses(&mut theirs, &back, 5)?;
    // Ours takes what is merely late, and nothing twice.
    let late = theirs.say(1, "late", Codec::Cbor)?;
    talk(&mut theirs, 2, &mut [&mut ours])?;
    ensure!(ours.receive(&late)?.payloads.len() == 1, "ours refuses what is late");
    refuses(&mut ours, &late, 5).map(drop)
}

pub(super) fn at_once(package: &Package) -> anyhow::Result<()> {
    for ours_founds in [true, false] {
        let (mut ours, mut theirs) = pair(package, ours_founds)?;
        let mut third: Box<dyn Member + '_> = Box::new(Theirs::new(package, "third")?);
        let invitee = third.key_package()?;
        let (commit, welcome) = ours.invite(&invitee)?;
        theirs.process(&commit)?;
        third.join(&welcome)?;
        for member in [&mut ours as &mut dyn Member, &mut theirs] {
            member.finalize()?;
            member.apply(1)?;
        }
        third.start(3, 2, 0)?;
        let (one, two) = (ours.say(1, "one", Codec::Cbor)?, theirs.say(1, "two", Codec::Cbor)?);
        for wire in [&one, &two] {
            ensure!(third.receive(wire)?.payloads.len() == 1, "the third member misses one");
        }
        ensure!(theirs.receive(&one)?.payloads.len() == 1 && ours.receive(&two)?.payloads.len() == 1);
    }
    Ok(())
}

pub(super) fn order_of_checks(package: &Package) -> anyhow::Result<()> {
    let (mut ours, mut theirs) = pair(package, true)?;
    let group = ours.group()?;
    let text = header(&group, StreamClass::Text, 50)?;
    let stale = Header { sequence: coterie_types::Sequence::FIRST, ..text.clone() };
    let foreign = GroupId::new(&[9; 16]).map_err(|error| anyhow::anyhow!("{error}"))?;
    let (wrong_epoch, critical) = (Epoch::new(9), Flags::new(0x17));
    let plain = sealed(&mut ours, &text)?;
    for member in [&mut theirs as &mut dyn Member, &mut ours] {
        ensure!(member.receive(&plain)?.payloads.len() == 1);
    }
    let stale_seal = sealed(&mut ours, &stale)?;
    for member in [&mut theirs as &mut dyn Member, &mut ours] {
        // Ours has a window, in which the first number is merely late; it has come then.
        member.receive(&stale_seal)?;
    }
    let mut bad_tag = stale_seal.clone();
    *bad_tag.last_mut().context("a tag")? ^= 1;
    let missing = Header { transition: TransitionId::new(7), flags: critical, ..stale.clone() };
    let missing = sealed(&mut ours, &missing)?;
    let wrong_size = resized(&sealed(&mut ours, &Header { epoch: wrong_epoch, ..text.clone() })?)?;
    let no_class = coterie_compat::RawFrame {
        version: 1,
        group: &group,
        epoch: 1,
        transition: 0,
        class: 9,
        stream: 101,
        flags: 7,
        sequence: 60,
        payload: &[0; 20],
    };
    let class_and_size = resized(&no_class.encode()?)?;
    let group_and_epoch = sealed(&mut ours, &Header { group: foreign, epoch: wrong_epoch, ..text })?;
    let version = coterie_compat::RawFrame { version: 2, group: &[9; 16], class: 2, ..no_class }.encode()?;
    // The package ends its node over the last two, and resynchronises over the first.
    for (wire, number) in [(missing, 4), (bad_tag, 5), (class_and_size, 8), (wrong_size, 3)] {
        refuses(&mut theirs, &wire, number)?;
        refuses(&mut ours, &wire, number)?;
    }
    for (wire, number) in [(group_and_epoch, 2), (version, 1)] {
        refuses(&mut theirs, &wire, number)?;
        refuses(&mut ours, &wire, number)?;
    }
    ensure!(ours.place()?.3 == ACTIVE, "ours is no longer active");
    Ok(())
}

/// The same frame, which says another size than its payload has.
fn resized(wire: &[u8]) -> anyhow::Result<Vec<u8>> {
    let key = b"\x63psz";
    let at = wire.windows(key.len()).position(|window| window == key).context("a size")?;
    let mut resized = wire.to_vec();
    // A size below 256 stands behind its head, or is it.
    let place = at
        .saturating_add(key.len())
        .saturating_add(usize::from(wire.get(at.saturating_add(4)) == Some(&0x18)));
    let size = resized.get_mut(place).context("a size")?;
    *size = size.wrapping_sub(1);
    Ok(resized)
}

pub(super) fn codecs(package: &Package) -> anyhow::Result<()> {
    for ours_founds in [true, false] {
        let (mut ours, mut theirs) = pair(package, ours_founds)?;
        for codec in Codec::ALL {
            let number = u64::from(PayloadFormat::from(codec).number());
            let wire = ours.say(5, "text", codec)?;
            let (there, frame) = (theirs.receive(&wire)?, Frame::decode(&wire)?);
            ensure!(frame.header.flags == Flags::MESSAGE && frame.header.stream.number() == 101);
            ensure!(
                there.payloads.first().is_some_and(|(_, codec, stream)| (*codec, *stream) == (number, 101))
            );
            let wire = theirs.say(5, "text", codec)?;
            let here = ours.receive(&wire)?;
            ensure!(
                here.payloads.first().is_some_and(|(_, codec, stream)| (*codec, *stream) == (number, 201))
            );
            ensure!(Frame::decode(&wire)?.header.flags == Flags::MESSAGE);
            // The same message but for its sender.
            let lengths = [&there, &here].map(|heard| heard.payloads.first().map(|(bytes, ..)| bytes.len()));
            ensure!(lengths.first() == lengths.last(), "{codec:?}: {lengths:?} bytes");
            audio_and_signals(&mut ours, &mut theirs, codec)?;
        }
    }
    Ok(())
}

/// Audio and a signal in both directions: on their streams, with their flags, and the same but for their senders.
fn audio_and_signals(ours: &mut Ours, theirs: &mut Theirs<'_>, codec: Codec) -> anyhow::Result<()> {
    let (from_here, from_there) = (ours.audio_and_signal(codec)?, theirs.audio_and_signal(codec)?);
    for ((base, flags), (mine, yours)) in
        [(2, Flags::AUDIO), (3, Flags::MESSAGE)].into_iter().zip(from_here.iter().zip(&from_there))
    {
        ensure!(Frame::decode(mine)?.header.flags == flags && Frame::decode(yours)?.header.flags == flags);
        let (there, here) = (theirs.receive(mine)?, ours.receive(yours)?);
        let payload = |heard: &crate::members::Heard| heard.payloads.first().cloned();
        let (there, here) = (payload(&there).context("a payload")?, payload(&here).context("a payload")?);
        ensure!((there.2, here.2) == stream_ids(base) && there.1 == here.1, "{codec:?}: {base}");
        ensure!(there.0.len() == here.0.len(), "{codec:?}: {base}: other bytes");
    }
    Ok(())
}

/// Of the members 1 and 2.
fn stream_ids(base: u64) -> (u64, u64) {
    (base.saturating_add(100), base.saturating_add(200))
}
