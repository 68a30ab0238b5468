//! Checks of published vectors, case by case: the runner of all vectors and this crate's tests share them.
//!
//! Behind the cargo feature `vectors`, which nothing that ships turns on: it reaches counters that were not reserved.
//! A vector that is not what its format says may panic; whoever runs many cases catches that.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test support: a broken vector may panic"
)]

use coterie_crypto::Secret;
use coterie_crypto::hash::{HashAlgorithm, digest, hkdf_expand};
use coterie_crypto::vectors::{bytes, same};
use coterie_types::{Epoch, LeafIndex, Timestamp};
use serde_json::Value;

use crate::key::EpochKey;
use crate::{Dialect, Header, KeyId, OpenError, Protection, Session, Suite, danger};

pub use coterie_crypto::vectors::Verdict;

const NOW: Timestamp = Timestamp::from_secs(0);

/// Key id and counter against their encoding.
///
/// # Errors
/// When the case fails.
pub fn header(case: &Value) -> Verdict {
    let header = Header { key_id: KeyId::new(number(case, "kid")), counter: number(case, "ctr") };
    let encoded = bytes(case, "encoded");
    same("encoding", &header.write().as_bytes(), &encoded.as_slice())?;
    same("header", &Header::read(&encoded), &Some((header, encoded.len())))?;
    for cut in 0..encoded.len() {
        same("a part of it", &Header::read(&encoded[..cut]), &None)?;
    }
    Ok(())
}

/// A whole frame of RFC 9605: derivation where the case shows it, sealing, opening. Cases without a plaintext must be
/// refused.
///
/// # Errors
/// When the case fails.
pub fn frame(case: &Value) -> Verdict {
    let suite = Suite::from_number(number(case, "cipher_suite").try_into().unwrap()).unwrap();
    let key_id = KeyId::new(number(case, "kid"));
    let protection = danger::short_tags(suite, Dialect::Rfc9605);
    let key = || epoch_key(protection, key_id.number(), &bytes(case, "base_key"));
    let mut session = Session::new(key());
    let (metadata, payload) = (bytes(case, "metadata"), bytes(case, "ct"));
    if case.get("pt").is_none() {
        same("expected", &case["expect"], &Value::from("error"))?;
        return refused(&mut session, &payload, &metadata);
    }
    for (field, label) in
        [("sframe_key", "SFrame 1.0 Secret key "), ("sframe_salt", "SFrame 1.0 Secret salt ")]
    {
        if case.get(field).is_some() {
            let expected = bytes(case, field);
            let derived = key().expand(label.as_bytes(), key_id, expected.len()).unwrap();
            same(field, &derived.expose(), &expected.as_slice())?;
        }
    }
    let counter = number(case, "ctr");
    same("sealed", &seal(&key(), key_id, counter, &bytes(case, "pt"), &metadata), &payload)?;
    opens(&mut session, &payload, &metadata, &bytes(case, "pt"))?;
    let again = session.decrypt(&payload, &metadata, NOW).map(|_| ());
    same("the same frame again", &again, &Err(OpenError::Replay { key_id, counter }))
}

/// Frames recorded from a peer of the Group Protocol Stack, sent or received.
///
/// # Errors
/// When the case fails.
pub fn recorded(case: &Value) -> Verdict {
    let suite = [Suite::Aes128Gcm, Suite::Aes256Gcm][usize::try_from(number(case, "suite")).unwrap()];
    let protection = Protection::new(suite, Dialect::Gbp).unwrap();
    let epoch = Epoch::new(number(case, "mls_epoch"));
    let leaf = LeafIndex::new(number(case, "leaf").try_into().unwrap());
    let key_id = KeyId::of_member(epoch, leaf).unwrap();
    let base_key = bytes(case, "base_key");
    same("base key", &exported(case, protection, epoch), &base_key)?;

    let key = || epoch_key(protection, epoch.number(), &base_key);
    let mut session = Session::new(key());
    for frame in case["frames"].as_array().unwrap() {
        let [plaintext, metadata, payload] =
            ["plaintext", "metadata", "payload"].map(|field| bytes(frame, field));
        let sealed = seal(&key(), key_id, number(frame, "counter"), &plaintext, &metadata);
        same("payload", &sealed, &payload)?;
        match frame.get("verdict").and_then(Value::as_str) {
            None | Some("ok") => opens(&mut session, &payload, &metadata, &plaintext)?,
            Some("replay") => {
                let counter = number(frame, "counter");
                let answer = session.decrypt(&payload, &metadata, NOW).map(|_| ());
                same("verdict", &answer, &Err(OpenError::Replay { key_id, counter }))?;
            }
            Some(other) => return Err(format!("{other} is no verdict")),
        }
    }
    if case.get("kid").is_some() {
        same("key id", &key_id.number(), &number(case, "kid"))?;
        let derived = key().expand(b"SFrame 1.0 Secret key ", key_id, suite.key_length()).unwrap();
        same("key", &derived.expose(), &bytes(case, "key").as_slice())?;
    }
    Ok(())
}

/// Bytes that are no frame: refused by sessions of every suite, which remember nothing of them.
///
/// # Errors
/// When they are taken for one.
pub fn malformed(input: &[u8]) -> Verdict {
    for suite in Suite::ALL {
        for epoch in [0, Header::read(input).map_or(0, |(header, _)| header.key_id.number())] {
            let key = epoch_key(danger::short_tags(suite, Dialect::Rfc9605), epoch, &[9; 32]);
            refused(&mut Session::new(key), input, b"")?;
        }
    }
    Ok(())
}

fn epoch_key(protection: Protection, epoch: u64, base_key: &[u8]) -> EpochKey {
    EpochKey::new(protection, Epoch::new(epoch), &Secret::copy_from(base_key)).unwrap()
}

/// Seals under a counter that nobody reserved.
fn seal(key: &EpochKey, key_id: KeyId, counter: u64, plaintext: &[u8], metadata: &[u8]) -> Vec<u8> {
    let key = key.frame_key(key_id).unwrap();
    let header = key.header(counter);
    let (mut body, mut tag) = (plaintext.to_vec(), vec![0; key.tag_length()]);
    key.seal(counter, header.as_bytes(), metadata, &mut body, &mut tag).unwrap();
    [header.as_bytes(), &body, &tag].concat()
}

fn opens(session: &mut Session, payload: &[u8], metadata: &[u8], plaintext: &[u8]) -> Verdict {
    // A session counts failures under short tags, so of a long frame not every prefix is tried.
    for cut in (0..payload.len()).step_by(payload.len().div_ceil(500)) {
        refused(session, &payload[..cut], metadata)?;
    }
    let (opened, got) = session.decrypt(payload, metadata, NOW).map_err(|error| error.to_string())?;
    same("plaintext", &got.as_slice(), &plaintext)?;
    same("leaf", &opened.leaf, &opened.key_id.leaf())
}

fn refused(session: &mut Session, payload: &[u8], metadata: &[u8]) -> Verdict {
    let before = session.remembered();
    if let Ok((opened, _)) = session.decrypt(payload, metadata, NOW) {
        return Err(format!("accepted: {opened:?}"));
    }
    same("senders that are remembered", &session.remembered(), &before)
}

/// RFC 9420, section 8.5, over the recorded exporter secret.
fn exported(case: &Value, protection: Protection, epoch: Epoch) -> Vec<u8> {
    let exporter = protection.exporter(case["label"].as_str(), epoch);
    let hash = HashAlgorithm::Sha256;
    let expand = |secret: &[u8], label: &str, context: &[u8], length: usize| {
        let label = [b"MLS 1.0 ", label.as_bytes()].concat();
        let prefix = [u16::try_from(length).unwrap().to_be_bytes().as_slice(), &[label.len() as u8]].concat();
        let info = [&prefix, &label, &[context.len() as u8][..], context].concat();
        hkdf_expand(hash, secret, &info, length).unwrap()
    };
    let secret = expand(&bytes(case, "exporter_secret"), &exporter.label, b"", hash.output_length());
    let context = digest(hash, &exporter.context);
    expand(secret.expose(), "exported", context.as_bytes(), exporter.length).expose().to_vec()
}

/// A number of 64 bits, decimal or as it is.
fn number(case: &Value, field: &str) -> u64 {
    let decimal = || case[field].as_str().and_then(|text| text.parse().ok());
    case[field].as_u64().or_else(decimal).unwrap_or_else(|| panic!("{field} is missing"))
}
