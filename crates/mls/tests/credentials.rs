//! Who may come in: certificates, mixed groups, expiry, renewal, and what the application's policy says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program fails by panicking"
)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::certified::{AFTER, World, chain};
use common::{assert_agree, create, device, key_package};
use coterie_mls::certificate::TrustAnchors;
use coterie_mls::{
    Authentication, Candidate, CertifiedKey, CertifiedOptions, Changes, CommitSummary, Device, Entry,
    ExternalJoin, Group, GroupOptions, KeyPackageOptions, MlsError, Received, Refusal, Suite,
};
use coterie_store::{Key, MemoryStore, SqlStore, Store};
use coterie_testkit::certificates::rcgen::date_time_ymd;
use coterie_testkit::certificates::{Authority, Certified, member_params};
use coterie_testkit::{Seed, T0};
use coterie_types::{Code, ErrorCode};

const ED25519: Suite = Suite::X25519Aes128;

fn packaged(device: &Device) -> Vec<u8> {
    key_package(device)
}

fn code<T: std::fmt::Debug>(refused: Result<T, MlsError>) -> Code {
    refused.unwrap_err().code()
}

fn invite(group: &mut Group, package: Vec<u8>) -> coterie_mls::Committed {
    let committed = group.commit(Changes { add: &[package], ..Default::default() }, T0).unwrap();
    group.merge_pending().unwrap();
    committed
}

#[test]
fn certified_members_of_every_suite_are_known_by_the_names_in_their_certificates() {
    for suite in Suite::ALL {
        let world = World::new(70);
        let [a, b, c] =
            [1, 2, 3].map(|number| world.certified(&format!("member-{number}@example.org"), suite, number));
        assert_eq!(a.identity(), b"member-1@example.org");
        let info = a.inspect_key_package(&packaged(&b), T0).unwrap();
        assert!(info.certificate.unwrap().expires < AFTER);
        assert!(info.expires < AFTER, "a leaf promises no more than its certificate");

        let mut alice = create(&a);
        let mut bob = b.join(&invite(&mut alice, packaged(&b)).welcome.unwrap(), None, T0).unwrap();
        let committed = invite(&mut alice, packaged(&c));
        let added = &committed.summary.added[0];
        assert_eq!(added.identity, b"member-3@example.org");
        assert!(added.certificate.is_some());
        bob.receive(&committed.commit, T0).unwrap();
        let mut carol = c.join(&committed.welcome.unwrap(), None, T0).unwrap();
        let sealed = carol.encrypt(b"hello", b"").unwrap();
        let Received::Message { sender, .. } = bob.receive(&sealed, T0).unwrap() else { panic!("a message") };
        assert_eq!(
            (sender.identity.as_slice(), sender.certificate.as_ref()),
            (&b"member-3@example.org"[..], added.certificate.as_ref())
        );
        let update = bob.commit(Changes { update: true, ..Default::default() }, T0).unwrap();
        bob.merge_pending().unwrap();
        alice.receive(&update.commit, T0).unwrap();
        carol.receive(&update.commit, T0).unwrap();
        assert_agree(&mut [&mut alice, &mut bob, &mut carol]);

        let d = world.certified("member-4@example.org", suite, 4);
        let info = alice.group_info(true).unwrap();
        let (mut dave, commit) = d.join_external(&info, ExternalJoin::default(), T0).unwrap();
        for member in [&mut alice, &mut bob, &mut carol] {
            member.receive(&commit, T0).unwrap();
        }
        assert_agree(&mut [&mut alice, &mut dave]);
    }
}

#[test]
fn a_device_is_made_only_of_a_certificate_that_fits_its_key_suite_name_and_time() {
    let world = World::new(71);
    let bob = world.between.member("bob@example.org");
    let carol = world.between.member("carol@example.org");
    let fits = || world.options(&bob, ED25519);
    assert!(world.make(fits(), 1).is_ok());
    let named = CertifiedOptions { identity: Some(b"carol@example.org"), ..fits() };
    assert_eq!(code(world.make(named, 1)), Code::MLS_INVALID_CREDENTIAL);
    let other_key = CertifiedOptions { private_key: &carol.key, ..fits() };
    assert_eq!(code(world.make(other_key, 1)), Code::MLS_INVALID_CREDENTIAL);
    let garbage = CertifiedOptions { private_key: &[1, 2, 3], ..fits() };
    assert_eq!(code(world.make(garbage, 1)), Code::INVALID_ARGUMENT);
    let suite = CertifiedOptions { suite: Suite::P256Aes128, ..fits() };
    assert_eq!(code(world.make(suite, 1)), Code::INVALID_ARGUMENT);
    let stranger = Authority::root("stranger").member("bob@example.org");
    let stranger =
        CertifiedOptions { certificates: vec![stranger.der.clone()], private_key: &stranger.key, ..fits() };
    assert_eq!(code(world.make(stranger, 1)), Code::MLS_INVALID_CREDENTIAL);

    let device = world.make(fits(), 1).unwrap();
    let p256 = KeyPackageOptions { suite: Some(Suite::P256Aes128), ..Default::default() };
    assert_eq!(code(device.key_package(p256, T0)), Code::MLS_UNSUPPORTED);
    assert_eq!(code(device.key_package(KeyPackageOptions::default(), AFTER)), Code::MLS_CERTIFICATE_EXPIRED);
    assert_eq!(code(device.create_group(GroupOptions::default(), AFTER)), Code::MLS_CERTIFICATE_EXPIRED);
}

#[test]
fn who_cannot_be_traced_to_an_anchor_is_refused_wherever_it_comes_in() {
    let (world, elsewhere) = (World::new(72), World::new(72));
    let [a, b] = ["alice@example.org", "bob@example.org"]
        .map(|name| world.certified(name, ED25519, name.len() as u64));
    // A member that believes in both worlds brings somebody in whom the others cannot trace.
    let both = TrustAnchors::new(&[world.root.der.clone(), elsewhere.root.der.clone()]).unwrap();
    let a = a.authenticating(Authentication::certificates(both));
    let mallory = elsewhere.certified("mallory@example.org", ED25519, 9);
    let plain = device(world.seed, "plain", ED25519);
    let mut alice = create(&a);
    let mut bob = b.join(&invite(&mut alice, packaged(&b)).welcome.unwrap(), None, T0).unwrap();
    let package = packaged(&mallory);

    assert_eq!(code(b.inspect_key_package(&package, T0)), Code::MLS_INVALID_CREDENTIAL);
    for package in [&package, &key_package(&plain)] {
        let add = Changes { add: std::slice::from_ref(package), ..Default::default() };
        assert_eq!(code(bob.commit(add, T0)), Code::MLS_INVALID_CREDENTIAL);
        assert_eq!(code(bob.propose_add(package, T0)), Code::MLS_INVALID_CREDENTIAL);
    }
    assert!(bob.pending_commit().unwrap().is_none());
    let proposal = alice.propose_add(&package, T0).unwrap();
    assert_eq!(code(bob.receive(&proposal, T0)), Code::MLS_INVALID_CREDENTIAL);
    alice.clear_proposals().unwrap();
    assert!(bob.pending_proposals().unwrap().is_empty());

    let info = alice.group_info(true).unwrap();
    let committed = alice.commit(Changes { add: &[package], ..Default::default() }, T0).unwrap();
    for _ in 0..2 {
        assert_eq!(code(bob.receive(&committed.commit, T0)), Code::MLS_INVALID_CREDENTIAL);
        assert_eq!(code(bob.stage(&committed.commit, T0)), Code::MLS_INVALID_CREDENTIAL);
        let all = bob.receive_all(std::slice::from_ref(&committed.commit), T0).unwrap();
        assert_eq!(all[0].as_ref().unwrap_err().code(), Code::MLS_INVALID_CREDENTIAL);
    }
    assert_eq!(bob.members().unwrap().len(), 2);
    alice.discard_pending().unwrap();
    let sealed = alice.encrypt(b"we go on", b"").unwrap();
    assert!(matches!(bob.receive(&sealed, T0), Ok(Received::Message { .. })));

    let committed = invite(&mut alice, packaged(&mallory));
    assert_eq!(
        code(mallory.join(committed.welcome.as_ref().unwrap(), None, T0)),
        Code::MLS_INVALID_CREDENTIAL,
        "the joiner does not trace the others either"
    );
    assert_eq!(code(mallory.join_external(&info, ExternalJoin::default(), T0)), Code::MLS_INVALID_CREDENTIAL);
    let trusting = Authentication::certificates(
        TrustAnchors::new(&[world.root.der.clone(), elsewhere.root.der.clone()]).unwrap(),
    );
    let mallory = mallory.authenticating(trusting);
    let (_, commit) = mallory.join_external(&info, ExternalJoin::default(), T0).unwrap();
    assert_eq!(code(bob.receive(&commit, T0)), Code::MLS_INVALID_CREDENTIAL);
    assert_eq!(bob.members().unwrap().len(), 2);
}

#[test]
fn an_expired_certificate_lets_nobody_in_and_locks_nobody_out() {
    let world = World::new(73);
    let mut long = member_params("carol@example.org");
    long.not_after = date_time_ymd(2040, 1, 1);
    let carol = world.between.certify(&long, false);
    let c = world.make(world.options(&carol, ED25519), 3).unwrap().authenticating(world.trust());
    let [a, b] = [("alice@example.org", 1), ("bob@example.org", 2)]
        .map(|(name, at)| world.certified(name, ED25519, at));
    let mut alice = create(&a);
    let package = packaged(&b);
    assert_eq!(code(c.inspect_key_package(&package, AFTER)), Code::MLS_INVALID_KEY_PACKAGE);
    let mut bob = b.join(&invite(&mut alice, package).welcome.unwrap(), None, T0).unwrap();

    // Both have expired by now. Bob goes on committing; carol joins either way.
    let update = bob.commit(Changes { update: true, ..Default::default() }, AFTER).unwrap();
    bob.merge_pending().unwrap();
    alice.receive(&update.commit, AFTER).unwrap();
    let package = key_package(&c);
    let committed = alice.commit(Changes { add: &[package], ..Default::default() }, AFTER).unwrap();
    alice.merge_pending().unwrap();
    bob.receive(&committed.commit, AFTER).unwrap();
    let mut carols = c.join(&committed.welcome.unwrap(), None, AFTER).unwrap();
    assert_agree(&mut [&mut alice, &mut bob, &mut carols]);
    let expired = carols
        .members()
        .unwrap()
        .into_iter()
        .filter(|member| member.certificate.as_ref().unwrap().expires < AFTER);
    assert_eq!(expired.count(), 2, "the roster shows it");
    let info = alice.group_info(true).unwrap();
    assert_eq!(
        code(b.join_external(&info, ExternalJoin { resync: true, ..Default::default() }, AFTER)),
        Code::MLS_CERTIFICATE_EXPIRED
    );
    // A commit that brought somebody in while it was valid is refused late, and taken with the time it was made at.
    let late = world.certified("late@example.org", ED25519, 8);
    let committed = alice.commit(Changes { add: &[packaged(&late)], ..Default::default() }, T0).unwrap();
    assert_eq!(code(bob.receive(&committed.commit, AFTER)), Code::MLS_CERTIFICATE_EXPIRED);
    assert!(matches!(bob.receive(&committed.commit, T0), Ok(Received::Commit { .. })));
}

#[test]
fn a_certified_member_renews_its_certificate_and_keeps_its_name() {
    let world = World::new(74);
    let [a, b] = [("alice@example.org", 1), ("bob@example.org", 2)]
        .map(|(name, at)| world.certified(name, ED25519, at));
    let mut alice = create(&a);
    let mut bob = b.join(&invite(&mut alice, packaged(&b)).welcome.unwrap(), None, T0).unwrap();
    let mut params = member_params("bob@example.org");
    params.not_after = date_time_ymd(2040, 1, 1);
    let (renewed, other) = (world.between.certify(&params, false), world.between.member("eve@example.org"));

    let (certificates, eves) = (chain(&world, &renewed), chain(&world, &other));
    let change = |certificates, key| Changes {
        certificate: Some(CertifiedKey { certificates, private_key: key }),
        ..Default::default()
    };
    assert_eq!(code(bob.commit(change(&eves, &other.key), T0)), Code::MLS_INVALID_CREDENTIAL);
    assert_eq!(code(bob.commit(change(&certificates, &other.key), T0)), Code::MLS_INVALID_CREDENTIAL);
    let basic = Changes { identity: Some(b"bob@example.org"), ..Default::default() };
    assert_eq!(code(bob.commit(basic, T0)), Code::MLS_INVALID_CREDENTIAL);
    let committed = bob.commit(change(&certificates, &renewed.key), T0).unwrap();
    bob.merge_pending().unwrap();
    alice.receive(&committed.commit, T0).unwrap();
    let found = &alice.members().unwrap()[1];
    assert_eq!(found.identity, b"bob@example.org");
    assert!(found.certificate.as_ref().unwrap().expires > AFTER);
    let sealed = bob.encrypt(b"renewed", b"").unwrap();
    assert!(matches!(alice.receive(&sealed, T0), Ok(Received::Message { .. })));
}

#[test]
fn a_group_mixes_basic_and_certified_members_only_where_all_believe_both() {
    let world = World::new(75);
    let both = || world.trust().and_basic();
    let a = world.certified("alice@example.org", ED25519, 1);
    let plain = device(world.seed, "plain", ED25519);
    assert_eq!(
        code(create(&a).commit(Changes { add: &[key_package(&plain)], ..Default::default() }, T0)),
        Code::MLS_INVALID_CREDENTIAL
    );
    // A device that follows Basic credentials only says so in its leaf, and openmls keeps to that.
    let mixed = a.authenticating(both());
    let refused = create(&mixed).commit(Changes { add: &[key_package(&plain)], ..Default::default() }, T0);
    assert_eq!(code(refused), Code::MLS_INVALID_PROPOSAL);
    let plain = plain.authenticating(both());
    let mut alice = create(&mixed);
    let mut joined = plain.join(&invite(&mut alice, key_package(&plain)).welcome.unwrap(), None, T0).unwrap();
    let kinds: Vec<bool> =
        joined.members().unwrap().iter().map(|member| member.certificate.is_some()).collect();
    assert_eq!(kinds, [true, false]);
}

/// A policy that refuses `mallory`, as long as it is told to.
fn wary(on: &Arc<AtomicBool>) -> Authentication {
    let on = Arc::clone(on);
    let policy = move |candidate: &Candidate| {
        if on.load(Ordering::Relaxed) && candidate.identity == b"mallory" {
            return Err(Refusal(format!("no {:?}", candidate.entry)));
        }
        Ok(())
    };
    Authentication::default().and_policy(Arc::new(policy))
}

#[test]
fn a_policy_refuses_whoever_comes_in_by_any_way_and_the_group_goes_on() {
    let seed = Seed::new(76);
    let on = Arc::new(AtomicBool::new(true));
    let [a, b, m] = ["alice", "bob", "mallory"].map(|name| device(seed, name, ED25519));
    let b = b.authenticating(wary(&on));
    let mut alice = create(&a);
    let mut bob = b.join(&invite(&mut alice, key_package(&b)).welcome.unwrap(), None, T0).unwrap();
    let refused = |refused: Result<Received, MlsError>, entry: Entry| match refused {
        Err(MlsError::RefusedByPolicy(reason)) => assert_eq!(reason, format!("no {entry:?}")),
        other => panic!("{other:?}"),
    };
    let package = key_package(&m);
    let add = Changes { add: std::slice::from_ref(&package), ..Default::default() };
    assert_eq!(code(bob.commit(add, T0)), Code::MLS_REFUSED_BY_POLICY);
    assert_eq!(code(bob.propose_add(&package, T0)), Code::MLS_REFUSED_BY_POLICY);

    // By a proposal that this member would commit, and by renaming.
    let proposal = alice.propose_add(&package, T0).unwrap();
    refused(bob.receive(&proposal, T0), Entry::Add);
    assert!(bob.pending_proposals().unwrap().is_empty(), "what is unwanted does not wait");
    on.store(false, Ordering::Relaxed);
    assert!(matches!(bob.receive(&proposal, T0), Ok(Received::Proposal { .. })));
    on.store(true, Ordering::Relaxed);
    assert_eq!(code(bob.commit(Changes::default(), T0)), Code::MLS_REFUSED_BY_POLICY);
    bob.clear_proposals().unwrap();
    alice.clear_proposals().unwrap();
    let renamed = alice.commit(Changes { identity: Some(b"mallory"), ..Default::default() }, T0).unwrap();
    refused(bob.receive(&renamed.commit, T0), Entry::Update);
    alice.discard_pending().unwrap();

    let info = alice.group_info(true).unwrap();
    let (_, external) = m.join_external(&info, ExternalJoin::default(), T0).unwrap();
    refused(bob.receive(&external, T0), Entry::ExternalJoin);

    let committed = alice.commit(add, T0).unwrap();
    refused(bob.receive(&committed.commit, T0), Entry::Add);
    refused(bob.receive(&committed.commit, T0), Entry::Add);
    let Received::Staged(CommitSummary { added, .. }) = bob.stage(&committed.commit, T0).unwrap() else {
        panic!("staged")
    };
    assert_eq!(added[0].identity, b"mallory");
    assert_eq!(code(bob.merge_staged()), Code::MLS_REFUSED_BY_POLICY);
    assert!(bob.staged_commit().unwrap().is_some(), "it waits for another word");
    on.store(false, Ordering::Relaxed);
    bob.merge_staged().unwrap();
    alice.merge_pending().unwrap();
    assert_agree(&mut [&mut alice, &mut bob]);

    on.store(true, Ordering::Relaxed);
    let late = device(seed, "late", ED25519).authenticating(wary(&on));
    let committed = invite(&mut alice, key_package(&late));
    let welcome = committed.welcome.unwrap();
    assert_eq!(code(late.join(&welcome, None, T0)), Code::MLS_REFUSED_BY_POLICY);
    on.store(false, Ordering::Relaxed);
    assert!(late.join(&welcome, None, T0).is_ok(), "a refused Welcome uses up nothing");
}

#[test]
fn a_refused_commit_can_come_again_in_memory_and_on_disk_even_after_other_messages() {
    let folder = std::env::temp_dir().join(format!("coterie-credentials-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for durable in [false, true] {
        let seed = Seed::new(77);
        let on = Arc::new(AtomicBool::new(true));
        let [a, m] = ["alice", "mallory"].map(|name| device(seed, name, ED25519));
        let entropy = Arc::new(seed.entropy(99));
        let store: Arc<dyn Store> = match durable {
            false => Arc::new(MemoryStore::default()),
            true => {
                let path = folder.join("bob.db");
                Arc::new(SqlStore::open(path, &Key::raw(&[7; 32]), &*entropy, &Default::default()).unwrap())
            }
        };
        let options = coterie_mls::DeviceOptions { identity: b"bob".to_vec(), suite: ED25519 };
        let b = Device::create(options, store, entropy).unwrap().authenticating(wary(&on));
        let mut alice = create(&a);
        let mut bob = b.join(&invite(&mut alice, key_package(&b)).welcome.unwrap(), None, T0).unwrap();
        let committed = alice.commit(Changes { add: &[key_package(&m)], ..Default::default() }, T0).unwrap();
        let sealed = alice.encrypt(b"meanwhile", b"").unwrap();
        let both = [committed.commit.clone(), sealed];
        for _ in 0..2 {
            let asked = bob.received_candidates(&committed.commit, T0).unwrap();
            assert_eq!(asked.len(), 1);
            assert_eq!((asked[0].identity.as_slice(), asked[0].entry), (&b"mallory"[..], Entry::Add));
        }
        assert!(bob.received_candidates(&both[1], T0).unwrap().is_empty());
        assert!(bob.received_candidates(b"no message", T0).unwrap().is_empty());
        let received = bob.receive_all(&both, T0).unwrap();
        assert_eq!(received[0].as_ref().unwrap_err().code(), Code::MLS_REFUSED_BY_POLICY);
        assert!(matches!(received[1], Ok(Received::Message { .. })));
        on.store(false, Ordering::Relaxed);
        let again = bob.receive(&committed.commit, T0);
        assert!(matches!(again, Ok(Received::Commit { .. })), "durable {durable}: {again:?}");
        alice.merge_pending().unwrap();
        assert_agree(&mut [&mut alice, &mut bob]);
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// By a suite chosen for them and into a successor, people come in by commits and Welcomes like anybody else.
#[test]
fn the_policy_and_the_certificates_hold_for_chosen_suites_and_successors() {
    let world = World::new(78);
    let [a, b] = [("alice@example.org", 1), ("bob@example.org", 2)]
        .map(|(name, at)| world.certified(name, Suite::P256Aes128, at));
    // A better suite is offered, which a P-256 certificate cannot sign in; and somebody else's authority does not count.
    let elsewhere = World::new(79).certified("eve@example.org", Suite::P256Aes128, 3);
    let choice = a.choose_suite(&[[packaged(&b)]], T0).unwrap();
    assert_eq!(choice.suite, Suite::P256Aes128);
    assert_eq!(code(a.choose_suite(&[[packaged(&elsewhere)]], T0)), Code::MLS_INVALID_CREDENTIAL);
    let ed = world.certified("eve@example.org", ED25519, 4);
    assert_eq!(code(a.choose_suite(&[[packaged(&ed)]], T0)), Code::MLS_UNSUPPORTED);

    let seed = Seed::new(80);
    let on = Arc::new(AtomicBool::new(true));
    let [a, b, m] = ["alice", "bob", "mallory"].map(|name| device(seed, name, ED25519));
    let b = b.authenticating(wary(&on));
    let mut alice = create(&a);
    let mut bob = b.join(&invite(&mut alice, key_package(&b)).welcome.unwrap(), None, T0).unwrap();
    on.store(false, Ordering::Relaxed);
    let added = invite(&mut alice, key_package(&m));
    bob.receive(&added.commit, T0).unwrap();
    let mut mallory = m.join(&added.welcome.unwrap(), None, T0).unwrap();
    let next = coterie_mls::Succession {
        group_id: coterie_types::GroupId::new(b"the next").unwrap(),
        suite: Suite::X25519ChaCha20,
    };
    let named = alice.commit(Changes { succession: Some(&next), ..Default::default() }, T0).unwrap();
    alice.merge_pending().unwrap();
    bob.receive(&named.commit, T0).unwrap();
    mallory.receive(&named.commit, T0).unwrap();

    on.store(true, Ordering::Relaxed);
    let package = |device: &Device| {
        let suite = Some(next.suite);
        device
            .key_package(KeyPackageOptions { suite, lifetime: Some(common::LONG), ..Default::default() }, T0)
    };
    let mut bobs = bob.create_successor(T0).unwrap();
    let add = [package(&m).unwrap()];
    let refused = bobs.commit(Changes { add: &add, ..Default::default() }, T0);
    assert_eq!(code(refused), Code::MLS_REFUSED_BY_POLICY);
    drop(bobs);
    let mut mallorys = mallory.create_successor(T0).unwrap();
    let follow = [package(&b).unwrap()];
    let first = mallorys.commit(Changes { add: &follow, ..Default::default() }, T0).unwrap();
    mallorys.merge_pending().unwrap();
    let welcome = first.welcome.unwrap();
    assert_eq!(code(b.welcomed_by(&welcome, None, T0)), Code::MLS_REFUSED_BY_POLICY);
    assert_eq!(code(b.join(&welcome, None, T0)), Code::MLS_REFUSED_BY_POLICY);
    let info = mallorys.group_info(true).unwrap();
    assert_eq!(code(b.join_external(&info, ExternalJoin::default(), T0)), Code::MLS_REFUSED_BY_POLICY);
    on.store(false, Ordering::Relaxed);
    let present = b.present_in(&info, ExternalJoin::default(), T0).unwrap();
    assert_eq!(present.iter().map(|one| one.identity.as_slice()).collect::<Vec<_>>(), [b"mallory"]);
    let mut joined = b.join(&welcome, None, T0).unwrap();
    assert!(joined.descent().unwrap().is_some());
    assert_agree(&mut [&mut joined, &mut mallorys]);
}

#[test]
fn a_device_renews_its_certificate_and_its_groups_go_on_under_the_old_key() {
    for (suite, is_p256) in [(ED25519, false), (Suite::P256Aes128, true)] {
        let world = World::new(81);
        let a = world.certified("alice@example.org", suite, 1);
        let first = world.between.certify(&member_params("bob@example.org"), is_p256);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let entropy = Arc::new(world.seed.entropy(2));
        let options = world.options(&first, suite);
        let b = Device::create_certified(options, &world.anchors(), Arc::clone(&store), entropy.clone(), T0);
        let b = b.unwrap().authenticating(world.trust());
        let mut alice = create(&a);
        let waiting = packaged(&b);
        let mut bob = b.join(&invite(&mut alice, packaged(&b)).welcome.unwrap(), None, T0).unwrap();

        let mut params = member_params("bob@example.org");
        params.not_after = date_time_ymd(2040, 1, 1);
        let renewed = world.between.certify(&params, is_p256);
        let eve = world.between.certify(&member_params("eve@example.org"), is_p256);
        let renew =
            |certified, key: &Certified| b.renew(chain(&world, certified), &key.key, &world.anchors(), T0);
        assert_eq!(code(renew(&eve, &eve)), Code::MLS_INVALID_CREDENTIAL);
        assert_eq!(code(renew(&renewed, &first)), Code::MLS_INVALID_CREDENTIAL);
        assert_eq!(b.certificates().unwrap(), chain(&world, &first));
        renew(&renewed, &renewed).unwrap();

        let b = Device::open(store, entropy).unwrap().unwrap().authenticating(world.trust());
        assert_eq!(b.certificates().unwrap(), chain(&world, &renewed));
        let info = a.inspect_key_package(&packaged(&b), T0).unwrap();
        assert!(info.certificate.unwrap().expires > AFTER);
        // Where it is in already, and by what it published, it goes on.
        let sealed = bob.encrypt(b"as before", b"").unwrap();
        assert!(matches!(alice.receive(&sealed, T0), Ok(Received::Message { .. })));
        let mut other = create(&a);
        let mut joined = b.join(&invite(&mut other, waiting).welcome.unwrap(), None, T0).unwrap();
        let update = joined.commit(Changes { update: true, ..Default::default() }, T0).unwrap();
        other.receive(&update.commit, T0).unwrap();
        let plain = device(world.seed, "plain", suite);
        assert_eq!(
            code(plain.renew(chain(&world, &renewed), &renewed.key, &world.anchors(), T0)),
            Code::INVALID_ARGUMENT
        );
    }
}
