//! What only the inside can bring about: later formats, crashes between two lines, disks that fail.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use super::key::DatabaseKey;
use super::rekey::{self, Point};
use super::testing::Seeded;
use super::writer::{Request, Writer};
use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("coterie-store-unit-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn store(&self) -> PathBuf {
        self.0.join("store.db")
    }

    fn image(&self) -> Self {
        let image = Self::new();
        for entry in fs::read_dir(&self.0).unwrap().map(Result::unwrap) {
            if entry.path().extension().is_none_or(|extension| extension != "lock") {
                fs::copy(entry.path(), image.0.join(entry.file_name())).unwrap();
            }
        }
        image
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn options() -> Options {
    Options { argon2: Argon2Parameters::DANGER_WEAK, idle_checkpoint: None, ..Options::default() }
}

fn key(passphrase: &str) -> Key {
    Key::passphrase(passphrase.as_bytes()).unwrap()
}

fn writer(path: &Path) -> Writer {
    open::open(path, &key("old"), &Seeded::new(1), &options()).unwrap()
}

fn store(path: &Path, passphrase: &str) -> Result<SqlStore, StoreError> {
    SqlStore::open(path, &key(passphrase), &Seeded::new(2), &options())
}

fn step(key: &[u8], value: &[u8]) -> Step {
    let mut step = Step::new();
    step.put(Space::Application, key, value.to_vec()).unwrap();
    step
}

/// Lets the writer work off `steps` as if they had all been waiting, then close.
fn commit_together(writer: Writer, steps: Vec<Step>) -> (Vec<Result<(), StoreError>>, Arc<Counters>) {
    let (requests, queue) = sync_channel(100);
    let answers: Vec<Receiver<_>> = steps
        .into_iter()
        .map(|step| {
            let (reply, answer) = sync_channel(1);
            requests.send(Request::Commit(step, reply)).unwrap();
            answer
        })
        .collect();
    drop(requests);
    let counters = Arc::clone(&writer.counters);
    writer.run(&queue);
    (answers.into_iter().map(|answer| answer.recv().unwrap()).collect(), counters)
}

#[test]
fn a_database_of_a_later_format_is_refused_and_left_as_it_was() {
    let folder = Folder::new();
    let writer = writer(&folder.store());
    writer.connection().unwrap().execute_batch("PRAGMA user_version = 7").unwrap();
    commit_together(writer, vec![]);
    let before = fs::read(folder.store()).unwrap();
    let refusal = store(&folder.store(), "old").unwrap_err();
    assert_eq!(refusal, StoreError::Newer { found: 7, supported: schema::VERSION });
    assert_eq!(fs::read(folder.store()).unwrap(), before);
}

#[test]
fn steps_that_wait_together_share_one_transaction_and_one_that_fails_fails_alone() {
    let folder = Folder::new();
    let writer = writer(&folder.store());
    writer
        .connection()
        .unwrap()
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON entries WHEN NEW.key = x'62'
             BEGIN SELECT RAISE(ABORT, 'refused'); END;",
        )
        .unwrap();
    let mut half = step(b"a2", b"lost with the rest of its step");
    half.put(Space::Application, b"b", vec![]).unwrap();
    let (answers, counters) = commit_together(writer, vec![step(b"a", b"1"), half, step(b"c", b"3")]);
    assert!(matches!(answers[..], [Ok(()), Err(StoreError::Internal(_)), Ok(())]), "{answers:?}");
    assert_eq!(counters.transactions.load(Ordering::Relaxed), 1);
    assert_eq!(counters.steps.load(Ordering::Relaxed), 2);
    let store = store(&folder.store(), "old").unwrap();
    let keys: Vec<_> =
        store.scan(Space::Application, b"", 9).unwrap().into_iter().map(|entry| entry.0).collect();
    assert_eq!(keys, [b"a", b"c"]);
}

#[test]
fn after_an_io_error_nothing_is_written_until_the_store_is_opened_again_and_reads_go_on() {
    let folder = Folder::new();
    let mut writer = writer(&folder.store());
    entries::apply(writer.connection().unwrap(), &step(b"a", b"1")).unwrap();
    writer.judge(&StoreError::Io(std::io::ErrorKind::Other));
    let readers = Arc::clone(&writer.readers);
    let read = readers.read(|connection| entries::get(connection, Space::Application, b"a"));
    assert_eq!(read, Ok(Some(b"1".to_vec())));
    let refused = rekey::reencrypt(
        &mut writer,
        &Seal::new(&key("new"), options().argon2, &Seeded::new(3)).unwrap(),
        DatabaseKey::generate(&Seeded::new(3)).unwrap(),
        &mut |_| (),
    );
    assert_eq!(refused, Err(StoreError::Stopped));
    let (answers, _) = commit_together(writer, vec![step(b"b", b"2")]);
    assert_eq!(answers, [Err(StoreError::Stopped)]);

    let store = store(&folder.store(), "old").unwrap();
    assert_eq!(store.get(Space::Application, b"a"), Ok(Some(b"1".to_vec())));
    store.commit(step(b"b", b"2")).unwrap();
}

#[test]
fn a_crash_at_any_point_of_a_re_encryption_leaves_a_whole_store_that_one_key_opens() {
    let folder = Folder::new();
    let mut writer = writer(&folder.store());
    for number in 0..40_u8 {
        entries::apply(writer.connection().unwrap(), &step(&[number], &[number; 2000])).unwrap();
    }
    let entropy = Seeded::new(4);
    let seal = Seal::new(&key("new"), options().argon2, &entropy).unwrap();
    let fresh = DatabaseKey::generate(&entropy).unwrap();
    let mut images = vec![];
    rekey::reencrypt(&mut writer, &seal, fresh, &mut |point| images.push((point, folder.image()))).unwrap();
    commit_together(writer, vec![step(b"after", b"1")]);
    assert_eq!(images.len(), 5);

    for (point, image) in images {
        let (right, wrong) =
            if matches!(point, Point::Copied | Point::Quiet) { ("old", "new") } else { ("new", "old") };
        assert_eq!(store(&image.store(), wrong).unwrap_err(), StoreError::WrongKey, "{point:?}");
        // Twice: the first opening completes or undoes what it finds.
        for _ in 0..2 {
            let store = store(&image.store(), right).unwrap();
            store.verify().unwrap();
            assert_eq!(store.scan(Space::Application, b"", 99).unwrap().len(), 40, "{point:?}");
        }
        assert!(!image.0.join("store.db.new").exists());
        let file = fs::read(image.0.join("store.db.key")).unwrap();
        assert_eq!(file[10], key_file::State::Ready as u8, "{point:?}");
    }
    let store = store(&folder.store(), "new").unwrap();
    assert_eq!(store.scan(Space::Application, b"", 99).unwrap().len(), 41);
}

#[test]
fn a_store_whose_creation_was_interrupted_is_made_anew() {
    let entropy = Seeded::new(5);
    let database_key = DatabaseKey::generate(&entropy).unwrap();
    let seal = Seal::new(&key("forgotten"), options().argon2, &entropy).unwrap();
    let creating = seal.under_way(key_file::State::Creating, &[&database_key]).unwrap();
    for database in [None, Some(&b""[..]), Some(&[7; 5000])] {
        let folder = Folder::new();
        fs::write(folder.0.join("store.db.key"), &creating).unwrap();
        if let Some(bytes) = database {
            fs::write(folder.store(), bytes).unwrap();
        }
        store(&folder.store(), "old").unwrap().commit(step(b"a", b"1")).unwrap();
        let store = store(&folder.store(), "old").unwrap();
        assert_eq!(store.get(Space::Application, b"a"), Ok(Some(b"1".to_vec())));
    }
}

#[test]
fn an_answer_that_nobody_waits_for_does_not_end_the_writer() {
    let folder = Folder::new();
    let store = store(&folder.store(), "old").unwrap();
    let (reply, answer) = sync_channel(1);
    drop(answer);
    // Nobody hears the answer: that must not end the writer.
    store.requests.send(Request::Checkpoint(reply)).unwrap();
    store.commit(step(b"a", b"1")).unwrap();
}
