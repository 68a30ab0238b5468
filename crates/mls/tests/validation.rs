//! The numbered validation rules of the openmls project's list, which follows RFC 9420 section by section, and for each
//! the negative test that proves it here, or why none does.
//!
//! What only a member can break that signs or encrypts something false is proven by members that lie: they stand in
//! `__test__/e2e/liar` and speak to the addon, and what they say is true in all but the one rule.

#![allow(clippy::arithmetic_side_effects, reason = "sums over lengths that this test chose itself")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{add, create, device, key_package};
use coterie_mls::{
    Changes, Device, DeviceOptions, ExternalJoin, ExternalSigner, Group, GroupExtension, KeyPackageOptions,
    Suite, TreePlacement, read_group_info,
};
use coterie_store::MemoryStore;
use coterie_testkit::{FaultyStore, Seed, T0};
use coterie_types::{Code, ErrorCode, LeafIndex};

const SUITE: Suite = Suite::X25519Aes128;

enum Proof {
    /// A test file of this crate, and the test in it.
    By(&'static str, &'static str),
    /// A test file of `__test__/e2e` in which a member lies, and the test in it.
    Lie(&'static str, &'static str),
    /// No test, for this reason.
    None(&'static str),
}

use Proof::{By, Lie, None as No};

const MISUSE: Proof = By("flows", "misuse_is_refused_with_a_code_and_changes_nothing");
const DAMAGED_PACKAGE: Proof =
    By("changes", "a_key_package_is_refused_outside_its_lifetime_and_where_a_byte_was_changed");
const NO_REINIT: Proof = No("openmls makes no groups by re-initialisation or branching");

/// The number's first two digits are the list's chapter.
const RULES: &[(u16, &str, Proof)] = &[
    (101, "a leaf's credential is valid", No("basic credentials: the application decides who is who")),
    (102, "a leaf's signature verifies", DAMAGED_PACKAGE),
    (
        103,
        "a leaf has the required capabilities",
        Lie("liar-leaves", "103 an added leaf lacks what the group requires"),
    ),
    (
        104,
        "credential types are supported by all",
        Lie("liar-leaves", "104 an added leaf has a credential that others do not know"),
    ),
    (
        105,
        "a leaf that is sent is within its lifetime",
        By("clock", "whoever_commits_leaves_out_additions_whose_time_is_over_or_has_not_come"),
    ),
    (106, "a leaf that is received should be", No("optional, and not done: ADR 7")),
    (
        107,
        "a leaf's extensions are among its capabilities",
        Lie("liar-leaves", "107 an added leaf has an extension that it does not know"),
    ),
    (
        108,
        "a key package's leaf says that it is one",
        Lie("liar-leaves", "108 a key package says that its leaf is of an update"),
    ),
    (
        109,
        "an update's leaf says so and has a new key",
        Lie("liar-leaves", "109 an update keeps its encryption key"),
    ),
    (
        110,
        "a path's leaf says that it is one",
        Lie("liar-leaves", "110 a path says that its leaf is of a key package"),
    ),
    (
        111,
        "signature keys are unique in the group",
        Lie("liar-leaves", "111 an update has the signature key of another"),
    ),
    (
        112,
        "encryption keys are unique in the group",
        Lie("liar-leaves", "112 an added leaf has the encryption key of a member"),
    ),
    (
        201,
        "a key package is of the group's suite and version",
        By("validation", "a_key_package_of_another_suite_is_refused"),
    ),
    (202, "a key package's leaf is valid", DAMAGED_PACKAGE),
    (203, "a key package's signature verifies", DAMAGED_PACKAGE),
    (204, "init and encryption key differ", Lie("liar-leaves", "204 a key package’s two keys are one")),
    (
        301,
        "each committed proposal is valid by itself",
        By("validation", "a_key_package_of_another_suite_is_refused"),
    ),
    (302, "no update of the committer's own", Lie("liar-commits", "302 a committer takes in its own update")),
    (303, "no removal of the committer", MISUSE),
    (304, "one update or removal for a leaf", Lie("liar-commits", "304 one removal is listed twice")),
    (305, "nobody is added twice", Lie("liar-commits", "305 one addition is listed twice")),
    (306, "no member is added again", MISUSE),
    (307, "no pre-shared key twice", Lie("liar-commits", "307 a pre-shared key is mixed in twice")),
    (
        308,
        "one change of the group's extensions",
        Lie("liar-commits", "308 one list of extensions is listed twice"),
    ),
    (
        309,
        "a re-initialisation stands alone",
        Lie("liar-commits", "309 a re-initialisation, which is not done here"),
    ),
    (310, "no external init by a member", Lie("liar-commits", "310 a member begins as if from outside")),
    (
        311,
        "all members know the types of proposals",
        Lie("liar-commits", "311 a proposal is of a type that members do not know"),
    ),
    (
        312,
        "the tree is valid afterwards",
        Lie("liar-commits", "312 who is added lacks what is newly required"),
    ),
    (
        401,
        "an external commit has one external init",
        Lie("liar-outsiders", "401 a joiner begins twice alike"),
    ),
    (402, "an external commit removes one leaf at most", Lie("liar-outsiders", "402 a joiner removes two")),
    (403, "an external commit may mix keys in", No("a permission; nothing to refuse")),
    (404, "an external commit holds nothing else", Lie("liar-outsiders", "404 a joiner adds somebody")),
    (405, "an external commit has a path", Lie("liar-outsiders", "405 a joiner’s commit has no path")),
    (
        406,
        "an external commit refers to no proposals",
        Lie("liar-outsiders", "406 a joiner refers to a proposal"),
    ),
    (
        407,
        "an external commit is signed by its joiner",
        By("hostile", "a_damaged_external_commit_changes_nothing_and_the_genuine_one_is_accepted_afterwards"),
    ),
    (
        408,
        "an external commit's sender is a new member",
        Lie("liar-outsiders", "408 a joiner commits as a member"),
    ),
    (
        409,
        "its init secret is used by all",
        No("not a refusal: members would not agree, which every test of joining checks"),
    ),
    (
        410,
        "what a new member commits is a commit",
        Lie("liar-outsiders", "410 a joiner proposes as if it committed"),
    ),
    (
        501,
        "an added key package is valid",
        By("validation", "an_outsiders_addition_of_another_suite_does_not_wait"),
    ),
    (
        502,
        "who is added supports the group's extensions",
        Lie("liar-leaves", "502 an added leaf does not know an extension of the group"),
    ),
    (
        601,
        "an update's leaf is valid",
        Lie("liar-leaves", "601 an update has an extension that it does not know"),
    ),
    (
        602,
        "an update supports the group's extensions",
        Lie("liar-leaves", "602 an update does not know an extension of the group"),
    ),
    (701, "somebody sits at the leaf that is removed", MISUSE),
    (
        801,
        "re-initialisation keys only in re-initialisation",
        Lie("liar-commits", "801 a key of a re-initialisation is used elsewhere"),
    ),
    (802, "branch keys only in branching", Lie("liar-commits", "802 a key of a branch is used elsewhere")),
    (803, "a key's nonce has the hash's length", Lie("liar-commits", "803 a key’s nonce has another length")),
    (
        901,
        "re-initialisation does not go back to an older version",
        Lie("liar-commits", "309 a re-initialisation, which is not done here"),
    ),
    (
        1001,
        "all members have capabilities newly required",
        Lie("liar-commits", "1001 members lack a type of proposals that is newly required"),
    ),
    (
        1101,
        "a path is encrypted to exactly the right nodes",
        Lie("liar-commits", "1101 a node has more ciphertexts than readers"),
    ),
    (
        1201,
        "a commit is of the current epoch",
        By("flows", "of_two_commits_the_first_wins_and_the_other_is_dropped"),
    ),
    (
        1202,
        "a public commit's membership tag verifies",
        By("hostile", "damaged_commits_change_nothing_and_the_genuine_one_is_accepted_afterwards"),
    ),
    (1203, "a commit's signature verifies", Lie("liar-commits", "1203 a commit is signed by another")),
    (
        1204,
        "a commit's proposals are valid",
        Lie("liar-commits", "1204 a commit refers to a proposal that nobody made"),
    ),
    (
        1205,
        "pre-shared keys are known",
        By("changes", "a_stored_key_is_mixed_in_by_commit_and_by_proposal_and_whoever_lacks_it_is_told_so"),
    ),
    (1206, "there is a path where one is needed", Lie("liar-commits", "1206 a removal has no path")),
    (1207, "a path's leaf is valid", Lie("liar-leaves", "1207 a path’s leaf lacks what the group requires")),
    (1208, "a path's leaf has a new key", Lie("liar-leaves", "1208 a path’s leaf keeps its encryption key")),
    (
        1209,
        "a path's keys are new to the tree",
        Lie("liar-commits", "1209 a path’s node has the key of another parent"),
    ),
    (
        1301,
        "a signature is verified with the sender's key",
        By("validation", "an_outsiders_proposal_is_refused_with_any_byte_changed_and_from_another_key"),
    ),
    (
        1302,
        "a public message's membership tag verifies",
        By("hostile", "damaged_proposals_change_nothing_and_the_genuine_one_is_accepted_afterwards"),
    ),
    (1303, "padding is zero", Lie("liar-commits", "1303 padding is not zero")),
    (
        1304,
        "a private message's signature verifies",
        Lie("liar-commits", "1304 an encrypted message is signed by another"),
    ),
    (1305, "only members seal", No("the types let nobody else")),
    (1306, "a sender's leaf is not blank", Lie("liar-commits", "1306 nobody sits at the sender’s leaf")),
    (
        1401,
        "a Welcome's pre-shared keys are known",
        By("changes", "a_stored_key_is_mixed_in_by_commit_and_by_proposal_and_whoever_lacks_it_is_told_so"),
    ),
    (
        1402,
        "a GroupInfo's signature verifies",
        By("hostile", "damaged_group_infos_and_key_packages_are_refused"),
    ),
    (1403, "the group is not joined twice", By("validation", "a_group_is_not_joined_twice")),
    (
        1404,
        "a Welcome's suite is the key package's",
        Lie("liar-trees", "1404 is of another suite than the key package"),
    ),
    (
        1405,
        "the tree has the hash that the GroupInfo says",
        By(
            "hostile",
            "damaged_welcomes_and_trees_use_nothing_up_and_the_genuine_ones_are_accepted_afterwards",
        ),
    ),
    (1406, "parent hashes are valid", Lie("liar-trees", "1406 does not list a leaf that came in later")),
    (1407, "the tree's leaves are valid", Lie("liar-trees", "1407 a leaf is signed for another place")),
    (
        1408,
        "unmerged leaves are below their node",
        Lie("liar-trees", "1408 an unmerged leaf is not below its node"),
    ),
    (
        1409,
        "nodes between list an unmerged leaf too",
        Lie("liar-trees", "1409 a node between does not list an unmerged leaf"),
    ),
    (1410, "parents' keys are unique", Lie("liar-trees", "1410 two parents have one key")),
    (
        1411,
        "the GroupInfo's confirmation tag verifies",
        Lie("liar-trees", "1411 has another confirmation tag"),
    ),
    (1412, "successors begin with epoch one", NO_REINIT),
    (1413, "a re-initialised group is what was agreed", NO_REINIT),
    (1414, "a branch is of members of the old group", NO_REINIT),
    (
        1415,
        "a joiner supports the group's extensions",
        Lie("liar-trees", "1415 the group has an extension that the joiner does not know"),
    ),
    (1416, "unmerged leaves are sorted", Lie("liar-trees", "1416 unmerged leaves are not in their order")),
    (
        1417,
        "the joiner's own leaf is in the tree",
        Lie("liar-trees", "1417 is for a tree with another leaf of the joiner"),
    ),
    (
        1418,
        "a tree does not end in a blank node",
        By("validation", "a_tree_that_ends_in_a_blank_node_is_refused"),
    ),
    (1501, "external senders only propose", Lie("liar-outsiders", "1501 an external sender commits")),
    (
        1502,
        "external senders propose what they may",
        Lie("liar-outsiders", "1502 an external sender proposes what it may not"),
    ),
    (
        1503,
        "who is new and proposes only proposes",
        Lie("liar-outsiders", "1503 somebody new commits as a proposer"),
    ),
    (
        1504,
        "who is new proposes to be added",
        Lie("liar-outsiders", "1504 somebody new proposes something else"),
    ),
    (1505, "outsiders' proposals are public", No("only members have keys to seal with")),
    (
        1506,
        "external senders must be listed",
        By("changes", "a_signer_outside_proposes_only_where_the_group_admits_it"),
    ),
    (1601, "extensions that a leaf may have", Lie("liar-leaves", "1601 a leaf has an extension of groups")),
    (
        1602,
        "extensions that a GroupInfo may have",
        Lie("liar-trees", "1602 has an extension of others: $extensionType"),
    ),
    (
        1603,
        "extensions that a group may have",
        By("validation", "a_group_has_no_extensions_that_belong_elsewhere"),
    ),
    (
        1604,
        "extensions that a key package may have",
        Lie("liar-leaves", "1604 a key package has an extension of groups"),
    ),
];

/// How many rules have a test; a rule that gains one, or loses it, changes this figure.
const PROVEN: usize = 83;

#[test]
fn every_rule_names_a_test_that_exists_or_says_why_none_does() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let lies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/e2e");
    assert!(RULES.windows(2).all(|pair| pair[0].0 < pair[1].0), "the rules are in order, each once");
    let mut proven = 0;
    for (number, rule, proof) in RULES {
        match proof {
            By(file, test) => {
                let text = std::fs::read_to_string(tests.join(file).with_extension("rs")).unwrap();
                assert!(
                    text.contains(&format!("#[test]\nfn {test}()")),
                    "{number:04}: there is no {file}::{test}"
                );
                proven += 1;
            }
            Lie(file, test) => {
                let text = std::fs::read_to_string(lies.join(file).with_extension("test.ts")).unwrap();
                assert!(text.contains(&format!("'{test}'")), "{number:04}: there is no {file}: {test}");
                proven += 1;
            }
            No(why) => println!("valn{number:04} not proven: {rule} ({why})"),
        }
    }
    println!("validation rules: {proven}/{}", RULES.len());
    assert_eq!(proven, PROVEN);
}

fn code<T: std::fmt::Debug>(answer: Result<T, coterie_mls::MlsError>) -> Code {
    answer.unwrap_err().code()
}

fn adds(group: &mut Group, packages: &[Vec<u8>]) -> Code {
    let (epoch, before) = (group.epoch(), group.epoch_authenticator().unwrap());
    let refused = code(group.commit(Changes { add: packages, ..Default::default() }, T0));
    assert_eq!((group.epoch(), group.epoch_authenticator().unwrap()), (epoch, before));
    assert_eq!(group.pending_commit().unwrap(), None);
    refused
}

#[test]
fn a_key_package_of_another_suite_is_refused() {
    let seed = Seed::new(400);
    let mut group = create(&device(seed, "alice", SUITE));
    for suite in [Suite::P256Aes128, Suite::X25519ChaCha20] {
        let options = KeyPackageOptions { suite: Some(suite), ..Default::default() };
        let package = device(seed, "bob", SUITE).key_package(options, T0).unwrap();
        assert_eq!(code(group.propose_add(&package, T0)), Code::MLS_INVALID_KEY_PACKAGE);
        assert!(group.pending_proposals().unwrap().is_empty());
        assert_eq!(adds(&mut group, &[package]), Code::MLS_INVALID_PROPOSAL);
    }
}

/// Were it kept, every commit of the epoch would fail.
#[test]
fn an_outsiders_addition_of_another_suite_does_not_wait() {
    let seed = Seed::new(408);
    let server = ExternalSigner::generate(b"server", SUITE, Arc::new(seed.entropy(1))).unwrap();
    let mut group = create(&device(seed, "alice", SUITE));
    let senders = [GroupExtension::external_senders(&[server.info()]).unwrap()];
    group.commit(Changes { extensions: Some(&senders), ..Default::default() }, T0).unwrap();
    group.merge_pending().unwrap();
    let described = read_group_info(&group.group_info(true).unwrap()).unwrap();
    let options = KeyPackageOptions { suite: Some(Suite::P256Aes128), ..Default::default() };
    let package = device(seed, "bob", SUITE).key_package(options, T0).unwrap();
    let proposal = server.propose_add(&described, 0, &package, T0).unwrap();
    assert!(group.receive(&proposal, T0).is_err());
    assert!(group.pending_proposals().unwrap().is_empty());
    group.commit(Changes { update: true, ..Default::default() }, T0).unwrap();
}

#[test]
fn nobody_is_added_twice_in_one_commit() {
    let seed = Seed::new(401);
    let mut group = create(&device(seed, "alice", SUITE));
    let bob = device(seed, "bob", SUITE);
    let package = key_package(&bob);
    assert_eq!(adds(&mut group, &[package.clone(), key_package(&bob)]), Code::MLS_ALREADY_MEMBER);
    let same = group.commit(Changes { add: &[package.clone(), package], ..Default::default() }, T0).unwrap();
    assert_eq!(same.summary.added.len(), 1, "the same package again is the same addition");
}

#[test]
fn a_commits_own_change_of_the_extensions_leaves_one_that_waits_out() {
    let seed = Seed::new(402);
    let mut group = create(&device(seed, "alice", SUITE));
    let [one, other] = ["one", "other"].map(|name| {
        let signer = ExternalSigner::generate(name.as_bytes(), SUITE, Arc::new(seed.entropy(9))).unwrap();
        [GroupExtension::external_senders(&[signer.info()]).unwrap()]
    });
    group.propose_extensions(&one).unwrap();
    let twice = Changes { extensions: Some(&other), ..Default::default() };
    group.commit(twice, T0).unwrap();
    group.merge_pending().unwrap();
    assert_eq!(group.extensions().unwrap(), other, "what the commit asks for itself counts");
}

#[test]
fn capabilities_that_members_lack_are_not_required() {
    let seed = Seed::new(403);
    let mut group = create(&device(seed, "alice", SUITE));
    add(&mut group, &device(seed, "bob", SUITE), &mut []);
    for (extensions, proposals, credentials) in
        [(&[0xF777][..], &[][..], &[][..]), (&[], &[0xF777], &[]), (&[], &[], &[0xF777])]
    {
        let required = GroupExtension::required_capabilities(extensions, proposals, credentials).unwrap();
        let changes = Changes { extensions: Some(std::slice::from_ref(&required)), ..Default::default() };
        assert!(group.commit(changes, T0).is_err(), "{required:?}");
    }
}

#[test]
fn a_group_has_no_extensions_that_belong_elsewhere() {
    let mut group = create(&device(Seed::new(404), "alice", SUITE));
    let (ratchet_tree, external_pub, last_resort, grease) = (2, 4, 10, 0x0A0A);
    for extension_type in [ratchet_tree, external_pub, last_resort, grease] {
        let extension = GroupExtension { extension_type, data: Vec::new() };
        let changes = Changes { extensions: Some(std::slice::from_ref(&extension)), ..Default::default() };
        assert!(group.commit(changes, T0).is_err(), "{extension_type:#06x}");
        assert!(group.propose_extensions(&[extension]).is_err(), "{extension_type:#06x}");
    }
}

#[test]
fn an_outsiders_proposal_is_refused_with_any_byte_changed_and_from_another_key() {
    let seed = Seed::new(405);
    let [listed, other] = [1, 2]
        .map(|stream| ExternalSigner::generate(b"server", SUITE, Arc::new(seed.entropy(stream))).unwrap());
    let mut group = create(&device(seed, "alice", SUITE));
    let mut bob = add(&mut group, &device(seed, "bob", SUITE), &mut []);
    let senders = [GroupExtension::external_senders(&[listed.info()]).unwrap()];
    let made = group.commit(Changes { extensions: Some(&senders), ..Default::default() }, T0).unwrap();
    group.merge_pending().unwrap();
    bob.receive(&made.commit, T0).unwrap();
    let described = read_group_info(&group.group_info(true).unwrap()).unwrap();
    let genuine = listed.propose_remove(&described, 0, LeafIndex::new(1)).unwrap();
    for index in 0..genuine.len() {
        let mut forged = genuine.clone();
        forged[index] ^= 1;
        assert!(bob.receive(&forged, T0).is_err(), "byte {index}");
    }
    let impostor = other.propose_remove(&described, 0, LeafIndex::new(1)).unwrap();
    assert_eq!(code(bob.receive(&impostor, T0)), Code::MLS_NOT_AUTHENTIC);
    assert!(bob.pending_proposals().unwrap().is_empty());
    bob.receive(&genuine, T0).unwrap();
}

#[test]
fn a_group_is_not_joined_twice() {
    let seed = Seed::new(406);
    let mut alice = create(&device(seed, "alice", SUITE));
    // A device in memory alone does not know which groups it is in.
    let options = DeviceOptions { identity: b"bob".to_vec(), suite: SUITE };
    let store = Arc::new(FaultyStore::over(MemoryStore::new()));
    let bob = Device::create(options, store, Arc::new(seed.entropy(2))).unwrap();
    let packages = [key_package(&bob), key_package(&bob)];
    let first = alice.commit(Changes { add: &packages[..1], ..Default::default() }, T0).unwrap();
    alice.merge_pending().unwrap();
    let _bob = bob.join(&first.welcome.unwrap(), None, T0).unwrap();
    let info = alice.group_info(true).unwrap();
    assert_eq!(code(bob.join_external(&info, ExternalJoin::default(), T0)), Code::MLS_GROUP_EXISTS);
    let removed = alice.commit(Changes { remove: &[LeafIndex::new(1)], ..Default::default() }, T0);
    removed.unwrap();
    alice.merge_pending().unwrap();
    let again = alice.commit(Changes { add: &packages[1..], ..Default::default() }, T0).unwrap();
    assert_eq!(code(bob.join(&again.welcome.unwrap(), None, T0)), Code::MLS_GROUP_EXISTS);
}

#[test]
fn a_tree_that_ends_in_a_blank_node_is_refused() {
    let seed = Seed::new(407);
    let mut alice = create(&device(seed, "alice", SUITE));
    let bob = device(seed, "bob", SUITE);
    let package = key_package(&bob);
    let beside = Changes { add: &[package], tree: TreePlacement::Beside, ..Default::default() };
    let committed = alice.commit(beside, T0).unwrap();
    let (welcome, tree) = (committed.welcome.unwrap(), committed.ratchet_tree.unwrap());
    // The list's length stands before it in two bytes.
    assert_eq!(tree[0] & 0xC0, 0x40);
    let length = u16::from_be_bytes([tree[0], tree[1]]);
    for blanks in 1..=4 {
        let longer = (length + blanks).to_be_bytes();
        let longer = [&longer[..], &tree[2..], &vec![0; usize::from(blanks)]].concat();
        assert!(bob.join(&welcome, Some(&longer), T0).is_err(), "{blanks} blank nodes");
    }
    bob.join(&welcome, Some(&tree), T0).unwrap();
}
