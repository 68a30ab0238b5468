//! What a file of cases is, and how its cases are checked.

mod audio;
mod cbor;
mod malformed;
mod mls_codec;
mod mls_group;
mod node;
mod primitives;
mod protection;
mod sframe;
mod stack;

use std::collections::BTreeSet;

use crate::case::File;
use crate::report::Outcome;

/// How a known format is treated.
pub(crate) enum Family {
    /// Every case is checked.
    Run(fn(&File) -> Outcome),
    /// Known, but not run, for this reason.
    NotRun(&'static str),
}

impl Family {
    pub(crate) fn run(&self, file: &File) -> Outcome {
        match self {
            Self::Run(run) => run(file),
            Self::NotRun(reason) => Outcome::not_run(file, reason),
        }
    }
}

/// A format: the folder that it lies in, Wycheproof's name for it, keys that the first case must have, and what is
/// done with it.
struct Format {
    area: &'static str,
    algorithm: Option<&'static str>,
    keys: &'static [&'static str],
    family: Family,
}

const fn run(area: &'static str, keys: &'static [&'static str], run: fn(&File) -> Outcome) -> Format {
    Format { area, algorithm: None, keys, family: Family::Run(run) }
}

const fn wycheproof(
    algorithm: &'static str,
    keys: &'static [&'static str],
    run: fn(&File) -> Outcome,
) -> Format {
    Format { area: "wycheproof", algorithm: Some(algorithm), keys, family: Family::Run(run) }
}

const fn not_run(area: &'static str, keys: &'static [&'static str], reason: &'static str) -> Format {
    Format { area, algorithm: None, keys, family: Family::NotRun(reason) }
}

/// The first that fits counts.
const FORMATS: &[Format] = &[
    run("mls", &["welcome", "init_priv", "signature_priv", "key_package"], mls_group::passive),
    run("mls", &["vlbytes_header", "length"], mls_codec::vector_headers),
    run("mls", &["mls_welcome", "mls_group_info"], mls_codec::messages),
    run("mls", &["tree", "resolutions"], mls_codec::trees),
    run("mls", &["tree_before", "tree_after", "proposal"], mls_codec::tree_operations),
    not_run("mls", &["expand_with_label", "ref_hash"], PRIVATE_TO_OPENMLS),
    not_run("mls", &["initial_init_secret", "epochs"], PRIVATE_TO_OPENMLS),
    not_run("mls", &["membership_key", "sender_data_secret"], PRIVATE_TO_OPENMLS),
    not_run("mls", &["psk_secret", "psks"], PRIVATE_TO_OPENMLS),
    not_run("mls", &["sender_data", "leaves"], PRIVATE_TO_OPENMLS),
    not_run("mls", &["confirmed_transcript_hash_after"], PRIVATE_TO_OPENMLS),
    not_run("mls", &["n_leaves", "n_nodes"], PRIVATE_TO_OPENMLS),
    not_run("mls", &["update_paths", "leaves_private"], PRIVATE_TO_OPENMLS),
    not_run("mls", &["welcome", "signer_pub"], PRIVATE_TO_OPENMLS),
    run("gbp-stack", &["init_private_key", "welcome", "epochs"], mls_group::recorded),
    run("gbp-stack", &["frame", "message"], stack::frames),
    run("gbp-stack", &["steps", "layer"], stack::payloads),
    run("gbp-stack", &["steps", "node"], protection::inbound),
    run("gbp-stack", &["steps"], node::transition),
    run("gbp-stack", &["frames", "kid"], sframe::recorded),
    run("gbp-stack", &["error_object"], stack::errors),
    wycheproof("AES-GCM", &["key", "iv", "tag"], primitives::aes_gcm),
    wycheproof("CHACHA20-POLY1305", &["key", "iv", "tag"], primitives::chacha20_poly1305),
    wycheproof("HKDF-SHA-256", &["ikm", "salt", "okm"], primitives::hkdf),
    wycheproof("HMACSHA256", &["key", "tag"], primitives::hmac),
    wycheproof("EDDSA", &["msg", "sig"], primitives::ed25519),
    wycheproof("XDH", &["public", "private", "shared"], primitives::x25519),
    wycheproof("ML-KEM", &["m", "ek", "c", "K"], primitives::encapsulation),
    wycheproof("ML-KEM", &["seed", "c", "K"], primitives::decapsulation),
    wycheproof("ML-KEM", &["seed", "ek"], primitives::key_generation),
    not_run("wycheproof", &["dk", "c", "K"], primitives::EXPANDED_KEY),
    run("ed25519-cctv", &["key", "msg", "sig", "flags"], primitives::ed25519_cctv),
    run("hpke", &["kem_id", "encryptions", "exports"], primitives::hpke),
    run("pq", &["eseed", "sk", "ss"], primitives::x_wing),
    run("pq", &["seed", "m", "ct", "ss"], primitives::implicit_rejection),
    run("pq", &["d", "z", "m", "c", "K"], primitives::unlucky),
    run("pq", &["d", "z", "expected"], primitives::acvp_key_generation),
    run("pq", &["function", "expected"], primitives::acvp_encapsulation),
    run("pq", LINES, primitives::modulus),
    run("malformed", &["parts", "expect"], malformed::run),
    run("cbor", &["hex", "roundtrip"], cbor::appendix),
    run("sframe", &["cipher_suite", "base_key", "ct"], sframe::frames),
    run("sframe", &["cipher_suite", "nonce", "key", "ct"], primitives::ctr_hmac),
    run("sframe", &["kid", "ctr", "encoded"], sframe::headers),
    not_run("noise", &["init_static", "messages"], NO_CODE_YET),
    not_run("merkle", &["proof", "wantErr"], NO_CODE_YET),
    not_run("opaque", &["config", "inputs", "outputs"], NO_CODE_YET),
    not_run("opaque", &["group"], NO_CODE_YET),
];

/// Cases that are lines of text have no keys.
const LINES: &[&str] = &[];

const NO_CODE_YET: &str = "this layer has no code yet";

const PRIVATE_TO_OPENMLS: &str = "not expressible: openmls keeps these intermediate values private; the passive-client families run through them";

/// What `file` is, if it is anything known.
pub(crate) fn of(file: &File) -> Option<&'static Family> {
    let keys: BTreeSet<&str> = file.keys();
    let fits = |format: &&Format| {
        file.area() == format.area
            && format.algorithm.is_none_or(|name| file.algorithm.as_deref() == Some(name))
            && (format.keys.is_empty() == keys.is_empty())
            && format.keys.iter().all(|key| keys.contains(key))
    };
    FORMATS.iter().find(fits).map(|format| &format.family)
}
