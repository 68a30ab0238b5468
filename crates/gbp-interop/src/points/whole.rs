//! Patterns A to C once more, with `GroupNode`, which decides for itself, among nodes of theirs.

use anyhow::{Context as _, ensure};
use coterie_mls::KeyPackageOptions;
use coterie_stack::{Admission, Pattern};
use coterie_types::{Code, Duration, Epoch, ErrorCode as _, LeafIndex, MemberId, TransitionId};
use coterie_wire::Profile;
use coterie_wire::control::Opcode;

use super::Member;
use super::mixed::{A_WHILE, Mixed, device};
use crate::members::Theirs;
use crate::package::Package;

/// Long enough to miss a coordinator and take its place.
const LONG: Duration = Duration::from_secs(20);

/// Ours leads: joiners of patterns B and C, theirs and ours, a renewal and a removal.
pub(super) fn we_lead(package: &Package) -> anyhow::Result<()> {
    let mut mixed = Mixed::new(package);
    mixed.found()?;
    let joiners = [
        (false, Pattern::Direct),
        (false, Pattern::Armed),
        (true, Pattern::Direct),
        (true, Pattern::Armed),
        (false, Pattern::Direct),
    ];
    for (epoch, (ours, pattern)) in (1..).zip(joiners) {
        mixed.invite(1, ours, pattern).with_context(|| format!("inviting into epoch {epoch}"))?;
        mixed.agree(epoch)?;
        mixed.talk().with_context(|| format!("in epoch {epoch}"))?;
    }
    // One with a higher number changes nothing.
    mixed.claim(3)?;
    let now = mixed.now;
    mixed.whole(1)?.node.update(now)?;
    mixed.pass(A_WHILE)?;
    mixed.agree(6)?;
    mixed.talk().context("after a renewal")?;
    let now = mixed.now;
    mixed.whole(1)?.node.remove(&[MemberId::new(2)], now)?;
    mixed.theirs.remove(&2);
    mixed.pass(A_WHILE)?;
    mixed.agree(7)?;
    mixed.talk().context("after a removal")
}

/// One of theirs leads, ours follows, and leads when nothing is heard of the other any more.
pub(super) fn they_lead(package: &Package) -> anyhow::Result<()> {
    let mut mixed = Mixed::new(package);
    let mut leads = Theirs::new(package, "leads")?;
    let device = device("one of ours")?;
    let key_package = device.key_package(KeyPackageOptions::default(), mixed.now)?;
    // What MLS puts before it is nothing that they read.
    let welcome = leads.invite_first(key_package.strip_prefix(&[0, 1, 0, 5]).context("a message")?)?;
    leads.start(1, 1, 0)?;
    mixed.theirs.insert(1, leads);
    mixed.admit_ours(device, &admission(welcome))?;
    mixed.agree(1)?;
    mixed.talk()?;
    let mut third = Theirs::new(package, "third")?;
    let (commit, welcome) = lead(&mut mixed, 1, |leads| leads.invite(&third.key_package()?))?;
    ensure!(!commit.is_empty(), "no commit");
    third.join(&welcome)?;
    third.start(3, 1, 0)?;
    third.apply(1)?;
    mixed.theirs.insert(3, third);
    mixed.agree(2)?;
    mixed.talk().context("with a third")?;
    lead(&mut mixed, 2, |leads| Ok((leads.remove(2)?, Vec::new())))?;
    mixed.theirs.remove(&3);
    mixed.agree(3)?;
    mixed.talk().context("without the third")?;
    mixed.pass(LONG)?;
    let now = mixed.now;
    mixed.whole(2)?.node.update(now).context("taking the lead")?;
    mixed.pass(A_WHILE)?;
    mixed.agree(4)?;
    mixed.talk().context("under ours")?;
    mixed.claim(1)?;
    let now = mixed.now;
    let refused = mixed.whole(2)?.node.update(now).err().map(|error| error.code());
    ensure!(refused == Some(Code::GBP_NOT_COORDINATOR), "it does not yield: {refused:?}");
    Ok(())
}

/// What one of theirs leaves to its application to tell a joiner of ours.
fn admission(welcome: Vec<u8>) -> Admission {
    let pair = |number: u32, leaf: u32| (MemberId::new(number), LeafIndex::new(leaf));
    Admission {
        profile: Profile::Interop,
        member: MemberId::new(2),
        epoch: Epoch::new(1),
        transition: TransitionId::default(),
        armed: false,
        inviter: Some(MemberId::new(1)),
        members: vec![pair(1, 0), pair(2, 1)],
        next_member: MemberId::new(3),
        roles: Default::default(),
        welcome,
    }
}

/// The member 1, of theirs, carries a commit through with all others.
fn lead(
    mixed: &mut Mixed<'_>,
    transition: u32,
    commit: impl FnOnce(&mut Theirs<'_>) -> anyhow::Result<(Vec<u8>, Vec<u8>)>,
) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let leads = |mixed: &mut Mixed<'_>, what: &dyn Fn(&mut Theirs<'_>) -> anyhow::Result<Vec<u8>>| {
        let frame = what(mixed.theirs.get_mut(&1).context("it leads")?)?;
        mixed.wire.push_back((1, 0, frame));
        mixed.settle()
    };
    let made = commit(mixed.theirs.get_mut(&1).context("it leads")?)?;
    leads(mixed, &|theirs| theirs.control(Opcode::Prepare, transition, &made.0))?;
    let state = mixed.theirs.get(&1).context("it leads")?.shows("transition_state")?;
    ensure!(state == "TReady", "nobody says READY: {state}");
    leads(mixed, &|theirs| {
        let execute = theirs.control(Opcode::Execute, transition, &[])?;
        theirs.apply(transition)?;
        theirs.finalize()?;
        Ok(execute)
    })?;
    Ok(made)
}
