//! Members on either side, and the groups that they are in.

mod ours;
mod theirs;

use std::time::{SystemTime, UNIX_EPOCH};

use coterie_types::Timestamp;
use coterie_wire::Codec;
use coterie_wire::control::Opcode;

pub(crate) use ours::Ours;
pub(crate) use theirs::Theirs;

/// What a node said about a frame, in the same words for both sides.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Heard {
    /// Kinds of the events, in their order.
    pub(crate) kinds: Vec<String>,
    /// Numbers of the errors.
    pub(crate) errors: Vec<u64>,
    /// Payloads, each with its codec and stream.
    pub(crate) payloads: Vec<(Vec<u8>, u64, u64)>,
}

/// A member on either side.
pub(crate) trait Member {
    fn key_package(&mut self) -> anyhow::Result<Vec<u8>>;
    fn invite_first(&mut self, key_package: &[u8]) -> anyhow::Result<Vec<u8>>;
    fn invite(&mut self, key_package: &[u8]) -> anyhow::Result<(Vec<u8>, Vec<u8>)>;
    fn remove(&mut self, leaf: u32) -> anyhow::Result<Vec<u8>>;
    fn process(&mut self, commit: &[u8]) -> anyhow::Result<()>;
    fn finalize(&mut self) -> anyhow::Result<()>;
    fn clear(&mut self) -> anyhow::Result<()>;
    fn join(&mut self, welcome: &[u8]) -> anyhow::Result<()>;
    fn start(&mut self, number: u32, epoch: u64, expected: u32) -> anyhow::Result<()>;
    fn apply(&mut self, transition: u32) -> anyhow::Result<()>;
    fn control(&mut self, opcode: Opcode, transition: u32, arguments: &[u8]) -> anyhow::Result<Vec<u8>>;
    fn say(&mut self, id: u64, text: &str, codec: Codec) -> anyhow::Result<Vec<u8>>;
    /// A frame of audio, and a signal with arguments.
    fn audio_and_signal(&mut self, codec: Codec) -> anyhow::Result<[Vec<u8>; 2]>;
    fn receive(&mut self, wire: &[u8]) -> anyhow::Result<Heard>;
    /// MLS epoch, node epoch, last transition, state.
    fn place(&mut self) -> anyhow::Result<(u64, u64, u64, u64)>;
    fn group(&mut self) -> anyhow::Result<Vec<u8>>;
}

/// The signal that mutes a member, and its arguments for the member 3.
const MUTE: u32 = 200;
const MUTE_THREE: [u8; 3] = [0xa1, 0, 3];

/// The real time: key packages of the package are judged by it.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_secs(since.as_secs())
}
