//! Points 15 to 19 and 24: the control plane.

use anyhow::ensure;
use coterie_gbp::protection::interop::seal_as;
use coterie_types::{Epoch, MemberId, RequestId, StreamClass, TransitionId};
use coterie_wire::control::{ControlMessage, Opcode};
use coterie_wire::{Codec, Header};

use super::{Member, header, member, pair, refuses, talk};
use crate::members::Ours;
use crate::package::Package;

/// PREPARE, READY and EXECUTE between two members: all of pattern A but the coordinator's own move.
fn prepare_and_execute(
    first: &mut dyn Member,
    second: &mut dyn Member,
    transition: u32,
    commit: &[u8],
) -> anyhow::Result<()> {
    let prepare = first.control(Opcode::Prepare, transition, commit)?;
    ensure!(second.receive(&prepare)?.kinds == ["control"], "PREPARE");
    second.process(commit)?;
    let ready = second.control(Opcode::Ready, transition, &[])?;
    ensure!(first.receive(&ready)?.kinds == ["control"], "READY");
    let execute = first.control(Opcode::Execute, transition, &[])?;
    let heard = second.receive(&execute)?;
    ensure!(heard.kinds == ["epoch_advanced", "control"], "EXECUTE: {heard:?}");
    second.finalize()
}

pub(super) fn pattern_a(package: &Package) -> anyhow::Result<()> {
    for ours_leads in [true, false] {
        let (mut ours, mut theirs) = pair(package, ours_leads)?;
        let (first, second): (&mut dyn Member, &mut dyn Member) =
            if ours_leads { (&mut ours, &mut theirs) } else { (&mut theirs, &mut ours) };
        let invitee = member(package, !ours_leads, "third")?.key_package()?;
        let (commit, _) = first.invite(&invitee)?;
        prepare_and_execute(first, second, 1, &commit)?;
        first.apply(1)?;
        first.finalize()?;
        ensure!(
            first.place()?.0 == 2 && first.place()? == second.place()?,
            "they are not where the other is"
        );
        talk(first, 1, &mut [&mut *second])?;
        talk(second, 1, &mut [&mut *first])?;
    }
    Ok(())
}

/// A third member comes in beside a second one, waiting for its EXECUTE or started behind it.
fn admit(package: &Package, ours_leads: bool, ours_joins: bool, waits: bool) -> anyhow::Result<()> {
    let (mut ours, mut theirs) = pair(package, ours_leads)?;
    let (first, second): (&mut dyn Member, &mut dyn Member) =
        if ours_leads { (&mut ours, &mut theirs) } else { (&mut theirs, &mut ours) };
    let mut joiner = member(package, ours_joins, "third")?;
    let (commit, welcome) = first.invite(&joiner.key_package()?)?;
    prepare_and_execute(first, second, 1, &commit)?;
    joiner.join(&welcome)?;
    joiner.start(3, 1, u32::from(waits))?;
    first.finalize()?;
    if waits {
        let execute = first.control(Opcode::Execute, 1, &[])?;
        let heard = joiner.receive(&execute)?;
        ensure!(heard.kinds == ["epoch_advanced", "control"], "{heard:?} at the joiner");
    } else {
        joiner.apply(1)?;
    }
    first.apply(1)?;
    for (number, member) in [(1, &mut *first), (2, &mut *second), (3, &mut *joiner)] {
        let (mls, node, last, state) = member.place()?;
        ensure!(
            (mls, node, last, state) == (2, 2, 1, 3),
            "member {number} is in {mls} {node} {last} {state}"
        );
    }
    talk(first, 1, &mut [&mut *second, &mut *joiner])?;
    talk(second, 1, &mut [&mut *first, &mut *joiner])?;
    talk(&mut *joiner, 1, &mut [first, second])
}

pub(super) fn pattern_b(package: &Package) -> anyhow::Result<()> {
    for (ours_leads, ours_joins) in [(true, false), (false, true), (true, true), (false, false)] {
        admit(package, ours_leads, ours_joins, true)?;
    }
    Ok(())
}

pub(super) fn pattern_c(package: &Package) -> anyhow::Result<()> {
    for (ours_leads, ours_joins) in [(true, false), (false, true), (true, true), (false, false)] {
        admit(package, ours_leads, ours_joins, false)?;
    }
    Ok(())
}

/// A control message that nobody would send.
fn senseless(ours: &mut Ours, opcode: Opcode, transition: u32, sequence: u32) -> anyhow::Result<Vec<u8>> {
    let place = ours.place()?;
    let (member, transition) = (MemberId::new(1), TransitionId::new(transition));
    let message = ControlMessage::raw(member, RequestId::new(1), transition, opcode, &[])?;
    let header = Header {
        epoch: Epoch::new(place.1),
        flags: opcode.flags(),
        ..header(&ours.group()?, StreamClass::Control, sequence)?
    };
    Ok(seal_as(ours.mls.keys(), &header, &message.encode())?)
}

pub(super) fn other_transitions(package: &Package) -> anyhow::Result<()> {
    let (mut ours, mut theirs) = pair(package, true)?;
    let (mut third, mut second) = (Ours::new("third")?, Ours::new("second")?);
    let (commit, _) = ours.invite(&third.key_package()?)?;
    prepare_and_execute(&mut ours, &mut theirs, 1, &commit)?;
    ours.apply(1)?;
    ours.finalize()?;
    for (sequence, opcode) in (1..).zip([Opcode::Prepare, Opcode::Ready, Opcode::Execute, Opcode::Abort]) {
        let wire = senseless(&mut ours, opcode, 1, sequence)?;
        refuses(&mut theirs, &wire, 4)?;
    }
    // One is under way, and another is meant.
    let (commit, _) = theirs.invite(&second.key_package()?)?;
    let prepare = theirs.control(Opcode::Prepare, 2, &commit)?;
    ensure!(ours.receive(&prepare)?.kinds == ["control"]);
    for opcode in [Opcode::Prepare, Opcode::Ready, Opcode::Execute, Opcode::Abort] {
        refuses(&mut ours, &theirs.control(opcode, 9, &[])?, 4)?;
    }
    // The last of these took back what the package had under way.
    for (sequence, opcode) in (10..).zip([Opcode::Ready, Opcode::Execute, Opcode::Abort]) {
        let wire = senseless(&mut ours, opcode, 8, sequence)?;
        refuses(&mut theirs, &wire, 4)?;
    }
    Ok(())
}

pub(super) fn abort(package: &Package) -> anyhow::Result<()> {
    for ours_leads in [true, false] {
        let (mut ours, mut theirs) = pair(package, ours_leads)?;
        let (first, second): (&mut dyn Member, &mut dyn Member) =
            if ours_leads { (&mut ours, &mut theirs) } else { (&mut theirs, &mut ours) };
        let invitee = member(package, ours_leads, "third")?.key_package()?;
        let (commit, _) = first.invite(&invitee)?;
        let prepare = first.control(Opcode::Prepare, 1, &commit)?;
        second.receive(&prepare)?;
        second.process(&commit)?;
        let abort = first.control(Opcode::Abort, 1, &[])?;
        ensure!(second.receive(&abort)?.kinds == ["control"], "ABORT");
        first.clear()?;
        second.clear()?;
        ensure!(first.place()? == (1, 1, 0, 3) && second.place()? == (1, 1, 0, 3), "somebody has moved");
        let (commit, _) = first.invite(&invitee)?;
        prepare_and_execute(first, second, 2, &commit)?;
        first.apply(2)?;
        first.finalize()?;
        talk(first, 1, &mut [&mut *second])?;
        talk(second, 1, &mut [&mut *first])?;
    }
    Ok(())
}

pub(super) fn digest(package: &Package) -> anyhow::Result<()> {
    const RESYNCING: u64 = 4;
    const ACTIVE: u64 = 3;
    let (mut ours, mut theirs) = pair(package, true)?;
    let stray = Header { epoch: Epoch::new(0), ..header(&ours.group()?, StreamClass::Text, 1)? };
    let stray = seal_as(ours.mls.keys(), &stray, b"x")?;
    refuses(&mut theirs, &stray, 3)?;
    ensure!(theirs.place()?.3 == RESYNCING, "the package does not resynchronise");
    let answer = ours.control(Opcode::DigestResponse, 0, &[0xa0])?;
    let heard = theirs.receive(&answer)?;
    ensure!(heard.kinds == ["state_changed", "control"], "{heard:?}");
    ensure!(theirs.place()?.3 == ACTIVE, "the package still resynchronises");
    refuses(&mut ours, &stray, 3)?;
    ensure!(ours.place()?.3 == ACTIVE, "ours is no longer active");
    let wire = theirs.say(1, "x", Codec::Cbor)?;
    ensure!(ours.receive(&wire)?.payloads.len() == 1);
    Ok(())
}
