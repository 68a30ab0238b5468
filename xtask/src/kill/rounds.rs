//! The one who kills.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Lives that end by SIGKILL in each round.
const LIVES: u64 = 3;

/// The calls at which a life can be ended: whatever SQLite does to change a file or make it durable.
const CALLS: &[&str] = &["pwrite64", "fdatasync", "fsync", "ftruncate", "unlink", "write", "rename"];

/// How a life ends.
#[derive(Clone, Copy, Debug)]
enum End {
    After(Duration),
    /// At the n-th call of a name.
    At(&'static str, u32),
}

/// Runs rounds and says how many held.
pub(super) fn run(seed: u64, first: u64, rounds: u64) -> anyhow::Result<()> {
    let has_strace =
        Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok_and(|s| s.success());
    if !has_strace {
        eprintln!("strace is not installed: kills come at random moments only");
    }
    let mut total = Total::default();
    let mut held = 0_u64;
    for number in first..first.saturating_add(rounds) {
        match round(seed, number, has_strace, &mut total) {
            Ok(()) => held = held.saturating_add(1),
            Err(error) => eprintln!(
                "round {number}: {error:#}\n  repeat: cargo xtask kill mls --seed {seed} --first {number} --rounds 1"
            ),
        }
    }
    println!(
        "{} lives killed, {} of them at a chosen call; {} acknowledgements, {} messages checked",
        total.killed, total.at_calls, total.acknowledged, total.checked
    );
    println!("{held}/{rounds} rounds held");
    ensure!(held == rounds, "kill: {} of {rounds} rounds failed", rounds.saturating_sub(held));
    Ok(())
}

#[derive(Default)]
struct Total {
    killed: u64,
    at_calls: u64,
    acknowledged: u64,
    checked: u64,
}

/// A folder that goes away with its round, unless that failed.
struct Folder(PathBuf);

fn round(seed: u64, number: u64, has_strace: bool, total: &mut Total) -> anyhow::Result<()> {
    let mut rng = SmallRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(number));
    let folder = Folder(std::env::temp_dir().join(format!("coterie-kill-{}-{number}", std::process::id())));
    std::fs::create_dir_all(&folder.0)?;
    let mut acknowledged = Vec::new();
    for life in 0..LIVES {
        let end = if has_strace && life % 2 == number % 2 {
            let call = CALLS.get(rng.random_range(0..CALLS.len())).context("a call")?;
            // The first life makes the stores; later ones do hundreds of writes and tens of the rest.
            let most = if *call == "pwrite64" { 600 } else { 60 };
            End::At(call, rng.random_range(1..most))
        } else {
            End::After(Duration::from_micros(rng.random_range(0..600_000)))
        };
        let script = rng.random();
        let (lines, was_killed) =
            live(&folder.0, script, end).with_context(|| format!("life {life}, {end:?}"))?;
        total.killed = total.killed.saturating_add(u64::from(was_killed));
        total.at_calls = total.at_calls.saturating_add(u64::from(was_killed && matches!(end, End::At(..))));
        acknowledged.extend(lines);
    }
    let seen = check(&folder.0, rng.random()).context("the check")?;
    for line in &acknowledged {
        ensure!(seen.iter().any(|seen| seen == line), "acknowledged and lost: {line}");
    }
    let count = |lines: &[String]| u64::try_from(lines.len()).unwrap_or(u64::MAX);
    total.acknowledged = total.acknowledged.saturating_add(count(&acknowledged));
    total.checked = total.checked.saturating_add(count(&seen));
    std::fs::remove_dir_all(&folder.0)?;
    Ok(())
}

/// One life: what it acknowledged, and whether it was killed.
fn live(folder: &Path, script: u64, end: End) -> anyhow::Result<(Vec<String>, bool)> {
    let program = std::env::current_exe()?;
    let mut command = match end {
        End::After(_) => Command::new(&program),
        End::At(call, when) => {
            let mut strace = Command::new("strace");
            strace.args(["-f", "-qq", "-o", "/dev/null", "-e"]).arg(format!("trace={call}"));
            strace.arg("-e").arg(format!("inject={call}:signal=SIGKILL:when={when}")).arg(&program);
            strace
        }
    };
    let mut child = start(&mut command, folder, script)?;
    let output = child.stdout.take().context("a pipe")?;
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        // A line that was cut short by the kill has no end mark.
        lines
            .filter_map(|line| Some(line.strip_prefix("ok ")?.strip_suffix(" .")?.to_owned()))
            .collect::<Vec<_>>()
    });
    if let End::After(time) = end {
        std::thread::sleep(time);
        child.kill()?;
    }
    let status = child.wait()?;
    let lines = reader.join().map_err(|_| anyhow::anyhow!("the reader of the pipe panicked"))?;
    if let Some(code) = status.code().filter(|code| *code != 0 && *code != 137) {
        bail!("the program failed by itself with {code}");
    }
    Ok((lines, !status.success()))
}

/// The last life: everything that is stored, in the words of the acknowledgements.
fn check(folder: &Path, script: u64) -> anyhow::Result<Vec<String>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["kill", "mls-life", "--check", &format!("--seed={script}"), "--folder"]).arg(folder);
    let output = command.env("RUST_BACKTRACE", "0").stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "it failed");
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .lines()
        .filter_map(|line| Some(line.strip_prefix("ok ")?.strip_suffix(" .")?.to_owned()))
        .collect())
}

fn start(command: &mut Command, folder: &Path, script: u64) -> anyhow::Result<Child> {
    command.args(["kill", "mls-life", &format!("--seed={script}"), "--folder"]).arg(folder);
    // What it says of an error is enough; where in the code it stood is found by repeating the round.
    Ok(command.env("RUST_BACKTRACE", "0").stdout(Stdio::piped()).stdin(Stdio::null()).spawn()?)
}
