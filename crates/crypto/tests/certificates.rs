//! Chains of every kind of wrong, each refused for its own reason.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use coterie_crypto::certificate::{
    CertificateChain, CertificateError, MAX_CERTIFICATE_LENGTH, MAX_CHAIN_LENGTH, Moment, TrustAnchors,
    ValidatedCertificate,
};
use coterie_crypto::signature::{SignatureAlgorithm, SigningKey};
use coterie_testkit::certificates::rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    KeyUsagePurpose, NameConstraints, SanType, date_time_ymd, string::Ia5String,
};
use coterie_testkit::certificates::{Authority, authority_params, member_params};
use coterie_testkit::{Seed, T0};
use coterie_types::{Code, Duration, ErrorCode, Timestamp};
use rand::Rng;

/// 2035-01-02 and 2022-12-31: after and before the members' certificates of the kit.
const AFTER: Timestamp = Timestamp::from_secs(2_051_308_800);
const BEFORE: Timestamp = Timestamp::from_secs(1_672_444_800);

type Judged = Result<ValidatedCertificate, CertificateError>;

fn judge_at(anchor: &Authority, chain: &[&[u8]], moment: Moment) -> Judged {
    let chain = CertificateChain::new(chain.iter().map(|der| der.to_vec()).collect())?;
    TrustAnchors::new(std::slice::from_ref(&anchor.der))?.validate(&chain, moment, None)
}

fn judge(anchor: &Authority, chain: &[&[u8]]) -> Judged {
    judge_at(anchor, chain, Moment::Now(T0))
}

fn member_with(root: &Authority, change: impl FnOnce(&mut CertificateParams)) -> Judged {
    let mut params = member_params("bob@example.org");
    change(&mut params);
    judge(root, &[&root.certify(&params, false).der])
}

fn issuer_with(root: &Authority, change: impl FnOnce(&mut CertificateParams)) -> Judged {
    let mut params = authority_params("between");
    change(&mut params);
    let between = root.below(params);
    judge(root, &[&between.member("bob@example.org").der, &between.der])
}

#[test]
fn a_proper_chain_names_its_owner_with_or_without_its_anchor_for_both_kinds_of_key() {
    let root = Authority::root("root");
    let between = root.below(authority_params("between"));
    for (p256, algorithm) in
        [(false, SignatureAlgorithm::Ed25519), (true, SignatureAlgorithm::EcdsaP256Sha256)]
    {
        let bob = between.certify(&member_params("bob@example.org"), p256);
        let key = SigningKey::from_pkcs8(algorithm, &bob.key).unwrap();
        for chain in [&[&bob.der[..], &between.der][..], &[&bob.der, &between.der, &root.der]] {
            let found = judge(&root, chain).unwrap();
            assert_eq!((found.name.as_str(), found.algorithm), ("bob@example.org", algorithm));
            assert_eq!(found.public_key, key.public_key());
            assert!(found.valid_from < T0 && T0 < found.valid_until);
        }
        assert!(SigningKey::from_pkcs8(algorithm, &bob.key[1..]).is_err());
        let other = if p256 { SignatureAlgorithm::Ed25519 } else { SignatureAlgorithm::EcdsaP256Sha256 };
        assert!(SigningKey::from_pkcs8(other, &bob.key).is_err());
        let stored =
            SigningKey::from_private_bytes(algorithm, key.private_bytes().unwrap().expose()).unwrap();
        assert_eq!(stored.public_key(), key.public_key());
    }
}

#[test]
fn a_chain_to_nobody_trusted_or_of_other_names_is_refused() {
    let (root, other) = (Authority::root("root"), Authority::root("other"));
    let bob = other.member("bob@example.org");
    assert_eq!(judge(&root, &[&bob.der]), Err(CertificateError::UnknownIssuer));
    // Of the same name, but with another key.
    let namesake = Authority::root("root");
    let refused = judge(&root, &[&namesake.member("bob@example.org").der]);
    assert_eq!(refused, Err(CertificateError::BadSignature));
    assert_eq!(judge(&root, &[&bob.der, &other.der]), Err(CertificateError::UnknownIssuer));

    let anchors = TrustAnchors::new(&[root.der.clone(), other.der]).unwrap();
    let chain = CertificateChain::new(vec![bob.der]).unwrap();
    let expecting = |name| anchors.validate(&chain, Moment::Now(T0), Some(name)).map(drop);
    assert_eq!(expecting("bob@example.org"), Ok(()));
    assert_eq!(expecting("carol@example.org"), Err(CertificateError::NameMismatch));
}

#[test]
fn validity_is_judged_at_the_time_given_and_for_old_members_at_their_last_moment() {
    let root = Authority::root("root");
    let bob = root.member("bob@example.org");
    let at = |moment| judge_at(&root, &[&bob.der], moment).map(drop);
    assert_eq!(at(Moment::Now(AFTER)), Err(CertificateError::Expired));
    assert_eq!(at(Moment::Now(BEFORE)), Err(CertificateError::NotYetValid));
    assert_eq!(at(Moment::LastValid(AFTER)), Ok(()));
    assert_eq!(at(Moment::LastValid(BEFORE)), Err(CertificateError::NotYetValid));
    assert_eq!(CertificateError::Expired.code(), Code::MLS_CERTIFICATE_EXPIRED);

    let mut short = authority_params("short");
    short.not_after = date_time_ymd(2023, 6, 1);
    let short = Authority::root_with(short);
    let bob = short.member("bob@example.org");
    assert_eq!(judge(&short, &[&bob.der]), Err(CertificateError::Expired), "the anchor's time is over");
    let last = judge_at(&short, &[&bob.der], Moment::LastValid(T0));
    assert!(last.is_ok(), "an anchor that ended locks nobody out");
    assert!(last.unwrap().valid_until > T0 + Duration::from_days(1));
}

#[test]
fn a_members_certificate_must_be_for_signing_messages() {
    let root = Authority::root("root");
    let usage = Err(CertificateError::LeafUsage);
    assert_eq!(member_with(&root, |params| params.key_usages.clear()), usage);
    assert_eq!(member_with(&root, |params| params.key_usages = vec![KeyUsagePurpose::KeyAgreement]), usage);
    let authority = |params: &mut CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
    };
    assert_eq!(member_with(&root, authority), usage);
    let server = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    assert_eq!(member_with(&root, server), usage);
    let client = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    assert!(member_with(&root, client).is_ok());
}

#[test]
fn an_issuers_certificate_must_be_an_authoritys() {
    let root = Authority::root("root");
    assert!(issuer_with(&root, |_| ()).is_ok());
    let usage = Err(CertificateError::IssuerUsage);
    assert_eq!(issuer_with(&root, |params| params.is_ca = IsCa::NoCa), usage);
    assert_eq!(issuer_with(&root, |params| params.is_ca = IsCa::ExplicitNoCa), usage);
    assert_eq!(issuer_with(&root, |params| params.key_usages.clear()), usage);
    assert_eq!(issuer_with(&root, |params| params.key_usages = vec![KeyUsagePurpose::CrlSign]), usage);
    let expired = |params: &mut CertificateParams| params.not_after = date_time_ymd(2023, 2, 1);
    assert_eq!(issuer_with(&root, expired), Err(CertificateError::Expired));
    let bob = root.member("bob@example.org");
    assert_eq!(TrustAnchors::new(&[bob.der]).err(), Some(CertificateError::AnchorUnfit));
    assert_eq!(TrustAnchors::new(&[vec![1, 2]]).err(), Some(CertificateError::AnchorUnfit));
    assert_eq!(TrustAnchors::new(&[]).err(), Some(CertificateError::AnchorCount));
    assert_eq!(CertificateError::AnchorCount.code(), Code::INVALID_ARGUMENT);
}

#[test]
fn path_lengths_are_kept_to_the_anchors_included() {
    let limited = |limit| {
        let mut params = authority_params("limited");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(limit));
        params
    };
    let root = Authority::root("root");
    let first = root.below(limited(0));
    let second = first.below(authority_params("second"));
    let chain = [second.member("bob@example.org").der, second.der, first.der];
    let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    assert_eq!(judge(&root, &chain), Err(CertificateError::PathLength));

    for (limit, outcome) in [(0, Err(CertificateError::PathLength)), (1, Ok(()))] {
        let root = Authority::root_with(limited(limit));
        let between = root.below(authority_params("between"));
        let bob = between.member("bob@example.org");
        assert_eq!(judge(&root, &[&bob.der, &between.der]).map(drop), outcome);
    }
}

#[test]
fn a_chain_is_one_path_in_order_and_within_the_limits() {
    let root = Authority::root("root");
    let first = root.below(authority_params("first"));
    let second = first.below(authority_params("second"));
    let bob = second.member("bob@example.org");
    let refused = |chain: &[&[u8]]| judge(&root, chain).unwrap_err();
    assert!(judge(&root, &[&bob.der, &second.der, &first.der]).is_ok());
    for chain in [
        &[&bob.der[..], &first.der, &second.der][..],
        &[&bob.der, &second.der, &first.der, &first.der],
        &[&bob.der, &second.der, &second.der, &first.der],
    ] {
        assert_eq!(refused(chain), CertificateError::NotAPath);
    }
    let stranger = Authority::root("stranger");
    assert_eq!(refused(&[&bob.der, &second.der, &first.der, &stranger.der]), CertificateError::NotAPath);
    assert_eq!(refused(&[&bob.der]), CertificateError::UnknownIssuer);
    assert_eq!(refused(&[]), CertificateError::Empty);
    assert_eq!(refused(&[&bob.der[..]; MAX_CHAIN_LENGTH + 1]), CertificateError::TooManyCertificates);
    assert_eq!(refused(&[&vec![0x30; MAX_CERTIFICATE_LENGTH + 1]]), CertificateError::TooLarge);
}

#[test]
fn exactly_one_name_of_the_first_kind_counts_and_the_subject_never_does() {
    let root = Authority::root("root");
    let text = |text: &str| Ia5String::try_from(text).unwrap();
    let uri = || SanType::URI(text("im:bob@example.org"));
    let email = || SanType::Rfc822Name(text("bob@example.org"));
    let dns = |name: &str| SanType::DnsName(text(name));
    let named = |names: Vec<SanType>| {
        member_with(&root, |params| params.subject_alt_names = names).map(|found| found.name)
    };
    assert_eq!(named(vec![email(), dns("b.example"), uri()]), Ok("im:bob@example.org".to_owned()));
    assert_eq!(named(vec![dns("b.example"), email()]), Ok("bob@example.org".to_owned()));
    assert_eq!(named(vec![dns("b.example")]), Ok("b.example".to_owned()));
    for names in [vec![], vec![dns("a.example"), dns("b.example")], vec![uri(), uri(), email()]] {
        assert_eq!(named(names), Err(CertificateError::NoSingleName));
    }
}

#[test]
fn critical_extensions_that_nobody_knows_and_forbidden_names_are_refused() {
    let root = Authority::root("root");
    let unknown = |critical: bool| {
        member_with(&root, |params| {
            let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
            extension.set_criticality(critical);
            params.custom_extensions = vec![extension];
        })
        .map(drop)
    };
    assert_eq!(unknown(false), Ok(()));
    assert_eq!(unknown(true), Err(CertificateError::CriticalExtension));

    let only = |subtree| {
        issuer_with(&root, |params| {
            params.name_constraints =
                Some(NameConstraints { permitted_subtrees: vec![subtree], excluded_subtrees: Vec::new() });
        })
        .map(drop)
    };
    // webpki cannot compare email addresses, and so lets none pass where an issuer is bound to some.
    let email = GeneralSubtree::Rfc822Name("example.com".to_owned());
    assert_eq!(only(email), Err(CertificateError::NameConstraint));
    assert_eq!(only(GeneralSubtree::DnsName("example.com".to_owned())), Ok(()), "it has no such name");
}

#[test]
fn no_mutation_of_a_chain_passes_for_the_chain_and_none_panics() {
    let seed = Seed::new(61);
    let mut rng = seed.rng(0);
    let root = Authority::root("root");
    let between = root.below(authority_params("between"));
    let bob = between.member("bob@example.org");
    let honest = [bob.der, between.der];
    let expected = judge(&root, &[&honest[0], &honest[1]]).unwrap();
    let mut passed = 0;
    for _ in 0..10_000 {
        let mut chain = honest.clone();
        let which = rng.next_u32() as usize % 2;
        let der = &mut chain[which];
        let at = rng.next_u32() as usize % der.len();
        match rng.next_u32() % 4 {
            0 => der[at] ^= 1 << (rng.next_u32() % 8),
            1 => der.truncate(at),
            2 => der.insert(at, rng.next_u32().to_le_bytes()[0]),
            _ => drop(der.remove(at)),
        }
        if chain == honest {
            continue;
        }
        if let Ok(found) = judge(&root, &[&chain[0], &chain[1]]) {
            // An ECDSA signature has no other form here, and everything else is signed.
            assert_eq!(found, expected);
            passed += 1;
        }
    }
    assert_eq!(passed, 0, "a changed chain was accepted");
}

#[test]
fn a_tampered_signature_is_refused() {
    let root = Authority::root("root");
    let mut bob = root.member("bob@example.org").der;
    *bob.last_mut().unwrap() ^= 1;
    assert_eq!(judge(&root, &[&bob]), Err(CertificateError::BadSignature));
}
