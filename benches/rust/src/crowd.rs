//! Everybody else: groups around members that another process measures.
//!
//! Reads `{"size": number, "warm": bool, "keyPackages": [[hex]]}` and answers with a Welcome for each list: the holders
//! of its key packages are the last to be added to a group of that size. In a warm group every other member has made
//! a path update since it joined; in a fresh one nobody has. With `"chatter": true` everybody else of a fresh group has
//! sent one message, which stand in `chatter`.

use std::sync::Arc;

use anyhow::{Context, Result};
use coterie_crypto::entropy::OsEntropy;
use coterie_mls::{Changes, Device, DeviceOptions, Group, GroupOptions, KeyPackageOptions, Suite};
use coterie_store::MemoryStore;
use serde_json::{Value, json};

use crate::hex::{hex, unhex};
use crate::ours::now;

pub fn answer(request: &Value) -> Result<Value> {
    let size = request["size"].as_u64().context("size")? as usize;
    let lists = request["keyPackages"].as_array().context("keyPackages")?.iter().map(packages);
    let lists = lists.collect::<Result<Vec<_>>>()?;
    if request["chatter"] == true {
        let (welcome, chatter) = talking_group(size, lists.first().context("key packages")?)?;
        return Ok(json!({ "welcomes": [hex(&welcome)], "chatter": all_hex(&chatter) }));
    }
    Ok(json!({ "welcomes": all_hex(&welcomes(size, request["warm"] == true, &lists)?) }))
}

/// A message is as long as those that are measured.
const CHATTER: [u8; 32] = [7; 32];

/// A fresh group, and a message of each member that is not in `list`.
fn talking_group(size: usize, list: &[Vec<u8>]) -> Result<(Vec<u8>, Vec<Vec<u8>>)> {
    let devices = others(size, list)?;
    let mut founder = device("founder")?.create_group(GroupOptions::default(), now())?;
    let welcome = add_all(&mut founder, &devices, list)?;
    let mut chatter = vec![founder.encrypt(&CHATTER, &[])?];
    for device in &devices {
        chatter.push(device.join(&welcome, None, now())?.encrypt(&CHATTER, &[])?);
    }
    Ok((welcome, chatter))
}

fn all_hex(all: &[Vec<u8>]) -> Vec<String> {
    all.iter().map(|bytes| hex(bytes)).collect()
}

pub fn welcomes(size: usize, warm: bool, lists: &[Vec<Vec<u8>>]) -> Result<Vec<Vec<u8>>> {
    let devices = others(size, lists.first().map_or(&[], Vec::as_slice))?;
    lists
        .iter()
        .map(|list| if warm { warm_group(&devices, list) } else { fresh_group(&devices, list) })
        .collect()
}

/// All members but the founder and those of `list`.
fn others(size: usize, list: &[Vec<u8>]) -> Result<Vec<Device>> {
    (0..size.saturating_sub(list.len() + 1)).map(|index| device(&format!("other-{index}"))).collect()
}

fn fresh_group(devices: &[Device], list: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut group = device("founder")?.create_group(GroupOptions::default(), now())?;
    add_all(&mut group, devices, list)
}

fn add_all(group: &mut Group, devices: &[Device], list: &[Vec<u8>]) -> Result<Vec<u8>> {
    let others = devices.iter().map(key_package).collect::<Result<Vec<_>>>()?;
    add(group, &[&others, list].concat())
}

fn warm_group(devices: &[Device], list: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut group = device("founder")?.create_group(GroupOptions::default(), now())?;
    let update = Changes { update: true, ..Default::default() };
    for device in devices {
        let welcome = add(&mut group, &[key_package(device)?])?;
        let committed = device.join(&welcome, None, now())?.commit(update, now())?;
        group.receive(&committed.commit, now())?;
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
    Ok(Device::create(options, Arc::new(MemoryStore::default()), Arc::new(OsEntropy))?)
}

fn key_package(device: &Device) -> Result<Vec<u8>> {
    Ok(device.key_package(KeyPackageOptions::default(), now())?)
}

fn packages(list: &Value) -> Result<Vec<Vec<u8>>> {
    list.as_array().context("a list")?.iter().map(unhex).collect()
}
