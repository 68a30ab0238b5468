//! Round trips over every suite, key id and counter, and the other implementation's frames byte for byte.
#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use coterie_crypto::Secret;
use coterie_sframe::counters::CounterRecord;
use coterie_sframe::{
    Dialect, Encryptor, EpochKey, Header, KeyId, Opened, Protection, Session, Suite, danger,
};
use coterie_testkit::T0;
use coterie_types::{Epoch, LeafIndex};
use proptest::prelude::*;
use sframe::CipherSuite;
use sframe::frame::{EncryptedFrameView, MediaFrameView, SingleUseCounter};
use sframe::key::{DecryptionKey, EncryptionKey};

fn epoch_key(protection: Protection, key_id: u64, base_key: &[u8]) -> EpochKey {
    let epoch = Epoch::new(key_id & 0xffff);
    EpochKey::new(protection, epoch, &Secret::copy_from(base_key)).unwrap()
}

/// An encryptor whose next frame has just this key id and counter.
fn encryptor(key: &EpochKey, key_id: u64, counter: u64) -> Encryptor {
    let leaf = LeafIndex::new((key_id >> 16) as u32 & 0xffff);
    let encryptor = key.encryptor(leaf, (key_id >> 32) as u32).unwrap();
    let stored = counter.checked_sub(1).map(|last| {
        let row = [encryptor.counter_id().as_bytes().as_slice(), &last.to_be_bytes()].concat();
        CounterRecord::from_bytes(&row).unwrap()
    });
    encryptor.reserve(stored, 1).unwrap().stored();
    encryptor
}

fn suites() -> impl Strategy<Value = Suite> {
    prop::sample::select(Suite::ALL.to_vec())
}

fn dialects() -> impl Strategy<Value = Dialect> {
    prop::sample::select(vec![Dialect::Rfc9605, Dialect::Gbp])
}

/// Numbers of every length, with the ends of each length more often than chance would have them.
fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        (any::<u64>(), 0_u32..64).prop_map(|(number, shift)| number >> shift),
        (0_u32..64, -1_i64..=1).prop_map(|(bit, by)| (1_u64 << bit).wrapping_add_signed(by)),
        Just(u64::MAX),
    ]
}

fn bytes(limit: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..limit)
}

fn checked(opened: &Opened, key_id: u64, counter: u64) {
    assert_eq!((opened.key_id.number(), opened.counter), (key_id, counter));
    assert_eq!(u64::from(opened.leaf.number()), key_id >> 16 & 0xffff);
}

proptest! {
    #[test]
    fn headers_of_the_whole_range_are_read_as_they_were_written(key_id in numbers(), counter in numbers()) {
        let header = Header { key_id: KeyId::new(key_id), counter };
        let written = header.write();
        prop_assert_eq!(Header::read(written.as_bytes()), Some((header, written.as_bytes().len())));
        let theirs = sframe::header::SframeHeader::new(key_id, counter);
        prop_assert_eq!(written.as_bytes(), Vec::from(&theirs));
    }

    #[test]
    fn any_bytes_are_read_as_the_other_implementation_reads_them(input in bytes(20)) {
        let theirs = sframe::header::SframeHeader::deserialize(&input).ok();
        let ours = Header::read(&input).map(|(header, _)| (header.key_id.number(), header.counter));
        prop_assert_eq!(ours, theirs.map(|header| (header.key_id(), header.counter())));
    }

    #[test]
    fn every_frame_comes_back_by_every_way_of_opening(
        suite in suites(), dialect in dialects(), key_id in numbers(), counter in numbers(),
        plaintext in bytes(300), metadata in bytes(300),
    ) {
        let protection = danger::short_tags(suite, dialect);
        let key = || epoch_key(protection, key_id, &[7; 32]);
        let sealed = encryptor(&key(), key_id, counter).encrypt(&plaintext, &metadata).unwrap();

        let (opened, got) = Session::new(key()).decrypt(&sealed, &metadata, T0).unwrap();
        checked(&opened, key_id, counter);
        prop_assert_eq!(&got, &plaintext);

        let mut out = vec![0; plaintext.len()];
        let opened = Session::new(key()).decrypt_into(&sealed, &metadata, &mut out, T0).unwrap();
        prop_assert_eq!(&out[opened.plaintext], &plaintext);

        let mut buffer = sealed.clone();
        let opened = Session::new(key()).decrypt_in_place(&mut buffer, &metadata, T0).unwrap();
        prop_assert_eq!(&buffer[opened.plaintext], &plaintext);
    }

    #[test]
    fn every_way_of_sealing_makes_the_same_bytes(
        suite in suites(), dialect in dialects(), key_id in numbers(), counter in numbers(),
        plaintext in bytes(300), metadata in bytes(300), margin in 0_usize..20,
    ) {
        let key = epoch_key(danger::short_tags(suite, dialect), key_id, &[7; 32]);
        let sealed = encryptor(&key, key_id, counter).encrypt(&plaintext, &metadata).unwrap();

        let sender = encryptor(&key, key_id, counter);
        let mut out = vec![9; plaintext.len() + sender.overhead()];
        let length = sender.encrypt_into(&plaintext, &metadata, &mut out).unwrap();
        prop_assert_eq!(&out[..length], &sealed);

        let sender = encryptor(&key, key_id, counter);
        let mut buffer = [&vec![9; 17 + margin], plaintext.as_slice(), &vec![9; 16 + margin]].concat();
        let place = 17 + margin..17 + margin + plaintext.len();
        let frame = sender.encrypt_in_place(&mut buffer, place, &metadata).unwrap();
        prop_assert_eq!(&buffer[frame], &sealed);
    }

    #[test]
    fn the_other_implementation_makes_and_opens_the_same_frames(
        suite in prop::sample::select(Suite::ALL[..5].to_vec()), key_id in numbers(), counter in numbers(),
        plaintext in bytes(300), metadata in bytes(60), base_key in prop::collection::vec(any::<u8>(), 16..64),
    ) {
        let theirs = match suite {
            Suite::Aes128CtrHmac80 => CipherSuite::AesCtr128HmacSha256_80,
            Suite::Aes128CtrHmac64 => CipherSuite::AesCtr128HmacSha256_64,
            Suite::Aes128CtrHmac32 => CipherSuite::AesCtr128HmacSha256_32,
            Suite::Aes128Gcm => CipherSuite::AesGcm128Sha256,
            _ => CipherSuite::AesGcm256Sha512,
        };
        let key = epoch_key(danger::short_tags(suite, Dialect::Rfc9605), key_id, &base_key);
        let sealed = encryptor(&key, key_id, counter).encrypt(&plaintext, &metadata).unwrap();

        let their_key = EncryptionKey::derive_from(theirs, key_id, &base_key).unwrap();
        let mut their_counter = SingleUseCounter::new(counter);
        let frame = MediaFrameView::try_with_meta_data(&mut their_counter, &plaintext, &metadata).unwrap();
        let made = frame.encrypt(&their_key).unwrap();
        prop_assert_eq!(made.sframe_cipher_text(), &sealed);

        let their_key = DecryptionKey::derive_from(theirs, key_id, &base_key).unwrap();
        let frame = EncryptedFrameView::try_with_meta_data(&sealed, &metadata).unwrap();
        let opened = frame.decrypt(&their_key).unwrap();
        prop_assert_eq!(opened.payload(), &plaintext);
    }
}
