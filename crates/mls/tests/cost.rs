//! What a durable step costs. Measures, so run it alone and in a release build:
//! `cargo test --release -p coterie-mls --test cost -- --ignored --nocapture`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test program fails by panicking"
)]

mod common;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{device, key_package};
use coterie_mls::{Changes, Device, DeviceOptions, Group, GroupOptions, Suite};
use coterie_store::{Key, MemoryStore, Options, SqlStore, Store};
use coterie_testkit::{FaultyStore, Seed, T0};

const SUITE: Suite = Suite::X25519Aes128;

/// Messages in a large step.
const MANY: usize = 64;

/// Past epochs that are retained, with everybody having sent in each.
const PAST: usize = coterie_mls::limits::MAX_PAST_EPOCHS;

/// Large steps that are measured, and how often a small one is.
const STEPS: usize = 12;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Volatile,
    Memory,
    Disk,
}

const KINDS: [Kind; 3] = [Kind::Volatile, Kind::Memory, Kind::Disk];

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn store(kind: Kind, folder: &Folder) -> Arc<dyn Store> {
    match kind {
        Kind::Volatile => Arc::new(MemoryStore::new()),
        Kind::Memory => Arc::new(FaultyStore::over(MemoryStore::new())),
        Kind::Disk => {
            let path = folder.0.join("store.db");
            let entropy = Seed::quiet(1).entropy(9);
            Arc::new(SqlStore::open(path, &Key::raw(&[7; 32]), &entropy, &Options::default()).unwrap())
        }
    }
}

/// A group of which one member on a store of each kind is measured, and the others.
struct Scene {
    measured: Vec<Group>,
    others: Vec<Group>,
    _folder: Folder,
}

/// A group of `size` in which everybody has sent.
fn scene(size: usize, kinds: &[Kind]) -> Scene {
    let folder = Folder(std::env::temp_dir().join(format!("coterie-mls-cost-{}-{size}", std::process::id())));
    let _ = std::fs::remove_dir_all(&folder.0);
    std::fs::create_dir_all(&folder.0).unwrap();
    let seed = Seed::quiet(size as u64);
    let own = kinds.iter().zip(1..).map(|(kind, stream)| {
        let options = DeviceOptions { identity: format!("measured-{stream}").into(), suite: SUITE };
        Device::create(options, store(*kind, &folder), Arc::new(seed.entropy(stream))).unwrap()
    });
    let own: Vec<Device> = own.collect();
    let founder = device(seed, "founder", SUITE);
    let rest = kinds.len() + 1..size;
    let rest: Vec<Device> = rest.map(|index| device(seed, &format!("member-{index}"), SUITE)).collect();
    let mut group = founder.create_group(GroupOptions::default(), T0).unwrap();
    let packages: Vec<Vec<u8>> = own.iter().chain(&rest).map(key_package).collect();
    let add = group.commit(Changes { add: &packages, ..Default::default() }, T0).unwrap();
    group.merge_pending().unwrap();
    let welcome = add.welcome.unwrap();
    let measured = own.iter().map(|device| device.join(&welcome, None, T0).unwrap()).collect();
    let joined = rest.iter().map(|device| device.join(&welcome, None, T0).unwrap());
    let others = std::iter::once(group).chain(joined).collect();
    let mut scene = Scene { measured, others, _folder: folder };
    scene.everybody_sends();
    scene
}

impl Scene {
    fn everybody_sends(&mut self) {
        let sealed: Vec<_> =
            self.others.iter_mut().map(|group| group.encrypt(&[1; 32], b"").unwrap()).collect();
        for measured in &mut self.measured {
            assert!(measured.receive_all(&sealed, T0).unwrap().iter().all(Result::is_ok));
            measured.encrypt(&[1; 32], b"").unwrap();
        }
    }

    /// An epoch ends, and everybody sends in the next.
    fn next_epoch(&mut self) {
        let update = self.others[0].commit(Changes { update: true, ..Default::default() }, T0).unwrap();
        self.others[0].merge_pending().unwrap();
        self.others[1..].iter_mut().chain(&mut self.measured).for_each(|group| {
            group.receive(&update.commit, T0).unwrap();
        });
        self.everybody_sends();
    }

    /// `count` messages, each of another sender as long as there are any, scattered over the tree.
    fn messages(&mut self, count: usize) -> Vec<Vec<u8>> {
        let members = self.others.len();
        (0..count).map(|index| self.others[(index * 619) % members].encrypt(&[2; 32], b"").unwrap()).collect()
    }
}

/// Bytes that this process wrote to files, where the system says so.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    io.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok()).unwrap_or(0)
}

/// Nanoseconds that all threads of this process were running, which other programs' load does not change. Zero where
/// the system does not say.
fn running() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let times = tasks.map(|task| std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default());
    times.filter_map(|times| times.split(' ').next()?.parse::<u64>().ok()).sum()
}

/// What a step takes: the median of its time, its processor time on average, and the bytes that it writes.
struct Cost {
    time: Duration,
    processor: Duration,
    bytes: u64,
}

fn steps(count: usize, mut step: impl FnMut(usize)) -> Cost {
    let (written_before, running_before) = (written(), running());
    let mut times: Vec<Duration> = (0..count)
        .map(|index| {
            let start = Instant::now();
            step(index);
            start.elapsed()
        })
        .collect();
    let processor = Duration::from_nanos((running() - running_before) / count as u64);
    times.sort_unstable();
    Cost { time: times[count / 2], processor, bytes: (written() - written_before) / count as u64 }
}

fn row(what: &str, cost: &Cost, messages: usize) {
    let each = |time: Duration| time.as_secs_f64() * 1e6 / messages as f64;
    println!("| {what} | {:.1} | {:.1} | {} |", each(cost.time), each(cost.processor), cost.bytes);
}

fn measure(scene: &mut Scene, size: usize, kinds: &[Kind], past: usize) {
    let small = scene.messages(STEPS * MANY / 4);
    let large = scene.messages(STEPS * MANY);
    let texts = vec![[3; 32]; MANY];
    for (measured, kind) in scene.measured.iter_mut().zip(kinds) {
        let name = |what: &str| format!("{what}, n = {size}, {past} past epochs, {kind:?}");
        let received = steps(small.len(), |index| drop(measured.receive(&small[index], T0).unwrap()));
        row(&name("receive 1"), &received, 1);
        let received = steps(STEPS, |index| {
            let batch = &large[index * MANY..(index + 1) * MANY];
            assert!(measured.receive_all(batch, T0).unwrap().iter().all(Result::is_ok));
        });
        row(&name("receive 64"), &received, MANY);
        let sealed = steps(STEPS * MANY / 4, |_| drop(measured.encrypt(&[3; 32], b"").unwrap()));
        row(&name("encrypt 1"), &sealed, 1);
        let sealed = steps(STEPS, |_| drop(measured.encrypt_all(&texts, b"").unwrap()));
        row(&name("encrypt 64"), &sealed, MANY);
    }
}

#[test]
#[ignore = "measures; run it alone, in a release build"]
fn a_message() {
    println!("| what | µs each | µs of processor each | bytes written per step |\n|---|---|---|---|");
    let sizes = std::env::var("SIZES").unwrap_or("2,10,100,1000".to_owned());
    for size in sizes.split(',').map(|size| size.parse().unwrap()) {
        // In a group of two there is room for one at a time.
        let kinds: Vec<&[Kind]> = if size > KINDS.len() { vec![&KINDS] } else { KINDS.chunks(1).collect() };
        for kinds in kinds {
            let mut scene = scene(size, kinds);
            measure(&mut scene, size, kinds, 0);
            (0..PAST).for_each(|_| scene.next_epoch());
            measure(&mut scene, size, kinds, PAST);
        }
    }
}

#[test]
#[ignore = "measures; run it alone, in a release build"]
fn catching_up_with_ten_thousand_messages() {
    const COUNT: usize = 10_000;
    let mut baseline = scene(10, &[Kind::Volatile]);
    let sealed = baseline.messages(COUNT);
    let start = Instant::now();
    sealed.iter().for_each(|message| drop(baseline.measured[0].receive(message, T0).unwrap()));
    let in_memory = start.elapsed().as_secs_f64();
    println!("in memory, one by one: {:.0} messages a second", COUNT as f64 / in_memory);
    for batch in [1, 16, MANY, 256] {
        let mut scene = scene(10, &[Kind::Disk]);
        let sealed = scene.messages(COUNT);
        let start = Instant::now();
        for (number, messages) in sealed.chunks(batch).enumerate() {
            let first = number * batch;
            let received = scene.measured[0].receive_all_with(messages, T0, |index, received, rows| {
                let number = (first + index).to_be_bytes();
                if let Ok(coterie_mls::Received::Message { plaintext, .. }) = received {
                    rows.put(&[b"history/", &number[..]].concat(), plaintext.clone())?;
                }
                rows.put(b"cursor", number.to_vec())
            });
            assert!(received.unwrap().iter().all(Result::is_ok));
        }
        let durable = start.elapsed().as_secs_f64();
        println!(
            "on disk with history and cursor, {batch} a step: {:.0} a second, {:.2} of the rate in memory",
            COUNT as f64 / durable,
            in_memory / durable
        );
    }
}
