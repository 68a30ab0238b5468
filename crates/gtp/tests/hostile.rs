//! Whatever comes in: what is refused changes nothing, and what is held stays within its bounds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod support;

use coterie_gtp::limits::{
    ATTACHMENT_TIMEOUT, MAX_ATTACHMENTS, MAX_ATTACHMENTS_OF_SENDER, MAX_CHUNKS, MAX_EARLY,
    MAX_EARLY_OF_SENDER, MAX_HELD, MAX_HELD_OF_SENDER, PIECE_OVERHEAD,
};
use coterie_gtp::{
    AttachmentError, Attachments, Content, Cut, Draft, HistoryLimits, Label, TextClient, TextOptions,
};
use coterie_testkit::{Seed, T0};
use coterie_types::{Code, Duration, ErrorCode as _, MemberId, RequestId};
use coterie_wire::payload::{AttachmentId, Chunk, ContentType, Manifest, Resync, TextMessage};
use coterie_wire::{Codec, PayloadFormat};
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngExt as _};
use support::{ALICE, BOB, client, from, incoming, options};

const ROUNDS: usize = 10_000;

fn genuine() -> Vec<(Codec, Vec<u8>)> {
    let mut alice = client(ALICE);
    let cut = Cut::of(AttachmentId::new(1), Label { filename: "f", mime_type: "m" }, &[9; 100], 40).unwrap();
    let mut payloads = Vec::new();
    for codec in Codec::ALL {
        let draft = Draft { codec, request: RequestId::new(5), ..Draft::text("a genuine message") };
        payloads.push((codec, alice.send(draft).unwrap().payload()));
    }
    payloads.push((Codec::Cbor, alice.send_manifest(&cut, T0).unwrap().payload()));
    payloads
        .push((Codec::Cbor, alice.send_piece(&cut.piece(0, vec![9; 40]).unwrap(), T0).unwrap().payload()));
    payloads.push((Codec::Cbor, alice.ask(BOB, RequestId::new(3), T0).unwrap().payload()));
    let replay = Resync::Replay { messages: vec![], more: true }.encode().unwrap();
    payloads.push((Codec::Cbor, alice.send(Draft::content(ContentType::Binary, replay)).unwrap().payload()));
    payloads
}

#[test]
fn ten_thousand_mutated_payloads_change_nothing_where_they_are_refused() {
    let mut rng = Seed::new(61).rng(0);
    let genuine = genuine();
    let small = HistoryLimits { messages: 20, ..Default::default() };
    let mut bob = TextClient::new(BOB, TextOptions { history: Some(small), ..options() }).unwrap();
    let (mut refused, mut taken) = (0, 0);
    for _ in 0..ROUNDS {
        let (codec, payload) = genuine.choose(&mut rng).unwrap();
        let mut payload = payload.clone();
        match rng.random_range(0..5) {
            0 => payload.truncate(rng.random_range(0..payload.len())),
            1 => payload = (0..rng.random_range(0..80)).map(|_| rng.random()).collect(),
            2 => payload.insert(rng.random_range(0..payload.len()), rng.random()),
            _ => {
                let place = rng.random_range(0..payload.len());
                payload[place] ^= 1 << rng.random_range(0..8);
            }
        }
        let before = bob.export();
        let mut it = incoming(*codec, &payload, ALICE);
        it.format =
            PayloadFormat::new(if rng.random_ratio(1, 20) { rng.random() } else { it.format.number() });
        match bob.receive(&it) {
            Ok(_) => taken += 1,
            Err(error) => {
                refused += 1;
                assert!(!error.code().as_str().is_empty());
                assert_eq!(bob.export(), before, "{error}");
            }
        }
        assert!(bob.history().unwrap().len() <= 20);
        assert!(bob.attachments().keys().count() <= MAX_ATTACHMENTS_OF_SENDER);
    }
    println!("{refused} refused, {taken} taken");
    assert!(refused > ROUNDS / 4 && taken > 100, "{refused} refused, {taken} taken");
}

fn manifest(id: u64, size: u64, chunks: u32) -> Manifest {
    Manifest::new(AttachmentId::new(id), "", "", (size, chunks), [0; 32]).unwrap()
}

#[test]
fn manifests_allocate_nothing_for_what_they_promise_and_their_number_is_bounded() {
    let mut attachments = Attachments::new(u64::MAX);
    assert_eq!(attachments.offer(ALICE, manifest(0, u64::MAX, u32::MAX), T0), Err(AttachmentError::TooLarge));
    for id in 0..100 {
        let taken = attachments.offer(ALICE, manifest(id, u64::MAX, MAX_CHUNKS), T0).is_ok();
        assert_eq!(taken, id < MAX_ATTACHMENTS_OF_SENDER as u64);
    }
    for sender in 10..1_000 {
        let _ = attachments.offer(MemberId::new(sender), manifest(1, 10, 2), T0);
    }
    assert_eq!((attachments.keys().count(), attachments.held()), (MAX_ATTACHMENTS, 0));
    let other = attachments.offer(ALICE, manifest(0, 7, 2), T0);
    assert_eq!(other.unwrap_err().code(), Code::GTP_ATTACHMENT_INTEGRITY);
    let deadline = attachments.poll_timeout().unwrap();
    assert_eq!(attachments.handle_timeout(T0 + Duration::from_secs(1)).len(), 0);
    assert_eq!(attachments.handle_timeout(deadline).len(), MAX_ATTACHMENTS);
}

#[test]
fn pieces_are_held_up_to_a_bound_by_sender_and_in_total_and_taking_out_makes_room() {
    let mut attachments = Attachments::new(u64::MAX);
    let length = 1_000_000;
    let chunk = |index| Chunk::new(AttachmentId::new(1), index, 1_000, vec![1; length]).unwrap();
    for sender in 1..=10 {
        let sender = MemberId::new(sender);
        attachments.offer(sender, manifest(1, 1_000 * length as u64, 1_000), T0).unwrap();
        let full = (0..1_000).find_map(|index| attachments.take(sender, chunk(index), T0).err());
        assert_eq!(full, Some(AttachmentError::Full));
        assert!(attachments.held_of(sender) <= MAX_HELD_OF_SENDER);
    }
    assert!(attachments.held() <= MAX_HELD && attachments.held() > MAX_HELD - 2 * length);
    let stuck = attachments.progress((ALICE, AttachmentId::new(1))).unwrap().received;
    assert_eq!(attachments.take(ALICE, chunk(stuck), T0), Err(AttachmentError::Full));
    let before = attachments.held();
    let out = attachments.take_any_out(Some(ALICE)).unwrap();
    assert_eq!(before - attachments.held(), out.data.len() + PIECE_OVERHEAD);
    assert!(attachments.take(ALICE, chunk(stuck), T0).unwrap().fresh, "handed in again, it is taken");
    while attachments.take_any_out(None).is_some() {}
    assert_eq!(attachments.held(), 0);
}

#[test]
fn tiny_pieces_are_counted_for_what_they_cost() {
    let mut attachments = Attachments::new(u64::MAX);
    let mut held = 0;
    'all: for id in 0..MAX_ATTACHMENTS_OF_SENDER as u64 {
        attachments.offer(ALICE, manifest(id, MAX_CHUNKS.into(), MAX_CHUNKS), T0).unwrap();
        for index in 0..MAX_CHUNKS {
            let chunk = Chunk::new(AttachmentId::new(id), index, MAX_CHUNKS, vec![0]).unwrap();
            match attachments.take(ALICE, chunk, T0) {
                Ok(_) => held += 1,
                Err(error) => {
                    assert_eq!(error, AttachmentError::Full);
                    break 'all;
                }
            }
        }
    }
    assert_eq!(held, MAX_HELD_OF_SENDER / (PIECE_OVERHEAD + 1));
}

#[test]
fn a_piece_that_finds_no_room_uses_up_no_number_so_that_it_can_be_handed_in_again() {
    let [mut alice, mut bob] = [ALICE, BOB].map(client);
    let size = 20 << 20;
    let data = vec![3; size];
    let label = Label { filename: "large", mime_type: "" };
    let cut = Cut::of(AttachmentId::new(1), label, &data, 1 << 19).unwrap();
    bob.receive(&from(&alice.send_manifest(&cut, T0).unwrap())).unwrap();
    let (mut spilled, mut refusals) = (Vec::new(), 0);
    for index in 0..cut.manifest().chunks() {
        let range = cut.range(index).unwrap();
        let piece = cut.piece(index, data[range.start as usize..range.end as usize].to_vec()).unwrap();
        let sent = alice.send_piece(&piece, T0).unwrap();
        while let Err(error) = bob.receive(&from(&sent)) {
            assert_eq!(error.code(), Code::GTP_ATTACHMENT_FULL);
            refusals += 1;
            spilled.push(bob.take_any_out(Some(ALICE)).unwrap());
        }
    }
    let key = (ALICE, AttachmentId::new(1));
    assert!(bob.attachments().progress(key).unwrap().is_complete() && refusals > 0);
    assert_eq!(spilled.len(), refusals);
}

#[test]
fn pieces_that_come_before_their_manifest_are_held_up_to_a_bound_and_never_shared_between_senders() {
    let mut attachments = Attachments::default();
    let piece = |index| Chunk::new(AttachmentId::new(1), index, 65_536, vec![7; 65_536]).unwrap();
    let room = |sender, attachments: &mut Attachments| {
        (0..65_536).take_while(|index| attachments.take(sender, piece(*index), T0).is_ok()).count()
    };
    let most = MAX_EARLY_OF_SENDER / (65_536 + PIECE_OVERHEAD);
    assert_eq!(room(ALICE, &mut attachments), most);
    assert_eq!(attachments.take(ALICE, piece(70), T0), Err(AttachmentError::Full));
    assert_eq!(room(BOB, &mut attachments), most, "one sender does not take another's room");
    let others = (10..20).map(|number| room(MemberId::new(number), &mut attachments)).sum::<usize>();
    assert_eq!(others + 2 * most, MAX_EARLY / (65_536 + PIECE_OVERHEAD));
    assert_eq!(attachments.held(), 0);
    // Somebody else's manifest of the same number takes none of them, and one that they do not fit drops them.
    let progress = attachments.offer(MemberId::new(99), manifest(1, 1 << 20, 65_536), T0).unwrap();
    assert_eq!(progress.received, 0);
    assert_eq!(attachments.offer(ALICE, manifest(1, 9, 3), T0).unwrap().received, 0);
    assert_eq!(attachments.held(), 0);
    assert_eq!(attachments.poll_timeout(), Some(T0 + ATTACHMENT_TIMEOUT));
}

#[test]
fn binary_content_that_is_no_piece_of_ours_reaches_the_application() {
    let [mut alice, mut bob] = [ALICE, BOB].map(client);
    let lookalike = Chunk::new(AttachmentId::new(1), 0, 1, vec![1]).unwrap().encode(Codec::Cbor).unwrap();
    let sent = alice.send(Draft::content(ContentType::Binary, lookalike.clone())).unwrap();
    assert_eq!(bob.receive(&from(&sent)).unwrap().content, Content::Message);
    let sent = alice.send(Draft::content(ContentType::Attachment, lookalike)).unwrap();
    let Content::Attachment(waits) = bob.receive(&from(&sent)).unwrap().content else { panic!() };
    assert!(waits.fresh && !waits.is_complete());
    let unknown = bob.attachments().assemble(waits.key).unwrap_err();
    assert_eq!(unknown.code(), Code::GTP_ATTACHMENT_UNKNOWN);
    let sent = alice.send(Draft::content(ContentType::Attachment, vec![1])).unwrap();
    assert_eq!(bob.receive(&from(&sent)).unwrap().content, Content::Message);
}

#[test]
fn a_message_as_large_as_a_frame_goes_through() {
    let [mut alice, mut bob] = [ALICE, BOB].map(client);
    let content = vec![b'x'; (1 << 20) - 512];
    for codec in Codec::ALL {
        let draft = Draft { codec, ..Draft::content(ContentType::Plain, content.clone()) };
        let sent = alice.send(draft).unwrap();
        assert_eq!(bob.receive(&from(&sent)).unwrap().message.content, content);
    }
    let before = alice.export();
    assert!(alice.send(Draft::content(ContentType::Plain, vec![0; 1 << 20])).is_err());
    assert_eq!(alice.export(), before, "nothing was numbered");
}

#[test]
fn damaged_states_are_refused_or_mean_something_else_but_never_more_than_the_bounds() {
    let mut rng = Seed::new(62).rng(0);
    let mut bob = client(BOB);
    for (codec, payload) in genuine() {
        let _ = bob.receive(&incoming(codec, &payload, ALICE));
    }
    let state = bob.export();
    for _ in 0..ROUNDS {
        let mut damaged = state.clone();
        match rng.random_range(0..3) {
            0 => damaged.truncate(rng.random_range(0..state.len())),
            1 => damaged.push(rng.next_u32().to_be_bytes()[0]),
            _ => {
                let place = rng.random_range(0..state.len());
                damaged[place] = damaged[place].wrapping_add(rng.random_range(1..=255));
            }
        }
        match TextClient::import(BOB, options(), &damaged) {
            Err(error) => assert_eq!(error.code(), Code::STATE_INVALID),
            Ok(client) => assert_eq!(client.export(), damaged, "one form for one state"),
        }
    }
    let message: TextMessage = bob.history().unwrap().iter().next().unwrap().message.unwrap().clone();
    assert_eq!(message.sender, ALICE);
}
