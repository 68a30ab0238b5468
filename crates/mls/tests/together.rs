//! Several operations of a group in one step: all of them count, or none.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test may panic"
)]

mod common;

use std::sync::Arc;

use common::key_package;
use coterie_mls::{
    Changes, Device, DeviceOptions, Group, GroupExtension, GroupOptions, HandshakeFraming, MlsError,
    PROFILE_EXTENSION, Received, Suite, Together,
};
use coterie_store::MemoryStore;
use coterie_testkit::{Fault, FaultyStore, Seed, T0};

type Disk = FaultyStore<MemoryStore>;

fn device(seed: Seed, name: &str) -> (Arc<Disk>, Device) {
    let disk = Arc::new(Disk::default());
    let options = DeviceOptions { identity: name.as_bytes().to_vec(), suite: Suite::X25519Aes128 };
    let entropy = Arc::new(seed.entropy(name.len() as u64));
    let device = Device::create(options, disk.clone(), entropy).unwrap();
    (disk, device)
}

fn profile(number: u8) -> Vec<GroupExtension> {
    let required = GroupExtension::required_capabilities(&[PROFILE_EXTENSION], &[], &[]).unwrap();
    vec![GroupExtension { extension_type: PROFILE_EXTENSION, data: vec![1, number] }, required]
}

/// A group that is begun with an extension and has told its first member something, in one write each.
fn pair(seed: Seed) -> ((Arc<Disk>, Group), (Arc<Disk>, Group)) {
    let ((alice_disk, alice), (bob_disk, bob)) = (device(seed, "alice"), device(seed, "bob!!!"));
    let package = key_package(&bob);
    let before = alice_disk.commits();
    let (group, welcome) = alice
        .create_group_together(GroupOptions::default(), T0, |together| {
            together.set_handshake_framing(HandshakeFraming::Public)?;
            together.commit(Changes { extensions: Some(&profile(1)), ..Default::default() }, T0)?;
            together.merge_pending()?;
            let committed = together.commit(Changes { add: &[package], ..Default::default() }, T0)?;
            together.merge_pending()?;
            together.rows().put(b"row", vec![1])?;
            Ok::<_, MlsError>(committed.welcome.unwrap())
        })
        .unwrap();
    assert_eq!(alice_disk.commits(), before + 1);
    assert_eq!(group.epoch().number(), 2);

    let refused = bob.join_together(&welcome, None, T0, |together| {
        together.rows().put(b"row", vec![2])?;
        Err::<(), _>(MlsError::InvalidArgument("not this one"))
    });
    assert!(matches!(refused, Err(MlsError::InvalidArgument("not this one"))));
    assert_eq!(bob.rows(|rows| Ok::<_, MlsError>(rows.get(b"row")?)).unwrap(), None);
    let (joined, seen) = bob
        .join_together(&welcome, None, T0, |together| {
            together.set_handshake_framing(HandshakeFraming::Public)?;
            together.extensions()
        })
        .unwrap();
    assert_eq!(seen, profile(1));
    ((alice_disk, group), (bob_disk, joined))
}

fn plaintext(received: Received) -> Vec<u8> {
    match received {
        Received::Message { plaintext, .. } => plaintext,
        other => panic!("{other:?}"),
    }
}

/// Opens a message, stages a commit, answers, and follows the commit.
fn follow(together: &mut Together<'_, '_>, message: &[u8], commit: &[u8]) -> Result<Vec<u8>, MlsError> {
    assert_eq!(plaintext(together.open(message, T0)?), b"here it comes");
    let summary = together.stage(commit, T0)?;
    let answer = together.encrypt(b"ready", b"")?;
    together.merge_staged()?;
    assert_eq!(together.epoch(), summary.epoch);
    together.rows().put(b"epoch", vec![1])?;
    Ok(answer)
}

#[test]
fn a_step_of_many_operations_is_one_write_and_goes_back_as_a_whole() {
    for fault in Fault::ALL {
        let ((_, mut alice), (disk, mut bob)) = pair(Seed::new(1));
        let message = alice.encrypt(b"here it comes", b"").unwrap();
        let committed = alice.commit(Changes { update: true, ..Default::default() }, T0).unwrap();
        let before = (bob.epoch(), bob.epoch_authenticator().unwrap(), disk.commits());
        disk.fail_after(0, fault);
        let failed = bob.together(|together| follow(together, &message, &committed.commit));
        assert!(matches!(failed, Err(MlsError::Store(_))), "{fault:?}");
        disk.reopen();
        if fault == Fault::IoStored {
            // The store's word is what counts: it is done.
            assert_ne!(bob.epoch_authenticator().unwrap(), before.1);
            continue;
        }
        assert_eq!((bob.epoch_authenticator().unwrap(), bob.epoch()), (before.1, before.0));
        let answer = bob.together(|together| follow(together, &message, &committed.commit)).unwrap();
        assert_eq!(disk.commits(), before.2 + 2);
        assert_eq!(plaintext(alice.receive(&answer, T0).unwrap()), b"ready");
        alice.merge_pending().unwrap();
        assert_eq!(alice.epoch_authenticator().unwrap(), bob.epoch_authenticator().unwrap());
    }
}

#[test]
fn what_the_layer_above_refuses_is_undone() {
    let ((_, mut alice), (disk, mut bob)) = pair(Seed::new(2));
    let message = alice.encrypt(b"once", b"").unwrap();
    let commits = disk.commits();
    let refused = bob.together(|together| {
        together.open(&message, T0)?;
        together.rows().put(b"row", vec![7])?;
        Err::<(), _>(MlsError::InvalidArgument("no"))
    });
    assert!(matches!(refused, Err(MlsError::InvalidArgument("no"))));
    assert_eq!(disk.commits(), commits);
    let opened = bob.together(|together| together.open(&message, T0)).unwrap();
    assert_eq!(plaintext(opened), b"once", "its key was not used up");
}

#[test]
fn a_staged_commit_shows_what_the_group_would_agree_on_and_can_be_staged_again() {
    let ((_, mut alice), (_, mut bob)) = pair(Seed::new(3));
    let other = profile(2);
    let changes = Changes { extensions: Some(&other), ..Default::default() };
    let committed = alice.commit(changes, T0).unwrap();
    for _ in 0..3 {
        let seen = bob.together(|together| {
            together.stage(&committed.commit, T0)?;
            let seen = together.staged_extensions()?;
            together.discard_staged()?;
            Ok::<_, MlsError>(seen)
        });
        assert_eq!(seen.unwrap(), other);
    }
    assert_eq!(bob.extensions().unwrap(), profile(1));
}

#[test]
fn only_what_is_asked_for_is_taken_in() {
    let ((_, mut alice), (_, mut bob)) = pair(Seed::new(4));
    let message = alice.encrypt(b"text", b"").unwrap();
    let committed = alice.commit(Changes { update: true, ..Default::default() }, T0).unwrap();
    let own = alice.together(|together| together.stage(&committed.commit, T0));
    assert!(matches!(own, Err(MlsError::Diverged)), "an own commit is not another's");
    let opened = bob.together(|together| together.open(&committed.commit, T0));
    assert!(matches!(opened, Err(MlsError::Malformed(_))));
    let staged = bob.together(|together| together.stage(&message, T0));
    assert!(matches!(staged, Err(MlsError::Malformed(_))));
    assert_eq!(plaintext(bob.receive(&message, T0).unwrap()), b"text");
}
