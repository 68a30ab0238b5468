//! A member's media over a store: epochs that change, senders that come and go, stores that fail.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use coterie_sframe::limits::RESERVATION;
use coterie_sframe::{
    Header, Media, MediaError, MediaOptions, OpenError, Outgoing, Protection, Sender, SenderOptions,
};
use coterie_store::{CounterKeeper, MemoryStore, Store, StoreError};
use coterie_testkit::{Fault, FaultyStore, T0};
use coterie_types::{Code, Duration, Epoch, ErrorCode, LeafIndex};
use support::epoch_key;

const GBP: Protection = Protection::GBP;
const GRACE: Duration = Duration::from_secs(2);
const OPTIONS: MediaOptions = MediaOptions { grace: GRACE, is_foreign: false, is_restored: false };

fn keeper(store: &Arc<FaultyStore<MemoryStore>>) -> Arc<CounterKeeper> {
    Arc::new(CounterKeeper::new(Arc::clone(store) as Arc<dyn Store>))
}

fn durable() -> Arc<FaultyStore<MemoryStore>> {
    Arc::new(FaultyStore::over(MemoryStore::new()))
}

fn media(keeper: &Arc<CounterKeeper>, epoch: u64) -> Media {
    Media::new(Arc::clone(keeper), epoch_key(GBP, epoch), OPTIONS)
}

fn of(leaf: u32) -> SenderOptions {
    SenderOptions { leaf: LeafIndex::new(leaf), context: 0, first_counter: None }
}

fn seal(sender: &Sender) -> Result<Vec<u8>, MediaError> {
    let mut out = [0; 64];
    let length = sender.encrypt_into(b"frame", b"", &mut out)?;
    Ok(out[..length].to_vec())
}

fn counter(frame: &[u8]) -> u64 {
    Header::read(frame).unwrap().0.counter
}

fn opens(media: &Media, frame: &[u8], now: coterie_types::Timestamp) -> Result<Epoch, OpenError> {
    media.receive(now, |session| session.decrypt(frame, b"", now)).unwrap().map(|(opened, _)| opened.epoch)
}

#[test]
fn senders_and_receivers_go_on_with_the_group_and_late_frames_are_taken_for_a_while() {
    let (alice, bob) = (media(&keeper(&durable()), 1), media(&keeper(&durable()), 1));
    let sender = alice.sender(of(0)).unwrap();
    let late: Vec<_> = (0..3).map(|_| seal(&sender).unwrap()).collect();
    alice.follow(epoch_key(GBP, 2)).unwrap();
    let early = seal(&sender).unwrap();
    assert_eq!((sender.key_id().unwrap().number(), counter(&early)), (2, 0), "another key counts anew");
    assert!(matches!(opens(&bob, &early, T0), Err(OpenError::UnknownKeyId(_))));

    bob.follow(epoch_key(GBP, 2)).unwrap();
    assert_eq!(bob.epoch(), Ok(Epoch::new(2)));
    let now = T0 + Duration::from_days(1);
    assert_eq!(opens(&bob, &early, now), Ok(Epoch::new(2)));
    assert_eq!(opens(&bob, &late[0], now), Ok(Epoch::new(1)), "the grace begins when the time is known");
    assert_eq!(opens(&bob, &late[1], (now + GRACE).before(Duration::from_millis(1))), Ok(Epoch::new(1)));
    assert!(matches!(opens(&bob, &late[2], now + GRACE), Err(OpenError::UnknownKeyId(_))));
    assert!(matches!(opens(&bob, &late[2], now), Err(OpenError::UnknownKeyId(_))), "wiped");
}

#[test]
fn epochs_that_nobody_looked_at_leave_no_keys() {
    let (alice, bob) = (media(&keeper(&durable()), 1), media(&keeper(&durable()), 1));
    let sender = alice.sender(of(0)).unwrap();
    let mut frames = vec![seal(&sender).unwrap()];
    for epoch in 2..6 {
        alice.follow(epoch_key(GBP, epoch)).unwrap();
        bob.follow(epoch_key(GBP, epoch)).unwrap();
        frames.push(seal(&sender).unwrap());
    }
    let known: Vec<_> = frames.iter().map(|frame| opens(&bob, frame, T0).is_ok()).collect();
    assert_eq!(known, [false, false, false, true, true]);
}

#[test]
fn sessions_senders_and_restarts_of_one_key_continue_one_counter() {
    let store = durable();
    let mut seen = BTreeSet::new();
    let mut last = None;
    for _ in 0..5 {
        let keeper = keeper(&store);
        for _ in 0..3 {
            let (one, other) = (media(&keeper, 1), media(&keeper, 1));
            let senders = [one.sender(of(3)), other.sender(of(3)), one.sender(of(3))].map(Result::unwrap);
            for sender in senders.iter().cycle().take(50) {
                let counter = counter(&seal(sender).unwrap());
                assert!(seen.insert(counter) && last < Some(counter), "{counter} came up twice");
                last = Some(counter);
            }
        }
    }
    assert_eq!(last, Some(4 * RESERVATION + 149), "a gap at each restart, and none between");
}

#[test]
fn nothing_is_sealed_before_its_record_is_stored_and_the_store_is_asked_again() {
    for fault in Fault::ALL {
        let store = durable();
        let keeper = keeper(&store);
        let alice = media(&keeper, 1);
        store.fail_after(0, fault);
        assert!(matches!(alice.sender(of(0)).err(), Some(MediaError::Store(_))), "{fault:?}");
        store.reopen();
        let sender = alice.sender(of(0)).unwrap();
        let first = counter(&seal(&sender).unwrap());
        assert_eq!(first, RESERVATION, "what was promised and not acknowledged is given up: {fault:?}");

        for _ in 1..RESERVATION {
            seal(&sender).unwrap();
        }
        store.fail_after(0, fault);
        assert!(matches!(seal(&sender), Err(MediaError::Store(_))), "{fault:?}");
        store.reopen();
        assert!(counter(&seal(&sender).unwrap()) >= 2 * RESERVATION);
    }
}

#[test]
fn a_sender_asks_for_more_before_it_runs_out_and_says_so_once() {
    let store = durable();
    let alice = media(&keeper(&store), 1);
    let sender = alice.sender(of(0)).unwrap();
    let mut asked = 0;
    for _ in 0..RESERVATION - 1 {
        seal(&sender).unwrap();
        asked += u32::from(sender.wants_reservation());
    }
    assert_eq!((asked, store.commits()), (1, 1));
    sender.reserve().unwrap();
    assert_eq!((sender.remaining().unwrap(), store.commits()), (RESERVATION + 1, 2));
    sender.reserve().unwrap();
    assert_eq!(store.commits(), 2, "there are enough");
}

#[test]
fn who_is_faster_than_the_store_reserves_more_at_once() {
    let store = durable();
    let alice = media(&keeper(&store), 1);
    let sender = alice.sender(of(0)).unwrap();
    let frames = [Outgoing { plaintext: b"frame", metadata: b"" }; 50];
    let (mut out, mut lengths) = ([0; 50 * 40], [0; 50]);
    for _ in 0..20_000 {
        sender.encrypt_all(&frames, &mut out, &mut lengths).unwrap();
    }
    assert!(store.commits() < 12, "{} commits for a million frames", store.commits());
    let many = vec![Outgoing::default(); 3_000_000];
    let (mut out, mut lengths) = (vec![0; many.len() * 33], vec![0; many.len()]);
    sender.encrypt_all(&many, &mut out, &mut lengths).unwrap();
}

#[test]
fn who_was_removed_seals_nothing_and_still_hears_what_is_late() {
    let (alice, bob) = (media(&keeper(&durable()), 1), media(&keeper(&durable()), 1));
    let (sender, speaker) = (alice.sender(of(0)).unwrap(), bob.sender(of(1)).unwrap());
    let late = seal(&speaker).unwrap();
    alice.remove();
    assert_eq!(seal(&sender), Err(MediaError::Removed));
    assert_eq!(alice.sender(of(0)).err(), Some(MediaError::Removed));
    assert_eq!(opens(&alice, &late, T0), Ok(Epoch::new(1)));
}

#[test]
fn closing_ends_everything_that_was_made() {
    let alice = media(&keeper(&durable()), 1);
    let (sender, other) = (alice.sender(of(0)).unwrap(), alice.sender(of(1)).unwrap());
    other.close();
    assert_eq!(seal(&other), Err(MediaError::Closed));
    assert!(seal(&sender).is_ok());
    alice.close();
    alice.close();
    assert_eq!(seal(&sender), Err(MediaError::Closed));
    assert_eq!(alice.receive(T0, |_| ()), Err(MediaError::Closed));
    assert_eq!(alice.epoch().err().map(|error| error.code()), Some(Code::HANDLE_CLOSED));
    assert_eq!(alice.follow(epoch_key(GBP, 2)), Ok(()), "nobody is there to follow");
}

#[test]
fn a_restored_group_hears_and_does_not_speak() {
    let options = MediaOptions { is_restored: true, ..OPTIONS };
    let restored = Media::new(keeper(&durable()), epoch_key(GBP, 1), options);
    let error = restored.sender(of(0)).err().unwrap();
    assert_eq!((&error, error.code()), (&MediaError::Restored, Code::MLS_RESTORED));
    let sender = media(&keeper(&durable()), 1).sender(of(1)).unwrap();
    assert!(matches!(seal(&sender), Ok(frame) if opens(&restored, &frame, T0).is_ok()));
}

#[test]
fn a_key_from_outside_is_not_trusted_to_a_store_that_cannot_know_its_past() {
    let options = MediaOptions { is_foreign: true, ..OPTIONS };
    let in_memory = Arc::new(CounterKeeper::new(Arc::new(MemoryStore::new())));
    let foreign = Media::new(in_memory, epoch_key(GBP, 1), options);
    assert_eq!(foreign.sender(of(0)).err(), Some(MediaError::CountersUnknown));
    let sender = foreign.sender(SenderOptions { first_counter: Some(70_000), ..of(0) }).unwrap();
    assert_eq!(counter(&seal(&sender).unwrap()), 70_000);
    let again = foreign.sender(SenderOptions { first_counter: Some(0), ..of(0) }).unwrap();
    assert_eq!(counter(&seal(&again).unwrap()), 70_001, "nobody goes back");

    let on_disk = Media::new(keeper(&durable()), epoch_key(GBP, 1), options);
    assert!(on_disk.sender(of(0)).is_ok());
}

#[test]
fn a_leaf_beyond_a_key_id_is_refused() {
    let alice = media(&keeper(&durable()), 1);
    assert_eq!(alice.sender(of(65_536)).err().map(|error| error.code()), Some(Code::INVALID_ARGUMENT));
    assert!(alice.sender(of(65_535)).is_ok());
}

#[test]
fn a_store_that_fails_while_the_epoch_changes_is_asked_again_by_the_next_frame() {
    let store = durable();
    let alice = media(&keeper(&store), 1);
    let sender = alice.sender(of(0)).unwrap();
    store.fail_after(0, Fault::Full);
    alice.follow(epoch_key(GBP, 2)).unwrap();
    let frame = seal(&sender).unwrap();
    assert_eq!(Header::read(&frame).unwrap().0.key_id.number(), 2);
    assert_eq!(MediaError::Store(StoreError::Full).code(), Code::STORE_FULL);
}

#[test]
fn nothing_that_is_printed_shows_a_key() {
    let alice = media(&keeper(&durable()), 1);
    let sender = alice.sender(of(7)).unwrap();
    assert_eq!(format!("{alice:?}"), "Media { suite: Aes128Gcm, .. }");
    assert_eq!(format!("{sender:?}"), "Sender { leaf: LeafIndex(7), .. }");
}
