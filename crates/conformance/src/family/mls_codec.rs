//! Encodings: what is decoded must encode to the same bytes, and what is malformed must be refused.

use coterie_mls::interop::{Structure, recode};
use serde_json::Value;

use crate::case::{File, Verdict, bytes, field, number, same_bytes};
use crate::report::Outcome;

/// Longer vectors would cost memory and show nothing new.
const LONGEST_VECTOR: usize = 16 * 1024 * 1024;

fn round_trip(what: &str, structure: Structure, encoded: &[u8]) -> Verdict {
    let again = recode(structure, encoded).map_err(|error| format!("{what}: {error}"))?;
    same_bytes(what, &again, encoded)?;
    if recode(structure, &[encoded, &[0]].concat()).is_ok() {
        return Err(format!("{what}: accepted with a byte behind it"));
    }
    Ok(())
}

/// Lengths of vectors as QUIC variable-size integers (RFC 9420 section 2.1.2).
pub(crate) fn vector_headers(file: &File) -> Outcome {
    file.each(|case| {
        let length = usize::try_from(number(case, "length")?).map_err(|error| error.to_string())?;
        if length > LONGEST_VECTOR {
            return Err(format!("a vector of {length} bytes is longer than any this engine takes"));
        }
        let encoded = [bytes(case, "vlbytes_header")?, vec![0; length]].concat();
        round_trip("vector", Structure::Vector, &encoded)
    })
}

/// Every message, tree and proposal of a case, but for three fields. GroupSecrets and a bare Commit have no public form
/// in openmls. A ReInit with a ratchet_tree extension, which these cases have and which no group context may hold, is
/// refused while it is decoded.
pub(crate) fn messages(file: &File) -> Outcome {
    const MESSAGES: [&str; 7] = [
        "mls_welcome",
        "mls_group_info",
        "mls_key_package",
        "public_message_application",
        "public_message_proposal",
        "public_message_commit",
        "private_message",
    ];
    const PROPOSALS: [(&str, u16); 6] = [
        ("add_proposal", 1),
        ("update_proposal", 2),
        ("remove_proposal", 3),
        ("pre_shared_key_proposal", 4),
        ("external_init_proposal", 6),
        ("group_context_extensions_proposal", 7),
    ];
    file.each(|case| {
        for name in MESSAGES.into_iter().filter(|name| field(case, name).is_some()) {
            round_trip(name, Structure::Message, &bytes(case, name)?)?;
        }
        for (name, kind) in PROPOSALS.into_iter().filter(|(name, _)| field(case, name).is_some()) {
            let proposal = [&kind.to_be_bytes()[..], &bytes(case, name)?].concat();
            round_trip(name, Structure::Proposal, &proposal)?;
        }
        tree(case, "ratchet_tree")
    })
}

fn tree(case: &Value, name: &str) -> Verdict {
    match field(case, name) {
        Some(_) => round_trip(name, Structure::RatchetTree, &bytes(case, name)?),
        None => Ok(()),
    }
}

/// Trees keep their bytes. Hashes and resolutions are private to openmls; joining a group runs through them.
pub(crate) fn trees(file: &File) -> Outcome {
    file.each(|case| tree(case, "tree"))
}

/// As [`trees`].
pub(crate) fn tree_operations(file: &File) -> Outcome {
    file.each(|case| {
        tree(case, "tree_before")?;
        tree(case, "tree_after")?;
        round_trip("proposal", Structure::Proposal, &bytes(case, "proposal")?)
    })
}
