//! The examples that the protocol's text gives, byte for byte.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeSet;

use coterie_types::{
    Code, Epoch, ErrorCode as _, GroupId, MemberId, MessageId, RequestId, Sequence, StreamClass, StreamId,
    Timestamp, TransitionId,
};
use coterie_wire::control::{Arguments, Capabilities, ControlMessage, Opcode, member_set};
use coterie_wire::payload::{
    AttachmentId, AudioPayload, Chunk, ContentType, Manifest, MediaSource, MessageFlags, PayloadError, Role,
    Signal, SignalMessage, TextMessage,
};
use coterie_wire::{Codec, Flags, Frame, FrameError, Header, Malformed, PayloadFormat, Profile};

fn group() -> GroupId {
    GroupId::new(&(0xa0..=0xaf).collect::<Vec<u8>>()).unwrap()
}

fn header() -> Header {
    Header {
        profile: Profile::Interop,
        group: group(),
        epoch: Epoch::new(1),
        transition: TransitionId::new(0),
        class: StreamClass::Text,
        stream: StreamId::standard(StreamClass::Text, MemberId::new(1)).unwrap(),
        flags: Flags::MESSAGE,
        sequence: Sequence::FIRST,
        format: PayloadFormat::default(),
    }
}

const FRAME_A: &str = "aa6176016367696450a0a1a2a3a4a5a6a7a8a9aaabacadaeaf6265700163746964006273740263736964186562666c0763736571016370737a1562706c553094d76810746cf6111be8c2e0f5aca130848d1ebc";

#[test]
fn a_frame_has_the_published_bytes() {
    let payload = hex::decode("3094d76810746cf6111be8c2e0f5aca130848d1ebc").unwrap();
    let frame = Frame { header: header(), payload: &payload };
    assert_eq!(hex::encode(frame.encode().unwrap()), FRAME_A);
    assert_eq!(Frame::decode(&hex::decode(FRAME_A).unwrap()), Ok(frame));

    let payload = hex::decode("85bb053da5a2e4dc4a5885cb604c94a8").unwrap();
    let header = Header {
        epoch: Epoch::new(1 << 32),
        transition: TransitionId::new(70_000),
        class: StreamClass::Audio,
        stream: StreamId::new(202),
        flags: Flags::AUDIO,
        sequence: Sequence::new(300).unwrap(),
        format: Codec::FlatBuffers.into(),
        ..header()
    };
    let wide = "ab6176016367696450a0a1a2a3a4a5a6a7a8a9aaabacadaeaf6265701b0000000100000000637469641a00011170627374016373696418ca62666c016373657119012c6370737a1062706c5085bb053da5a2e4dc4a5885cb604c94a862706602";
    assert_eq!(hex::encode(Frame { header, payload: &payload }.encode().unwrap()), wide);
}

#[test]
fn the_sealed_profile_adds_one_text_key_and_binds_everything_but_the_payload() {
    let sealed = Header { profile: Profile::Sealed, ..header() };
    let frame = Frame { header: sealed.clone(), payload: b"sealed" };
    let bytes = frame.encode().unwrap();
    assert_eq!(bytes[0], 0xab);
    assert!(bytes.ends_with(b"\x64prof\x01"));
    assert_eq!(Frame::decode(&bytes).unwrap(), frame);
    let bound = sealed.authenticated_data();
    assert_eq!(bound[0], 0xa9);
    for other in [
        Header { epoch: Epoch::new(2), ..sealed.clone() },
        Header { transition: TransitionId::new(2), ..sealed.clone() },
        Header { class: StreamClass::Signal, ..sealed.clone() },
        Header { stream: StreamId::new(2), ..sealed.clone() },
        Header { flags: Flags::AUDIO, ..sealed.clone() },
        Header { sequence: Sequence::new(2).unwrap(), ..sealed.clone() },
        Header { format: Codec::Protobuf.into(), ..sealed.clone() },
        Header { group: GroupId::new(b"another").unwrap(), ..sealed.clone() },
        header(),
    ] {
        assert_ne!(other.authenticated_data(), bound);
    }
}

#[test]
fn a_frame_that_is_wrong_in_one_way_is_refused_for_that() {
    let bytes = hex::decode(FRAME_A).unwrap();
    let with = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        Frame::decode(&bytes).unwrap_err()
    };
    assert_eq!(with(3, 2), FrameError::Version(2));
    assert_eq!(with(37, 9), FrameError::Class(9));
    assert_eq!(with(52, 0), FrameError::Sequence);
    assert_eq!(with(57, 20), FrameError::PayloadSize);
    assert_eq!(with(57, 20).number().number(), 8);
    assert_eq!(with(3, 2).code(), Code::GBP_UNSUPPORTED_VERSION);
    let short = Header { group: GroupId::new(&[1; 15]).unwrap(), ..header() };
    assert_eq!(Frame { header: short, payload: &[] }.encode(), Err(FrameError::GroupLength(15)));
    let huge = vec![0; 1 << 20];
    assert!(matches!(Frame { header: header(), payload: &huge }.encode(), Err(FrameError::TooLarge(_))));
    assert!(matches!(Frame::decode(&[0; (1 << 20) + 1]), Err(FrameError::TooLarge(_))));
}

#[test]
fn control_messages_have_the_published_bytes() {
    let message = |request, transition, arguments| {
        let (request, transition) = (RequestId::new(request), TransitionId::new(transition));
        ControlMessage::new(MemberId::new(1), request, transition, &arguments).unwrap()
    };
    for (message, bytes) in [
        (
            message(7, 1, Arguments::Execute),
            "a6626f700363726964076373696401637469640164616c656e00646172677340",
        ),
        (
            message(0, 0, Arguments::Capabilities(Capabilities::claim())),
            "a6626f700863726964006373696401637469640064616c656e03646172677343a100f5",
        ),
        (
            message(100, 1, Arguments::Prepare(vec![0xde, 0xad])),
            "a6626f70016372696418646373696401637469640164616c656e02646172677342dead",
        ),
    ] {
        assert_eq!(hex::encode(message.encode()), bytes);
        assert_eq!(ControlMessage::decode(&hex::decode(bytes).unwrap()), Ok(message));
    }
    assert_eq!(Opcode::Prepare.flags(), Flags::new(0x1b));
    assert_eq!(Opcode::Abort.flags(), Flags::new(0x0b));
}

#[test]
fn a_claim_is_read_from_the_map_and_never_searched_for() {
    let claims = |args: &str| {
        let args = hex::decode(args).unwrap();
        let (member, request, transition) = (MemberId::new(1), RequestId::new(0), TransitionId::new(0));
        let message = ControlMessage::raw(member, request, transition, Opcode::Capabilities, &args).unwrap();
        match message.arguments() {
            Ok(Arguments::Capabilities(capabilities)) => Some(capabilities.claims_coordinator()),
            _ => None,
        }
    };
    assert_eq!(claims("a100f5"), Some(true));
    assert_eq!(claims("a100f4"), Some(false));
    assert_eq!(claims("a10001"), Some(false));
    assert_eq!(claims("a101f5"), Some(false));
    assert_eq!(claims("a20100f501"), None);
    assert_eq!(claims("a16178420 0f5".replace(' ', "").as_str()), Some(false));
    assert_eq!(claims("a171636f6f7264696e61746f725f636c61696df5"), Some(true));
    assert_eq!(claims("a200f56776657273696f6e01"), Some(true));
    assert_eq!(claims(""), None);
}

#[test]
fn an_advertisement_sorts_its_tokens_and_refuses_what_could_look_like_a_claim() {
    let names = |names: &[&str]| Capabilities::new(names.iter().map(ToString::to_string));
    let capabilities = names(&["gbp/class-b", "gbp/class-a", "gbp/class-b"]).unwrap();
    assert_eq!(capabilities.features().collect::<Vec<_>>(), ["gbp/class-a", "gbp/class-b"]);
    assert_eq!(names(&["ends\0"]), Err(Malformed::OutOfRange));
    assert_eq!(names(&[""]), Err(Malformed::OutOfRange));
    assert_eq!(names(&[&"x".repeat(65)]), Err(Malformed::TooLong));
    let many = (0..65).map(|number| number.to_string());
    assert_eq!(Capabilities::new(many), Err(Malformed::TooMany));
}

#[test]
fn the_hashed_member_set_is_an_ascending_array() {
    let members: BTreeSet<_> = [1000, 1, 24].map(MemberId::new).into();
    assert_eq!(hex::encode(member_set(&members)), "8301181819 03e8".replace(' ', ""));
}

fn in_all_codecs<T: PartialEq + std::fmt::Debug>(
    value: &T,
    bytes: [&str; 3],
    encode: fn(&T, Codec) -> Result<Vec<u8>, PayloadError>,
    decode: fn(PayloadFormat, &[u8]) -> Result<T, PayloadError>,
) {
    for (codec, bytes) in Codec::ALL.into_iter().zip(bytes) {
        assert_eq!(hex::encode(encode(value, codec).unwrap()), bytes, "{codec:?}");
        assert_eq!(decode(codec.into(), &hex::decode(bytes).unwrap()).as_ref(), Ok(value), "{codec:?}");
    }
}

#[test]
fn text_messages_have_the_published_bytes() {
    let text = |id, content: &[u8]| TextMessage {
        id: MessageId::new(id),
        sender: MemberId::new(1),
        sent_at: Timestamp::from_millis(0),
        request: RequestId::new(0),
        flags: MessageFlags::URGENT,
        content_type: ContentType::Plain,
        content: content.to_vec(),
    };
    let second = TextMessage {
        sender: MemberId::new(42),
        sent_at: Timestamp::from_millis(1_700_000_000_000),
        request: RequestId::new(9),
        flags: MessageFlags::PERSISTENT,
        content_type: ContentType::Binary,
        ..text(0x0102_0304_0506_0708, &[0, 1, 2, 0xff])
    };
    let nothing = TextMessage { sender: MemberId::EVERYBODY, flags: MessageFlags::default(), ..text(0, &[]) };
    for (message, bytes) in [
        (
            text(0xcafe_f00d, b"hello"),
            [
                "a8636d69641acafef00d637369640162747300637269640062666c0162637400636c656e0564626f64794568656c6c6f",
                "088de0fbd70c100128013805420568656c6c6f",
                "04000000e4ffffff0df0feca000000000100000001000000050000001800000014001c0004000c000000000010000000140018000500000068656c6c6f",
            ],
        ),
        (
            second,
            [
                "a8636d69641b010203040506070863736964182a6274731b0000018bcfe56800637269640962666c0462637402636c656e0464626f647944000102ff",
                "08888e98a8c0e0808101102a1880d095ffbc3120092804300238044204000102ff",
                "04000000d4ffffff08070605040302010068e5cf8b0100002a000000090000000400000002000000040000001800000014002c00040014000c0018001c0020002400280004000000000102ff",
            ],
        ),
        (
            text(1, b""),
            [
                "a8636d696401637369640162747300637269640062666c0162637400636c656e0064626f647940",
                "080110012801",
                "04000000e8ffffff01000000000000000100000001000000180000001400180004000c0000000000100000000000140000000000",
            ],
        ),
        (
            nothing,
            [
                "a8636d696400637369640062747300637269640062666c0062637400636c656e0064626f647940",
                "",
                "04000000f8ffffff18000000140008000000000000000000000000000000040000000000",
            ],
        ),
    ] {
        in_all_codecs(&message, bytes, TextMessage::encode, TextMessage::decode);
    }
    for (codec, bytes) in [
        (
            Codec::Cbor,
            "a8636d69641acafef00d637369640162747300637269640062666c0162637400636c656e0664626f64794568656c6c6f",
        ),
        (Codec::Protobuf, "088de0fbd70c10012801420568656c6c6f"),
    ] {
        let refused = TextMessage::decode(codec.into(), &hex::decode(bytes).unwrap());
        assert_eq!(refused, Err(PayloadError::ContentLength));
    }
    assert_eq!(TextMessage::decode(PayloadFormat::new(3), &[]), Err(PayloadError::Codec(3)));
}

#[test]
fn audio_payloads_have_the_published_bytes() {
    let audio = |source, sequence, timestamp, key_phase, frame: &[u8]| AudioPayload {
        source: MediaSource::new(source),
        sequence,
        timestamp,
        key_phase,
        frame: frame.to_vec(),
    };
    for (payload, bytes) in [
        (
            audio(1, 42, 960, 7, &[0xab, 0xcd, 0xef]),
            [
                "a5646d7369640163736571182a6274731903c0626b7007646f70757343abcdef",
                "0801102a18c00720072a03abcdef",
                "04000000e2ffffffc003000000000000010000002a000000070000001400000000000e001c000c00100004001400180003000000abcdef",
            ],
        ),
        (
            audio(1, 1, 0, 1, &[0xf8, 0xff, 0xfe]),
            [
                "a5646d73696401637365710162747300626b7001646f70757343f8fffe",
                "0801100120012a03f8fffe",
                "04000000eaffffff0100000001000000010000001400000000000e0014000400080000000c00100003000000f8fffe",
            ],
        ),
        (
            audio(7, 0, 1 << 32, 1, &[0xf8, 0xff, 0xfe]),
            [
                "a5646d7369640763736571006274731b0000000100000000626b7001646f70757343f8fffe",
                "080718808080801020012a03f8fffe",
                "04000000e6ffffff000000000100000007000000010000001400000000000e0018000c00000004001000140003000000f8fffe",
            ],
        ),
    ] {
        in_all_codecs(&payload, bytes, AudioPayload::encode, AudioPayload::decode);
    }
    let wide = hex::decode("080110808004").unwrap();
    assert_eq!(
        AudioPayload::decode(Codec::Protobuf.into(), &wide),
        Err(PayloadError::Malformed(Malformed::OutOfRange))
    );
}

#[test]
fn signals_have_the_published_bytes() {
    let signal = |signal, request, sender, role| SignalMessage {
        signal,
        request: RequestId::new(request),
        sender: MemberId::new(sender),
        role_claim: Role::new(role),
    };
    let change = Signal::RoleChange { target: MemberId::new(5), role: Role::new(2) };
    for (message, bytes) in [
        (
            signal(Signal::Join, 1, 5, 0),
            [
                "a661741864637269640163736964056272630064616c656e00646172677340",
                "086410011805",
                "04000000f0ffffff6400000001000000050000000a001000040008000c00",
            ],
        ),
        (
            signal(Signal::Mute { target: MemberId::new(3) }, 2, 1, 0),
            [
                "a6617418c8637269640263736964016272630064616c656e03646172677343a10003",
                "08c8011002180128033203a10003",
                "04000000e8ffffffc80000000200000001000000030000001400000010001800040008000c0000001000140003000000a10003",
            ],
        ),
        (
            signal(change, 3, 1, 1),
            [
                "a661741866637269640363736964016272630164616c656e05646172677345a200050102",
                "086610031801200128053205a200050102",
                "04000000e4ffffff66000000030000000100000001000000050000001400000010001c00040008000c0010001400180005000000a200050102",
            ],
        ),
    ] {
        in_all_codecs(&message, bytes, SignalMessage::encode, SignalMessage::decode);
    }
}

#[test]
fn a_signal_is_refused_for_its_number_before_its_arguments() {
    let decode = |bytes: &str| SignalMessage::decode(Codec::Cbor.into(), &hex::decode(bytes).unwrap());
    let unknown = "a661741901c2637269640163736964056272630064616c656e016461726773 41ff".replace(' ', "");
    assert_eq!(decode(&unknown), Err(PayloadError::Signal(450)));
    let bad = "a6617418c8637269640263736964016272630064616c656e03646172677343a10103";
    assert_eq!(decode(bad), Err(PayloadError::Arguments(Malformed::MissingKey("0"))));
    assert_eq!(decode(bad).unwrap_err().code(), Code::GSP_BAD_SCHEMA);
    let class = "a661741901 2c637269640163736964016272630064616c656e03646172677343a10004".replace(' ', "");
    assert_eq!(decode(&class), Err(PayloadError::Arguments(Malformed::OutOfRange)));
}

#[test]
fn an_attachment_has_the_published_bytes() {
    let digest: [u8; 32] = hex::decode("b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9")
        .unwrap()
        .try_into()
        .unwrap();
    let id = AttachmentId::new(8);
    let manifest = Manifest::new(id, "a.txt", "text/plain", (11, 2), digest).unwrap();
    let bytes = "a66361696408646e616d6565612e747874646d696d656a746578742f706c61696e6473697a650b626e630264686173685820b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";
    assert_eq!(hex::encode(manifest.encode(Codec::Cbor).unwrap()), bytes);
    let pieces: [&[u8]; 2] = [b"hello ", b"world"];
    let written = [
        "a463616964086369647800626e630264646174614668656c6c6f20",
        "a463616964086369647801626e6302646461746145776f726c64",
    ];
    for ((index, data), bytes) in (0..).zip(pieces).zip(written) {
        let chunk = Chunk::new(id, index, 2, data.to_vec()).unwrap();
        assert_eq!(hex::encode(chunk.encode(Codec::Cbor).unwrap()), bytes);
    }
}

#[test]
fn an_attachment_that_contradicts_itself_is_refused() {
    let manifest = |size, chunks| Manifest::new(AttachmentId::new(1), "", "", (size, chunks), [0; 32]);
    assert!(manifest(0, 0).is_ok());
    assert_eq!(manifest(1, 0), Err(PayloadError::Attachment));
    assert_eq!(manifest(1, 2), Err(PayloadError::Attachment));
    assert_eq!(Chunk::new(AttachmentId::new(1), 2, 2, vec![1]), Err(PayloadError::Attachment));
    assert_eq!(Chunk::new(AttachmentId::new(1), 0, 2, vec![]), Err(PayloadError::Attachment));
}
