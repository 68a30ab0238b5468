//! The examples and rules of the protocol's text, through the client.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use coterie_gtp::{
    AttachmentError, Attachments, Cut, Draft, History, HistoryLimits, Label, Origin, Piece, ReceiveError,
    TextClient, TextOptions, Verdict, Watermark,
};
use coterie_testkit::T0;
use coterie_types::{Code, ErrorCode as _, MemberId, MessageId, RequestId, Timestamp};
use coterie_wire::payload::{AttachmentId, Chunk, ContentType, MessageFlags, TextMessage};
use coterie_wire::{Codec, ErrorNumber, PayloadFormat};
use support::{ALICE, BOB, incoming, unhex};

const T1: [&str; 3] = [
    "a8636d69641acafef00d637369640162747300637269640062666c0162637400636c656e0564626f64794568656c6c6f",
    "088de0fbd70c100128013805420568656c6c6f",
    "04000000e4ffffff0df0feca000000000100000001000000050000001800000014001c0004000c000000000010000000140018000500000068656c6c6f",
];
const T2: [&str; 3] = [
    "a8636d69641b010203040506070863736964182a6274731b0000018bcfe56800637269640962666c0462637402636c656e0464626f647944000102ff",
    "08888e98a8c0e0808101102a1880d095ffbc3120092804300238044204000102ff",
    "04000000d4ffffff08070605040302010068e5cf8b0100002a000000090000000400000002000000040000001800000014002c00040014000c0018001c0020002400280004000000000102ff",
];
const T3: [&str; 3] = [
    "a8636d696401637369640162747300637269640062666c0162637400636c656e0064626f647940",
    "080110012801",
    "04000000e8ffffff01000000000000000100000001000000180000001400180004000c0000000000100000000000140000000000",
];

fn deployed(member: u32) -> TextClient {
    TextClient::new(MemberId::new(member), TextOptions::deployed()).unwrap()
}

#[test]
fn deployed_text_is_sent_byte_for_byte_in_every_codec() {
    for (codec, bytes) in Codec::ALL.into_iter().zip(T1) {
        let draft = Draft::as_deployed(MessageId::new(0xcafe_f00d), "hello", codec);
        assert_eq!(deployed(1).send(draft).unwrap().payload(), unhex(bytes));
    }
    for (codec, bytes) in Codec::ALL.into_iter().zip(T3) {
        let draft = Draft::as_deployed(MessageId::new(1), "", codec);
        assert_eq!(deployed(1).send(draft).unwrap().payload(), unhex(bytes));
    }
}

#[test]
fn every_field_of_a_message_can_be_sent_and_arrives() {
    for (codec, bytes) in Codec::ALL.into_iter().zip(T2) {
        let draft = Draft {
            id: Some(MessageId::new(0x0102_0304_0506_0708)),
            sent_at: Timestamp::from_millis(1_700_000_000_000),
            request: RequestId::new(9),
            flags: MessageFlags::PERSISTENT,
            codec,
            ..Draft::content(ContentType::Binary, vec![0, 1, 2, 255])
        };
        let sent = deployed(42).send(draft).unwrap();
        assert_eq!(sent.payload(), unhex(bytes));
        let received = deployed(1).receive(&incoming(codec, &sent.payload(), MemberId::new(42))).unwrap();
        assert_eq!((received.message, received.verdict), (sent.message, Verdict::New));
    }
}

#[test]
fn what_the_text_refuses_is_refused_with_its_number() {
    let mut client = deployed(2);
    let wrong = T1[0].replace("636c656e05", "636c656e06");
    let refused = client.receive(&incoming(Codec::Cbor, &unhex(&wrong), ALICE)).unwrap_err();
    assert_eq!((refused.code(), refused.number()), (Code::GTP_BAD_LENGTH, Some(ErrorNumber::GTP_BAD_LENGTH)));
    assert!(client.receive(&incoming(Codec::Cbor, &unhex("ffff"), ALICE)).is_err());
    let lengthless = "088de0fbd70c10012801420568656c6c6f";
    let refused = client.receive(&incoming(Codec::Protobuf, &unhex(lengthless), ALICE)).unwrap_err();
    assert_eq!(refused.code(), Code::GTP_BAD_LENGTH);
    let mut unknown = incoming(Codec::Cbor, T1[0].as_bytes(), ALICE);
    unknown.format = PayloadFormat::new(3);
    assert_eq!(client.receive(&unknown).unwrap_err().code(), Code::WIRE_UNSUPPORTED_CODEC);
}

#[test]
fn a_message_is_new_once_in_an_epoch_and_senders_are_apart() {
    let mut client = deployed(3);
    let payload = unhex(T3[0]);
    let mut verdict = |epoch, origin| {
        let mut it = incoming(Codec::Cbor, &payload, ALICE);
        (it.epoch, it.origin) = (coterie_types::Epoch::new(epoch), origin);
        client.receive(&it).unwrap().verdict
    };
    let alice = Origin::Member(ALICE);
    let verdicts = [(1, alice), (1, Origin::Unknown), (2, alice), (2, alice), (1, alice)];
    let verdicts = verdicts.map(|(epoch, origin)| verdict(epoch, origin));
    use Verdict::{Duplicate, New};
    assert_eq!(verdicts, [New, Duplicate, New, Duplicate, New]);
    client.reset();
    assert_eq!(client.receive(&incoming(Codec::Cbor, &payload, ALICE)).unwrap().verdict, New);
}

#[test]
fn nobody_speaks_in_the_name_of_another() {
    let mut client = deployed(3);
    let refused = client.receive(&incoming(Codec::Cbor, &unhex(T3[0]), BOB)).unwrap_err();
    assert_eq!(refused, ReceiveError::WrongSender { claimed: ALICE, sender: BOB });
    assert_eq!(refused.code(), Code::GTP_WRONG_SENDER);
    let received = client.receive(&incoming(Codec::Cbor, &unhex(T3[0]), ALICE)).unwrap();
    assert_eq!(received.verdict, Verdict::New, "the forgery used nothing up");
}

#[test]
fn content_types_that_the_group_does_not_take_are_refused() {
    let types = Some(vec![ContentType::Plain]);
    let options = TextOptions { content_types: types, ..TextOptions::default() };
    let mut client = TextClient::new(BOB, options).unwrap();
    let mut alice = deployed(1);
    let sent = alice.send(Draft::content(ContentType::Other(200), vec![1])).unwrap();
    let refused = client.receive(&incoming(Codec::Cbor, &sent.payload(), ALICE)).unwrap_err();
    assert_eq!(refused.number(), Some(ErrorNumber::GTP_UNSUPPORTED_CONTENT_TYPE));
    let mut open = TextClient::new(BOB, TextOptions::default()).unwrap();
    let received = open.receive(&incoming(Codec::Cbor, &sent.payload(), ALICE)).unwrap();
    assert_eq!(received.message.content_type, ContentType::Other(200));
}

#[test]
fn history_and_watermark_do_what_the_published_helpers_do() {
    let message = |sender: u32, id: u64, text: &str| {
        let mut client = deployed(sender);
        client.send(Draft { id: Some(MessageId::new(id)), ..Draft::text(text) }).unwrap().message
    };
    let mut history = History::new(HistoryLimits { messages: 3, ..Default::default() }).unwrap();
    let large = (1 << 53) + 1;
    assert!(history.push(&message(1, large, "a")).is_some());
    assert!(history.push(&message(1, large, "again")).is_none());
    assert!(history.push(&message(1, large - 1, "near")).is_some(), "all 64 bits count");
    let mut seen = Watermark::default();
    seen.observe(ALICE, MessageId::new(large - 1));
    let since: Vec<&TextMessage> = history.since(&seen).filter_map(|kept| kept.message).collect();
    assert_eq!((since.len(), since[0].content.as_slice()), (1, &b"a"[..]));
    history.clear();
    assert!(history.is_empty());
}

const MANIFEST: &str = "a66361696408646e616d6565612e747874646d696d656a746578742f706c61696e6473697a650b626e630264686173685820b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";
const CHUNKS: [&str; 2] = [
    "a463616964086369647800626e630264646174614668656c6c6f20",
    "a463616964086369647801626e6302646461746145776f726c64",
];

fn hello() -> Cut {
    let label = Label { filename: "a.txt", mime_type: "text/plain" };
    Cut::of(AttachmentId::new(8), label, b"hello world", 6).unwrap()
}

#[test]
fn an_attachment_is_cut_and_assembled_as_the_example_says() {
    let cut = hello();
    assert_eq!(cut.manifest().encode(Codec::Cbor).unwrap(), unhex(MANIFEST));
    let mut attachments = Attachments::default();
    attachments.offer(ALICE, cut.manifest().clone(), T0).unwrap();
    let key = (ALICE, AttachmentId::new(8));
    for (index, expected) in CHUNKS.iter().enumerate().rev() {
        let index = u32::try_from(index).unwrap();
        let range = cut.range(index).unwrap();
        let data = b"hello world"[range.start as usize..range.end as usize].to_vec();
        let piece = cut.piece(index, data).unwrap();
        assert_eq!(piece.encode(Codec::Cbor).unwrap(), unhex(expected));
        assert!(attachments.assemble(key).is_err());
        attachments.take(ALICE, piece, T0).unwrap();
    }
    assert_eq!(attachments.assemble(key).unwrap(), b"hello world");
}

#[test]
fn an_empty_attachment_is_complete_at_once_and_a_length_of_zero_counts_as_one() {
    let label = Label { filename: "", mime_type: "" };
    let empty = Cut::of(AttachmentId::new(1), label, b"", 0).unwrap();
    let mut attachments = Attachments::default();
    assert!(attachments.offer(ALICE, empty.manifest().clone(), T0).unwrap().is_complete());
    assert_eq!(attachments.assemble((ALICE, AttachmentId::new(1))), Ok(Vec::new()));
    assert_eq!(Cut::of(AttachmentId::new(2), label, b"abc", 0).unwrap().manifest().chunks(), 3);
}

#[test]
fn pieces_that_do_not_fit_are_refused_and_change_nothing() {
    let mut attachments = Attachments::default();
    attachments.offer(ALICE, hello().manifest().clone(), T0).unwrap();
    let id = AttachmentId::new(8);
    let chunk = |id, index, count, length: usize| Chunk::new(id, index, count, vec![7; length]).unwrap();
    let refused = [
        (ALICE, chunk(AttachmentId::new(9), 0, 70_000, 6), AttachmentError::Integrity),
        (ALICE, chunk(id, 2, 3, 6), AttachmentError::Integrity),
        (ALICE, chunk(id, 0, 3, 6), AttachmentError::Integrity),
        (ALICE, chunk(id, 0, 2, 11), AttachmentError::Integrity),
    ];
    for (sender, chunk, error) in refused {
        assert_eq!(attachments.take(sender, chunk, T0), Err(error));
        assert_eq!((attachments.held(), attachments.progress((ALICE, id)).unwrap().received), (0, 0));
    }
    attachments.take(ALICE, chunk(id, 0, 2, 6), T0).unwrap();
    assert_eq!(attachments.take(ALICE, chunk(id, 1, 2, 4), T0), Err(AttachmentError::Integrity));
    let again = attachments.take(ALICE, chunk(id, 0, 2, 1), T0).unwrap();
    assert!(!again.fresh, "the first copy stays");
    attachments.take(ALICE, chunk(id, 1, 2, 5), T0).unwrap();
    let refused = attachments.assemble((ALICE, id)).unwrap_err();
    assert_eq!((refused, refused.code()), (AttachmentError::Integrity, Code::GTP_ATTACHMENT_INTEGRITY));
    assert_eq!(refused.number(), Some(ErrorNumber::GTP_ATTACHMENT_INTEGRITY));
}

#[test]
fn pieces_that_were_taken_out_are_asked_for_by_their_places() {
    let cut = hello();
    let mut attachments = Attachments::default();
    attachments.offer(ALICE, cut.manifest().clone(), T0).unwrap();
    let key = (ALICE, AttachmentId::new(8));
    attachments.take(ALICE, cut.piece(0, b"hello ".to_vec()).unwrap(), T0).unwrap();
    let out = attachments.take_any_out(Some(ALICE)).unwrap();
    assert_eq!((out.index, out.data.as_slice(), attachments.held()), (0, &b"hello "[..], 0));
    assert!(!attachments.take(ALICE, cut.piece(0, b"hello ".to_vec()).unwrap(), T0).unwrap().fresh);
    attachments.take(ALICE, cut.piece(1, b"world".to_vec()).unwrap(), T0).unwrap();
    assert_eq!(attachments.assemble(key), Err(AttachmentError::TakenOut(0)));
    let mut check = attachments.check(key).unwrap();
    for piece in attachments.pieces(key).unwrap() {
        match piece {
            Piece::Held(data) => check.update(data),
            Piece::TakenOut(index) => {
                assert_eq!(index, 0);
                check.update(&out.data);
            }
        }
    }
    assert_eq!(check.finish(), Ok(()));
}

#[test]
fn data_of_another_length_or_digest_than_announced_are_not_whole() {
    let label = Label { filename: "a.txt", mime_type: "text/plain" };
    let digest = coterie_gtp::digest_of(b"hello world");
    let cut = Cut::new(AttachmentId::new(8), label, (12, digest), 6).unwrap();
    let mut attachments = Attachments::default();
    attachments.offer(ALICE, cut.manifest().clone(), T0).unwrap();
    for data in [&b"hello world"[..], b"hello world!"] {
        let mut check = attachments.check((ALICE, AttachmentId::new(8))).unwrap();
        check.update(data);
        assert_eq!(check.finish(), Err(AttachmentError::Integrity));
    }
}
