//! Everybody else in a warm group: made by `coterie-benches crowd`, so that all peers measure on trees of one shape.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::hex::{hex, unhex};

/// A Welcome for the holders of `packages`, who are the last of a group of `size` members.
pub fn welcome(size: usize, packages: &[Vec<u8>]) -> Result<Vec<u8>> {
    let packages: Vec<String> = packages.iter().map(|package| hex(package)).collect();
    let answer = ask(&json!({ "size": size, "warm": true, "keyPackages": [packages] }))?;
    unhex(&answer["welcomes"][0])
}

fn ask(request: &Value) -> Result<Value> {
    let program = std::env::var_os("COTERIE_BENCHES").context("COTERIE_BENCHES")?;
    let mut crowd =
        Command::new(program).arg("crowd").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    crowd.stdin.take().context("its input")?.write_all(request.to_string().as_bytes())?;
    let output = crowd.wait_with_output()?;
    ensure!(output.status.success(), "the crowd failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}
