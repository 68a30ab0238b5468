//! Which calls are done on the caller's own thread, by what is known before they are done.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test program fails by panicking"
)]

mod common;

use common::{create, device, key_package};
use coterie_mls::limits::{QUICK_ADDED, QUICK_ADDING_MEMBERS, QUICK_COMMIT_LENGTH, QUICK_MEMBERS};
use coterie_mls::{Changes, Group, Suite};
use coterie_testkit::{Seed, T0};

fn group_of(size: usize, suite: Suite) -> (Group, Vec<u8>) {
    let founder = device(Seed::quiet(1), "founder", suite);
    let mut group = create(&founder);
    let members = (1..size).map(|index| device(Seed::quiet(1), &format!("member-{index}"), suite));
    let add: Vec<Vec<u8>> = members.map(|member| key_package(&member)).collect();
    let commit = group.commit(Changes { add: &add, ..Default::default() }, T0).unwrap().commit;
    group.merge_pending().unwrap();
    (group, commit)
}

#[test]
fn the_size_of_a_group_says_what_is_quick() {
    let one = [key_package(&device(Seed::quiet(1), "newcomer", Suite::X25519Aes128))];
    let adding = Changes { add: &one, ..Default::default() };
    let most = vec![one[0].clone(); QUICK_ADDED];
    let adding_most = Changes { add: &most, ..Default::default() };
    let more = vec![one[0].clone(); QUICK_ADDED + 1];
    let adding_more = Changes { add: &more, ..Default::default() };
    let updating = Changes { update: true, ..Default::default() };
    let adding_and_updating = Changes { update: true, ..adding };
    for (size, adds, updates) in [
        (QUICK_MEMBERS, true, true),
        (QUICK_MEMBERS + 1, true, false),
        (QUICK_ADDING_MEMBERS, true, false),
        (QUICK_ADDING_MEMBERS + 1, false, false),
    ] {
        let pace = group_of(size, Suite::X25519Aes128).0.pace();
        assert_eq!(pace.commits_quickly(&adding), adds, "{size} members");
        assert_eq!(pace.merges_quickly(), adds, "{size} members");
        assert_eq!(pace.commits_quickly(&adding_most), adds, "{size} members");
        assert!(!pace.commits_quickly(&adding_more), "{size} members");
        for changes in [updating, adding_and_updating] {
            assert_eq!(pace.commits_quickly(&changes), updates, "{size} members");
        }
    }
}

#[test]
fn the_length_of_a_commit_says_whether_it_is_quick_where_any_is_not() {
    let (mut group, long) = group_of(40, Suite::X25519Aes128);
    assert!(long.len() > QUICK_COMMIT_LENGTH, "{} bytes", long.len());
    let one = [key_package(&device(Seed::quiet(1), "newcomer", Suite::X25519Aes128))];
    let short = group.commit(Changes { add: &one, ..Default::default() }, T0).unwrap().commit;
    let pace = group.pace();
    assert!(pace.receives_quickly(&short));
    assert!(!pace.receives_quickly(&long));
    let (small, _) = group_of(QUICK_MEMBERS, Suite::X25519Aes128);
    assert!(small.pace().receives_quickly(&long));
}

#[test]
fn suites_with_slow_curves_commit_elsewhere_and_read_here() {
    let (mut group, commit) = group_of(2, Suite::P256Aes128);
    let message = group.encrypt(b"hello", &[]).unwrap();
    let pace = group.pace();
    assert!(!pace.is_small() && !pace.merges_quickly() && !pace.receives_quickly(&commit));
    assert!(pace.receives_quickly(&message));
}

#[test]
fn a_proposal_that_waits_is_seen() {
    let (mut group, _) = group_of(2, Suite::X25519Aes128);
    assert!(!group.has_proposals());
    group.propose_update().unwrap();
    assert!(group.has_proposals());
}
