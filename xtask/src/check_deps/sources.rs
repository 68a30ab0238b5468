//! No core names a socket, a clock, a file, a thread or a runtime.
//!
//! Looked for word by word in the sources, so that no way of importing hides it. Tests are exempt: the rest of a file
//! from its `#[cfg(test)] mod` on is not read, nor are comments.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::Context as _;

use super::layers::CORES;

/// Words that stand for the outside world wherever they appear.
const WORDS: &[&str] = &[
    "SystemTime",
    "Instant",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "UnixStream",
    "tokio",
    "async_std",
    "OsRng",
    "thread_rng",
    "getrandom",
    "SystemRandom",
];

/// Words that open a socket, and the one crate in which they may stand.
const SOCKETS: &[&str] =
    &["TcpListener", "TcpStream", "TcpSocket", "UdpSocket", "UnixStream", "UnixListener"];
const SOCKETS_HOME: &str = "transport";

/// Modules of the standard library, refused as `std::fs` and as part of `use std::{fs, …}`.
const MODULES: &[&str] = &["net", "fs", "thread", "process", "env"];

/// Where a word is allowed, and why.
const EXCEPT: &[(&str, &str)] = &[
    // The trait's own form over the operating system, behind a feature that only binaries choose.
    ("crates/crypto/src/entropy.rs", "SystemRandom"),
    // ECDSA's nonce: aws-lc asks for the parameter and takes its own randomness all the same.
    ("crates/crypto/src/signature.rs", "SystemRandom"),
];

/// Where the copied openmls lies. It may carry moments of the system's clock, which are arguments, but not ask for one.
const COPY: &str = "vendor/openmls/src";
const ASKS: &[&str] = &["SystemTime::now", "Instant::now", "UNIX_EPOCH.elapsed", ".elapsed("];

/// Every line of the copied openmls that reads a clock.
pub(super) fn reading_a_clock(root: &Path) -> anyhow::Result<Vec<String>> {
    let files = rust_files(&root.join(COPY))?;
    anyhow::ensure!(!files.is_empty(), "there is no {COPY}");
    let mut broken = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        let found = code(&text).filter(|(_, line)| ASKS.iter().any(|word| line.contains(word)));
        broken.extend(found.map(|(number, _)| format!("{name}:{number} reads the clock; see docs/adr/0007")));
    }
    Ok(broken)
}

/// Every line of a core's sources that breaks the rule.
pub(super) fn broken(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut broken = Vec::new();
    for core in CORES {
        for file in rust_files(&root.join("crates").join(core).join("src"))? {
            let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
            let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().replace('\\', "/");
            for (number, word) in findings(&text) {
                if !EXCEPT.contains(&(name.as_str(), word)) {
                    broken.push(format!("{name}:{number} names {word}; a core is told, it does not ask"));
                }
            }
        }
    }
    Ok(broken)
}

/// Every line outside the one home of sockets, and outside tools, that names one.
pub(super) fn opening_sockets(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut broken = Vec::new();
    for layer in super::layers::names().filter(|name| *name != SOCKETS_HOME) {
        for file in rust_files(&root.join("crates").join(layer).join("src"))? {
            let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
            let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().replace('\\', "/");
            broken.extend(sockets(&text).map(|(number, word)| {
                format!("{name}:{number} names {word}; only {SOCKETS_HOME} opens sockets")
            }));
        }
    }
    Ok(broken)
}

fn sockets(text: &str) -> impl Iterator<Item = (usize, &'static str)> {
    code(text).flat_map(|(number, code)| {
        let found = SOCKETS.iter().filter(move |word| words(code).any(|found| found == **word));
        found.map(move |word| (number, *word))
    })
}

fn rust_files(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("listing {}", directory.display()))?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        // A module of tests in a file of its own.
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The line numbers, counted from one, and the words found on them.
fn findings(text: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (number, code) in code(text) {
        found.extend(
            WORDS.iter().filter(|word| words(code).any(|found| found == **word)).map(|word| (number, *word)),
        );
        found.extend(
            MODULES.iter().filter(|module| names_module(code, module)).map(|module| (number, *module)),
        );
    }
    found
}

/// The lines before the tests, without their comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let following = text.lines().skip(1).chain([""]);
    (1..)
        .zip(text.lines().zip(following))
        .take_while(|(_, (line, next))| !begins_tests(line, next.trim_start()))
        .map(|(number, (line, _))| (number, line.split("//").next().unwrap_or_default()))
}

fn begins_tests(line: &str, next: &str) -> bool {
    line.trim() == "#[cfg(test)]" && next.starts_with("mod ") && next.ends_with('{')
}

fn names_module(code: &str, module: &str) -> bool {
    let Some((_, rest)) = code.split_once("std::") else { return false };
    match rest.strip_prefix('{') {
        Some(group) => words(group).any(|word| word == module),
        None => words(rest).next() == Some(module),
    }
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outside_world_is_found_however_it_is_imported() {
        assert_eq!(findings("let now = std::time::Instant::now();"), [(1, "Instant")]);
        assert_eq!(findings("\nuse std::{io, net::TcpStream};"), [(2, "TcpStream"), (2, "net")]);
        assert_eq!(findings("use std::fs;"), [(1, "fs")]);
    }

    #[test]
    fn a_copied_file_may_name_a_moment_but_not_ask_for_one() {
        let folder = std::env::temp_dir().join(format!("coterie-check-deps-{}", std::process::id()));
        assert!(reading_a_clock(&folder).is_err(), "no copy is no answer");
        fs::create_dir_all(folder.join(COPY)).unwrap();
        let text = "use std::time::SystemTime; // SystemTime::now()\nfn f() { SystemTime::now(); }\n";
        fs::write(folder.join(COPY).join("lib.rs"), text).unwrap();
        let found = reading_a_clock(&folder).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, ["vendor/openmls/src/lib.rs:2 reads the clock; see docs/adr/0007"]);
    }

    #[test]
    fn a_socket_is_found_in_code_and_not_in_comments_or_tests() {
        let text = "use tokio::net::UdpSocket;\n// TcpStream\n#[cfg(test)]\nmod tests {\n    use std::net::TcpListener;\n}";
        assert_eq!(sockets(text).collect::<Vec<_>>(), [(1, "UdpSocket")]);
    }

    #[test]
    fn comments_tests_and_longer_words_are_not_findings() {
        assert_eq!(findings("// std::fs, SystemTime\nstruct Instantly;"), []);
        assert_eq!(findings("#[cfg(test)]\nmod tests {\n    use std::fs;\n}"), []);
    }
}
