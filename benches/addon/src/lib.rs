//! One AEAD per call: AES-128-GCM from the caller's buffer into another, under a counter. No protocol, no checks.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use napi::bindgen_prelude::Uint8ArraySlice;
use napi_derive::napi;

const TAG: usize = 16;

static KEY: LazyLock<LessSafeKey> =
    LazyLock::new(|| LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[5; 16]).unwrap()));
static COUNTER: AtomicU64 = AtomicU64::new(0);

fn nonce(counter: u64) -> Nonce {
    let mut nonce = [7; 12];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// Seals `plaintext` into `out`.
#[napi]
pub fn seal(plaintext: &[u8], mut out: Uint8ArraySlice<'_>) -> u32 {
    // SAFETY: nobody else uses the memory meanwhile.
    let out = unsafe { out.as_mut() };
    let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
    let (body, rest) = out.split_at_mut(plaintext.len());
    body.copy_from_slice(plaintext);
    let tag = KEY.seal_in_place_separate_tag(nonce(counter), Aad::from([9; 5]), body).unwrap();
    rest[..TAG].copy_from_slice(tag.as_ref());
    (plaintext.len() + TAG) as u32
}

/// Opens what was sealed under `counter` into `out`.
#[napi]
pub fn open(sealed: &[u8], mut out: Uint8ArraySlice<'_>, counter: f64) -> u32 {
    // SAFETY: nobody else uses the memory meanwhile.
    let out = unsafe { out.as_mut() };
    let (body, tag) = sealed.split_at(sealed.len() - TAG);
    let out = &mut out[..body.len()];
    KEY.open_separate_gather(nonce(counter as u64), Aad::from([9; 5]), body, tag, out).unwrap();
    body.len() as u32
}

/// The counter of the next frame.
#[napi]
pub fn next() -> f64 {
    COUNTER.load(Ordering::Relaxed) as f64
}
