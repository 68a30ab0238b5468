//! One protocol step: writes that are stored together or not at all.
//!
//! Reading through a step shows the store as it will be once the step is committed, so that code in the
//! middle of a step sees its own writes. Values are wiped when the step is dropped, committed or not.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use zeroize::Zeroizing;

use crate::limits::{MAX_KEY_LENGTH, MAX_STEP_BYTES, MAX_STEP_WRITES, MAX_VALUE_LENGTH};
use crate::{Entry, Space, Store, StoreError};

/// A value that is wiped when dropped.
pub(crate) type Secret = Zeroizing<Vec<u8>>;

/// Every key of a space that begins with these bytes.
type Prefix = (Space, Vec<u8>);

/// What one space's keys are to hold; `None` deletes the key.
type Writes = BTreeMap<Vec<u8>, Option<Secret>>;

/// The writes of one step. A later write of a key replaces an earlier one.
#[derive(Default)]
pub struct Step {
    /// Prefixes deleted before any of `writes` applies.
    cleared: Vec<Prefix>,
    writes: BTreeMap<Space, Writes>,
    count: usize,
    bytes: usize,
}

impl Step {
    /// A step that changes nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores `value` under `key`.
    ///
    /// # Errors
    /// [`StoreError::InvalidArgument`] above a bound of [`crate::limits`]; the step is as it was.
    pub fn put(&mut self, space: Space, key: &[u8], value: Vec<u8>) -> Result<(), StoreError> {
        let value = Zeroizing::new(value);
        check_key(key)?;
        if value.len() > MAX_VALUE_LENGTH {
            return Err(StoreError::InvalidArgument("a value is longer than a store takes"));
        }
        self.write(space, key, Some(value))
    }

    /// Deletes `key`, whether or not it is stored.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn delete(&mut self, space: Space, key: &[u8]) -> Result<(), StoreError> {
        check_key(key)?;
        self.write(space, key, None)
    }

    /// Deletes every key of `space` that begins with `prefix`, including those this step has put; an empty
    /// prefix empties the space.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn delete_prefix(&mut self, space: Space, prefix: &[u8]) -> Result<(), StoreError> {
        if prefix.len() > MAX_KEY_LENGTH {
            return Err(StoreError::InvalidArgument("a prefix is longer than any key"));
        }
        self.forget(space, prefix);
        if self.is_cleared(space, prefix) {
            return Ok(());
        }
        self.grow(prefix.len())?;
        self.cleared.push((space, prefix.to_vec()));
        Ok(())
    }

    /// Takes every write and deletion of `space` back.
    pub fn forget_space(&mut self, space: Space) {
        self.forget(space, b"");
        let lengths = self.cleared.iter().filter(|(cleared, _)| *cleared == space).map(|(_, key)| key.len());
        let (count, bytes) = lengths.fold((0_usize, 0_usize), |(count, bytes), length| {
            (count.saturating_add(1), bytes.saturating_add(length))
        });
        self.cleared.retain(|(cleared, _)| *cleared != space);
        self.count = self.count.saturating_sub(count);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Adds the writes of `later` as if they had been made on this step, after its own.
    ///
    /// # Errors
    /// As [`Self::put`]; the step may then hold some of the other's writes and must not be committed.
    pub fn append(&mut self, later: Self) -> Result<(), StoreError> {
        for (space, prefix) in later.cleared {
            self.delete_prefix(space, &prefix)?;
        }
        for (space, keys) in later.writes {
            for (key, value) in keys {
                self.write(space, &key, value)?;
            }
        }
        Ok(())
    }

    /// The value under `key` as it will be once this step is committed to `store`.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn get(&self, store: &dyn Store, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.writes.get(&space).and_then(|keys| keys.get(key)) {
            Some(value) => Ok(value.as_ref().map(|value| value.to_vec())),
            None if self.is_cleared(space, key) => Ok(None),
            None => store.get(space, key),
        }
    }

    /// As [`Store::scan`], as it will be once this step is committed to `store`.
    ///
    /// # Errors
    /// As [`Store::scan`].
    pub fn scan(
        &self,
        store: &dyn Store,
        space: Space,
        prefix: &[u8],
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.scan_after(store, space, prefix, &[], limit)
    }

    /// As [`Store::scan_after`], as it will be once this step is committed to `store`.
    ///
    /// # Errors
    /// As [`Store::scan_after`].
    pub fn scan_after(
        &self,
        store: &dyn Store,
        space: Space,
        prefix: &[u8],
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut found = self.unwritten(store, space, prefix, after, limit)?;
        let own = self.writes.get(&space).into_iter().flat_map(|keys| below(keys, prefix, after));
        let puts = own.filter_map(|(key, value)| Some((key.clone(), value.as_ref()?.to_vec())));
        found.extend(puts.take(limit));
        found.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        found.truncate(limit);
        Ok(found)
    }

    /// How many writes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether committing this would change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The prefixes to delete first, and the writes.
    pub(crate) fn into_parts(self) -> (Vec<Prefix>, BTreeMap<Space, Writes>) {
        (self.cleared, self.writes)
    }

    /// The prefixes to delete before [`Self::writes`] apply.
    #[cfg(feature = "sqlcipher")]
    pub(crate) fn cleared(&self) -> impl Iterator<Item = (Space, &[u8])> {
        self.cleared.iter().map(|(space, prefix)| (*space, prefix.as_slice()))
    }

    /// What each key is to hold; `None` deletes it.
    #[cfg(feature = "sqlcipher")]
    pub(crate) fn writes(&self) -> impl Iterator<Item = (Space, &[u8], Option<&Secret>)> {
        self.writes.iter().flat_map(|(space, keys)| {
            keys.iter().map(|(key, value)| (*space, key.as_slice(), value.as_ref()))
        })
    }

    /// Key and value bytes held.
    #[cfg(feature = "sqlcipher")]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Entries of the store that this step neither wrote nor deleted.
    fn unwritten(
        &self,
        store: &dyn Store,
        space: Space,
        prefix: &[u8],
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut found = Vec::new();
        let mut cursor = after.to_vec();
        while found.len() < limit && !self.is_cleared(space, prefix) {
            let page = store.scan_after(space, prefix, &cursor, limit)?;
            let whole = page.len() == limit;
            match page.last() {
                Some((last, _)) => cursor.clone_from(last),
                None => break,
            }
            found.extend(page.into_iter().filter(|(key, _)| !self.touches(space, key)));
            if !whole {
                break;
            }
        }
        Ok(found)
    }

    fn touches(&self, space: Space, key: &[u8]) -> bool {
        self.is_cleared(space, key) || self.writes.get(&space).is_some_and(|keys| keys.contains_key(key))
    }

    fn is_cleared(&self, space: Space, key: &[u8]) -> bool {
        self.cleared.iter().any(|(cleared, prefix)| *cleared == space && key.starts_with(prefix))
    }

    fn write(&mut self, space: Space, key: &[u8], value: Option<Secret>) -> Result<(), StoreError> {
        let keys = self.writes.entry(space).or_default();
        let before = keys.get(key).map(|old| size(key, old.as_ref()));
        let size = size(key, value.as_ref());
        let bytes = self.bytes.saturating_sub(before.unwrap_or(0)).saturating_add(size);
        let count = self.count.saturating_add(usize::from(before.is_none()));
        check_bounds(count, bytes)?;
        keys.insert(key.to_vec(), value);
        (self.count, self.bytes) = (count, bytes);
        Ok(())
    }

    fn grow(&mut self, bytes: usize) -> Result<(), StoreError> {
        let (count, bytes) = (self.count.saturating_add(1), self.bytes.saturating_add(bytes));
        check_bounds(count, bytes)?;
        (self.count, self.bytes) = (count, bytes);
        Ok(())
    }

    /// Drops this step's own writes under `prefix`: what deletes them makes them pointless.
    fn forget(&mut self, space: Space, prefix: &[u8]) {
        let Some(keys) = self.writes.get_mut(&space) else { return };
        let gone: Vec<Vec<u8>> = below(keys, prefix, &[]).map(|(key, _)| key.clone()).collect();
        for key in gone {
            if let Some(value) = keys.remove(&key) {
                self.count = self.count.saturating_sub(1);
                self.bytes = self.bytes.saturating_sub(size(&key, value.as_ref()));
            }
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("writes", &self.count).finish_non_exhaustive()
    }
}

/// The entries of `keys` that begin with `prefix` and are greater than `after`.
pub(crate) fn below<'a, V>(
    keys: &'a BTreeMap<Vec<u8>, V>,
    prefix: &'a [u8],
    after: &'a [u8],
) -> impl Iterator<Item = (&'a Vec<u8>, &'a V)> {
    let start = if after < prefix { Bound::Included(prefix) } else { Bound::Excluded(after) };
    keys.range::<[u8], _>((start, Bound::Unbounded)).take_while(move |(key, _)| key.starts_with(prefix))
}

/// Refuses a key that no store takes.
pub(crate) fn check_key(key: &[u8]) -> Result<(), StoreError> {
    match key.len() {
        0 => Err(StoreError::InvalidArgument("a key has at least one byte")),
        1..=MAX_KEY_LENGTH => Ok(()),
        _ => Err(StoreError::InvalidArgument("a key is longer than a store takes")),
    }
}

fn check_bounds(count: usize, bytes: usize) -> Result<(), StoreError> {
    if count > MAX_STEP_WRITES || bytes > MAX_STEP_BYTES {
        return Err(StoreError::InvalidArgument("a step holds more than a store commits at once"));
    }
    Ok(())
}

fn size(key: &[u8], value: Option<&Secret>) -> usize {
    key.len().saturating_add(value.map_or(0, |value| value.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_refused_and_leaves_the_step_as_it_was() {
        let mut step = Step::new();
        assert!(step.put(Space::Group, &[], vec![]).is_err());
        assert!(step.put(Space::Group, &[0; MAX_KEY_LENGTH + 1], vec![]).is_err());
        assert!(step.put(Space::Group, b"k", vec![0; MAX_VALUE_LENGTH + 1]).is_err());
        assert!(step.delete(Space::Group, &[]).is_err());
        assert!(step.delete_prefix(Space::Group, &[0; MAX_KEY_LENGTH + 1]).is_err());
        assert!(step.is_empty());
        assert!(step.put(Space::Group, &[0; MAX_KEY_LENGTH], vec![]).is_ok());
    }

    #[test]
    fn the_writes_and_bytes_of_a_step_are_bounded_and_replacing_gives_room_back() {
        let mut step = Step::new();
        let quarter = MAX_STEP_BYTES / 4 - 1;
        for key in [b"a", b"b", b"c", b"d"] {
            step.put(Space::Group, key, vec![0; quarter]).unwrap();
        }
        assert!(step.put(Space::Group, b"e", vec![0; 16]).is_err());
        step.put(Space::Group, b"a", vec![1]).unwrap();
        step.put(Space::Group, b"e", vec![0; 16]).unwrap();
        assert_eq!(step.len(), 5);

        let mut step = Step::new();
        for number in 0..MAX_STEP_WRITES {
            step.delete(Space::Group, &number.to_be_bytes()).unwrap();
        }
        assert!(step.delete(Space::Group, b"one more").is_err());
        step.delete_prefix(Space::Group, &[]).unwrap();
        assert_eq!(step.len(), 1);
    }

    #[test]
    fn a_step_never_prints_what_it_holds() {
        let mut step = Step::new();
        step.put(Space::Group, b"name", b"secret".to_vec()).unwrap();
        assert_eq!(format!("{step:?}"), "Step { writes: 1, .. }");
    }

    #[test]
    fn a_space_is_forgotten_with_its_deletions_and_the_others_are_not() {
        let store = crate::MemoryStore::new();
        let mut before = Step::new();
        before.put(Space::Application, b"kept", vec![1]).unwrap();
        store.commit(before).unwrap();
        let mut step = Step::new();
        step.put(Space::Group, b"k", vec![2]).unwrap();
        let (count, bytes) = (step.count, step.bytes);
        step.delete_prefix(Space::Application, b"k").unwrap();
        step.put(Space::Application, b"new", vec![3; 100]).unwrap();
        step.forget_space(Space::Application);
        assert_eq!((step.count, step.bytes), (count, bytes));
        store.commit(step).unwrap();
        assert_eq!(store.get(Space::Application, b"kept"), Ok(Some(vec![1])));
        assert_eq!(store.get(Space::Application, b"new"), Ok(None));
        assert_eq!(store.get(Space::Group, b"k"), Ok(Some(vec![2])));
    }
}
