//! Ended in the middle and begun again, from a saved state or from rows, everything goes on as if nothing had been.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod support;

use std::collections::BTreeMap;

use coterie_gtp::{
    Content, Cut, Draft, HistoryLimits, Label, RowChange, Scope, StateError, TextClient, TextOptions,
    Verdict, kept_key, kept_message,
};
use coterie_testkit::{Seed, T0};
use coterie_types::{Code, Epoch, ErrorCode as _, MemberId, MessageId};
use coterie_wire::payload::AttachmentId;
use proptest::prelude::*;
use support::{ALICE, BOB, client, from, options};

/// A store that takes rows.
#[derive(Default)]
struct Rows(BTreeMap<Vec<u8>, Vec<u8>>);

impl Rows {
    fn write(&mut self, changes: Vec<RowChange>) {
        for change in changes {
            match change {
                RowChange::Put(key, value) => drop(self.0.insert(key, value)),
                RowChange::Remove(key) => assert!(self.0.remove(&key).is_some(), "{key:?} is not there"),
                RowChange::RemoveAll(prefix) => self.0.retain(|key, _| !key.starts_with(&prefix)),
            }
        }
    }

    fn rows(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.0.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

#[test]
fn whoever_has_no_store_is_given_no_rows_and_knows_the_same() {
    for scope in [Scope::Group, Scope::Epoch] {
        let made = |member| TextClient::new(member, TextOptions { scope, ..options() }).unwrap();
        let (mut alice, mut bob) = (made(ALICE).without_rows(), made(BOB).without_rows());
        let (mut stored_alice, mut stored_bob) = (made(ALICE), made(BOB));
        for word in ["one", "two"] {
            let sent = alice.send(Draft::text(word)).unwrap();
            let stored = stored_alice.send(Draft::text(word)).unwrap();
            assert!(sent.changes.is_empty() && !stored.changes.is_empty());
            assert_eq!(sent.payload(), stored.payload());
            for verdict in [Verdict::New, Verdict::Duplicate] {
                let received = bob.receive(&from(&sent)).unwrap();
                assert!(received.changes.is_empty());
                assert_eq!((received.verdict, received.content), (verdict, Content::Message));
                assert_eq!(stored_bob.receive(&from(&stored)).unwrap().verdict, verdict);
            }
        }
        assert_eq!((alice.export(), bob.export()), (stored_alice.export(), stored_bob.export()));
    }
}

#[test]
fn an_attachment_goes_on_after_a_restart_in_the_middle_of_it() {
    let [mut alice, mut bob] = [ALICE, BOB].map(client);
    let data: Vec<u8> = (0..=255).cycle().take(1_000).collect();
    let cut = Cut::of(AttachmentId::new(4), Label { filename: "f", mime_type: "m" }, &data, 100).unwrap();
    bob.receive(&from(&alice.send_manifest(&cut, T0).unwrap())).unwrap();
    for index in 0..10 {
        let range = cut.range(index).unwrap();
        let piece = cut.piece(index, data[range.start as usize..range.end as usize].to_vec()).unwrap();
        let sent = alice.send_piece(&piece, T0).unwrap();
        bob.receive(&from(&sent)).unwrap();
        alice = TextClient::import(ALICE, options(), &alice.export()).unwrap();
        bob = TextClient::import(BOB, options(), &bob.export()).unwrap();
        let again = bob.receive(&from(&sent)).unwrap();
        assert_eq!((again.verdict, again.content), (Verdict::Duplicate, Content::Message));
    }
    assert_eq!(bob.attachments().assemble((ALICE, AttachmentId::new(4))).unwrap(), data);
    assert_eq!(bob.forget_attachment((ALICE, AttachmentId::new(4))).len(), 1);
    assert_eq!(bob.attachments().held(), 0);
}

#[test]
fn pieces_that_overtake_their_manifest_wait_for_it_also_over_a_restart() {
    let data: Vec<u8> = (0..100).collect();
    let cut = Cut::of(AttachmentId::new(5), Label { filename: "", mime_type: "" }, &data, 40).unwrap();
    let key = (ALICE, AttachmentId::new(5));
    let (mut alice, mut bob) = (client(ALICE), client(BOB));
    let manifest = alice.send_manifest(&cut, T0).unwrap();
    let mut rows = Rows::default();
    let pieces = [0..40, 40..80, 80..100].into_iter().zip(0..).map(|(range, index)| {
        alice.send_piece(&cut.piece(index, data[range].to_vec()).unwrap(), T0).unwrap()
    });
    for sent in pieces.collect::<Vec<_>>().iter().rev() {
        let received = bob.receive(&from(sent)).unwrap();
        let Content::Attachment(progress) = received.content else { panic!("{:?}", received.content) };
        assert!(progress.fresh && !progress.is_complete() && progress.received == 0);
        rows.write(received.changes);
        assert_eq!(bob.receive(&from(sent)).unwrap().verdict, Verdict::Duplicate);
    }
    let (mut bob, _) = TextClient::restore(BOB, options(), rows.rows()).unwrap();
    let exported = TextClient::import(BOB, options(), &bob.export()).unwrap();
    assert_eq!(exported.rows(), bob.rows());
    let received = bob.receive(&from(&manifest)).unwrap();
    let Content::Attachment(progress) = received.content else { panic!("{:?}", received.content) };
    assert!(progress.fresh && progress.is_complete());
    rows.write(received.changes);
    assert_eq!(bob.attachments().assemble(key).unwrap(), data);
    let (mut again, _) = TextClient::restore(BOB, options(), rows.rows()).unwrap();
    assert!(again.attachments().progress(key).unwrap().is_complete());
    assert!(again.take_any_out(None).is_none(), "what the manifest brought in was to be taken out");
}

#[test]
fn pieces_whose_manifest_never_comes_are_forgotten_with_their_rows() {
    let (mut alice, mut bob) = (client(ALICE), client(BOB));
    let cut = Cut::of(AttachmentId::new(5), Label { filename: "", mime_type: "" }, b"data", 4).unwrap();
    let mut rows = Rows::default();
    let sent = alice.send_piece(&cut.piece(0, b"data".to_vec()).unwrap(), T0).unwrap();
    rows.write(bob.receive(&from(&sent)).unwrap().changes);
    let due = bob.poll_timeout().unwrap();
    let (expired, changes) = bob.handle_timeout(due);
    rows.write(changes);
    assert!(expired.is_empty(), "nobody was told of it");
    assert_eq!((bob.poll_timeout(), bob.rows()), (None, rows.rows()));
}

#[test]
fn numbers_go_on_after_a_restart_and_are_never_given_twice() {
    let mut alice = client(ALICE);
    let mut rows = Rows::default();
    let mut last = MessageId::new(0);
    for round in 0..20 {
        let sent = alice.send(Draft::text("x")).unwrap();
        assert!(sent.message.id > last);
        last = sent.message.id;
        rows.write(sent.changes);
        if round % 3 == 0 {
            alice = TextClient::restore(ALICE, options(), rows.rows()).unwrap().0;
        }
    }
    let own = Draft { id: Some(MessageId::new(u64::MAX)), ..Draft::text("the last") };
    alice.send(own).unwrap();
    assert_eq!(alice.send(Draft::text("no more")).unwrap_err().code(), Code::INVALID_ARGUMENT);
    assert_eq!(TextClient::import(ALICE, options(), &alice.export()).unwrap().export(), alice.export());
}

#[test]
fn a_row_of_the_history_holds_its_message_and_smaller_limits_drop_the_oldest() {
    let mut alice = client(ALICE);
    let mut rows = Rows::default();
    for text in ["one", "two", "three"] {
        rows.write(alice.send(Draft::text(text)).unwrap().changes);
    }
    assert_eq!(kept_message(&rows.0[&kept_key(1)]).unwrap().content, b"two");
    let small = HistoryLimits { messages: 1, ..Default::default() };
    let options = TextOptions { history: Some(small), ..options() };
    let (smaller, changes) = TextClient::restore(ALICE, options, rows.rows()).unwrap();
    assert_eq!((smaller.history().unwrap().len(), changes.len()), (1, 2));
    rows.write(changes);
    assert!(rows.0.contains_key(&kept_key(2)) && !rows.0.contains_key(&kept_key(0)));
}

#[test]
fn states_of_other_versions_and_rows_out_of_order_are_refused() {
    let mut state = client(ALICE).export();
    state[1] = 2;
    let refused = TextClient::import(ALICE, options(), &state).unwrap_err();
    assert_eq!((refused, refused.code()), (StateError::Version(2), Code::STATE_INVALID));
    let mut alice = client(ALICE);
    alice.send(Draft::text("x")).unwrap();
    let mut rows = alice.rows();
    rows.reverse();
    assert_eq!(TextClient::restore(ALICE, options(), rows).unwrap_err(), StateError::Contradiction);
}

/// What tells a repetition from a conflict is of no use without the key that it was made under.
#[test]
fn repetitions_are_told_from_conflicts_after_a_restart_with_a_key_and_without() {
    fn unkeyed(member: MemberId) -> TextClient {
        TextClient::new(member, options()).unwrap()
    }
    fn keyed(member: MemberId) -> TextClient {
        unkeyed(member).keyed(support::key(9))
    }
    for made in [unkeyed as fn(MemberId) -> TextClient, keyed] {
        let said = unkeyed(ALICE).send(Draft::text("one")).unwrap();
        let other = unkeyed(ALICE).send(Draft::text("two")).unwrap();
        // Of the fields beside the content too.
        let later = unkeyed(ALICE).send(Draft { sent_at: T0, ..Draft::text("one") }).unwrap();
        assert_eq!([other.message.id, later.message.id], [said.message.id; 2]);
        let (mut bob, mut rows) = (made(BOB), Rows::default());
        rows.write(bob.receive(&from(&said)).unwrap().changes);
        let restored = TextClient::restore(BOB, options(), rows.rows()).unwrap().0;
        let imported = TextClient::import(BOB, options(), &bob.export()).unwrap();
        for mut bob in [bob, restored, imported] {
            let verdicts = [&said, &other, &later].map(|sent| bob.receive(&from(sent)).unwrap().verdict);
            assert_eq!(verdicts, [Verdict::Duplicate, Verdict::Conflicting, Verdict::Conflicting]);
        }
    }
}

/// Also where the first number is one that no row of numbers would have to say.
#[test]
fn the_key_is_stored_with_whatever_is_remembered_first() {
    let mut alice = TextClient::new(ALICE, options()).unwrap().keyed(support::key(0xc3));
    let mut rows = Rows::default();
    rows.write(alice.send(Draft { id: Some(MessageId::new(0)), ..Draft::text("x") }).unwrap().changes);
    assert!(rows.rows().iter().any(|(_, row)| row.windows(16).any(|bytes| bytes == [0xc3; 16])));
    assert_eq!(TextClient::restore(ALICE, options(), rows.rows()).unwrap().0.rows(), alice.rows());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Random life: texts, attachments, repetitions, changes of the epoch. After each step the rows that were handed out
    /// are the whole state, and from time to time everything begins again from them.
    #[test]
    fn the_rows_of_all_steps_together_are_the_state(seed in any::<u64>(), by_epoch in any::<bool>()) {
        let mut rng = Seed::quiet(seed).rng(0);
        let scope = if by_epoch { Scope::Epoch } else { Scope::Group };
        let history = Some(HistoryLimits { messages: 7, bytes: 2_000, in_memory: true });
        let options = || TextOptions { scope, history, ..options() };
        let (mut alice, mut bob) = (client(ALICE), TextClient::new(BOB, options()).unwrap());
        let mut rows = Rows::default();
        rows.write(bob.reset());
        let (mut epoch, mut sent) = (1, Vec::new());
        for step in 0..60_u64 {
            let cut = Cut::of(AttachmentId::new(step), Label { filename: "f", mime_type: "" }, &[1; 30], 10).unwrap();
            match rng.random_range(0..6) {
                0 => epoch = u64::saturating_add(epoch, 1),
                1 => sent.push(alice.send_manifest(&cut, T0).unwrap()),
                2 => rows.write(bob.send(Draft::text("mine")).unwrap().changes),
                _ => sent.push(alice.send(Draft::text("said")).unwrap()),
            }
            if let Some(message) = sent.get(rng.random_range(0..sent.len().max(1))) {
                let mut it = from(message);
                it.epoch = Epoch::new(epoch);
                if let Ok(received) = bob.receive(&it) {
                    rows.write(received.changes);
                }
            }
            prop_assert_eq!(rows.rows(), bob.rows());
            if rng.random_ratio(1, 8) {
                bob = TextClient::restore(BOB, options(), rows.rows()).unwrap().0;
                prop_assert_eq!(rows.rows(), bob.rows());
            }
        }
    }
}

#[test]
fn an_older_state_uses_numbers_again_unless_the_first_message_is_given_one_above_them() {
    let [mut alice, mut bob] = [ALICE, BOB].map(client);
    let backup = alice.export();
    bob.receive(&from(&alice.send(Draft::text("sent after the backup")).unwrap())).unwrap();
    let mut alice = TextClient::import(ALICE, options(), &backup).unwrap();
    let again = alice.clone().send(Draft::text("under the same number")).unwrap();
    assert_eq!(bob.receive(&from(&again)).unwrap().verdict, Verdict::Conflicting);
    let far = Draft { id: Some(MessageId::new(1_000_000)), ..Draft::text("above all") };
    for draft in [far, Draft::text("and behind it")] {
        let sent = alice.send(draft).unwrap();
        assert_eq!(bob.receive(&from(&sent)).unwrap().verdict, Verdict::New);
    }
    assert_eq!(alice.send(Draft::text("x")).unwrap().message.id, MessageId::new(1_000_002));
}
