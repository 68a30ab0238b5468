//! The published Python package in a process of its own, in an environment that is made when it is missing.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

/// What speaks for the package.
const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peer");

/// Answers calls, one at a time.
pub(crate) struct Package(RefCell<Process>);

struct Process {
    child: Child,
    calls: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Package {
    /// Starts the package, which is installed first where it is not.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let python = environment()?;
        let mut child = Command::new(python)
            .arg(Path::new(PEER).join("peer.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting Python")?;
        let calls = child.stdin.take().context("its input")?;
        let answers = BufReader::new(child.stdout.take().context("its output")?);
        let package = Self(RefCell::new(Process { child, calls, answers }));
        let version = package.call(&Value::Null, "version", &[])?;
        println!("against {}", version.as_str().unwrap_or_default());
        Ok(package)
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
        let mut process = self.0.borrow_mut();
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
        let process = self.0.get_mut();
        let _ = process.child.kill();
        let _ = process.child.wait();
    }
}

/// The Python of an environment that has the package.
fn environment() -> anyhow::Result<PathBuf> {
    ensure!(cfg!(all(target_os = "linux", target_arch = "x86_64")), "it needs x86-64 Linux");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/gbp-stack");
    let (python, installed) = (folder.join("bin/python"), folder.join("installed"));
    if !installed.exists() {
        run(Command::new("python3.11").args(["-m", "venv"]).arg(&folder)).context("it needs CPython 3.11")?;
        let requirements = Path::new(PEER).join("requirements.txt");
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        run(Command::new(&python).args(install).arg(requirements)).context("installing it")?;
        std::fs::write(installed, "")?;
    }
    Ok(python)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status()?;
    ensure!(status.success(), "{status}");
    Ok(())
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
