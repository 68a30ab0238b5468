//! One version of what must be one, none below a known advisory, and no second cryptographic library.

use std::path::Path;

use super::metadata::{self, Metadata, Package};

/// Two of these in one process are two registries, two providers or two copies of a C library.
const SINGLE: &[&str] = &["libsqlite3-sys", "rustls", "quinn-proto", "openmls", "tls_codec", "tokio"];

/// Below these versions there are known advisories. A package with several maintained lines has one floor for each.
const FLOORS: &[(&str, &[&str])] = &[
    ("aws-lc-sys", &["0.39.0"]),
    ("bytes", &["1.11.1"]),
    ("capnp", &["0.24.0"]),
    ("h2", &["0.4.16"]),
    ("hickory-proto", &["0.26.1"]),
    ("hpke-rs", &["0.6.0"]),
    ("libcrux-ed25519", &["0.0.7"]),
    ("ml-dsa", &["0.1.0"]),
    ("protobuf", &["3.7.2"]),
    ("quinn-proto", &["0.11.15"]),
    ("rand", &["0.8.6", "0.9.3", "0.10.1"]),
    ("rustls-webpki", &["0.103.13"]),
    ("time", &["0.3.47"]),
    ("tokio-postgres", &["0.7.18"]),
    ("tracing-subscriber", &["0.3.20"]),
];

/// Unmaintained, or at odds with what is here already.
const REFUSED: &[&str] =
    &["bincode", "serde_cbor", "paste", "rustls-pemfile", "audiopus_sys", "openssl", "sqlx", "sqlx-core"];

/// A second cryptographic library, wherever a release is built for.
const ABSENT: &str = "ring";
const TARGETS: &[&str] = &[
    "x86_64-pc-windows-msvc",
    "aarch64-pc-windows-msvc",
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
];

/// Every package of the lock file that breaks a rule.
pub(super) fn broken(metadata: &Metadata) -> Vec<String> {
    let repeated = SINGLE.iter().filter_map(|name| {
        let found: Vec<_> =
            metadata.packages().filter(|package| package.name() == *name).map(Package::version).collect();
        (found.len() > 1).then(|| format!("{name} is there {} times: {}", found.len(), found.join(", ")))
    });
    let outdated = metadata.packages().filter_map(|package| {
        let (name, floors) = FLOORS.iter().find(|(name, _)| *name == package.name())?;
        let version = package.version();
        (!reaches(version, floors)).then(|| format!("{name} {version} is below {}", floors.join(" or ")))
    });
    repeated.chain(outdated).collect()
}

/// Packages that must not be built for any target of ours.
pub(super) fn reaching_a_target(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut broken = Vec::new();
    for target in TARGETS {
        let built = metadata::built(root, target)?;
        let found = built.iter().filter(|name| *name == ABSENT || REFUSED.contains(&name.as_str()));
        broken.extend(found.map(|name| {
            format!("{name} is built for {target}; see: cargo tree -i {name} --target {target}")
        }));
    }
    Ok(broken)
}

/// Whether `version` is at or above the floor of its own line, or in a line newer than every floor.
fn reaches(version: &str, floors: &[&str]) -> bool {
    let version = numbers(version);
    let same_line = floors.iter().map(|floor| numbers(floor)).find(|floor| line(*floor) == line(version));
    match same_line {
        Some(floor) => version >= floor,
        None => floors.iter().all(|floor| version > numbers(floor)),
    }
}

type Version = (u64, u64, u64);

/// What cargo takes for compatible: the major version, or the minor one where that is zero.
fn line((major, minor, patch): Version) -> Version {
    match (major, minor) {
        (0, 0) => (0, 0, patch),
        (0, _) => (0, minor, 0),
        _ => (major, 0, 0),
    }
}

/// The three numbers. A pre-release counts as its release: it is at least as new as the line before.
fn numbers(version: &str) -> Version {
    let release = version.split(['-', '+']).next().unwrap_or_default();
    let mut parts = release.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_holds_within_its_own_line() {
        let rand = ["0.8.6", "0.9.3", "0.10.1"];
        for (version, expected) in [
            ("0.8.5", false),
            ("0.8.6", true),
            ("0.9.2", false),
            ("0.9.4", true),
            ("0.10.0", false),
            ("0.10.1", true),
            ("0.11.0", true),
            ("0.7.9", false),
        ] {
            assert_eq!(reaches(version, &rand), expected, "{version}");
        }
        assert!(reaches("2.0.0", &["1.11.1"]));
        assert!(!reaches("1.11.0", &["1.11.1"]));
        assert!(reaches("0.103.13+build", &["0.103.13"]));
    }
}
