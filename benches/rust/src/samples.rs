//! Times of operations, gathered into samples long enough for the clock and for a fair share of what comes now and
//! then. `peers/samples.mjs` does the same in JavaScript.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const SAMPLE: Duration = Duration::from_millis(20);

/// Nanoseconds per operation, sample by sample, by the operation's name.
#[derive(Default)]
pub struct Samples {
    open: BTreeMap<&'static str, (Duration, u32)>,
    closed: BTreeMap<&'static str, Vec<f64>>,
}

impl Samples {
    /// Runs `work`, which does `operation` `count` times.
    pub fn time<T>(&mut self, operation: &'static str, count: u32, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let value = work();
        let elapsed = start.elapsed();
        let open = self.open.entry(operation).or_default();
        open.0 += elapsed;
        open.1 += count;
        if open.0 >= SAMPLE {
            self.close(operation);
        }
        value
    }

    /// What was gathered. A last sample that is shorter than half counts only where there is no other.
    pub fn into_json(mut self) -> Value {
        for operation in self.open.keys().copied().collect::<Vec<_>>() {
            let (elapsed, count) = self.open[operation];
            if count > 0 && (elapsed >= SAMPLE / 2 || !self.closed.contains_key(operation)) {
                self.close(operation);
            }
        }
        json!(self.closed)
    }

    fn close(&mut self, operation: &'static str) {
        if let Some((elapsed, count)) = self.open.remove(operation) {
            let each = elapsed.as_nanos() as f64 / f64::from(count);
            self.closed.entry(operation).or_default().push(each);
        }
    }
}
