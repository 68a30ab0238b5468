//! Dependencies point one way, and each large dependency has one home.

use std::collections::BTreeSet;

use super::metadata::{Metadata, Package};

/// What each crate stands on directly. It may also name whatever those stand on.
///
/// A crate that is not listed is refused: whoever adds one says here where it belongs.
const LAYERS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("wire", &["types"]),
    ("crypto", &["types"]),
    ("store", &["crypto"]),
    ("mls", &["store", "crypto"]),
    ("sframe", &["store", "crypto"]),
    // Not mls: whoever drives both hands it what the group's key schedule gives.
    ("gbp", &["sframe", "wire", "crypto"]),
    // What is said and signalled, above frames and without keys: whoever holds a group drives them beside `gbp`.
    ("seen", &["wire"]),
    ("gtp", &["wire", "crypto", "seen"]),
    ("gsp", &["wire", "seen"]),
    // Audio is judged and played without a key in reach.
    ("gap", &["wire"]),
    // All of them over one group. It moves no bytes and waits for nobody: whoever delivers stands above it.
    ("stack", &["gbp", "gtp", "gap", "gsp", "mls"]),
    // The published package's objects, for those who come from there.
    ("compat", &["gbp", "gap", "gsp", "mls", "sframe", "store"]),
    ("transport", &["crypto"]),
    ("rpc", &["wire", "transport"]),
    ("client", &["stack", "sframe", "transport", "rpc", "store"]),
    ("server", &["wire", "store", "transport", "rpc"]),
    ("node", &["client", "server", "compat"]),
];

/// Tools: they may name any layer, and no layer may name them except for its tests.
const TOOLS: &[&str] = &["testkit", "conformance", "mls-interop", "gbp-interop", "xtask"];

/// Who could not decrypt if it wanted to.
const BLIND: &[&str] = &["server", "rpc", "transport"];
const OPENS_CONTENT: &[&str] = &["mls", "gbp", "gtp", "gap", "gsp", "stack", "compat"];

/// Large dependencies, by the beginning of their names, and the only crate that names each.
const HOMES: &[(&str, &str)] = &[
    ("napi", "node"),
    ("openmls", "mls"),
    ("aws-lc-", "crypto"),
    ("rusqlite", "store"),
    ("quinn", "transport"),
    ("snow", "transport"),
    ("minicbor", "wire"),
    ("planus", "wire"),
    // gRPC and the second MLS are for testing against; neither may come near the addon.
    ("tonic", "mls-interop"),
    ("mls-rs", "mls-interop"),
];

/// The protocol cores and what none of them may name in its manifest: sockets, clocks, runtimes.
pub(super) const CORES: &[&str] =
    &["types", "wire", "crypto", "mls", "gbp", "seen", "gtp", "gap", "gsp", "sframe", "stack", "compat"];
const NOT_IN_CORES: &[&str] = &["tokio", "async-std", "smol", "mio", "socket2", "chrono", "time", "web-time"];

/// Features that weaken a guarantee outside tests, and who may choose them all the same.
const DANGEROUS_FEATURES: &[(&str, &[&str])] = &[
    ("test-utils", &[]),
    ("content-debug", &[]),
    ("crypto-debug", &[]),
    ("unchecked-conversions", &[]),
    // Ours: raw private keys in and out, and checks below the public surface.
    ("interop", &[]),
    ("vectors", &[]),
    // A core that could reach the operating system's randomness could not be replayed from a seed.
    ("os-entropy", &["node", "client", "server"]),
];

/// Every layer, whether or not its crate is there yet.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    LAYERS.iter().map(|(name, _)| *name)
}

/// Every line of a manifest that breaks a rule.
pub(super) fn broken(metadata: &Metadata) -> Vec<String> {
    metadata.members().flat_map(broken_by).collect()
}

fn broken_by(package: Package<'_>) -> Vec<String> {
    let name = short(package.name());
    if TOOLS.contains(&name) {
        return Vec::new();
    }
    let Some(allowed) = standing_on(name) else {
        return vec![format!(
            "{name} has no place in the layers: see LAYERS in xtask/src/check_deps/layers.rs"
        )];
    };
    let mut broken = Vec::new();
    for dependency in package.dependencies() {
        let other = dependency.name();
        if let Some(ours) = ours(other) {
            if !allowed.contains(ours) {
                broken.push(format!("{name} depends on {ours}, which is not below it"));
            }
            if BLIND.contains(&name) && OPENS_CONTENT.contains(&ours) {
                broken.push(format!("{name} depends on {ours}: it could open content"));
            }
        }
        if let Some((_, home)) = HOMES.iter().find(|(start, home)| other.starts_with(start) && *home != name)
        {
            broken.push(format!("{name} depends on {other}, whose only home is {home}"));
        }
        if CORES.contains(&name) && NOT_IN_CORES.contains(&other) {
            broken.push(format!("{name} is a core and depends on {other}"));
        }
        for feature in dependency.features() {
            if DANGEROUS_FEATURES.iter().any(|(bad, who)| feature == *bad && !who.contains(&name)) {
                broken.push(format!("{name} enables {feature} of {other} outside its tests"));
            }
        }
    }
    broken
}

/// All that a crate may name, or nothing where the crate is not in the map.
fn standing_on(name: &str) -> Option<BTreeSet<&'static str>> {
    let direct = layer(name)?;
    let mut all: BTreeSet<_> = direct.iter().copied().collect();
    for below in direct {
        all.extend(standing_on(below).unwrap_or_default());
    }
    Some(all)
}

fn layer(name: &str) -> Option<&'static [&'static str]> {
    LAYERS.iter().find(|(layer, _)| *layer == name).map(|(_, below)| *below)
}

/// The crate's name on the map, where it is one of ours.
fn ours(package: &str) -> Option<&str> {
    package.strip_prefix("coterie-")
}

fn short(package: &str) -> &str {
    ours(package).unwrap_or(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_has_no_circle_and_names_only_what_it_lists() {
        for (index, (name, below)) in LAYERS.iter().enumerate() {
            for other in *below {
                let earlier = LAYERS.iter().take(index).any(|(layer, _)| layer == other);
                assert!(earlier, "{name} stands on {other}, which is not listed before it");
            }
        }
    }

    #[test]
    fn text_and_signals_hold_no_keys_and_know_no_frames() {
        for name in ["seen", "gtp", "gsp"] {
            let below = standing_on(name).unwrap();
            assert!(["mls", "gbp", "store"].iter().all(|other| !below.contains(other)), "{name}");
        }
    }

    #[test]
    fn nothing_blind_stands_on_what_opens_content() {
        for name in BLIND {
            let below = standing_on(name).unwrap();
            assert!(OPENS_CONTENT.iter().all(|content| !below.contains(content)), "{name}");
        }
    }
}
