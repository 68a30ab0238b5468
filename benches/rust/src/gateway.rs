//! The voice server that davey needs: its groups grow by the proposals of an external sender only.
//!
//! Reads `{"groups": [{"id": hex, "epoch": number, "keyPackages": [hex]}]}` and answers with that sender and, for each
//! group, the proposals that add the holders of the key packages. Its key is the same in every run: it guards nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result};
use coterie_crypto::{Entropy, EntropyError};
use coterie_mls::{ExternalSigner, GroupInfoSummary, Suite};
use coterie_types::{Epoch, GroupId, Timestamp};
use serde_json::{Value, json};

use crate::hex::{hex, unhex};

/// Bytes that are the same in every run.
#[derive(Default)]
struct Fixed(AtomicU8);

impl Entropy for Fixed {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        bytes.iter_mut().for_each(|byte| *byte = self.0.fetch_add(1, Ordering::Relaxed) | 1);
        Ok(())
    }
}

pub fn answer(request: &Value) -> Result<Value> {
    let signer = ExternalSigner::generate(b"gateway", Suite::P256Aes128, Arc::new(Fixed::default()))?;
    let groups = request["groups"].as_array().context("groups")?;
    let proposals = groups.iter().map(|group| proposals(&signer, group)).collect::<Result<Vec<_>>>()?;
    Ok(json!({ "sender": hex(&signer.to_bytes()?), "proposals": proposals }))
}

fn proposals(signer: &ExternalSigner, group: &Value) -> Result<Vec<String>> {
    let summary = GroupInfoSummary {
        group_id: GroupId::new(&unhex(&group["id"])?)?,
        epoch: Epoch::new(group["epoch"].as_u64().context("epoch")?),
        suite: Suite::P256Aes128,
        extensions: Vec::new(),
    };
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let now = Timestamp::from_millis(since.as_millis() as u64);
    let packages = group["keyPackages"].as_array().context("keyPackages")?;
    packages
        .iter()
        .map(|package| {
            // davey's key packages stand bare; ours are messages (RFC 9420 section 6): mls10, mls_key_package.
            let message = [&[0, 1, 0, 5], unhex(package)?.as_slice()].concat();
            Ok(hex(&signer.propose_add(&summary, 0, &message, now)?))
        })
        .collect()
}
