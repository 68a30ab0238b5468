//! Which counters of one key were seen.
//!
//! Looking changes nothing; recording is for frames that have authenticated. A counter behind the window is refused
//! even if it was never seen, because the two can no longer be told apart. Counters never wrap: whoever holds the key
//! stops at the last one.

use crate::limits::REPLAY_WINDOW;

const WORD: u64 = 64;
const WORDS: usize = (REPLAY_WINDOW / WORD) as usize;

/// The last [`REPLAY_WINDOW`] counters up to the highest that was recorded.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    highest: Option<u64>,
    /// One bit for each counter, at its remainder.
    seen: [u64; WORDS],
}

impl Window {
    pub(crate) const fn new() -> Self {
        Self { highest: None, seen: [0; WORDS] }
    }

    /// Whether a frame with `counter` may still come.
    pub(crate) fn is_open(&self, counter: u64) -> bool {
        let Some(highest) = self.highest else { return true };
        match highest.checked_sub(counter) {
            None => true,
            Some(behind) => behind < REPLAY_WINDOW && !self.is_seen(counter),
        }
    }

    /// Notes that a frame with `counter` came. What is not open stays closed.
    pub(crate) fn record(&mut self, counter: u64) {
        if !self.is_open(counter) {
            return;
        }
        let ahead = self.highest.and_then(|highest| counter.checked_sub(highest));
        match (self.highest, ahead) {
            (None, _) => self.highest = Some(counter),
            (Some(highest), Some(ahead)) => {
                self.forget(highest, ahead);
                self.highest = Some(counter);
            }
            (Some(_), None) => {}
        }
        let (index, bit) = position(counter);
        if let Some(word) = self.seen.get_mut(index) {
            *word |= bit;
        }
    }

    /// Clears the places that the next `count` counters after `highest` take over.
    fn forget(&mut self, highest: u64, count: u64) {
        if count >= REPLAY_WINDOW {
            self.seen = [0; WORDS];
            return;
        }
        for offset in 1..=count {
            let (index, bit) = position(highest.saturating_add(offset));
            if let Some(word) = self.seen.get_mut(index) {
                *word &= !bit;
            }
        }
    }

    fn is_seen(&self, counter: u64) -> bool {
        let (index, bit) = position(counter);
        self.seen.get(index).is_some_and(|word| word & bit != 0)
    }
}

const fn position(counter: u64) -> (usize, u64) {
    let place = counter % REPLAY_WINDOW;
    ((place / WORD) as usize, 1 << (place % WORD))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn after(counters: &[u64]) -> Window {
        let mut window = Window::new();
        counters.iter().for_each(|counter| window.record(*counter));
        window
    }

    #[test]
    fn the_window_of_the_deployed_peers_is_ours() {
        let window = after(&[5_000]);
        assert!(!window.is_open(5_000) && window.is_open(3_977) && !window.is_open(3_976));
        let window = after(&[5_000, 3_977, 6_100]);
        assert!(window.is_open(5_077) && !window.is_open(5_076));
        assert!(after(&[5_000, 1 << 32]).is_open(1 << 62));
    }

    #[test]
    fn the_last_counter_is_taken_and_nothing_comes_after_it() {
        let window = after(&[0, u64::MAX]);
        assert!(!window.is_open(u64::MAX) && window.is_open(u64::MAX - 1023));
        assert!(!window.is_open(0) && !window.is_open(1), "counters do not wrap");
    }

    #[test]
    fn looking_moves_nothing() {
        let window = after(&[10]);
        assert!(window.is_open(1 << 40) && window.is_open(11) && window.is_open(9));
    }

    proptest! {
        #[test]
        fn the_window_answers_as_a_set_of_all_counters_would(
            steps in prop::collection::vec((0_u64..3_000, any::<bool>()), 1..200),
            start in prop::sample::select(vec![0, 1 << 33, u64::MAX - 3_000]),
        ) {
            let (mut window, mut seen) = (Window::new(), BTreeSet::new());
            for (step, near) in steps {
                let counter = start.saturating_add(if near { step % 40 } else { step });
                let open = seen.last().is_none_or(|highest: &u64| {
                    !seen.contains(&counter) && counter.saturating_add(REPLAY_WINDOW) > *highest
                        || counter > *highest
                });
                prop_assert_eq!(window.is_open(counter), open);
                window.record(counter);
                if open {
                    seen.insert(counter);
                }
            }
        }
    }
}
