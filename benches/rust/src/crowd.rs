//! Everybody else: groups around members that another process measures.
//!
//! Reads `{"size": number, "warm": bool, "keyPackages": [[hex]]}` and answers with a Welcome for each list: the holders
//! of its key packages are the last to be added to a group of that size. In a warm group every other member has made
//! a path update since it joined; in a fresh one nobody has.

use std::sync::Arc;

use anyhow::{Context, Result};
use coterie_crypto::entropy::OsEntropy;
use coterie_mls::{Changes, Device, DeviceOptions, Group, GroupOptions, KeyPackageOptions, Suite};
use coterie_store::MemoryStore;
use serde_json::{Value, json};

use crate::gateway::{hex, unhex};
use crate::ours::now;

pub fn answer(request: &Value) -> Result<Value> {
    let size = request["size"].as_u64().context("size")? as usize;
    let lists = request["keyPackages"].as_array().context("keyPackages")?.iter().map(packages);
    let welcomes = welcomes(size, request["warm"] == true, &lists.collect::<Result<Vec<_>>>()?)?;
    Ok(json!({ "welcomes": welcomes.iter().map(|welcome| hex(welcome)).collect::<Vec<_>>() }))
}

pub fn welcomes(size: usize, warm: bool, lists: &[Vec<Vec<u8>>]) -> Result<Vec<Vec<u8>>> {
    let others = size.saturating_sub(lists.first().map_or(0, Vec::len) + 1);
    let devices = (0..others).map(|index| device(&format!("other-{index}"))).collect::<Result<Vec<_>>>()?;
    lists
        .iter()
        .map(|list| if warm { warm_group(&devices, list) } else { fresh_group(&devices, list) })
        .collect()
}

fn fresh_group(devices: &[Device], list: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut group = device("founder")?.create_group(GroupOptions::default(), now())?;
    let others = devices.iter().map(key_package).collect::<Result<Vec<_>>>()?;
    add(&mut group, &[&others, list].concat())
}

fn warm_group(devices: &[Device], list: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut group = device("founder")?.create_group(GroupOptions::default(), now())?;
    let update = Changes { update: true, ..Default::default() };
    for device in devices {
        let welcome = add(&mut group, &[key_package(device)?])?;
        let committed = device.join(&welcome, None)?.commit(update, now())?;
        group.receive(&committed.commit)?;
    }
    group.commit(update, now())?;
    group.merge_pending()?;
    add(&mut group, list)
}

fn add(group: &mut Group, packages: &[Vec<u8>]) -> Result<Vec<u8>> {
    let committed = group.commit(Changes { add: packages, ..Default::default() }, now())?;
    group.merge_pending()?;
    committed.welcome.context("a Welcome")
}

fn device(name: &str) -> Result<Device> {
    let options = DeviceOptions { identity: name.as_bytes().to_vec(), suite: Suite::X25519Aes128 };
    Ok(Device::create(options, Arc::new(MemoryStore::default()), Arc::new(OsEntropy::default()))?)
}

fn key_package(device: &Device) -> Result<Vec<u8>> {
    Ok(device.key_package(KeyPackageOptions::default(), now())?)
}

fn packages(list: &Value) -> Result<Vec<Vec<u8>>> {
    list.as_array().context("a list")?.iter().map(unhex).collect()
}
