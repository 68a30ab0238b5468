//! A small world of devices for the tests of this crate.

#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

pub(crate) mod certified;

use std::sync::Arc;

use coterie_mls::{Changes, Device, DeviceOptions, Group, GroupOptions, KeyPackageOptions, Suite};
use coterie_store::MemoryStore;
use coterie_testkit::{Seed, T0};
use coterie_types::Duration;

/// Valid for as long as any test winds its clock.
pub(crate) const LONG: Duration = Duration::from_days(36_500);

pub(crate) fn device(seed: Seed, name: &str, suite: Suite) -> Device {
    let stream = name.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let options = DeviceOptions { identity: name.as_bytes().to_vec(), suite };
    Device::create(options, Arc::new(MemoryStore::default()), Arc::new(seed.entropy(stream))).unwrap()
}

pub(crate) fn key_package(device: &Device) -> Vec<u8> {
    device.key_package(KeyPackageOptions { lifetime: Some(LONG), ..Default::default() }, T0).unwrap()
}

pub(crate) fn create(founder: &Device) -> Group {
    founder.create_group(GroupOptions::default(), T0).unwrap()
}

/// `group` adds `device` alone, and everybody in `others` hears of it.
pub(crate) fn add(group: &mut Group, device: &Device, others: &mut [&mut Group]) -> Group {
    let package = key_package(device);
    let committed = group.commit(Changes { add: &[package], ..Default::default() }, T0).unwrap();
    group.merge_pending().unwrap();
    for other in others {
        other.receive(&committed.commit, T0).unwrap();
    }
    device.join(&committed.welcome.unwrap(), None, T0).unwrap()
}

/// A group of `size` members, all added by the first in one commit.
pub(crate) fn group_of(seed: Seed, suite: Suite, size: usize) -> Vec<Group> {
    let devices: Vec<Device> =
        (0..size).map(|index| device(seed, &format!("member-{index}"), suite)).collect();
    let mut founder = create(&devices[0]);
    if size == 1 {
        return vec![founder];
    }
    let packages: Vec<Vec<u8>> = devices[1..].iter().map(key_package).collect();
    let committed = founder.commit(Changes { add: &packages, ..Default::default() }, T0).unwrap();
    founder.merge_pending().unwrap();
    let welcome = committed.welcome.unwrap();
    let joiners = devices[1..].iter().map(|device| device.join(&welcome, None, T0).unwrap());
    std::iter::once(founder).chain(joiners).collect()
}

pub(crate) fn assert_agree(groups: &mut [&mut Group]) {
    let first = groups[0].epoch_authenticator().unwrap();
    for group in groups {
        assert_eq!(group.epoch_authenticator().unwrap(), first, "{group:?} sees another epoch");
    }
}
