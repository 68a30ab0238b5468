//! A program with a shim between it and the C library, see `shim.c`.
//!
//! The shim looks at files below one folder. Armed from the start, or when the program makes a file `arm` there, and
//! until it makes one called `disarm`, it counts the calls that its fault concerns; `disarm` is left with the number.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, ensure};

const SOURCE: &str = include_str!("shim.c");

/// What happens at the chosen call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// The process ends before the call is made.
    Kill,
    /// From this call on there is no space left.
    Full,
    /// The same, and the first write that meets it is stored in part.
    Short,
    /// From this call on every write, sync, rename and unlink fails.
    Io,
    /// From this call on every read fails.
    Read,
    /// From this call on somebody else reads, so that no lock is to be had for oneself alone.
    Busy,
}

impl Fault {
    /// Those that a program lives on with.
    pub(super) const ERRORS: [Self; 5] = [Self::Full, Self::Short, Self::Io, Self::Read, Self::Busy];

    fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Full => "full",
            Self::Short => "short",
            Self::Io => "io",
            Self::Read => "read",
            Self::Busy => "busy",
        }
    }
}

/// The shim, compiled.
pub(super) struct Shim(PathBuf);

impl Shim {
    /// Compiles it. None where the system has no such thing, which is said.
    pub(super) fn build() -> anyhow::Result<Option<Self>> {
        if !cfg!(target_os = "linux") {
            eprintln!("SKIPPED: writes are intercepted on Linux only; nothing of this was tested");
            return Ok(None);
        }
        let library = std::env::temp_dir().join(format!("coterie-shim-{}.so", unique()));
        let source = library.with_extension("c");
        std::fs::write(&source, SOURCE)?;
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&library, &source])
            .args(["-ldl", "-lpthread"])
            .status()
            .context("a C compiler called cc")?;
        std::fs::remove_file(&source)?;
        ensure!(status.success(), "the shim did not compile");
        Ok(Some(Self(library)))
    }

    /// This program in one of its lives, behind the shim.
    pub(super) fn life(&self, folder: &Path, seed: u64) -> anyhow::Result<Command> {
        let mut command = life(folder, seed)?;
        command.env("LD_PRELOAD", &self.0).env("COTERIE_SHIM_FOLDER", folder);
        Ok(command)
    }

    /// The same with `fault` at the `at`-th call that it concerns; at none where that is zero.
    pub(super) fn faulty(
        &self,
        folder: &Path,
        seed: u64,
        (fault, at): (Fault, u64),
        from_start: bool,
    ) -> anyhow::Result<Command> {
        let mut command = self.life(folder, seed)?;
        command.env("COTERIE_SHIM_FAULT", fault.name()).env("COTERIE_SHIM_AT", at.to_string());
        if from_start {
            command.env("COTERIE_SHIM_ARMED", "1");
        }
        Ok(command)
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// This program in one of its lives.
pub(super) fn life(folder: &Path, seed: u64) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["life", &format!("--seed={seed}"), "--folder"]).arg(folder);
    // What it says of an error is enough; where in the code it stood is found by repeating it.
    command.env("RUST_BACKTRACE", "0").stdout(Stdio::piped()).stdin(Stdio::null());
    Ok(command)
}

/// A folder that goes away with what used it, unless that failed.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("coterie-durability-{}", unique()));
        std::fs::create_dir_all(&path)?;
        // The shim compares paths as they are.
        Ok(Self(path.canonicalize()?))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn remove(self) -> anyhow::Result<()> {
        Ok(std::fs::remove_dir_all(&self.0)?)
    }
}

/// How often the shim was met between `arm` and `disarm`.
pub(super) fn met(folder: &Path) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(folder.join("disarm")).context("the program came to its end")?;
    text.parse().context("the shim was loaded and counted")
}

/// What a life said, without the line that a kill may have cut.
pub(super) fn lines(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    text.lines().filter_map(|line| Some(line.strip_prefix("ok ")?.strip_suffix(" .")?.to_owned())).collect()
}

fn unique() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Runs `work` for every item on two threads, which is what small machines have; adds up what comes of it.
pub(super) fn in_parallel<T: Send, R: Send>(
    items: Vec<T>,
    work: impl Fn(T) -> anyhow::Result<R> + Sync,
) -> anyhow::Result<Vec<R>> {
    let queue = std::sync::Mutex::new(items.into_iter());
    let next = || queue.lock().ok().and_then(|mut queue| queue.next());
    let worker = || {
        let mut results = Vec::new();
        while let Some(item) = next() {
            results.push(work(item));
        }
        results
    };
    let results = std::thread::scope(|scope| {
        let workers = [scope.spawn(worker), scope.spawn(worker)];
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect::<Vec<_>>()
    });
    results.into_iter().collect()
}
