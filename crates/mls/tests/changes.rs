//! What a commit may change beside the members, and what somebody outside may do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod common;

use std::sync::Arc;

use common::{LONG, add, assert_agree, create, device, group_of, key_package};
use coterie_mls::{
    Changes, Committed, ExternalJoin, ExternalSigner, Framing, Group, GroupExtension, HandshakeFraming,
    KeyPackageOptions, MlsError, PROFILE_EXTENSION, ProposalSummary, PskId, Received, Sender, Suite,
    TreePlacement, read_group_info,
};
use coterie_testkit::{Seed, T0};
use coterie_types::{Code, Epoch, ErrorCode, LeafIndex};

const SUITE: Suite = Suite::X25519Aes128;

fn external(name: &str) -> PskId {
    PskId::External(name.as_bytes().to_vec())
}

fn everybody_receives(groups: &mut [&mut Group], message: &[u8]) {
    for group in groups.iter_mut() {
        group.receive(message, T0).unwrap();
    }
}

fn commit(group: &mut Group, changes: Changes<'_>) -> Committed {
    group.commit(changes, T0).unwrap()
}

#[test]
fn a_stored_key_is_mixed_in_by_commit_and_by_proposal_and_whoever_lacks_it_is_told_so() {
    let seed = Seed::new(20);
    let [a, b] = ["alice", "bob"].map(|name| device(seed, name, SUITE));
    let mut alice = create(&a);
    let mut bob = add(&mut alice, &b, &mut []);
    let psks = [external("shared"), PskId::Resumption(Epoch::new(1))];
    assert_eq!(
        alice.commit(Changes { psks: &psks, ..Default::default() }, T0).unwrap_err().code(),
        Code::MLS_PSK_NOT_FOUND
    );
    a.store_psk(b"shared", b"a secret from elsewhere").unwrap();
    let committed = commit(&mut alice, Changes { psks: &psks, ..Default::default() });
    assert_eq!(bob.receive(&committed.commit, T0).unwrap_err().code(), Code::MLS_PSK_NOT_FOUND);
    b.store_psk(b"shared", b"a secret from elsewhere").unwrap();
    everybody_receives(&mut [&mut alice, &mut bob], &committed.commit);
    assert_agree(&mut [&mut alice, &mut bob]);

    let proposal = bob.propose_psk(&external("shared")).unwrap();
    let received = alice.receive(&proposal, T0).unwrap();
    assert!(matches!(received, Received::Proposal { proposal: ProposalSummary::PreSharedKey, .. }));
    let committed = commit(&mut alice, Changes::default());
    everybody_receives(&mut [&mut alice, &mut bob], &committed.commit);
    assert_agree(&mut [&mut alice, &mut bob]);

    b.forget_psk(b"shared").unwrap();
    let committed = commit(&mut alice, Changes { psks: &[external("shared")], ..Default::default() });
    assert_eq!(bob.receive(&committed.commit, T0).unwrap_err().code(), Code::MLS_PSK_NOT_FOUND);
}

#[test]
fn members_who_hold_different_keys_under_one_name_do_not_agree_and_stay_where_they_are() {
    let seed = Seed::new(21);
    let [a, b] = ["alice", "bob"].map(|name| device(seed, name, SUITE));
    let mut alice = create(&a);
    let mut bob = add(&mut alice, &b, &mut []);
    a.store_psk(b"shared", b"one").unwrap();
    b.store_psk(b"shared", b"another").unwrap();
    let committed = commit(&mut alice, Changes { psks: &[external("shared")], ..Default::default() });
    assert!(bob.receive(&committed.commit, T0).is_err());
    assert_agree(&mut [&mut alice, &mut bob]);
}

#[test]
fn keys_of_a_commit_and_of_waiting_proposals_are_mixed_in_one_order_by_everybody() {
    let seed = Seed::new(22);
    let [a, b] = ["alice", "bob"].map(|name| device(seed, name, SUITE));
    let mut alice = create(&a);
    let mut bob = add(&mut alice, &b, &mut []);
    for name in ["first", "second", "third"] {
        for device in [&a, &b] {
            device.store_psk(name.as_bytes(), name.as_bytes()).unwrap();
        }
    }
    alice.set_framing(Framing { handshake: HandshakeFraming::Public, padding: 0 }).unwrap();
    bob.set_framing(Framing { handshake: HandshakeFraming::Public, padding: 0 }).unwrap();
    let proposal = bob.propose_psk(&external("first")).unwrap();
    alice.receive(&proposal, T0).unwrap();
    alice.receive(&proposal, T0).unwrap();
    assert_eq!(alice.pending_proposals().unwrap().len(), 1, "a proposal that comes twice is kept once");

    let own = [external("second"), external("third")];
    commit(&mut alice, Changes { psks: &own, ..Default::default() });
    alice.discard_pending().unwrap();
    assert_eq!(alice.pending_proposals().unwrap().len(), 1, "a dropped commit leaves nothing behind");

    let refused = alice.commit(Changes { psks: &[external("unknown")], ..Default::default() }, T0);
    assert_eq!(refused.unwrap_err().code(), Code::MLS_PSK_NOT_FOUND);
    assert_eq!(alice.pending_proposals().unwrap().len(), 1);

    let committed = commit(&mut alice, Changes { psks: &own, ..Default::default() });
    everybody_receives(&mut [&mut alice, &mut bob], &committed.commit);
    assert_agree(&mut [&mut alice, &mut bob]);
}

#[test]
fn extensions_are_replaced_by_commit_and_by_proposal_and_known_to_who_joins() {
    let seed = Seed::new(23);
    let mut groups = group_of(seed, SUITE, 2);
    let [alice, bob] = &mut groups[..] else { panic!("two members") };
    let profile = GroupExtension { extension_type: PROFILE_EXTENSION, data: b"sealed".to_vec() };
    let required = GroupExtension::required_capabilities(&[PROFILE_EXTENSION], &[], &[1]).unwrap();
    let extensions = [profile.clone(), required];
    let committed = commit(alice, Changes { extensions: Some(&extensions), ..Default::default() });
    everybody_receives(&mut [alice, bob], &committed.commit);
    assert_agree(&mut [alice, bob]);
    assert_eq!(bob.extensions().unwrap(), extensions);

    let newcomer = device(seed, "carol", SUITE);
    let mut carol = add(alice, &newcomer, &mut [bob]);
    assert_eq!(carol.extensions().unwrap(), extensions);

    let changed = [GroupExtension { data: b"interop".to_vec(), ..profile }, extensions[1].clone()];
    let proposal = carol.propose_extensions(&changed).unwrap();
    everybody_receives(&mut [alice, bob], &proposal);
    let committed = commit(bob, Changes::default());
    everybody_receives(&mut [alice, bob, &mut carol], &committed.commit);
    assert_agree(&mut [alice, bob, &mut carol]);
    assert_eq!(carol.extensions().unwrap(), changed);

    let unknown = GroupExtension { extension_type: 0xF0AA, data: vec![1] };
    assert!(alice.commit(Changes { extensions: Some(&[unknown]), ..Default::default() }, T0).is_err());
    commit(alice, Changes { update: true, ..Default::default() });
}

#[test]
fn a_tree_travels_beside_the_welcome_when_asked_to() {
    let seed = Seed::new(24);
    let [a, b, c] = ["alice", "bob", "carol"].map(|name| device(seed, name, SUITE));
    let mut alice = create(&a);
    let mut bob = add(&mut alice, &b, &mut []);
    let package = key_package(&c);
    let changes =
        Changes { add: std::slice::from_ref(&package), tree: TreePlacement::Inside, ..Default::default() };
    let inside = commit(&mut alice, changes).welcome.unwrap();
    alice.discard_pending().unwrap();
    let committed = commit(&mut alice, Changes { tree: TreePlacement::Beside, ..changes });
    let (welcome, tree) = (committed.welcome.unwrap(), committed.ratchet_tree.unwrap());
    assert!(welcome.len() + tree.len() / 2 < inside.len());
    everybody_receives(&mut [&mut alice, &mut bob], &committed.commit);
    assert_eq!(alice.ratchet_tree().unwrap(), tree);

    let stale = [&tree[..tree.len() - 1], &[tree[tree.len() - 1] ^ 1]].concat();
    for wrong in [None, Some(stale.as_slice()), Some(b"".as_slice())] {
        c.join(&welcome, wrong, T0).unwrap_err();
    }
    let mut carol = c.join(&welcome, Some(&tree), T0).unwrap();
    assert_agree(&mut [&mut alice, &mut bob, &mut carol]);
}

#[test]
fn somebody_outside_joins_by_a_commit_of_its_own_with_the_tree_inside_or_beside() {
    let seed = Seed::new(25);
    let mut groups = group_of(seed, SUITE, 2);
    let [alice, bob] = &mut groups[..] else { panic!("two members") };
    let [c, d] = ["carol", "dave"].map(|name| device(seed, name, SUITE));
    let info = alice.group_info(true).unwrap();
    let summary = read_group_info(&info).unwrap();
    assert_eq!((&summary.group_id, summary.epoch, summary.suite), (alice.id(), alice.epoch(), SUITE));

    let (mut carol, commit) = c.join_external(&info, ExternalJoin::default(), T0).unwrap();
    let Received::Commit { commit: seen, .. } = alice.receive(&commit, T0).unwrap() else {
        panic!("a commit")
    };
    assert_eq!(seen.committer, Sender::Outsider);
    bob.receive(&commit, T0).unwrap();
    assert_agree(&mut [alice, bob, &mut carol]);
    let sealed = carol.encrypt(b"here I am", b"").unwrap();
    assert!(matches!(bob.receive(&sealed, T0), Ok(Received::Message { .. })));

    let (info, tree) = (bob.group_info(false).unwrap(), bob.ratchet_tree().unwrap());
    let beside = ExternalJoin { ratchet_tree: Some(&tree), ..Default::default() };
    let none = d.join_external(&info, ExternalJoin::default(), T0).unwrap_err();
    assert_eq!(none.code(), Code::MLS_GROUP_INFO_INVALID);
    let (mut dave, commit) = d.join_external(&info, beside, T0).unwrap();
    everybody_receives(&mut [alice, bob, &mut carol], &commit);
    assert_agree(&mut [alice, bob, &mut carol, &mut dave]);
}

#[test]
fn a_member_that_lost_track_comes_back_in_one_commit_that_removes_its_old_leaf() {
    let seed = Seed::new(26);
    let [a, b] = ["alice", "bob"].map(|name| device(seed, name, SUITE));
    a.store_psk(b"shared", b"known to both").unwrap();
    b.store_psk(b"shared", b"known to both").unwrap();
    let mut alice = create(&a);
    drop(add(&mut alice, &b, &mut []));
    let lost = commit(&mut alice, Changes { update: true, ..Default::default() });
    alice.receive(&lost.commit, T0).unwrap();

    let info = alice.group_info(true).unwrap();
    let join = ExternalJoin { resync: true, psks: &[external("shared")], ..Default::default() };
    let (mut bob, commit) = b.join_external(&info, join, T0).unwrap();
    let Received::Commit { commit, .. } = alice.receive(&commit, T0).unwrap() else { panic!("a commit") };
    assert_eq!(commit.removed.len(), 1);
    assert_eq!(alice.members().unwrap().len(), 2);
    assert_agree(&mut [&mut alice, &mut bob]);
}

#[test]
fn somebody_outside_asks_to_be_added_and_is() {
    let seed = Seed::new(27);
    let mut groups = group_of(seed, SUITE, 2);
    let [alice, bob] = &mut groups[..] else { panic!("two members") };
    let c = device(seed, "carol", SUITE);
    let options = KeyPackageOptions { lifetime: Some(LONG), ..Default::default() };
    let proposal = c.propose_self(&alice.group_info(false).unwrap(), options, T0).unwrap();
    for member in [&mut *alice, &mut *bob] {
        let Received::Proposal { sender, proposal } = member.receive(&proposal, T0).unwrap() else {
            panic!("a proposal")
        };
        assert_eq!(sender, Sender::Outsider);
        assert!(matches!(proposal, ProposalSummary::Add { identity, .. } if identity == b"carol"));
    }
    let committed = commit(bob, Changes::default());
    everybody_receives(&mut [alice, bob], &committed.commit);
    let mut carol = c.join(&committed.welcome.unwrap(), None, T0).unwrap();
    assert_agree(&mut [alice, bob, &mut carol]);
}

#[test]
fn a_signer_outside_proposes_only_where_the_group_admits_it() {
    let seed = Seed::new(28);
    let mut groups = group_of(seed, SUITE, 3);
    let [alice, bob, carol] = &mut groups[..] else { panic!("three members") };
    let signer = ExternalSigner::generate(b"server", SUITE, Arc::new(seed.entropy(99))).unwrap();
    let stranger = ExternalSigner::generate(b"server", SUITE, Arc::new(seed.entropy(98))).unwrap();
    let summary = |group: &mut Group| read_group_info(&group.group_info(false).unwrap()).unwrap();
    let early = signer.propose_remove(&summary(alice), 0, LeafIndex::new(2)).unwrap();
    assert!(alice.receive(&early, T0).is_err());

    let admitted = GroupExtension::external_senders(&[signer.info()]).unwrap();
    assert_eq!(admitted, GroupExtension::external_senders_from_bytes(&[signer.to_bytes().unwrap()]).unwrap());
    let admitted = [admitted];
    let committed = commit(alice, Changes { extensions: Some(&admitted), ..Default::default() });
    everybody_receives(&mut [alice, bob, carol], &committed.commit);

    let now = summary(alice);
    for forged in [
        stranger.propose_remove(&now, 0, LeafIndex::new(2)).unwrap(),
        signer.propose_remove(&now, 1, LeafIndex::new(2)).unwrap(),
    ] {
        assert!(alice.receive(&forged, T0).is_err());
    }
    let d = device(seed, "dave", SUITE);
    let proposals = [
        signer.propose_remove(&now, 0, LeafIndex::new(2)).unwrap(),
        signer.propose_add(&now, 0, &key_package(&d), T0).unwrap(),
        signer.propose_extensions(&now, 0, &[]).unwrap(),
    ];
    for proposal in &proposals {
        everybody_receives(&mut [alice, bob, carol], proposal);
    }
    let committed = commit(bob, Changes::default());
    everybody_receives(&mut [alice, bob, carol], &committed.commit);
    assert!(!carol.is_member());
    assert_eq!(alice.extensions().unwrap(), []);
    let mut dave = d.join(&committed.welcome.unwrap(), None, T0).unwrap();
    assert_agree(&mut [alice, bob, &mut dave]);
}

#[test]
fn a_member_proposes_to_leave_and_another_commits_it() {
    for handshake in [HandshakeFraming::Encrypted, HandshakeFraming::Public] {
        leave(handshake);
    }
}

fn leave(handshake: HandshakeFraming) {
    let seed = Seed::new(29);
    let mut groups = group_of(seed, SUITE, 3);
    let [alice, bob, carol] = &mut groups[..] else { panic!("three members") };
    carol.set_framing(Framing { handshake, padding: 0 }).unwrap();
    let leaving = carol.members().unwrap().pop().unwrap();
    let proposal = carol.propose_leave().unwrap();
    everybody_receives(&mut [alice, bob], &proposal);
    assert_eq!(bob.pending_proposals().unwrap(), [ProposalSummary::Remove(leaving.clone())]);
    let refused = carol.commit(Changes::default(), T0).unwrap_err();
    assert!(matches!(refused, MlsError::CannotRemoveSelf | MlsError::InvalidProposal { .. }), "{refused}");
    let committed = commit(alice, Changes::default());
    assert_eq!(committed.summary.removed, [leaving]);
    everybody_receives(&mut [alice, bob, carol], &committed.commit);
    assert!(!carol.is_member());
    assert_eq!(bob.members().unwrap().len(), 2);
    assert_agree(&mut [alice, bob]);
}

/// It is what a member has its part in that takes precedence, whatever follows it.
#[test]
fn a_leave_stands_beside_later_proposals_about_the_same_member() {
    let seed = Seed::new(34);
    let mut groups = group_of(seed, SUITE, 3);
    let [alice, bob, carol] = &mut groups[..] else { panic!("three members") };
    for group in [&mut *bob, &mut *carol] {
        group.set_framing(Framing { handshake: HandshakeFraming::Public, padding: 0 }).unwrap();
    }
    let leaving = carol.members().unwrap().pop().unwrap();
    let proposals = [
        carol.propose_leave().unwrap(),
        carol.propose_update().unwrap(),
        bob.propose_remove(leaving.leaf).unwrap(),
    ];
    for proposal in &proposals {
        alice.receive(proposal, T0).unwrap();
    }
    bob.receive(&proposals[0], T0).unwrap();
    let committed = commit(alice, Changes::default());
    assert_eq!(committed.summary.removed, [leaving]);
    everybody_receives(&mut [alice, bob, carol], &committed.commit);
    assert!(!carol.is_member());
    assert_agree(&mut [alice, bob]);
}

#[test]
fn a_member_changes_its_name_and_its_signature_key_and_is_still_heard() {
    let seed = Seed::new(30);
    for suite in [SUITE, Suite::P256Aes128] {
        let mut groups = group_of(seed, suite, 2);
        let [alice, bob] = &mut groups[..] else { panic!("two members") };
        let before = alice.members().unwrap()[1].clone();
        let committed = commit(bob, Changes { identity: Some(b"robert"), ..Default::default() });
        bob.discard_pending().unwrap();
        assert!(bob.encrypt(b"still the old one", b"").is_ok(), "a dropped change changes nothing");
        drop(committed);
        let committed = commit(bob, Changes { identity: Some(b"robert"), ..Default::default() });
        everybody_receives(&mut [alice, bob], &committed.commit);
        assert_agree(&mut [alice, bob]);
        let after = alice.members().unwrap()[1].clone();
        assert_eq!(after.identity, b"robert");
        assert_ne!(after.signature_key, before.signature_key);

        let sealed = bob.encrypt(b"under a new name", b"").unwrap();
        let Received::Message { sender, .. } = alice.receive(&sealed, T0).unwrap() else {
            panic!("a message")
        };
        assert_eq!(sender, after);
        let committed = commit(bob, Changes { update: true, ..Default::default() });
        everybody_receives(&mut [alice, bob], &committed.commit);
        assert_agree(&mut [alice, bob]);
    }
}

#[test]
fn padding_hides_lengths_and_handshakes_are_readable_only_when_asked_to_be() {
    let seed = Seed::new(31);
    let mut groups = group_of(seed, SUITE, 2);
    let [alice, bob] = &mut groups[..] else { panic!("two members") };
    alice.set_framing(Framing { padding: 256, ..Default::default() }).unwrap();
    let lengths: Vec<usize> =
        [1, 100].map(|length| alice.encrypt(&vec![7; length], b"").unwrap().len()).to_vec();
    assert_eq!(lengths[0], lengths[1]);
    let sealed = alice.encrypt(b"padded", b"").unwrap();
    assert!(
        matches!(bob.receive(&sealed, T0), Ok(Received::Message { plaintext, .. }) if plaintext == b"padded")
    );

    let wire_format = |message: &[u8]| message[3];
    assert_eq!(wire_format(&alice.propose_update().unwrap()), 2, "a PrivateMessage");
    alice.clear_proposals().unwrap();
    alice.set_framing(Framing { handshake: HandshakeFraming::Public, padding: 0 }).unwrap();
    let committed = commit(alice, Changes { update: true, ..Default::default() });
    assert_eq!(wire_format(&committed.commit), 1, "a PublicMessage");
    everybody_receives(&mut [alice, bob], &committed.commit);
    assert_agree(&mut [alice, bob]);
    let refused = alice.set_framing(Framing { padding: usize::MAX, ..Default::default() });
    assert_eq!(refused.unwrap_err().code(), Code::MLS_TOO_LARGE);
}

#[test]
fn a_key_package_is_refused_outside_its_lifetime_and_where_a_byte_was_changed() {
    use coterie_types::{Duration, Timestamp};
    let seed = Seed::new(32);
    let b = device(seed, "bob", SUITE);
    let options = KeyPackageOptions { lifetime: Some(Duration::from_days(1)), ..Default::default() };
    let package = b.key_package(options, T0).unwrap();
    let alice = device(seed, "alice", SUITE);
    assert_eq!(alice.inspect_key_package(&package, T0).unwrap().identity, b"bob");
    let later = Timestamp::from_secs(T0.as_secs() + 2 * 86_400);
    assert_eq!(alice.inspect_key_package(&package, later).unwrap_err().code(), Code::MLS_INVALID_KEY_PACKAGE);
    for index in (0..package.len()).step_by(3) {
        let mut forged = package.clone();
        forged[index] ^= 1;
        assert!(alice.inspect_key_package(&forged, T0).is_err(), "byte {index} is not covered");
    }
}

#[test]
fn names_and_keys_that_do_not_fit_are_refused() {
    let seed = Seed::new(33);
    let alice = device(seed, "alice", SUITE);
    let long = vec![0; coterie_mls::limits::MAX_PSK_LENGTH + 1];
    assert_eq!(alice.store_psk(b"", b"x").unwrap_err().code(), Code::INVALID_ARGUMENT);
    assert_eq!(alice.store_psk(b"x", b"").unwrap_err().code(), Code::INVALID_ARGUMENT);
    assert_eq!(alice.store_psk(b"x", &long).unwrap_err().code(), Code::MLS_TOO_LARGE);
    assert_eq!(alice.store_psk(&long, b"x").unwrap_err().code(), Code::MLS_TOO_LARGE);
    assert_eq!(alice.forget_psk(&long).unwrap_err().code(), Code::MLS_TOO_LARGE);
    let mut group = create(&alice);
    let changes = Changes { identity: Some(b""), ..Default::default() };
    assert_eq!(group.commit(changes, T0).unwrap_err().code(), Code::INVALID_ARGUMENT);
    let many = vec![external("x"); coterie_mls::limits::MAX_PSKS_PER_COMMIT + 1];
    let changes = Changes { psks: &many, ..Default::default() };
    assert_eq!(group.commit(changes, T0).unwrap_err().code(), Code::MLS_TOO_LARGE);
}
