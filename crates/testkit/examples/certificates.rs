//! Prints the certificates of `__test__/unit/certificates.json`: valid from 2023 to 2035, their authority until 2045.
//!
//! `cargo run -p coterie-testkit --example certificates > __test__/unit/certificates.json`

use std::fmt::Write;

use coterie_testkit::certificates::{Authority, Certified, member_params};

fn main() {
    let (root, stranger) = (Authority::root("root"), Authority::root("stranger"));
    let mut members = vec![("mallory", stranger.member("mallory@example.org"))];
    for (name, p256) in [("alice", false), ("bob", false), ("carol", true), ("dave", true)] {
        members.push((name, root.certify(&member_params(&format!("{name}@example.org")), p256)));
    }
    let root = hex(&root.der);
    let members: Vec<String> = members.iter().map(|(name, certified)| line(name, certified)).collect();
    println!("{{\n  \"root\": \"{root}\",\n{}\n}}", members.join(",\n"));
}

fn line(name: &str, Certified { der, key }: &Certified) -> String {
    format!("  \"{name}\": {{\n    \"certificate\": \"{}\",\n    \"key\": \"{}\"\n  }}", hex(der), hex(key))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
