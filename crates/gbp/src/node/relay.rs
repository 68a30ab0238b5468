//! The sealed frames of transitions, kept to lead members on that missed them.
//!
//! Only a member of the epoch that a frame was sealed in can read it, and nobody can seal it anew once that epoch is
//! over. So everybody keeps the bytes; whoever is behind gets them from anybody, authenticated as on the first day.

use std::collections::{BTreeMap, VecDeque};

use coterie_types::{MemberId, TransitionId};
use coterie_wire::control::{ControlMessage, Opcode};

use super::limits::{MAX_RELAY_BYTES, MAX_RELAY_SMALL, MAX_SETTLED};

/// A joiner that waits has an EXECUTE of its own.
type Key = (Opcode, MemberId, bool);

/// Frames of the transition under way and of the last that came into effect. The caller stores it beside the node.
#[derive(Clone, Debug, Default)]
pub struct RelayLog {
    current: BTreeMap<Key, (TransitionId, Vec<u8>)>,
    settled: VecDeque<(TransitionId, Vec<Vec<u8>>)>,
}

impl RelayLog {
    /// Keeps the frame of a message that the node sent or accepted, if it is one that leads through a transition. Of each
    /// member the latest of each kind is kept, so that nobody can fill it. It must be kept before the outputs of that
    /// message are carried out: they may end the epoch. `ahead` says that it was sealed for the epoch after its header's.
    pub fn keep(&mut self, sender: MemberId, message: &ControlMessage, ahead: bool, frame: &[u8]) {
        let small =
            matches!(message.opcode(), Opcode::Ready | Opcode::Execute) && frame.len() <= MAX_RELAY_SMALL;
        if small || message.opcode() == Opcode::Prepare {
            self.current.insert((message.opcode(), sender, ahead), (message.transition, frame.to_vec()));
            self.trim();
        }
    }

    /// The epoch ended by `transition`.
    pub fn settle(&mut self, transition: TransitionId) {
        let frames = self.of_current(transition);
        self.current.clear();
        self.settled.push_back((transition, frames));
        self.trim();
    }

    /// The frames of a transition, in the order in which they lead through it.
    #[must_use]
    pub fn frames(&self, transition: TransitionId) -> Vec<Vec<u8>> {
        let settled = self.settled.iter().find(|(of, _)| *of == transition);
        settled.map_or_else(|| self.of_current(transition), |(_, frames)| frames.clone())
    }

    fn of_current(&self, transition: TransitionId) -> Vec<Vec<u8>> {
        let of = self.current.values().filter(|(of, _)| *of == transition);
        of.map(|(_, frame)| frame.clone()).collect()
    }

    fn bytes(&self) -> usize {
        let settled = self.settled.iter().flat_map(|(_, frames)| frames);
        settled.chain(self.current.values().map(|(_, frame)| frame)).map(Vec::len).sum()
    }

    fn trim(&mut self) {
        while self.settled.len() > MAX_SETTLED || (self.bytes() > MAX_RELAY_BYTES && !self.settled.is_empty())
        {
            self.settled.pop_front();
        }
    }
}
