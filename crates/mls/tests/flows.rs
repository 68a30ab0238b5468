//! The flows of RFC 9420 section 3.2, and what surrounds them.

mod common;

use common::{add, assert_agree, create, device, group_of, key_package};
use coterie_mls::{Changes, GroupEvent, MlsError, Received, Suite};
use coterie_testkit::{Seed, T0};
use coterie_types::{Code, Epoch, ErrorCode, LeafIndex};

fn each_suite(test: impl Fn(Suite)) {
    for suite in Suite::ALL {
        println!("suite {}", suite.name());
        test(suite);
    }
}

#[test]
fn members_added_one_by_one_read_each_other_in_every_suite() {
    let seed = Seed::new(1);
    each_suite(|suite| {
        let [a, b, c] = ["alice", "bob", "carol"].map(|name| device(seed, name, suite));
        let mut alice = create(&a);
        let mut bob = add(&mut alice, &b, &mut []);
        let mut carol = add(&mut alice, &c, &mut [&mut bob]);
        assert_agree(&mut [&mut alice, &mut bob, &mut carol]);

        let sealed = bob.encrypt(b"hello", b"header").unwrap();
        for reader in [&mut alice, &mut carol] {
            let Received::Message { sender, epoch, plaintext, associated_data } =
                reader.receive(&sealed, T0).unwrap()
            else {
                panic!("not a message")
            };
            assert_eq!((sender.identity.as_slice(), epoch), (&b"bob"[..], Epoch::new(2)));
            assert_eq!(sender.signature_key, b.signature_key(suite));
            assert_eq!((plaintext.as_slice(), associated_data.as_slice()), (&b"hello"[..], &b"header"[..]));
        }
    });
}

#[test]
fn an_own_commit_is_merged_when_it_comes_back_and_harmless_when_it_comes_again() {
    let seed = Seed::new(2);
    let [a, b] = ["alice", "bob"].map(|name| device(seed, name, Suite::X25519Aes128));
    let mut alice = create(&a);
    let committed = alice.commit(Changes { add: &[key_package(&b)], ..Default::default() }, T0).unwrap();
    assert_eq!(alice.epoch(), Epoch::new(0), "nothing is merged before the commit was accepted");

    let received = alice.receive(&committed.commit, T0).unwrap();
    assert_eq!(received, Received::Commit { commit: committed.summary.clone(), superseded_own: false });
    assert_eq!(alice.epoch(), Epoch::new(1));
    assert_eq!(alice.receive(&committed.commit, T0).unwrap(), Received::OwnEcho);
    assert_eq!(committed.summary.added[0].leaf, LeafIndex::new(1));
    assert_eq!(alice.members().unwrap()[1], committed.summary.added[0]);
}

#[test]
fn a_leaf_is_updated_by_an_own_commit_and_by_a_proposal_that_another_commits() {
    let seed = Seed::new(3);
    let mut groups = group_of(seed, Suite::X25519Aes128, 3);
    let [alice, bob, carol] = &mut groups[..] else { panic!("three members") };

    let committed = bob.commit(Changes { update: true, ..Default::default() }, T0).unwrap();
    for member in [&mut *alice, &mut *bob, &mut *carol] {
        member.receive(&committed.commit, T0).unwrap();
    }
    assert_agree(&mut [alice, bob, carol]);

    let proposal = carol.propose_update().unwrap();
    for member in [&mut *alice, &mut *bob] {
        member.receive(&proposal, T0).unwrap();
    }
    assert_eq!(carol.receive(&proposal, T0).unwrap(), Received::OwnEcho);
    let committed = alice.commit(Changes::default(), T0).unwrap();
    assert!(committed.summary.updated.iter().any(|member| member.identity == b"member-2"));
    for member in [&mut *alice, &mut *bob, &mut *carol] {
        member.receive(&committed.commit, T0).unwrap();
    }
    assert_agree(&mut [alice, bob, carol]);
    let sealed = carol.encrypt(b"with new keys", b"").unwrap();
    assert!(matches!(bob.receive(&sealed, T0), Ok(Received::Message { .. })));
}

#[test]
fn a_removed_member_learns_of_it_and_is_locked_out() {
    let seed = Seed::new(4);
    let mut groups = group_of(seed, Suite::X25519Aes128, 3);
    let [alice, bob, carol] = &mut groups[..] else { panic!("three members") };
    let committed = carol.commit(Changes { remove: &[LeafIndex::new(1)], ..Default::default() }, T0).unwrap();
    carol.merge_pending().unwrap();
    alice.receive(&committed.commit, T0).unwrap();
    let Received::Commit { commit, .. } = bob.receive(&committed.commit, T0).unwrap() else {
        panic!("a commit")
    };
    assert!(commit.removes_self);

    assert_agree(&mut [alice, carol]);
    let sealed = alice.encrypt(b"without bob", b"").unwrap();
    assert!(matches!(carol.receive(&sealed, T0), Ok(Received::Message { .. })));
    assert!(!bob.is_member());
    for refused in [
        bob.receive(&sealed, T0).map(drop),
        bob.encrypt(b"still here", b"").map(drop),
        bob.members().map(drop),
    ] {
        assert_eq!(refused.unwrap_err().code(), Code::MLS_REMOVED);
    }
}

#[test]
fn of_two_commits_the_first_wins_and_the_other_is_dropped() {
    let seed = Seed::new(5);
    let mut groups = group_of(seed, Suite::X25519Aes128, 3);
    let [alice, bob, carol] = &mut groups[..] else { panic!("three members") };
    let first = alice.commit(Changes { update: true, ..Default::default() }, T0).unwrap();
    let second = bob.commit(Changes { update: true, ..Default::default() }, T0).unwrap();
    for member in [&mut *alice, &mut *carol] {
        member.receive(&first.commit, T0).unwrap();
        let refused = member.receive(&second.commit, T0).unwrap_err();
        assert_eq!(refused.code(), Code::MLS_WRONG_EPOCH);
    }
    let Received::Commit { superseded_own, .. } = bob.receive(&first.commit, T0).unwrap() else {
        panic!("a commit")
    };
    assert!(superseded_own);
    assert_eq!(bob.receive(&second.commit, T0).unwrap_err().code(), Code::MLS_WRONG_EPOCH);
    assert_agree(&mut [alice, bob, carol]);
}

#[test]
fn a_staged_commit_can_be_inspected_then_merged_or_discarded() {
    let seed = Seed::new(6);
    let mut groups = group_of(seed, Suite::X25519Aes128, 3);
    let [alice, bob, carol] = &mut groups[..] else { panic!("three members") };
    let newcomer = device(seed, "dave", Suite::X25519Aes128);
    let committed =
        alice.commit(Changes { add: &[key_package(&newcomer)], ..Default::default() }, T0).unwrap();
    alice.merge_pending().unwrap();

    for member in [&mut *bob, &mut *carol] {
        let Received::Staged(summary) = member.stage(&committed.commit, T0).unwrap() else {
            panic!("staged")
        };
        assert_eq!(summary.added[0].identity, b"dave");
        assert_eq!(member.epoch(), Epoch::new(1));
        assert_eq!(member.staged_commit().unwrap(), Some(summary));
    }
    bob.merge_staged().unwrap();
    assert_agree(&mut [alice, bob]);
    carol.discard_staged().unwrap();
    assert_eq!(carol.epoch(), Epoch::new(1));
    assert_eq!(carol.merge_staged().unwrap_err().code(), Code::MLS_NO_PENDING_COMMIT);
}

#[test]
fn forged_cut_and_repeated_messages_change_nothing() {
    let seed = Seed::new(7);
    let mut groups = group_of(seed, Suite::X25519Aes128, 2);
    let [alice, bob] = &mut groups[..] else { panic!("two members") };
    let sealed = alice.encrypt(&[7; 300], b"").unwrap();
    for index in 0..sealed.len() {
        let mut forged = sealed.clone();
        forged[index] ^= 0x40;
        bob.receive(&forged, T0).unwrap_err();
        bob.receive(&sealed[..index], T0).unwrap_err();
    }
    let mut longer = sealed.clone();
    longer.push(0);
    assert_eq!(bob.receive(&longer, T0).unwrap_err().code(), Code::MLS_MALFORMED);
    assert!(
        matches!(bob.receive(&sealed, T0), Ok(Received::Message { .. })),
        "the genuine one is still accepted"
    );
    assert_eq!(bob.receive(&sealed, T0).unwrap_err().code(), Code::MLS_ALREADY_PROCESSED);
    let mut groups = group_of(Seed::new(70), Suite::X25519Aes128, 2);
    assert_eq!(groups[1].receive(&sealed, T0).unwrap_err().code(), Code::MLS_WRONG_GROUP);
}

#[test]
fn messages_out_of_order_and_across_an_epoch_are_read_once_each() {
    let seed = Seed::new(8);
    let mut groups = group_of(seed, Suite::X25519Aes128, 2);
    let [alice, bob] = &mut groups[..] else { panic!("two members") };
    let sealed: Vec<_> = (0..20_u8).map(|number| alice.encrypt(&[number], b"").unwrap()).collect();
    let update = bob.commit(Changes { update: true, ..Default::default() }, T0).unwrap();
    bob.merge_pending().unwrap();
    alice.receive(&update.commit, T0).unwrap();
    for (number, message) in sealed.iter().enumerate().rev() {
        let Received::Message { plaintext, epoch, .. } = bob.receive(message, T0).unwrap() else {
            panic!("a message")
        };
        assert_eq!((plaintext, epoch), (vec![u8::try_from(number).unwrap()], Epoch::new(1)));
        assert_eq!(bob.receive(message, T0).unwrap_err().code(), Code::MLS_ALREADY_PROCESSED);
    }
}

#[test]
fn a_gap_beyond_the_limit_is_refused_by_name() {
    let seed = Seed::new(9);
    let mut groups = group_of(seed, Suite::X25519Aes128, 2);
    let [alice, bob] = &mut groups[..] else { panic!("two members") };
    let many = vec![b"x"; coterie_mls::limits::MAX_FORWARD_DISTANCE as usize + 2];
    let sealed = alice.encrypt_all(&many, b"").unwrap();
    let last = sealed.last().unwrap();
    assert!(matches!(bob.receive(last, T0), Err(MlsError::TooLarge { .. })));
    assert!(matches!(bob.receive(&sealed[0], T0), Ok(Received::Message { .. })));
}

#[test]
fn many_messages_in_one_step_are_each_accepted_or_refused_by_themselves() {
    let seed = Seed::new(10);
    let mut groups = group_of(seed, Suite::X25519Aes128, 2);
    let [alice, bob] = &mut groups[..] else { panic!("two members") };
    let mut sealed = alice.encrypt_all(&["one", "two", "three"], b"").unwrap();
    sealed.insert(1, vec![0; 40]);
    let received = bob.receive_all(&sealed, T0).unwrap();
    let texts: Vec<_> = received
        .into_iter()
        .map(|received| match received {
            Ok(Received::Message { plaintext, .. }) => String::from_utf8(plaintext).unwrap(),
            Ok(_) => "other".to_owned(),
            Err(error) => error.code().to_string(),
        })
        .collect();
    assert_eq!(texts, ["one", "MLS_MALFORMED", "two", "three"]);
}

#[test]
fn what_comes_after_the_own_removal_in_one_step_is_refused_as_removed() {
    let seed = Seed::new(14);
    let mut groups = group_of(seed, Suite::X25519Aes128, 3);
    let [alice, bob, carol] = &mut groups[..] else { panic!("three members") };
    let removal = carol.commit(Changes { remove: &[LeafIndex::new(1)], ..Default::default() }, T0).unwrap();
    carol.merge_pending().unwrap();
    alice.receive(&removal.commit, T0).unwrap();
    let later = alice.encrypt(b"without bob", b"").unwrap();
    let received = bob.receive_all(&[removal.commit, later], T0).unwrap();
    assert!(matches!(&received[..], [Ok(Received::Commit { .. }), Err(MlsError::Removed)]), "{received:?}");
}

#[test]
fn a_subscriber_that_lags_behind_refuses_steps_until_it_catches_up_and_loses_nothing() {
    let seed = Seed::new(11);
    let mut groups = group_of(seed, Suite::X25519Aes128, 2);
    let [alice, bob] = &mut groups[..] else { panic!("two members") };
    let feed = bob.events().subscribe();
    let count = coterie_mls::limits::EVENT_QUEUE_LENGTH;
    let sealed = alice.encrypt_all(&vec!["x"; count + 1], b"").unwrap();
    for message in &sealed[..count] {
        bob.receive(message, T0).unwrap();
    }
    assert_eq!(bob.receive(&sealed[count], T0).unwrap_err().code(), Code::FEED_FULL);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(events) = feed.poll_next(&mut context, count) else { panic!("events wait") };
    assert_eq!(events.len(), count);
    assert!(events.iter().all(|event| matches!(event, GroupEvent::Message { .. })));
    assert!(matches!(bob.receive(&sealed[count], T0), Ok(Received::Message { .. })));
    drop(feed);
}

#[test]
fn misuse_is_refused_with_a_code_and_changes_nothing() {
    let seed = Seed::new(12);
    let mut groups = group_of(seed, Suite::X25519Aes128, 2);
    let [alice, bob] = &mut groups[..] else { panic!("two members") };
    let code = |refused: Result<coterie_mls::Committed, MlsError>| refused.unwrap_err().code();
    let none = Changes::default();
    assert_eq!(code(alice.commit(none, T0)), Code::MLS_NOTHING_TO_COMMIT);
    assert_eq!(
        code(alice.commit(Changes { remove: &[LeafIndex::new(0)], ..none }, T0)),
        Code::MLS_CANNOT_REMOVE_SELF
    );
    assert_eq!(
        code(alice.commit(Changes { remove: &[LeafIndex::new(9)], ..none }, T0)),
        Code::MLS_MEMBER_NOT_FOUND
    );
    assert_eq!(code(alice.commit(Changes { add: &[vec![1, 2]], ..none }, T0)), Code::MLS_MALFORMED);
    assert_eq!(alice.merge_pending().unwrap_err().code(), Code::MLS_NO_PENDING_COMMIT);
    assert_eq!(alice.discard_pending().unwrap_err().code(), Code::MLS_NO_PENDING_COMMIT);

    let pending = alice.commit(Changes { update: true, ..none }, T0).unwrap();
    assert_eq!(code(alice.commit(Changes { update: true, ..none }, T0)), Code::MLS_COMMIT_PENDING);
    alice.discard_pending().unwrap();
    bob.receive(&pending.commit, T0).unwrap();
    assert_ne!(alice.epoch(), bob.epoch());

    let twice = device(seed, "twice", Suite::X25519Aes128);
    let mut group = create(&twice);
    let own = key_package(&twice);
    assert_eq!(code(group.commit(Changes { add: &[own], ..none }, T0)), Code::MLS_ALREADY_MEMBER);
}

#[test]
fn a_welcome_is_good_once_and_only_for_whom_it_was_made() {
    let seed = Seed::new(13);
    let [a, b, c] = ["alice", "bob", "carol"].map(|name| device(seed, name, Suite::X25519Aes128));
    let mut alice = create(&a);
    let committed = alice.commit(Changes { add: &[key_package(&b)], ..Default::default() }, T0).unwrap();
    let welcome = committed.welcome.unwrap();
    assert_eq!(c.join(&welcome, None, T0).unwrap_err().code(), Code::MLS_KEY_PACKAGE_NOT_FOUND);
    for index in (0..welcome.len()).step_by(7) {
        let mut damaged = welcome.clone();
        damaged[index] ^= 1;
        b.join(&damaged, None, T0).unwrap_err();
    }
    b.join(&welcome, None, T0).unwrap();
    assert_eq!(b.join(&welcome, None, T0).unwrap_err().code(), Code::MLS_KEY_PACKAGE_NOT_FOUND);
}
