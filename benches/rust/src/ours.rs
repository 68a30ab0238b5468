//! The calls that `peers/ours.mjs` makes from JavaScript, made from Rust.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use coterie_crypto::entropy::OsEntropy;
use coterie_mls::{Changes, Device, DeviceOptions, Group, GroupOptions, KeyPackageOptions, Received, Suite};
use coterie_store::MemoryStore;
use coterie_types::Timestamp;

use crate::options::Options;
use crate::samples::Samples;

pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(since.as_millis() as u64)
}

fn device(name: &str) -> Result<Device> {
    let options = DeviceOptions { identity: name.as_bytes().to_vec(), suite: Suite::X25519Aes128 };
    Ok(Device::create(options, Arc::new(MemoryStore::default()), Arc::new(OsEntropy))?)
}

fn key_package(device: &Device) -> Result<Vec<u8>> {
    Ok(device.key_package(KeyPackageOptions::default(), now())?)
}

pub fn group(options: Options, samples: &mut Samples) -> Result<()> {
    let founder = device("founder")?;
    let members =
        (1..options.size).map(|index| device(&format!("member-{index}"))).collect::<Result<Vec<_>>>()?;
    let mut kept = Vec::new();
    if options.singles > 0 {
        for _ in 0..10 {
            let each = options.singles / 10;
            samples
                .time("keyPackage", each, || (0..each).try_for_each(|_| key_package(&founder).map(drop)))?;
        }
        for _ in 0..options.singles {
            kept.push(
                samples.time("groupOfOne", 1, || founder.create_group(GroupOptions::default(), now()))?,
            );
        }
    }
    for index in 0..options.groups {
        let packages = members.iter().map(key_package).collect::<Result<Vec<_>>>()?;
        let (mut group, committed) = samples.time("create", 1, || -> Result<_> {
            let mut group = founder.create_group(GroupOptions::default(), now())?;
            let committed = group.commit(Changes { add: &packages, ..Default::default() }, now())?;
            group.merge_pending()?;
            Ok((group, committed))
        })?;
        let welcome = committed.welcome.context("a Welcome")?;
        let mut joined = Vec::new();
        for member in members.iter().take(options.joins) {
            joined.push(samples.time("join", 1, || member.join(&welcome, None, now()))?);
        }
        let reader = joined.first_mut().context("a joiner")?;
        let updates = (0..options.updates)
            .map(|_| {
                let changes = Changes { update: true, ..Default::default() };
                samples.time("update", 1, || commit(&mut group, changes))
            })
            .collect::<Result<Vec<_>>>()?;
        for update in &updates {
            samples.time("processUpdate", 1, || reader.receive(update, now()))?;
        }
        let newcomers = (0..options.adds)
            .map(|added| key_package(&device(&format!("newcomer-{index}-{added}"))?))
            .collect::<Result<Vec<_>>>()?;
        let adds = newcomers
            .chunks(1)
            .map(|newcomer| {
                let changes = Changes { add: newcomer, ..Default::default() };
                samples.time("add", 1, || commit(&mut group, changes))
            })
            .collect::<Result<Vec<_>>>()?;
        for add in &adds {
            samples.time("processAdd", 1, || reader.receive(add, now()))?;
        }
        ensure!(group.epoch_authenticator()? == reader.epoch_authenticator()?, "members disagree");
        if index == 0 {
            exchange(options, samples, &mut group, reader)?;
        }
        kept.push(group);
        kept.extend(joined);
    }
    Ok(())
}

fn commit(group: &mut Group, changes: Changes<'_>) -> Result<Vec<u8>> {
    let committed = group.commit(changes, now())?;
    group.merge_pending()?;
    Ok(committed.commit)
}

fn exchange(
    options: Options,
    samples: &mut Samples,
    sender: &mut Group,
    reader: &mut Group,
) -> Result<()> {
    let plaintext = vec![7; options.length];
    for _ in 0..options.batches {
        let sealed = samples.time("encrypt", options.messages, || {
            (0..options.messages).map(|_| sender.encrypt(&plaintext, &[])).collect::<Result<Vec<_>, _>>()
        })?;
        let opened = samples.time("decrypt", options.messages, || {
            sealed.iter().map(|message| reader.receive(message, now())).collect::<Result<Vec<_>, _>>()
        })?;
        for received in opened {
            let Received::Message { plaintext: got, .. } = received else { anyhow::bail!("not a message") };
            ensure!(got == plaintext, "another plaintext came out");
        }
    }
    Ok(())
}
