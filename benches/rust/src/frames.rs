//! The bare cipher in a loop: what media frames, and text frames of the published stack, come down to.

use std::hint::black_box;

use anyhow::{Result, anyhow};
use aws_lc_rs::aead::{AES_128_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use crate::options::Options;
use crate::samples::Samples;

fn nonce(counter: u64) -> Nonce {
    let mut nonce = [7; 12];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

pub fn bare(options: Options, samples: &mut Samples) -> Result<()> {
    let cipher = if options.chacha { &CHACHA20_POLY1305 } else { &AES_128_GCM };
    let key = UnboundKey::new(cipher, &vec![5; cipher.key_len()]).map_err(|_| anyhow!("a key"))?;
    let key = LessSafeKey::new(key);
    let data = || Aad::from([9; 5]);
    let mut body = vec![7; options.length];
    let tag = key.seal_in_place_separate_tag(nonce(0), data(), &mut body).map_err(|_| anyhow!("sealed"))?;
    let (mut buffer, mut opened) = (vec![7; options.length], vec![0; options.length]);
    for _ in 0..options.batches {
        samples.time("seal", options.messages, || {
            for counter in 0..u64::from(options.messages) {
                let tag = key.seal_in_place_separate_tag(nonce(counter), data(), &mut buffer);
                let _ = black_box(tag);
            }
        });
        samples.time("open", options.messages, || {
            for _ in 0..options.messages {
                let _ = black_box(key.open_separate_gather(nonce(0), data(), &body, tag.as_ref(), &mut opened));
            }
        });
    }
    anyhow::ensure!(opened.iter().all(|byte| *byte == 7), "another plaintext came out");
    Ok(())
}
