//! What a scenario is to do; the runner gives it as one JSON argument.

use serde_json::Value;

/// See `suites/` for what the numbers are chosen by.
#[derive(Clone, Copy)]
pub struct Options {
    /// Members of each group.
    pub size: usize,
    /// Groups that are made.
    pub groups: usize,
    /// Joins timed in each group.
    pub joins: usize,
    /// Whether every member has updated its path; else parents are blank.
    #[allow(dead_code, reason = "only openmls's program makes such groups from Rust")]
    pub warm: bool,
    /// Members added one by one, timed, in each group.
    pub adds: usize,
    /// Updates of the founder timed in each group.
    pub updates: usize,
    /// Key packages timed, and groups of one.
    pub singles: u32,
    /// Messages in a batch.
    pub messages: u32,
    /// Batches of messages.
    pub batches: usize,
    /// Bytes of a message.
    pub length: usize,
    /// Whether the bare cipher is ChaCha20-Poly1305; else AES-128-GCM.
    #[allow(dead_code, reason = "only Coterie's program has a bare cipher")]
    pub chacha: bool,
}

impl Options {
    pub fn new(json: &Value) -> Self {
        let number = |name: &str, otherwise: u64| json.get(name).and_then(Value::as_u64).unwrap_or(otherwise);
        Self {
            size: number("size", 2) as usize,
            groups: number("groups", 1) as usize,
            joins: number("joins", 1) as usize,
            warm: json.get("warm").and_then(Value::as_bool).unwrap_or(false),
            adds: number("adds", 1) as usize,
            updates: number("updates", 0) as usize,
            singles: number("singles", 0) as u32,
            messages: number("messages", 0) as u32,
            batches: number("batches", 0) as usize,
            length: number("length", 32) as usize,
            chacha: json.get("chacha").and_then(Value::as_bool).unwrap_or(false),
        }
    }

    /// A smaller round of the same, whose times are thrown away.
    pub fn warm_up(self) -> Self {
        Self {
            size: self.size.min(10),
            joins: self.joins.min(6),
            groups: self.groups.min(2),
            singles: self.singles.min(50),
            messages: self.messages.min(1_000),
            batches: self.batches.min(1),
            ..self
        }
    }
}
