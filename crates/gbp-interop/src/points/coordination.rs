//! Points 20 to 22: several who would lead, and nobody who does.

use std::time::{Duration, Instant};

use anyhow::ensure;
use coterie_types::{MemberId, RequestId, TransitionId};
use coterie_wire::control::{Arguments, Capabilities, ControlMessage, Opcode};

use super::{Member, pair, refuses, talk};
use crate::members::{Ours, Theirs};
use crate::package::Package;

const CLAIM: [u8; 3] = [0xa1, 0, 0xf5];
const PREPARED: &str = "TPrepared";
const READY: &str = "TReady";

/// Their timers run by the real clock, the longest for ten seconds.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);

pub(super) fn competing(package: &Package) -> anyhow::Result<()> {
    for ours_is_lower in [true, false] {
        for lower_first in [true, false] {
            compete(package, ours_is_lower, lower_first)?;
        }
    }
    Ok(())
}

/// One of ours and one of theirs prepare the same transition; another of theirs looks on.
fn compete(package: &Package, ours_is_lower: bool, lower_first: bool) -> anyhow::Result<()> {
    let mut ours = Ours::new("ours")?;
    let (mut theirs, mut watcher) = (Theirs::new(package, "theirs")?, Theirs::new(package, "watcher")?);
    let packages = [theirs.key_package()?, watcher.key_package()?];
    let packages: Vec<&[u8]> = packages.iter().map(Vec::as_slice).collect();
    let (_, welcome) = ours.mls.invite_all(&packages, crate::members::now())?;
    ours.finalize()?;
    theirs.join(&welcome)?;
    watcher.join(&welcome)?;
    watcher.start(3, 1, 0)?;
    ours.start(if ours_is_lower { 1 } else { 2 }, 1, 0)?;
    theirs.start(if ours_is_lower { 2 } else { 1 }, 1, 0)?;
    let (lower, higher): (&mut dyn Member, &mut dyn Member) =
        if ours_is_lower { (&mut ours, &mut theirs) } else { (&mut theirs, &mut ours) };
    let (won, _) = lower.invite(&Ours::new("won")?.key_package()?)?;
    let (lost, _) = higher.invite(&Ours::new("lost")?.key_package()?)?;
    let [from_lower, from_higher] =
        [lower.control(Opcode::Prepare, 1, &won)?, higher.control(Opcode::Prepare, 1, &lost)?];
    let (first, second) = if lower_first { (&from_lower, &from_higher) } else { (&from_higher, &from_lower) };
    expects(&mut watcher, first, PREPARED)?;
    // What wins is prepared anew, what loses leaves the state as it is: that is how the winner shows.
    let ready = if lower_first { &mut *lower } else { &mut *higher }.control(Opcode::Ready, 1, &[])?;
    expects(&mut watcher, &ready, READY)?;
    expects(&mut watcher, second, if lower_first { READY } else { PREPARED })?;
    expects(&mut watcher, &lower.control(Opcode::Ready, 1, &[])?, READY)?;
    expects(&mut watcher, &higher.control(Opcode::Prepare, 1, &lost)?, READY)?;
    ensure!(lower.receive(&from_higher)?.kinds == ["control"], "the lower does not hear of the other");
    ensure!(higher.receive(&from_lower)?.kinds == ["control"], "the higher does not hear of the other");
    if !lower_first {
        // What was first was followed, and is given up.
        watcher.process(&lost)?;
        watcher.clear()?;
    }
    higher.clear()?;
    let execute = lower.control(Opcode::Execute, 1, &[])?;
    for follower in [&mut *higher, &mut watcher] {
        follower.process(&won)?;
        ensure!(follower.receive(&execute)?.kinds == ["epoch_advanced", "control"], "EXECUTE");
        follower.finalize()?;
    }
    lower.apply(1)?;
    lower.finalize()?;
    talk(lower, 1, &mut [&mut *higher, &mut watcher])?;
    talk(higher, 1, &mut [lower, &mut watcher])
}

/// A control message is taken, and the transition is then in this state.
fn expects(theirs: &mut Theirs<'_>, wire: &[u8], state: &str) -> anyhow::Result<()> {
    ensure!(theirs.receive(wire)?.kinds == ["control"], "it is refused");
    let shown = theirs.shows("transition_state")?;
    ensure!(shown == state, "it is {shown} instead of {state}");
    Ok(())
}

pub(super) fn claims_are_told(package: &Package) -> anyhow::Result<()> {
    let (mut ours, mut theirs) = pair(package, true)?;
    let told = ["coordinator_claim", "control"];
    ensure!(theirs.receive(&ours.control(Opcode::Capabilities, 0, &CLAIM)?)?.kinds == told, "not there");
    ensure!(ours.receive(&theirs.control(Opcode::Capabilities, 0, &CLAIM)?)?.kinds == told, "not here");
    Ok(())
}

pub(super) fn yielding(package: &Package) -> anyhow::Result<()> {
    let (mut ours, mut theirs) = pair(package, true)?;
    theirs.start(5, 1, 0)?;
    let claim = theirs.claim()?;
    ensure!(ours.receive(&claim)?.kinds == ["coordinator_claim", "control"], "its claim is not told here");
    for (number, still) in [(9, true), (5, true), (4, false)] {
        ours.start(number, 1, 0)?;
        let claim = ours.control(Opcode::Capabilities, 0, &CLAIM)?;
        let heard = theirs.receive(&claim)?;
        ensure!(heard.kinds.ends_with(&["coordinator_claim".into(), "control".into()]), "{heard:?}");
        ensure!(theirs.shows("is_coordinator")? == still, "after the claim of {number}");
    }
    // What is advertised without a claim is none.
    let plain = Arguments::Capabilities(Capabilities::new(["opus".to_owned()])?);
    let plain = ControlMessage::new(MemberId::new(4), RequestId::new(1), TransitionId::default(), &plain)?;
    let heard = theirs.receive(&ours.control(Opcode::Capabilities, 0, plain.raw_arguments())?)?;
    ensure!(heard.kinds == ["control"], "{heard:?}");
    Ok(())
}

/// Three of theirs wait at once: one for EXECUTE, one for READY, one for its coordinator.
pub(super) fn timeouts(package: &Package) -> anyhow::Result<()> {
    let (mut ours, mut theirs) = pair(package, true)?;
    let (_, mut leads) = pair(package, true)?;
    let (_, alone) = pair(package, true)?;
    let invitee = Ours::new("third")?.key_package()?;
    let (commit, _) = ours.invite(&invitee)?;
    ensure!(theirs.receive(&ours.control(Opcode::Prepare, 1, &commit)?)?.kinds == ["control"], "PREPARE");
    theirs.process(&commit)?;
    ours.receive(&theirs.control(Opcode::Ready, 1, &[])?)?;
    let (unheard, _) = leads.invite(&invitee)?;
    leads.control(Opcode::Prepare, 1, &unheard)?;
    alone.claim()?;
    expires(&leads, &[0x10])?;
    ensure!(leads.shows("pending_transition_id")? == 0, "its own is still under way");
    expires(&alone, &[0x13])?;
    ensure!(alone.shows("is_coordinator")? == false, "it coordinates still");
    // Both are due at the same time; a PREPARE counts as a coordinator's sign of life.
    expires(&theirs, &[0x12, 0x13])?;
    ensure!(theirs.shows("pending_transition_id")? == 1, "nothing is under way any more");
    makes_room(&mut ours, &mut theirs, &commit, &invitee)
}

/// Another transition is refused until the one under way is taken back, and then carried through.
fn makes_room(ours: &mut Ours, theirs: &mut Theirs<'_>, commit: &[u8], invitee: &[u8]) -> anyhow::Result<()> {
    refuses(theirs, &ours.control(Opcode::Prepare, 2, commit)?, 4)?;
    // As if it had not moved on.
    ours.start(1, 1, 1)?;
    ensure!(theirs.receive(&ours.control(Opcode::Abort, 1, &[])?)?.kinds == ["control"], "ABORT is refused");
    ours.clear()?;
    theirs.clear()?;
    let (commit, _) = ours.invite(invitee)?;
    let prepare = ours.control(Opcode::Prepare, 2, &commit)?;
    ensure!(theirs.receive(&prepare)?.kinds == ["control"], "the next PREPARE is refused");
    theirs.process(&commit)?;
    ours.receive(&theirs.control(Opcode::Ready, 2, &[])?)?;
    let execute = ours.control(Opcode::Execute, 2, &[])?;
    ensure!(theirs.receive(&execute)?.kinds == ["epoch_advanced", "control"], "EXECUTE is refused");
    theirs.finalize()?;
    ours.apply(2)?;
    ours.finalize()?;
    talk(ours, 1, &mut [&mut *theirs])?;
    talk(theirs, 1, &mut [&mut *ours])
}

/// Waits until exactly these errors were raised by timers.
fn expires(theirs: &Theirs<'_>, errors: &[u64]) -> anyhow::Result<()> {
    let (start, mut raised) = (Instant::now(), Vec::new());
    while raised.len() < errors.len() {
        ensure!(start.elapsed() < PATIENCE, "only {raised:x?} expired");
        std::thread::sleep(PAUSE);
        raised.extend(theirs.expired()?.errors);
    }
    raised.sort_unstable();
    ensure!(raised == errors, "{raised:x?} instead of {errors:x?}");
    Ok(())
}
