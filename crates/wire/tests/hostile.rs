//! Hostile bytes: every decoder refuses or answers, takes little memory, and never panics.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use coterie_types::{
    Epoch, GroupId, MemberId, MessageId, RequestId, Sequence, StreamClass, StreamId, Timestamp, TransitionId,
};
use coterie_wire::cbor::check;
use coterie_wire::control::{
    Arguments, Capabilities, ControlMessage, DigestRequest, InvalidCommit, LogEntry, StateDigest,
};
use coterie_wire::payload::{
    AttachmentId, AudioPayload, Chunk, ContentType, Manifest, MediaSource, MessageFlags, Resync, Role,
    Signal, SignalMessage, TextMessage,
};
use coterie_wire::{
    Codec, ErrorKind, ErrorNumber, ErrorObject, Flags, Frame, Header, PayloadFormat, Profile,
};
use proptest::prelude::*;
use rand::SeedableRng as _;

/// What one thread holds, and the most it ever held.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is the system's; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.get().saturating_add(layout.size());
        HELD.set(held);
        MOST.set(MOST.get().max(held));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get().saturating_sub(layout.size()));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that `work` held at one time, above what was held before.
fn peak(work: impl FnOnce()) -> usize {
    let before = HELD.get();
    MOST.set(before);
    work();
    MOST.get().saturating_sub(before)
}

/// One way in, and what comes of the bytes: those of the same value, if they are one.
type Way = (&'static str, fn(&[u8]) -> Option<Vec<u8>>);

macro_rules! payload_ways {
    ($($name:literal $payload:ident $codec:ident;)+) => {
        &[$((concat!($name, " ", stringify!($codec)), |bytes| {
            $payload::decode(Codec::$codec.into(), bytes).ok().map(|value| value.encode(Codec::$codec).unwrap())
        })),+]
    };
}

const PAYLOADS: &[Way] = payload_ways! {
    "text" TextMessage Cbor;
    "text" TextMessage Protobuf;
    "text" TextMessage FlatBuffers;
    "audio" AudioPayload Cbor;
    "audio" AudioPayload Protobuf;
    "audio" AudioPayload FlatBuffers;
    "signal" SignalMessage Cbor;
    "signal" SignalMessage Protobuf;
    "signal" SignalMessage FlatBuffers;
    "manifest" Manifest Cbor;
    "manifest" Manifest Protobuf;
    "manifest" Manifest FlatBuffers;
    "chunk" Chunk Cbor;
    "chunk" Chunk Protobuf;
    "chunk" Chunk FlatBuffers;
};

const OTHERS: &[Way] = &[
    ("item", |bytes| check(bytes).ok().map(|()| bytes.to_vec())),
    ("frame", |bytes| Frame::decode(bytes).ok().map(|frame| frame.encode().unwrap())),
    ("error", |bytes| ErrorObject::decode(bytes).ok().map(|object| object.encode())),
    ("resync", |bytes| Resync::decode(bytes).ok().map(|side| side.encode().unwrap())),
    ("control", |bytes| {
        let message = ControlMessage::decode(bytes).ok()?;
        if let Ok(arguments) = message.arguments() {
            let (sender, request) = (message.sender, message.request);
            ControlMessage::new(sender, request, message.transition, &arguments).unwrap();
        }
        Some(message.encode())
    }),
];

fn ways() -> impl Iterator<Item = &'static Way> {
    PAYLOADS.iter().chain(OTHERS)
}

fn text(content: Vec<u8>) -> TextMessage {
    TextMessage {
        id: MessageId::new(u64::MAX),
        sender: MemberId::new(7),
        sent_at: Timestamp::from_millis(1_700_000_000_000),
        request: RequestId::new(300),
        flags: MessageFlags::new(0xff),
        content_type: ContentType::Other(200),
        content,
    }
}

fn frame(profile: Profile, format: PayloadFormat, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        profile,
        group: GroupId::new(&[0xab; 16]).unwrap(),
        epoch: Epoch::new(1 << 40),
        transition: TransitionId::new(70_000),
        class: StreamClass::Signal,
        stream: StreamId::new(u32::MAX),
        flags: Flags::MESSAGE,
        sequence: Sequence::new(u32::MAX).unwrap(),
        format,
    };
    Frame { header, payload }.encode().unwrap()
}

/// Control arguments of every opcode, each with all that it can hold.
fn arguments() -> Vec<Arguments> {
    let entry = LogEntry {
        transition: TransitionId::new(1),
        opcode: 77,
        sender: MemberId::new(2),
        arguments_digest: vec![3; 32],
    };
    let digest = StateDigest {
        epoch: Epoch::new(9),
        transition: TransitionId::new(8),
        member_set_hash: vec![1; 32],
        log: vec![entry; 3],
        coordinator: Some(MemberId::new(1)),
        truncated: Some(false),
    };
    let report = InvalidCommit {
        transition: TransitionId::new(5),
        reason: 7,
        commit_hash: None,
        details: Some("why".to_owned()),
    };
    let other = ErrorKind::Other(0xf001, ErrorNumber::GSP_UNAUTHORIZED.traits());
    vec![
        Arguments::Prepare(vec![1, 2, 3]),
        Arguments::Ready,
        Arguments::Execute,
        Arguments::Abort(None),
        Arguments::Abort(Some(7)),
        Arguments::DigestRequest(DigestRequest { since: TransitionId::new(3), epoch: None }),
        Arguments::DigestRequest(DigestRequest { since: TransitionId::new(3), epoch: Some(Epoch::new(2)) }),
        Arguments::DigestResponse(StateDigest { coordinator: None, truncated: None, ..digest.clone() }),
        Arguments::DigestResponse(digest),
        Arguments::ReportInvalidCommit(InvalidCommit {
            commit_hash: Some(vec![9; 32]),
            details: None,
            ..report.clone()
        }),
        Arguments::ReportInvalidCommit(report),
        Arguments::Capabilities(Capabilities::claim()),
        Arguments::Capabilities(Capabilities::new(["gbp/class-a".to_owned()]).unwrap()),
        Arguments::Ack(RequestId::new(4)),
        Arguments::Nack(RequestId::new(4), ErrorObject::new(other, "no", b"details").unwrap()),
    ]
}

fn control(arguments: &Arguments) -> ControlMessage {
    let (member, request) = (MemberId::new(1), RequestId::new(u32::MAX));
    ControlMessage::new(member, request, TransitionId::new(6), arguments).unwrap()
}

/// One well-formed input for each way in.
fn samples() -> Vec<(&'static Way, Vec<u8>)> {
    let audio = AudioPayload {
        source: MediaSource::new(1),
        sequence: u16::MAX,
        timestamp: 960,
        key_phase: 3,
        frame: vec![0; 120],
    };
    let signal = SignalMessage {
        signal: Signal::RoleChange { target: MemberId::new(500), role: Role::new(70_000) },
        request: RequestId::new(5),
        sender: MemberId::new(1),
        role_claim: Role::new(9),
    };
    let manifest =
        Manifest::new(AttachmentId::new(1), "a.txt", "text/plain", (1 << 33, 99), [7; 32]).unwrap();
    let chunk = Chunk::new(AttachmentId::new(1), 4, 99, vec![5; 100]).unwrap();
    let payload = |index: usize| {
        let codec = Codec::ALL[index % 3];
        let bytes = match index / 3 {
            0 => text(b"hello".to_vec()).encode(codec),
            1 => audio.encode(codec),
            2 => signal.encode(codec),
            3 => manifest.encode(codec),
            _ => chunk.encode(codec),
        };
        bytes.unwrap()
    };
    let mut samples: Vec<_> = PAYLOADS.iter().enumerate().map(|(index, way)| (way, payload(index))).collect();
    let error = ErrorObject::registered(ErrorNumber::GBP_EPOCH_MISMATCH);
    let seen = [(MemberId::new(1), MessageId::new(9)), (MemberId::new(3), MessageId::new(0))].into();
    let replay = Resync::Replay {
        messages: vec![(Some(Epoch::new(7)), text(vec![1])), (None, text(vec![]))],
        more: true,
    };
    samples.push((&OTHERS[1], frame(Profile::Interop, Codec::Cbor.into(), b"payload")));
    samples.push((&OTHERS[1], frame(Profile::Sealed, Codec::FlatBuffers.into(), b"payload")));
    samples.push((&OTHERS[2], error.encode()));
    samples.push((&OTHERS[3], Resync::Request { seen }.encode().unwrap()));
    samples.push((&OTHERS[3], replay.encode().unwrap()));
    samples.extend(arguments().iter().map(|arguments| (&OTHERS[4], control(arguments).encode())));
    samples
}

#[test]
fn control_arguments_come_back_as_they_were() {
    for arguments in arguments() {
        let message = ControlMessage::decode(&control(&arguments).encode()).unwrap();
        assert_eq!(message.arguments().as_ref(), Ok(&arguments));
        // Whatever is behind them is refused; a commit is anything.
        if !matches!(arguments, Arguments::Prepare(_) | Arguments::Ready | Arguments::Execute) {
            let longer = [message.raw_arguments(), &[0]].concat();
            let (sender, request) = (message.sender, message.request);
            let raw = ControlMessage::raw(sender, request, message.transition, message.opcode(), &longer);
            assert!(raw.unwrap().arguments().is_err(), "{arguments:?}");
        }
    }
}

#[test]
fn what_is_cut_off_or_too_long_by_one_is_refused() {
    for ((name, recode), bytes) in samples() {
        assert_eq!(recode(&bytes).as_ref(), Some(&bytes), "{name}");
        // Proto3 has no end of its own: it may be cut between two fields, and zero bytes are a message.
        let has_an_end = !name.ends_with("Protobuf");
        for length in (0..bytes.len()).filter(|_| has_an_end) {
            assert_eq!(recode(&bytes[..length]), None, "{name} cut to {length}");
        }
        for extra in [0, 1, 0x0f, 0x80, 0xff] {
            let longer = [&bytes, &[extra][..]].concat();
            // A FlatBuffer may be rounded up to a multiple of four with zeros.
            let is_padding = name.ends_with("FlatBuffers") && extra == 0 && longer.len().is_multiple_of(4);
            assert_eq!(recode(&longer).is_some(), is_padding, "{name} and {extra:#04x}");
        }
    }
}

#[test]
fn mutations_are_refused_or_read_and_what_is_read_has_one_form() {
    const ROUNDS: usize = 100_000;
    let samples = samples();
    let mut random = rand_chacha::ChaCha12Rng::seed_from_u64(26);
    let mut read = 0_usize;
    for round in 0..ROUNDS {
        let ((name, recode), bytes) = &samples[round % samples.len()];
        let mut bytes = bytes.clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..bytes.len());
            match random.random_range(0..4) {
                0 => bytes[at] = random.random(),
                1 => bytes[at] ^= 1 << random.random_range(0..8),
                2 => bytes.insert(at, random.random()),
                _ => bytes.truncate(at.max(1)),
            }
        }
        if let Some(written) = recode(&bytes) {
            read += 1;
            assert_eq!(recode(&written).as_ref(), Some(&written), "{name}, seed 26, round {round}");
        }
    }
    println!("{read} of {ROUNDS} mutations were still something");
    assert!(read > 0);
}

#[test]
fn a_mebibyte_of_hostile_input_takes_less_than_32_mebibytes_on_every_way_in() {
    const CEILING: usize = 32 << 20;
    const INPUT: usize = 1 << 20;
    let mut noise = vec![0; INPUT];
    rand_chacha::ChaCha12Rng::seed_from_u64(27).fill_bytes(&mut noise);
    let fill = |pattern: &[u8]| pattern.iter().copied().cycle().take(INPUT).collect::<Vec<u8>>();
    let big = text(vec![7; INPUT - 256]);
    let mut inputs = vec![noise];
    inputs.extend(Codec::ALL.map(|codec| big.encode(codec).unwrap()));
    // Nested and wide containers, keys in their millions, fields in their millions, and counts that promise more.
    let patterns: [&[u8]; 14] = [
        b"\x81",
        b"\xa1\x00",
        b"\xc1",
        b"\x9f",
        b"\xbf\x00",
        b"\x98\xff",
        b"\xb8\x40\x00",
        b"\x9a\x00\x0f\xff\xf0",
        b"\x0a\x00",
        b"\x7a\x00",
        b"\x0b",
        b"\x04\x00\x00\x00",
        b"\xff",
        b"\x00",
    ];
    inputs.extend(patterns.map(fill));
    let mut wide = fill(b"\x00");
    wide[..5].copy_from_slice(b"\x9a\x00\x0f\xff\xfb");
    inputs.push(wide);
    let mut worst = 0;
    for input in &inputs {
        for (name, recode) in ways() {
            let taken = peak(|| drop(recode(input)));
            worst = worst.max(taken);
            assert!(taken <= CEILING, "{name} took {taken} bytes for {:02x?}", &input[..8]);
        }
    }
    println!("at most {worst} bytes for {INPUT} of input");
}

#[test]
fn a_hundred_thousand_refused_frames_leave_nothing_behind() {
    let refused = frame(Profile::Interop, Codec::Cbor.into(), &[0; 100]);
    let before = HELD.get();
    for length in (1..refused.len()).cycle().take(100_000) {
        assert!(Frame::decode(&refused[..length]).is_err());
    }
    assert_eq!(HELD.get(), before);
}

fn codec() -> impl Strategy<Value = Codec> {
    prop::sample::select(Codec::ALL.as_slice())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..300)
}

fn signal() -> impl Strategy<Value = Signal> {
    let class = prop::sample::select(StreamClass::ALL.as_slice());
    (0..8, any::<u32>(), any::<u32>(), class).prop_map(|(kind, first, second, class)| {
        let (target, role) = (MemberId::new(first), Role::new(second));
        match kind {
            0 => Signal::Join,
            1 => Signal::Leave,
            2 => Signal::RoleChange { target, role },
            3 => Signal::Mute { target },
            4 => Signal::Unmute { target },
            5 => Signal::StreamStart { class },
            6 => Signal::StreamStop { class },
            _ => Signal::CodecUpdate { codec: first },
        }
    })
}

proptest! {
    #[test]
    fn text_comes_back_as_it_was(
        numbers in any::<(u64, u32, u64, u32)>(), flags in any::<u8>(), kind in any::<u8>(), content in bytes(),
        codec in codec(),
    ) {
        let message = TextMessage {
            id: MessageId::new(numbers.0),
            sender: MemberId::new(numbers.1),
            sent_at: Timestamp::from_millis(numbers.2),
            request: RequestId::new(numbers.3),
            flags: MessageFlags::new(flags),
            content_type: ContentType::from_number(kind),
            content,
        };
        let written = message.encode(codec).unwrap();
        let (head, rest) = message.encode_apart(codec).unwrap();
        prop_assert_eq!(&written, &[&head, rest].concat());
        prop_assert!(rest.is_empty() || rest == message.content);
        prop_assert_eq!(TextMessage::decode(codec.into(), &written), Ok(message));
    }

    #[test]
    fn audio_comes_back_as_it_was(
        source in any::<u32>(), sequence in any::<u16>(), timestamp in any::<u64>(), key_phase in any::<u32>(),
        frame in bytes(), codec in codec(),
    ) {
        let payload = AudioPayload { source: MediaSource::new(source), sequence, timestamp, key_phase, frame };
        let written = payload.encode(codec).unwrap();
        prop_assert_eq!(AudioPayload::decode(codec.into(), &written), Ok(payload));
    }

    #[test]
    fn a_signal_comes_back_as_it_was(signal in signal(), numbers in any::<(u32, u32, u32)>(), codec in codec()) {
        let message = SignalMessage {
            signal,
            request: RequestId::new(numbers.0),
            sender: MemberId::new(numbers.1),
            role_claim: Role::new(numbers.2),
        };
        let written = message.encode(codec).unwrap();
        prop_assert_eq!(SignalMessage::decode(codec.into(), &written), Ok(message));
    }

    #[test]
    fn a_frame_comes_back_as_it_was_and_another_reader_sees_the_same(
        numbers in any::<(u64, u32, u32, u16)>(), sequence in 1..=u32::MAX, format in any::<u8>(),
        group in any::<[u8; 16]>(), payload in bytes(), sealed in any::<bool>(), class in 0..4_u8,
    ) {
        let header = Header {
            profile: if sealed { Profile::Sealed } else { Profile::Interop },
            group: GroupId::new(&group).unwrap(),
            epoch: Epoch::new(numbers.0),
            transition: TransitionId::new(numbers.1),
            class: StreamClass::from_number(class).unwrap(),
            stream: StreamId::new(numbers.2),
            flags: Flags::new(numbers.3),
            sequence: Sequence::new(sequence).unwrap(),
            format: PayloadFormat::new(format),
        };
        let frame = Frame { header, payload: &payload };
        let written = frame.encode().unwrap();
        prop_assert_eq!(Frame::decode(&written), Ok(frame));
        let other: ciborium::Value = ciborium::from_reader(written.as_slice()).unwrap();
        let mut again = Vec::new();
        ciborium::into_writer(&other, &mut again).unwrap();
        prop_assert_eq!(again, written);
    }

    #[test]
    fn anything_is_refused_or_read(input in prop::collection::vec(any::<u8>(), 0..600)) {
        for (name, recode) in ways() {
            if let Some(written) = recode(&input) {
                prop_assert_eq!(recode(&written), Some(written), "{}", name);
            }
        }
    }
}
