//! The `sealed` profile over real MLS groups: who is heard, what is bound, what hostile frames change.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod support;

use std::sync::Arc;

use coterie_crypto::Secret;
use coterie_gbp::limits::{MAX_PAST_EPOCHS, MAX_PREVIOUS_EPOCH};
use coterie_gbp::protection::sealed::{EpochKeys, Opener, PrivateMessage, PrivateMessages, Sealer};
use coterie_gbp::protection::{Members, Opened, Outgoing, agreement};
use coterie_gbp::{MlsFailure, OpenError, SealError, SetupError};
use coterie_mls::{
    Changes, Device, DeviceOptions, Group, GroupExtension, GroupOptions, KeyPackageOptions, MessageContent,
    MlsError, Received, Suite, read_message_head,
};
use coterie_store::MemoryStore;
use coterie_testkit::{Seed, T0};
use coterie_types::{
    Code, Duration, Epoch, ErrorCode, LeafIndex, MemberId, Sequence, StreamClass, StreamId, TransitionId,
};
use coterie_wire::{ErrorNumber, Flags, Frame, Header, Profile};
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use support::{Rows, outgoing};

/// A member: its MLS group, and the two sides of its frames.
struct Member {
    mls: Mls,
    sealer: Sealer,
    opener: Opener,
    rows: Rows,
}

/// What a caller writes to hand its MLS group to this layer.
struct Mls(Group);

impl PrivateMessages for Mls {
    type Error = MlsError;

    fn seal(&mut self, plaintext: &[u8], authenticated_data: &[u8]) -> Result<Vec<u8>, MlsError> {
        self.0.encrypt(plaintext, authenticated_data)
    }

    fn open(&mut self, message: &[u8]) -> Result<PrivateMessage, MlsError> {
        if read_message_head(message)?.content != MessageContent::Application {
            return Err(MlsError::Malformed("an application message"));
        }
        match self.0.receive(message, T0)? {
            Received::Message { sender, plaintext, associated_data, .. } => {
                Ok(PrivateMessage { sender: sender.leaf, plaintext, authenticated_data: associated_data })
            }
            _ => Err(MlsError::Malformed("an application message")),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Mls(#[from] MlsError),
}

fn keys(group: &mut Group) -> EpochKeys {
    let epoch = group.epoch();
    EpochKeys::derive(epoch, |label, context, length| {
        Ok::<_, Trouble>(Secret::new(group.export_secret(label, context, length)?))
    })
    .unwrap()
}

/// Members are numbered by their leaves, from 1.
fn number_at(leaf: LeafIndex) -> MemberId {
    MemberId::new(leaf.number() + 1)
}

fn members_of(group: &mut Group) -> Members {
    let all = group.members().unwrap();
    Members::new(all.iter().map(|member| (member.leaf, number_at(member.leaf)))).unwrap()
}

fn tid(group: &Group) -> TransitionId {
    TransitionId::new(u32::try_from(group.epoch().number()).unwrap())
}

impl Member {
    fn new(mut group: Group) -> Self {
        let keys = keys(&mut group);
        let members = members_of(&mut group);
        let opener = Opener::new(group.id().clone(), &keys, members, tid(&group)).unwrap();
        let sealer = Self::sealer(&mut group, &keys);
        let mut member = Self { mls: Mls(group), sealer, opener, rows: Rows::default() };
        member.reserve();
        member
    }

    fn sealer(group: &mut Group, keys: &EpochKeys) -> Sealer {
        let leaf = group.own_leaf().unwrap();
        Sealer::new(group.id().clone(), keys, tid(group), number_at(leaf), leaf, 0).unwrap()
    }

    fn reserve(&mut self) {
        for class in StreamClass::ALL {
            let stored = self.rows.get(self.sealer.counter_id(class));
            self.rows.store(self.sealer.reserve(class, stored, 2_000).unwrap());
        }
    }

    /// After MLS has gone on.
    fn follow(&mut self, grace: Duration) {
        let group = &mut self.mls.0;
        let keys = keys(group);
        let members = members_of(group);
        self.opener.advance(&keys, members, tid(group), T0, grace).unwrap();
        self.sealer = Self::sealer(group, &keys);
        self.reserve();
    }

    fn restart(&mut self) {
        let group = &mut self.mls.0;
        let keys = keys(group);
        let members = members_of(group);
        self.opener = Opener::new(group.id().clone(), &keys, members, tid(group)).unwrap();
        self.sealer = Self::sealer(group, &keys);
        self.reserve();
    }

    fn number(&mut self) -> u32 {
        number_at(self.mls.0.own_leaf().unwrap()).number()
    }

    fn seal(&mut self, class: StreamClass, plaintext: &[u8]) -> Vec<u8> {
        let number = self.number();
        self.sealer.seal(outgoing(class, number, plaintext), &mut self.mls).unwrap()
    }

    fn open(&mut self, frame: &[u8]) -> Result<(Opened, Vec<u8>), MlsFailure<OpenError, MlsError>> {
        self.opener.open(frame, &mut self.mls, T0)
    }

    fn refuses(&mut self, frame: &[u8]) -> ErrorNumber {
        self.open(frame).unwrap_err().number()
    }
}

fn group_of(seed: Seed, size: u64) -> Vec<Group> {
    let device = |index| {
        let options =
            DeviceOptions { identity: format!("member {index}").into_bytes(), suite: Suite::X25519Aes128 };
        Device::create(options, Arc::new(MemoryStore::default()), Arc::new(seed.entropy(index))).unwrap()
    };
    let devices: Vec<_> = (0..size).map(device).collect();
    let mut founder = devices[0].create_group(GroupOptions::default(), T0).unwrap();
    let profile = agreement::extension(Profile::Sealed).unwrap().to_vec();
    let extensions = [
        GroupExtension { extension_type: agreement::EXTENSION_TYPE, data: profile },
        GroupExtension::required_capabilities(&[agreement::EXTENSION_TYPE], &[], &[]).unwrap(),
    ];
    founder.commit(Changes { extensions: Some(&extensions), ..Default::default() }, T0).unwrap();
    founder.merge_pending().unwrap();
    let packages: Vec<_> = devices[1..]
        .iter()
        .map(|device| device.key_package(KeyPackageOptions::default(), T0).unwrap())
        .collect();
    let committed = founder.commit(Changes { add: &packages, ..Default::default() }, T0).unwrap();
    founder.merge_pending().unwrap();
    let welcome = committed.welcome.unwrap();
    let joined = devices[1..].iter().map(|device| device.join(&welcome, None, T0).unwrap());
    std::iter::once(founder).chain(joined).collect()
}

fn world(seed: u64, size: u64) -> Vec<Member> {
    group_of(Seed::new(seed), size).into_iter().map(Member::new).collect()
}

/// The first two.
fn pair(members: &mut [Member]) -> (&mut Member, &mut Member) {
    let (one, others) = members.split_first_mut().unwrap();
    (one, &mut others[0])
}

fn altered(frame: &[u8], change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let frame = Frame::decode(frame).unwrap();
    let mut header = frame.header;
    change(&mut header);
    Frame { header, payload: frame.payload }.encode().unwrap()
}

/// An own update, which everybody follows.
fn next_epoch(members: &mut [Member], grace: Duration) {
    let (first, others) = members.split_first_mut().unwrap();
    let committed = first.mls.0.commit(Changes { update: true, ..Default::default() }, T0).unwrap();
    first.mls.0.merge_pending().unwrap();
    for other in others {
        other.mls.0.receive(&committed.commit, T0).unwrap();
    }
    members.iter_mut().for_each(|member| member.follow(grace));
}

#[test]
fn a_group_says_which_profile_it_has_and_every_member_reads_the_same() {
    assert_eq!(agreement::EXTENSION_TYPE, coterie_mls::PROFILE_EXTENSION);
    for mut group in group_of(Seed::new(1), 3) {
        let extensions = group.extensions().unwrap();
        let found = extensions.iter().find(|one| one.extension_type == agreement::EXTENSION_TYPE);
        let content = found.map(|found| found.data.as_slice());
        assert_eq!(agreement::check(Profile::Sealed, content), Ok(()));
    }
    let plain = agreement::check(Profile::Sealed, None).unwrap_err();
    assert_eq!(plain.code(), Code::GBP_PROFILE_MISMATCH);
}

#[test]
fn every_class_is_heard_by_everybody_else_with_its_signer_and_audio_without() {
    let mut members = world(2, 3);
    for class in StreamClass::ALL {
        for sender in 0..3 {
            let frame = members[sender].seal(class, b"a plaintext");
            let leaf = LeafIndex::new(u32::try_from(sender).unwrap());
            for receiver in (0..3).filter(|receiver| *receiver != sender) {
                let (opened, plaintext) = members[receiver].open(&frame).unwrap();
                assert_eq!(plaintext, b"a plaintext");
                assert!(opened.is_from(number_at(leaf)) && opened.plaintext == (0..11));
                assert_eq!(opened.signer, (class != StreamClass::Audio).then_some(leaf));
            }
        }
    }
}

#[test]
fn no_field_of_the_header_can_be_changed_and_trying_silences_nobody() {
    let changes: [fn(&mut Header); 7] = [
        |header| header.transition = TransitionId::new(99),
        |header| header.stream = StreamId::new(header.stream.number() + 100),
        |header| header.flags = Flags::CRITICAL,
        |header| header.flags = Flags::new(0x8000),
        |header| header.sequence = Sequence::new(77).unwrap(),
        |header| header.format = coterie_wire::PayloadFormat::new(2),
        |header| header.class = StreamClass::Signal,
    ];
    let mut members = world(3, 3);
    let (alice, bob) = pair(&mut members);
    for class in [StreamClass::Control, StreamClass::Text, StreamClass::Audio] {
        let genuine = alice.seal(class, b"text");
        for change in changes {
            let remembered = bob.opener.remembered();
            let number = bob.refuses(&altered(&genuine, change));
            let expected = [ErrorNumber::GBP_DECRYPT_FAILED, ErrorNumber::GBP_STREAM_POLICY_VIOLATION];
            assert!(expected.contains(&number), "{number:?}");
            assert_eq!(bob.opener.remembered(), remembered);
        }
        let downgraded = altered(&genuine, |header| header.profile = Profile::Sealed);
        assert_eq!(downgraded, genuine);
        assert_eq!(bob.open(&genuine).unwrap().1, b"text");
        assert_ne!(bob.refuses(&genuine), ErrorNumber::GBP_DECRYPT_FAILED, "a replay is called one");
    }
}

#[test]
fn frames_of_the_other_profile_are_refused_whatever_they_hold() {
    let mut members = world(4, 2);
    let (_, bob) = pair(&mut members);
    let header = Header {
        profile: Profile::Interop,
        group: support::group(),
        epoch: Epoch::new(2),
        transition: TransitionId::new(2),
        class: StreamClass::Text,
        stream: support::stream(StreamClass::Text, 1),
        flags: Flags::MESSAGE,
        sequence: Sequence::FIRST,
        format: coterie_wire::PayloadFormat::new(0),
    };
    let frame = Frame { header, payload: &[0; 40] }.encode().unwrap();
    let refused = bob.open(&frame).unwrap_err();
    assert_eq!(refused.code(), Code::GBP_PROFILE_MISMATCH);
}

#[test]
fn nobody_can_speak_on_the_stream_of_another() {
    let mut members = world(5, 3);
    let (alice, bob) = pair(&mut members);
    let others = outgoing(StreamClass::Text, 3, b"as somebody else");
    let refused = alice.sealer.seal(others, &mut alice.mls);
    assert!(matches!(refused, Err(MlsFailure::Refused(SealError::Stream(_)))));
    // A member whose software does not care.
    let group = alice.mls.0.id().clone();
    let keys = keys(&mut alice.mls.0);
    let liar = MemberId::new(3);
    let mut sealer = Sealer::new(group, &keys, tid(&alice.mls.0), liar, LeafIndex::new(0), 0).unwrap();
    for class in StreamClass::ALL {
        Rows::default().store(sealer.reserve(class, None, 9).unwrap());
        let frame = sealer.seal(outgoing(class, 3, b"as somebody else"), &mut alice.mls).unwrap();
        let refused = bob.open(&frame).unwrap_err();
        assert_eq!(refused.code(), Code::GBP_SENDER_MISMATCH);
    }
    assert_eq!(bob.opener.remembered(), 0);
    let genuine = members[2].seal(StreamClass::Text, b"myself");
    assert_eq!(members[1].open(&genuine).unwrap().1, b"myself");
}

#[test]
fn a_message_of_mls_that_is_no_application_message_is_not_taken_in_through_a_frame() {
    let mut members = world(6, 2);
    let (alice, bob) = pair(&mut members);
    let genuine = alice.seal(StreamClass::Text, b"text");
    let header = Frame::decode(&genuine).unwrap().header;
    let committed = alice.mls.0.commit(Changes { update: true, ..Default::default() }, T0).unwrap();
    let wrapped = Frame { header, payload: &committed.commit }.encode().unwrap();
    let before = bob.mls.0.epoch();
    assert_eq!(bob.refuses(&wrapped), ErrorNumber::GBP_DECRYPT_FAILED);
    assert_eq!(bob.mls.0.epoch(), before);
}

#[test]
fn late_text_of_past_epochs_comes_and_late_control_does_not() {
    let mut members = world(7, 2);
    let (alice, _) = pair(&mut members);
    let texts: Vec<_> = (0..3).map(|_| alice.seal(StreamClass::Text, b"late")).collect();
    let control = alice.seal(StreamClass::Control, b"late");
    let audio: Vec<_> = (0..2).map(|_| alice.seal(StreamClass::Audio, b"late")).collect();
    let epoch = alice.mls.0.epoch();
    next_epoch(&mut members, Duration::from_days(30));
    let bob = &mut members[1];
    assert_eq!(bob.open(&texts[0]).unwrap().0.epoch, epoch);
    assert_eq!(bob.refuses(&texts[0]), ErrorNumber::GBP_REPLAY_DETECTED);
    assert_eq!(bob.refuses(&control), ErrorNumber::GBP_EPOCH_MISMATCH);
    bob.open(&audio[0]).unwrap();
    let later = T0 + MAX_PREVIOUS_EPOCH;
    let refused = bob.opener.open(&audio[1], &mut bob.mls, later).unwrap_err();
    assert_eq!(refused.number(), ErrorNumber::GBP_EPOCH_MISMATCH);
    assert!(bob.opener.open(&texts[1], &mut bob.mls, later).is_ok());
    let over = T0 + Duration::from_days(1);
    let refused = bob.opener.open(&texts[2], &mut bob.mls, over).unwrap_err();
    assert_eq!(refused.number(), ErrorNumber::GBP_EPOCH_MISMATCH);
    bob.opener.handle_timeout(over);
    assert_eq!(bob.opener.poll_timeout(), None);
}

#[test]
fn a_bounded_number_of_past_epochs_is_remembered() {
    let mut members = world(8, 2);
    let late = members[0].seal(StreamClass::Text, b"late");
    for _ in 0..=MAX_PAST_EPOCHS {
        let frame = members[0].seal(StreamClass::Text, b"text");
        members[1].open(&frame).unwrap();
        next_epoch(&mut members, Duration::from_days(1));
    }
    let bob = &mut members[1];
    assert_eq!(bob.opener.remembered(), MAX_PAST_EPOCHS);
    assert_eq!(bob.refuses(&late), ErrorNumber::GBP_EPOCH_MISMATCH);
}

#[test]
fn after_a_restart_numbers_go_on_and_what_was_read_is_not_read_again() {
    let mut members = world(9, 2);
    let (alice, bob) = pair(&mut members);
    let mut last = 0;
    for _ in 0..4 {
        for class in StreamClass::ALL {
            let frame = alice.seal(class, b"text");
            let (opened, _) = bob.open(&frame).unwrap();
            assert!(class != StreamClass::Text || opened.sequence.number() > last);
            if class == StreamClass::Text {
                last = opened.sequence.number();
                bob.restart();
                assert!(bob.open(&frame).is_err(), "MLS has used the message's key up");
            }
        }
        alice.restart();
    }
}

#[test]
fn an_epoch_that_is_not_ahead_is_refused_and_nothing_changes() {
    let mut members = world(11, 2);
    next_epoch(&mut members, Duration::from_days(1));
    let (alice, bob) = pair(&mut members);
    let text = alice.seal(StreamClass::Text, b"text");
    bob.open(&text).unwrap();
    let group = &mut bob.mls.0;
    let (keys, members) = (keys(group), members_of(group));
    let refused = bob.opener.advance(&keys, members, TransitionId::new(99), T0, Duration::from_days(1));
    assert_eq!(refused.unwrap_err().code(), Code::INVALID_ARGUMENT);
    assert_eq!(bob.refuses(&text), ErrorNumber::GBP_REPLAY_DETECTED);
    let critical =
        Outgoing { flags: Flags::CRITICAL, ..outgoing(StreamClass::Text, 1, b"of this transition") };
    let critical = alice.sealer.seal(critical, &mut alice.mls).unwrap();
    bob.open(&critical).unwrap();
}

/// MLS uses a message's key up when it opens it, so nothing may be refused for want of room after that. Here MLS is one
/// that takes every message: the bound is this layer's alone.
#[test]
fn every_member_is_heard_in_a_group_of_more_streams_than_interop_remembers() {
    const MEMBERS: u32 = 2_000;
    let epoch = Epoch::new(1);
    let keys = EpochKeys::derive(epoch, |label, context, length| {
        Ok::<_, SetupError>(support::exporter(1, label, context, length))
    });
    let keys = keys.unwrap();
    let all = (0..MEMBERS).map(|leaf| (LeafIndex::new(leaf), number_at(LeafIndex::new(leaf))));
    let members = Members::new(all).unwrap();
    let mut opener = Opener::new(support::group(), &keys, members, TransitionId::new(1)).unwrap();
    for (class, leaf) in [StreamClass::Text, StreamClass::Signal, StreamClass::Control]
        .into_iter()
        .flat_map(|class| (0..MEMBERS).map(move |leaf| (class, leaf)))
    {
        let leaf = LeafIndex::new(leaf);
        let mut sender =
            Sealer::new(support::group(), &keys, TransitionId::new(1), number_at(leaf), leaf, 0).unwrap();
        Rows::default().store(sender.reserve(class, None, 1).unwrap());
        let mut mls =
            Believing(PrivateMessage { sender: leaf, plaintext: Vec::new(), authenticated_data: Vec::new() });
        let frame = sender.seal(outgoing(class, number_at(leaf).number(), b"text"), &mut mls).unwrap();
        opener.open(&frame, &mut mls, T0).unwrap();
    }
    assert_eq!(opener.remembered(), 3 * MEMBERS as usize);
}

/// Opens whatever it sealed last.
struct Believing(PrivateMessage);

impl PrivateMessages for Believing {
    type Error = std::convert::Infallible;

    fn seal(&mut self, plaintext: &[u8], authenticated_data: &[u8]) -> Result<Vec<u8>, Self::Error> {
        (self.0.plaintext, self.0.authenticated_data) = (plaintext.to_vec(), authenticated_data.to_vec());
        let short = u8::try_from(authenticated_data.len()).unwrap();
        let length = if short < 0x40 { vec![short] } else { vec![0x40, short] };
        let group = support::group();
        let parts: [&[u8]; 6] =
            [&[0, 1, 0, 2, 16], group.as_bytes(), &1_u64.to_be_bytes(), &[1], &length, authenticated_data];
        Ok(parts.concat())
    }

    fn open(&mut self, _message: &[u8]) -> Result<PrivateMessage, Self::Error> {
        Ok(self.0.clone())
    }
}

#[test]
fn a_caller_can_put_opening_into_a_step_of_its_own() {
    let mut members = world(10, 2);
    let (alice, bob) = pair(&mut members);
    let draft = alice.sealer.draft(outgoing(StreamClass::Text, 1, b"text")).unwrap();
    let message = alice.mls.seal(b"text", &draft.authenticated_data()).unwrap();
    let frame = draft.finish(&message).unwrap();

    let screened = bob.opener.screen(&frame, T0).unwrap();
    let message = bob.mls.open(screened.message()).unwrap();
    let opened = bob.opener.accept(&screened, &message).unwrap();
    assert_eq!(bob.opener.remembered(), 0, "nothing moves before the step is stored");
    bob.opener.record(&opened);
    assert_eq!(bob.opener.remembered(), 1);
    assert!(matches!(bob.opener.screen(&frame, T0), Err(OpenError::Replay { .. })));
    let other = PrivateMessage { authenticated_data: Vec::new(), ..message };
    assert_eq!(bob.opener.accept(&screened, &other), Err(OpenError::NotAuthentic));
}

/// One frame that must not be delivered, made of what has been on the network or has not even arrived.
fn forgery(rng: &mut ChaCha20Rng, arrived: &[Vec<u8>], coming: &[u8]) -> Vec<u8> {
    let old = &arrived[rng.random_range(0..arrived.len())];
    let source = if rng.random() { old } else { coming };
    match rng.random_range(0..9) {
        0 => old.clone(),
        1 => {
            let mut frame = coming.to_vec();
            let at = rng.random_range(0..frame.len());
            frame[at] ^= 1 << rng.random_range(0..8);
            frame
        }
        2 => altered(source, |header| header.stream = StreamId::new(rng.random_range(100..600))),
        3 => {
            altered(source, |header| header.sequence = Sequence::new(rng.random_range(1..=u32::MAX)).unwrap())
        }
        4 => altered(source, |header| header.flags = Flags::new(rng.random_range(8..64))),
        5 => altered(source, |header| header.epoch = Epoch::new(rng.random_range(0..5))),
        6 => {
            let (old, coming) = (Frame::decode(old).unwrap(), Frame::decode(coming).unwrap());
            Frame { header: coming.header, payload: old.payload }.encode().unwrap()
        }
        7 => coming[..rng.random_range(0..coming.len())].to_vec(),
        _ => (0..rng.random_range(0..200)).map(|_| rng.random()).collect(),
    }
}

#[test]
fn of_a_hundred_thousand_forged_frames_among_a_thousand_genuine_ones_only_the_genuine_arrive() {
    const GENUINE: usize = 1_000;
    const FORGED_EACH: usize = 103;
    let mut members = world(26, 5);
    let mut rng = Seed::quiet(26).rng(1);
    let (mut arrived, mut delivered, mut forged_delivered, mut forged) = (Vec::new(), 0, 0, 0);
    for count in 0..GENUINE {
        let sender = rng.random_range(1..5);
        let class = StreamClass::ALL[rng.random_range(0..4)];
        let text = count.to_be_bytes();
        let frame = members[sender].seal(class, &text);
        let receiver = &mut members[0];
        for _ in 0..FORGED_EACH {
            let hostile = if arrived.is_empty() { vec![0] } else { forgery(&mut rng, &arrived, &frame) };
            if hostile == frame {
                continue;
            }
            let before = receiver.opener.remembered();
            forged += 1;
            forged_delivered += usize::from(receiver.open(&hostile).is_ok());
            assert_eq!(receiver.opener.remembered(), before);
        }
        let (_, plaintext) = receiver.open(&frame).unwrap();
        delivered += usize::from(plaintext == text);
        arrived.push(frame);
    }
    println!(
        "{forged} forged or replayed frames among {GENUINE}: {delivered} genuine and {forged_delivered} others delivered"
    );
    assert_eq!((delivered, forged_delivered), (GENUINE, 0));
    assert!(forged >= 100_000);
}
