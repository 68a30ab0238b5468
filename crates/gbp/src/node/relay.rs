//! The sealed frames of transitions, kept to lead members on that missed them.
//!
//! Only a member of the epoch that a frame was sealed in can read it, and nobody can seal it anew once that epoch is
//! over. So everybody keeps the bytes; whoever is behind gets them from anybody, authenticated as on the first day.

use std::collections::{BTreeMap, VecDeque};

use coterie_types::{MemberId, TransitionId};
use coterie_wire::control::{ControlMessage, Opcode};

use super::limits::{MAX_RELAY_BYTES, MAX_RELAY_COMMITS, MAX_RELAY_SMALL, MAX_REMEMBERED, MAX_SETTLED};
use super::roster::{Hash, hash};

/// A joiner that waits has an EXECUTE of its own.
type Key = (Opcode, MemberId, bool);

/// A frame, and what makes another one say the same.
#[derive(Clone, Debug)]
struct Kept {
    transition: TransitionId,
    arguments: Hash,
    frame: Vec<u8>,
}

/// Frames of the transition under way and of the last that came into effect. The caller stores it beside the node.
#[derive(Clone, Debug, Default)]
pub struct RelayLog {
    current: BTreeMap<Key, VecDeque<Kept>>,
    settled: VecDeque<(TransitionId, Vec<Vec<u8>>)>,
}

impl RelayLog {
    /// Keeps the frame of a message that the node sent or accepted, if it is one that leads through a transition. Of each
    /// member the latest few of each kind are kept, so that nobody can fill it. It must be kept before the outputs of that
    /// message are carried out: they may end the epoch. `ahead` says that it was sealed for the epoch after its header's.
    pub fn keep(&mut self, sender: MemberId, message: &ControlMessage, ahead: bool, frame: &[u8]) {
        let small =
            matches!(message.opcode(), Opcode::Ready | Opcode::Execute) && frame.len() <= MAX_RELAY_SMALL;
        if small || message.opcode() == Opcode::Prepare {
            let arguments = hash(message.raw_arguments());
            let kept = Kept { transition: message.transition, arguments, frame: frame.to_vec() };
            let said = self.current.entry((message.opcode(), sender, ahead)).or_default();
            said.retain(|held| (held.transition, held.arguments) != (kept.transition, kept.arguments));
            said.push_back(kept);
            if said.len() > if small { MAX_REMEMBERED } else { MAX_RELAY_COMMITS } {
                said.pop_front();
            }
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

    /// The frames of a transition, in the order in which they lead through it. Members may reach an epoch under different
    /// numbers, so one number may stand for more than one epoch; whoever is led on can open the frames of its own alone.
    #[must_use]
    pub fn frames(&self, transition: TransitionId) -> Vec<Vec<u8>> {
        let settled = self.settled.iter().filter(|(of, _)| *of == transition);
        settled.flat_map(|(_, frames)| frames.iter().cloned()).chain(self.of_current(transition)).collect()
    }

    fn of_current(&self, transition: TransitionId) -> Vec<Vec<u8>> {
        let of = self.current.values().flatten().filter(|kept| kept.transition == transition);
        of.map(|kept| kept.frame.clone()).collect()
    }

    fn bytes(&self) -> usize {
        let settled = self.settled.iter().flat_map(|(_, frames)| frames);
        settled.chain(self.current.values().flatten().map(|kept| &kept.frame)).map(Vec::len).sum()
    }

    fn trim(&mut self) {
        while self.settled.len() > MAX_SETTLED || (self.bytes() > MAX_RELAY_BYTES && !self.settled.is_empty())
        {
            self.settled.pop_front();
        }
    }
}
