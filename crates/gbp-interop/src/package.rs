//! A published peer in a process of its own.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::install;

/// Answers calls, one at a time.
pub(crate) struct Package {
    process: RefCell<Process>,
    /// The crates' own program; the Python package has none.
    node_program: Option<PathBuf>,
}

struct Process {
    child: Child,
    calls: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Package {
    /// Starts the Python package, which is installed first where it is not.
    pub(crate) fn python() -> anyhow::Result<Self> {
        Self::start(install::python()?, None)
    }

    /// Starts the program over the crates, which is built first where it is not.
    pub(crate) fn crates() -> anyhow::Result<Self> {
        let node_program = install::node_program()?;
        Self::start(install::crates()?, Some(node_program))
    }

    fn start(mut program: Command, node_program: Option<PathBuf>) -> anyhow::Result<Self> {
        let piped = program.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().context("starting it")?;
        let calls = child.stdin.take().context("its input")?;
        let answers = BufReader::new(child.stdout.take().context("its output")?);
        let process = RefCell::new(Process { child, calls, answers });
        let package = Self { process, node_program };
        let version = package.call(&Value::Null, "version", &[])?;
        println!("against {}", version.as_str().unwrap_or_default());
        Ok(package)
    }

    /// `gbp-node`, where the peer has it.
    pub(crate) fn node_program(&self) -> anyhow::Result<&Path> {
        self.node_program.as_deref().context("this peer has no program of its own")
    }

    /// What a function, a class or an object of the package answers.
    pub(crate) fn call(&self, of: &Value, call: &str, arguments: &[Value]) -> anyhow::Result<Value> {
        self.ask(&json!({ "of": of, "call": call, "args": arguments }))
    }

    /// A property of an object.
    pub(crate) fn get(&self, of: &Value, name: &str) -> anyhow::Result<Value> {
        self.ask(&json!({ "of": of, "get": name }))
    }

    fn ask(&self, order: &Value) -> anyhow::Result<Value> {
        let mut process = self.process.borrow_mut();
        writeln!(process.calls, "{order}")?;
        let mut line = String::new();
        process.answers.read_line(&mut line)?;
        let mut answer: Value = serde_json::from_str(&line).context("the package has ended")?;
        if let Some(error) = answer.get("error").and_then(Value::as_str) {
            bail!("the package: {error}");
        }
        Ok(answer.get_mut("value").map(Value::take).unwrap_or_default())
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        let process = self.process.get_mut();
        let _ = process.child.kill();
        let _ = process.child.wait();
    }
}

/// Bytes as the package is given them.
pub(crate) fn bytes(bytes: &[u8]) -> Value {
    json!({ "hex": hex::encode(bytes) })
}

/// Bytes as the package gives them.
pub(crate) fn to_bytes(value: &Value) -> anyhow::Result<Vec<u8>> {
    let text = value.get("hex").and_then(Value::as_str).context("bytes were expected")?;
    Ok(hex::decode(text)?)
}
