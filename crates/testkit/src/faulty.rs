//! A store that fails when a test says so.

use std::sync::Mutex;
use std::sync::PoisonError;

use coterie_store::{Entry, Space, Step, Store, StoreError};

/// How a commit fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// No space is left; nothing is stored and the next commit may succeed.
    Full,
    /// Another program holds the file; nothing is stored and the next commit may succeed.
    Busy,
    /// The system failed. Nothing is stored, and nothing more until [`FaultyStore::reopen`].
    IoLost,
    /// The system failed, and yet the step is found stored, at the latest by [`FaultyStore::reopen`].
    IoStored,
}

impl Fault {
    /// Every way to fail.
    pub const ALL: [Self; 4] = [Self::Full, Self::Busy, Self::IoLost, Self::IoStored];

    fn error(self) -> StoreError {
        match self {
            Self::Full => StoreError::Full,
            Self::Busy => StoreError::Busy,
            Self::IoLost | Self::IoStored => StoreError::Io(std::io::ErrorKind::Other),
        }
    }
}

/// A store over another one, which counts commits and can make one of them fail. It never claims to be volatile, so
/// that over a memory store everything is written that a store on disk would be given.
#[derive(Debug, Default)]
pub struct FaultyStore<S> {
    inner: S,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    commits: usize,
    plan: Option<(usize, Fault)>,
    failed: usize,
    stopped: bool,
}

impl<S: Store> FaultyStore<S> {
    /// A store that passes everything on to `inner`.
    pub fn over(inner: S) -> Self {
        Self { inner, state: Mutex::default() }
    }

    /// Makes the commit after the next `count` fail.
    pub fn fail_after(&self, count: usize, fault: Fault) {
        let mut state = self.state();
        state.plan = Some((state.commits.saturating_add(count), fault));
    }

    /// What closing the store and opening it again does: writes are taken once more.
    pub fn reopen(&self) {
        self.state().stopped = false;
    }

    /// How many commits were attempted.
    #[must_use]
    pub fn commits(&self) -> usize {
        self.state().commits
    }

    /// How many of them failed as planned.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.state().failed
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Store> Store for FaultyStore<S> {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(space, key)
    }

    fn scan_after(
        &self,
        space: Space,
        prefix: &[u8],
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.inner.scan_after(space, prefix, after, limit)
    }

    fn restorations(&self) -> u64 {
        self.inner.restorations()
    }

    fn commit(&self, step: Step) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.stopped {
            return Err(StoreError::Stopped);
        }
        let number = state.commits;
        state.commits = number.saturating_add(1);
        match state.plan {
            Some((planned, fault)) if planned == number => {
                state.plan = None;
                state.failed = state.failed.saturating_add(1);
                state.stopped = matches!(fault, Fault::IoLost | Fault::IoStored);
                if fault == Fault::IoStored {
                    self.inner.commit(step)?;
                }
                Err(fault.error())
            }
            _ => self.inner.commit(step),
        }
    }
}

#[cfg(test)]
mod tests {
    use coterie_store::MemoryStore;

    use super::*;

    fn put(store: &dyn Store, value: u8) -> Result<(), StoreError> {
        let mut step = Step::new();
        step.put(Space::Application, b"key", vec![value])?;
        store.commit(step)
    }

    #[test]
    fn the_planned_commit_fails_once_and_as_planned() {
        for fault in Fault::ALL {
            let store = FaultyStore::over(MemoryStore::new());
            store.fail_after(1, fault);
            put(&store, 1).unwrap();
            assert_eq!(put(&store, 2), Err(fault.error()));
            let expected = if fault == Fault::IoStored { 2 } else { 1 };
            assert_eq!(store.get(Space::Application, b"key"), Ok(Some(vec![expected])));
            let next = put(&store, 3);
            assert_eq!(next.is_err(), matches!(fault, Fault::IoLost | Fault::IoStored), "{fault:?}");
            store.reopen();
            put(&store, 4).unwrap();
            assert!(!store.is_volatile());
        }
    }
}
