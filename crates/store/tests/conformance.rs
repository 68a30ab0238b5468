//! What every store does, asked of each.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test program fails by panicking"
)]

#[cfg(feature = "sqlcipher")]
mod support;

use coterie_store::limits::{MAX_KEY_LENGTH, MAX_VALUE_LENGTH};
use coterie_store::{Entry, MemoryStore, Space, Step, Store, StoreError};

fn in_memory(test: impl Fn(&dyn Store)) {
    test(&MemoryStore::new());
}

#[cfg(feature = "sqlcipher")]
fn on_disk(test: impl Fn(&dyn Store)) {
    let folder = support::Folder::new();
    test(&support::open(&folder));
}

macro_rules! conformance {
    ($($name:ident)+) => {
        mod memory {
            $(#[test] fn $name() { super::in_memory(super::$name); })+
        }
        #[cfg(feature = "sqlcipher")]
        mod sqlcipher {
            $(#[test] fn $name() { super::on_disk(super::$name); })+
        }
    };
}

conformance! {
    what_was_committed_is_read_back
    a_step_that_is_dropped_leaves_nothing
    spaces_do_not_meet
    a_scan_goes_by_the_bytes_of_keys
    a_prefix_is_deleted_with_all_below_it_and_nothing_beside
    within_a_step_the_last_write_wins
    a_step_reads_its_own_writes_over_the_store
    appending_a_step_is_making_its_writes_afterwards
    a_random_history_reads_like_a_map
    keys_and_values_of_the_longest_kind_fit
    a_key_that_could_not_be_stored_is_not_looked_for
    readers_see_a_step_whole_or_not_at_all
}

fn what_was_committed_is_read_back(store: &dyn Store) {
    assert_eq!(store.get(Space::Group, b"a"), Ok(None));
    commit(store, |step| step.put(Space::Group, b"a", b"1".to_vec()));
    assert_eq!(store.get(Space::Group, b"a"), Ok(Some(b"1".to_vec())));
    commit(store, |step| step.put(Space::Group, b"a", vec![]));
    assert_eq!(store.get(Space::Group, b"a"), Ok(Some(vec![])));
    commit(store, |step| step.delete(Space::Group, b"a"));
    commit(store, |step| step.delete(Space::Group, b"a"));
    assert_eq!(store.get(Space::Group, b"a"), Ok(None));
}

fn a_step_that_is_dropped_leaves_nothing(store: &dyn Store) {
    let mut step = Step::new();
    step.put(Space::Group, b"a", b"1".to_vec()).unwrap();
    drop(step);
    assert_eq!(store.get(Space::Group, b"a"), Ok(None));
    assert_eq!(store.commit(Step::new()), Ok(()));
}

fn spaces_do_not_meet(store: &dyn Store) {
    for space in Space::ALL {
        commit(store, |step| step.put(*space, b"k", vec![space.number()]));
    }
    commit(store, |step| step.delete_prefix(Space::Psk, b""));
    for space in Space::ALL {
        let expected = (*space != Space::Psk).then(|| vec![space.number()]);
        assert_eq!(store.get(*space, b"k"), Ok(expected));
    }
}

fn a_scan_goes_by_the_bytes_of_keys(store: &dyn Store) {
    commit(store, |step| {
        for key in [&[0xff, 0xff][..], &[0xff], b"b", b"a\0", b"a", b"aa", b"ab", &[0], &[0xff, 0xff, 1]] {
            step.put(Space::Group, key, key.to_vec())?;
        }
        step.put(Space::Psk, b"a", vec![])
    });
    assert_eq!(keys(store.scan(Space::Group, b"a", 10)), [&b"a"[..], b"a\0", b"aa", b"ab"]);
    assert_eq!(keys(store.scan(Space::Group, b"a", 2)), [&b"a"[..], b"a\0"]);
    assert_eq!(keys(store.scan_after(Space::Group, b"a", b"a\0", 10)), [&b"aa"[..], b"ab"]);
    assert!(keys(store.scan_after(Space::Group, b"a", b"b", 10)).is_empty());
    assert_eq!(keys(store.scan_after(Space::Group, b"b", b"a", 10)), [b"b"]);
    assert_eq!(keys(store.scan(Space::Group, &[0xff, 0xff], 10)), [&[0xff, 0xff][..], &[0xff, 0xff, 1]]);
    assert_eq!(store.scan(Space::Group, b"", usize::MAX).unwrap().len(), 9);
    assert_eq!(store.scan(Space::Group, b"", 0), Ok(vec![]));
}

fn a_prefix_is_deleted_with_all_below_it_and_nothing_beside(store: &dyn Store) {
    let all = [&[1, 0xff][..], &[1, 0xff, 0], &[1, 0xff, 0xff], &[2], &[1, 0xfe], &[0xff], &[0xff, 0xff]];
    commit(store, |step| all.iter().try_for_each(|key| step.put(Space::Group, key, vec![])));
    commit(store, |step| step.delete_prefix(Space::Group, &[1, 0xff]));
    let left = keys(store.scan(Space::Group, &[], 10));
    assert_eq!(left, [&[1, 0xfe][..], &[2], &[0xff], &[0xff, 0xff]]);
    commit(store, |step| step.delete_prefix(Space::Group, &[0xff]));
    assert_eq!(keys(store.scan(Space::Group, &[], 10)), [&[1, 0xfe][..], &[2]]);
}

fn within_a_step_the_last_write_wins(store: &dyn Store) {
    commit(store, |step| step.put(Space::Group, b"a1", b"old".to_vec()));
    commit(store, |step| {
        step.put(Space::Group, b"a2", b"lost".to_vec())?;
        step.delete_prefix(Space::Group, b"a")?;
        step.put(Space::Group, b"a3", b"first".to_vec())?;
        step.put(Space::Group, b"a3", b"last".to_vec())?;
        step.put(Space::Group, b"b", b"gone".to_vec())?;
        step.delete(Space::Group, b"b")
    });
    let expected = vec![(b"a3".to_vec(), b"last".to_vec())];
    assert_eq!(store.scan(Space::Group, b"", 10), Ok(expected));
}

fn a_step_reads_its_own_writes_over_the_store(store: &dyn Store) {
    commit(store, |step| {
        (0..20_u8).try_for_each(|n| step.put(Space::Group, &[b'k', n], vec![n]))?;
        step.put(Space::Group, b"x", vec![])
    });
    let mut step = Step::new();
    (5..10).for_each(|n| step.delete(Space::Group, &[b'k', n]).unwrap());
    step.put(Space::Group, &[b'k', 3], b"new".to_vec()).unwrap();
    step.put(Space::Group, &[b'k', 7], b"again".to_vec()).unwrap();
    step.delete_prefix(Space::Group, b"x").unwrap();
    step.put(Space::Group, b"xy", b"kept".to_vec()).unwrap();

    assert_eq!(step.get(store, Space::Group, &[b'k', 3]), Ok(Some(b"new".to_vec())));
    assert_eq!(step.get(store, Space::Group, &[b'k', 5]), Ok(None));
    assert_eq!(step.get(store, Space::Group, &[b'k', 4]), Ok(Some(vec![4])));
    assert_eq!(step.get(store, Space::Group, b"x"), Ok(None));
    assert_eq!(step.scan(store, Space::Group, b"x", 5), Ok(vec![(b"xy".to_vec(), b"kept".to_vec())]));
    let whole = step.scan(store, Space::Group, b"", usize::MAX).unwrap();
    for limit in 0..20 {
        assert_eq!(step.scan(store, Space::Group, b"", limit).unwrap(), whole[..limit.min(whole.len())]);
        let after = step.scan_after(store, Space::Group, b"", &whole[3].0, limit).unwrap();
        assert_eq!(after, whole[4..(4 + limit).min(whole.len())]);
    }
    store.commit(step).unwrap();
    assert_eq!(store.scan(Space::Group, b"", usize::MAX).unwrap(), whole);
}

fn appending_a_step_is_making_its_writes_afterwards(store: &dyn Store) {
    commit(store, |step| step.put(Space::Group, b"a", vec![1]));
    let mut later = Step::new();
    later.delete_prefix(Space::Group, b"a").unwrap();
    later.put(Space::Group, b"b", vec![2]).unwrap();
    commit(store, |step| {
        step.put(Space::Group, b"ab", vec![3])?;
        step.put(Space::Group, b"c", vec![4])?;
        step.append(later)
    });
    let expected = vec![(b"b".to_vec(), vec![2]), (b"c".to_vec(), vec![4])];
    assert_eq!(store.scan(Space::Group, b"", 9), Ok(expected));
}

fn keys_and_values_of_the_longest_kind_fit(store: &dyn Store) {
    let key = vec![0xab; MAX_KEY_LENGTH];
    commit(store, |step| step.put(Space::Group, &key, vec![7; MAX_VALUE_LENGTH]));
    assert_eq!(store.get(Space::Group, &key).unwrap().map(|value| value.len()), Some(MAX_VALUE_LENGTH));
    commit(store, |step| step.put(Space::Group, &key, vec![8; 3_000_000]));
    assert_eq!(store.get(Space::Group, &key), Ok(Some(vec![8; 3_000_000])));
    assert_eq!(store.scan(Space::Group, b"", 5).unwrap()[0].0, key);
}

fn a_key_that_could_not_be_stored_is_not_looked_for(store: &dyn Store) {
    assert!(matches!(store.get(Space::Group, b""), Err(StoreError::InvalidArgument(_))));
    let long = vec![0; MAX_KEY_LENGTH + 1];
    assert!(matches!(store.get(Space::Group, &long), Err(StoreError::InvalidArgument(_))));
}

fn readers_see_a_step_whole_or_not_at_all(store: &dyn Store) {
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..200_u32 {
                commit(store, |step| {
                    (0..4_u8).try_for_each(|n| step.put(Space::Group, &[n], round.to_be_bytes().to_vec()))
                });
            }
        });
        while !writer.is_finished() {
            let seen = store.scan(Space::Group, b"", 10).unwrap();
            assert!(seen.windows(2).all(|pair| pair[0].1 == pair[1].1), "a torn step was read");
            assert!(seen.is_empty() || seen.len() == 4);
        }
    });
}

fn a_random_history_reads_like_a_map(store: &dyn Store) {
    let mut model = std::collections::BTreeMap::new();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |end: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % end).unwrap()
    };
    for _ in 0..150 {
        let mut step = Step::new();
        for _ in 0..below(12) {
            let key = vec![b'a' + below(3) as u8; 1 + below(4)];
            match below(6) {
                0 => {
                    step.delete_prefix(Space::Group, &key).unwrap();
                    model.retain(|stored: &Vec<u8>, _| !stored.starts_with(&key));
                }
                1 => {
                    step.delete(Space::Group, &key).unwrap();
                    model.remove(&key);
                }
                _ => {
                    let value = vec![below(256) as u8; below(9_000)];
                    step.put(Space::Group, &key, value.clone()).unwrap();
                    model.insert(key, value);
                }
            }
        }
        let expected: Vec<Entry> = model.clone().into_iter().collect();
        assert_eq!(step.scan(store, Space::Group, b"", 100).unwrap(), expected);
        store.commit(step).unwrap();
        assert_eq!(store.scan(Space::Group, b"", 100).unwrap(), expected);
    }
}

fn commit(store: &dyn Store, fill: impl FnOnce(&mut Step) -> Result<(), StoreError>) {
    let mut step = Step::new();
    fill(&mut step).unwrap();
    store.commit(step).unwrap();
}

fn keys(entries: Result<Vec<Entry>, StoreError>) -> Vec<Vec<u8>> {
    entries.unwrap().into_iter().map(|(key, _)| key).collect()
}
