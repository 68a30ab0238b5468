//! The caller's clock is the only one: what it says about lifetimes holds, whatever this machine's says.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod common;

use common::{assert_agree, device};
use coterie_mls::{
    Changes, Device, ExternalJoin, ExternalSigner, Group, GroupExtension, GroupOptions, KeyPackageOptions,
    Received, Suite, read_group_info,
};
use coterie_testkit::Seed;
use coterie_types::{Code, Duration, ErrorCode, Timestamp};

const SUITE: Suite = Suite::X25519Aes128;
const DAY: Duration = Duration::from_days(1);
/// Long before and long after any moment at which this test is run.
const MOMENTS: [Timestamp; 2] = [Timestamp::from_secs(1_000_000_000), Timestamp::from_secs(30_000_000_000)];

fn day_package(device: &Device, now: Timestamp) -> Vec<u8> {
    device.key_package(KeyPackageOptions { lifetime: Some(DAY), ..Default::default() }, now).unwrap()
}

fn found(founder: &Device, now: Timestamp) -> Group {
    founder.create_group(GroupOptions::default(), now).unwrap()
}

/// Alice's group with bob in it, and dave, who is outside.
fn alice_and_bob(seed: Seed, now: Timestamp) -> (Group, Group, Device) {
    let [a, b, dave] = ["alice", "bob", "dave"].map(|name| device(seed, name, SUITE));
    let mut alice = found(&a, now);
    let package = day_package(&b, now);
    let committed = alice.commit(Changes { add: &[package], ..Default::default() }, now).unwrap();
    alice.merge_pending().unwrap();
    let bob = b.join(&committed.welcome.unwrap(), None, now).unwrap();
    (alice, bob, dave)
}

#[test]
fn members_are_added_by_commit_and_by_proposal_at_any_moment_of_the_clock() {
    for (index, now) in (0..).zip(MOMENTS) {
        let (mut alice, mut bob, dave) = alice_and_bob(Seed::new(300 + index), now);
        let proposal = bob.propose_add(&day_package(&dave, now), now).unwrap();
        assert!(matches!(alice.receive(&proposal, now).unwrap(), Received::Proposal { .. }));
        let committed = alice.commit(Changes::default(), now).unwrap();
        alice.merge_pending().unwrap();
        bob.receive(&committed.commit, now).unwrap();
        let mut dave = dave.join(&committed.welcome.unwrap(), None, now).unwrap();
        assert_agree(&mut [&mut alice, &mut bob, &mut dave]);
    }
}

#[test]
fn whoever_commits_leaves_out_additions_whose_time_is_over_or_has_not_come() {
    let now = MOMENTS[0];
    let (mut alice, mut bob, dave) = alice_and_bob(Seed::new(310), now);
    let proposal = bob.propose_add(&day_package(&dave, now), now).unwrap();
    alice.receive(&proposal, now).unwrap();
    let (late, early) = (now + DAY + DAY, now.before(DAY));
    for wrong in [late, early] {
        let refused = alice.commit(Changes::default(), wrong).unwrap_err();
        assert_eq!(refused.code(), Code::MLS_NOTHING_TO_COMMIT);
        let committed = alice.commit(Changes { update: true, ..Default::default() }, wrong).unwrap();
        assert_eq!((committed.summary.added.len(), committed.welcome.is_some()), (0, false));
        alice.discard_pending().unwrap();
    }
    let committed = alice.commit(Changes { update: true, ..Default::default() }, late).unwrap();
    alice.merge_pending().unwrap();
    bob.receive(&committed.commit, now).unwrap();
    assert_agree(&mut [&mut alice, &mut bob]);
    assert!(
        alice.pending_proposals().unwrap().is_empty(),
        "what was left out is not kept for the next epoch"
    );
}

#[test]
fn the_last_second_of_a_lifetime_is_the_one_before_its_end() {
    let now = MOMENTS[0];
    let seed = Seed::new(311);
    let [alice, bob] = ["alice", "bob"].map(|name| device(seed, name, SUITE));
    let package = day_package(&bob, now);
    let last = Timestamp::from_secs((now + DAY).as_secs() - 1);
    assert!(alice.inspect_key_package(&package, last).is_ok());
    let over = alice.inspect_key_package(&package, now + DAY).unwrap_err();
    assert_eq!(over.code(), Code::MLS_INVALID_KEY_PACKAGE);
}

/// A member that was away must be able to follow, or a clock would decide who belongs to the group.
#[test]
fn a_commit_that_was_in_time_is_followed_however_late_it_arrives() {
    let now = MOMENTS[0];
    let (mut alice, mut bob, dave) = alice_and_bob(Seed::new(312), now);
    let proposal = alice.propose_add(&day_package(&dave, now), now).unwrap();
    let committed = alice.commit(Changes::default(), now).unwrap();
    alice.merge_pending().unwrap();
    assert!(matches!(bob.receive(&proposal, now).unwrap(), Received::Proposal { .. }));
    let Received::Commit { commit, .. } = bob.receive(&committed.commit, now).unwrap() else {
        panic!("a commit")
    };
    assert_eq!(commit.added[0].expires, Some(now + DAY));
    let mut dave = dave.join(&committed.welcome.unwrap(), None, now).unwrap();
    assert_agree(&mut [&mut alice, &mut bob, &mut dave]);
}

#[test]
fn a_member_whose_leaf_is_over_locks_nobody_out() {
    let now = MOMENTS[0];
    let (mut alice, mut bob, dave) = alice_and_bob(Seed::new(313), now);
    let later = now + Duration::from_days(400);
    assert!(bob.members().unwrap()[1].expires.unwrap() < later);
    let package = day_package(&dave, later);
    let committed = alice.commit(Changes { add: &[package], ..Default::default() }, later).unwrap();
    alice.merge_pending().unwrap();
    bob.receive(&committed.commit, now).unwrap();
    let mut dave = dave.join(&committed.welcome.unwrap(), None, now).unwrap();
    let erin = device(Seed::new(314), "erin", SUITE);
    let info = alice.group_info(true).unwrap();
    let (mut erin, commit) = erin.join_external(&info, ExternalJoin::default(), now).unwrap();
    for group in [&mut alice, &mut bob, &mut dave] {
        group.receive(&commit, now).unwrap();
    }
    assert_agree(&mut [&mut alice, &mut bob, &mut dave, &mut erin]);
}

#[test]
fn outsiders_proposals_are_judged_by_the_committers_clock_too() {
    let now = MOMENTS[0];
    let seed = Seed::new(315);
    let server = ExternalSigner::generate(b"server", SUITE, std::sync::Arc::new(seed.entropy(1))).unwrap();
    let [a, dave, erin] = ["alice", "dave", "erin"].map(|name| device(seed, name, SUITE));
    let senders = [GroupExtension::external_senders(&[server.info()]).unwrap()];
    let mut alice = found(&a, now);
    alice.commit(Changes { extensions: Some(&senders), ..Default::default() }, now).unwrap();
    alice.merge_pending().unwrap();
    let info = alice.group_info(true).unwrap();
    let described = read_group_info(&info).unwrap();
    let options = KeyPackageOptions { lifetime: Some(DAY), ..Default::default() };
    for proposal in [
        server.propose_add(&described, 0, &day_package(&dave, now), now).unwrap(),
        erin.propose_self(&info, options, now).unwrap(),
    ] {
        alice.receive(&proposal, now).unwrap();
    }
    let late = alice.commit(Changes { update: true, ..Default::default() }, now + DAY + DAY).unwrap();
    assert!(late.summary.added.is_empty());
    alice.discard_pending().unwrap();
    assert_eq!(alice.commit(Changes::default(), now).unwrap().summary.added.len(), 2);
}
