//! The sealed frames of transitions, kept to lead members on that missed them.
//!
//! Only a member of the epoch that a frame was sealed in can read it, and nobody can seal it anew once that epoch is
//! over. So everybody keeps the bytes; whoever is behind gets them from anybody, authenticated as on the first day.

use std::collections::{BTreeMap, VecDeque};

use coterie_types::{MemberId, TransitionId};
use coterie_wire::Malformed;
use coterie_wire::cbor::{Reader, Writer};
use coterie_wire::control::{ControlMessage, Opcode};

use super::Refusal;
use super::arguments::Preparation;
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
    /// How many transitions were settled: the place of the next one's row.
    count: u64,
    /// The first place whose row may be stored.
    first: u64,
}

/// What changed of a relay's stored rows. Keys have at most ten bytes, and rows of the transition under way begin with
/// [`RelayRow::CURRENT`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RelayRow {
    /// Its key.
    pub key: Vec<u8>,
    /// Its value; none where the row is to be removed.
    pub value: Option<Vec<u8>>,
}

impl RelayRow {
    /// The first byte of keys of the transition under way.
    pub const CURRENT: u8 = 1;
    /// The first byte of keys of transitions that came into effect.
    const SETTLED: u8 = 2;

    fn current((opcode, sender, ahead): Key, kept: &VecDeque<Kept>) -> Self {
        let mut writer = Writer::default();
        writer.array(kept.len());
        for one in kept {
            writer.array(3).unsigned(one.transition.number()).bytes(&one.arguments).bytes(&one.frame);
        }
        let [high, low] = opcode.number().to_be_bytes();
        let key = [&[Self::CURRENT, high, low, ahead.into()][..], &sender.number().to_be_bytes()].concat();
        Self { key, value: Some(writer.finish()) }
    }

    fn settled_key(place: u64) -> Vec<u8> {
        [&[Self::SETTLED][..], &place.to_be_bytes()].concat()
    }

    fn settled(place: u64, transition: TransitionId, frames: &[Vec<u8>]) -> Self {
        let mut writer = Writer::default();
        writer.unsigned(transition.number()).array(frames.len());
        for frame in frames {
            writer.bytes(frame);
        }
        Self { key: Self::settled_key(place), value: Some(writer.finish()) }
    }
}

impl RelayLog {
    /// What the rows hold, in the order of their keys.
    ///
    /// # Errors
    /// When a row is not one of ours.
    pub fn restore(rows: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> Result<Self, Refusal> {
        let mut log = Self::default();
        for (key, value) in rows {
            log.put(&key, &value).map_err(|_| Refusal::BadState)?;
        }
        log.trim();
        Ok(log)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Malformed> {
        let mut reader = Reader::new(value);
        match *key {
            [RelayRow::CURRENT, high, low, ahead, a, b, c, d] => {
                let number = u16::from_be_bytes([high, low]);
                let opcode = Opcode::from_number(number).ok_or(Malformed::OutOfRange)?;
                let sender = MemberId::new(u32::from_be_bytes([a, b, c, d]));
                self.current.insert((opcode, sender, ahead != 0), read_kept(&mut reader)?);
            }
            [RelayRow::SETTLED, a, b, c, d, e, f, g, h] => {
                let transition = TransitionId::new(reader.unsigned()?);
                let frames = (0..reader.array(value.len())?).map(|_| Ok(reader.bytes()?.to_vec()));
                let frames = frames.collect::<Result<_, Malformed>>()?;
                self.settled.push_back((transition, frames));
                let place = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                self.first = if self.settled.len() == 1 { place } else { self.first };
                self.count = place.saturating_add(1);
            }
            _ => return Err(Malformed::OutOfRange),
        }
        reader.finish()
    }

    /// Keeps the frame of a message that the node sent or accepted, if it is one that leads through a transition. Of each
    /// member the latest few of each kind are kept, so that nobody can fill it. It must be kept before the outputs of that
    /// message are carried out: they may end the epoch. `ahead` says that it was sealed for the epoch after its header's.
    /// Answers the row that holds it.
    pub fn keep(
        &mut self,
        sender: MemberId,
        message: &ControlMessage,
        ahead: bool,
        frame: &[u8],
    ) -> Option<RelayRow> {
        let small =
            matches!(message.opcode(), Opcode::Ready | Opcode::Execute) && frame.len() <= MAX_RELAY_SMALL;
        let asks = message.opcode() == Opcode::Prepare && message.raw_arguments() == Preparation::bid();
        if asks || !small && message.opcode() != Opcode::Prepare {
            return None;
        }
        let arguments = hash(message.raw_arguments());
        let kept = Kept { transition: message.transition, arguments, frame: frame.to_vec() };
        let key = (message.opcode(), sender, ahead);
        let said = self.current.entry(key).or_default();
        said.retain(|held| (held.transition, held.arguments) != (kept.transition, kept.arguments));
        said.push_back(kept);
        if said.len() > if small { MAX_REMEMBERED } else { MAX_RELAY_COMMITS } {
            said.pop_front();
        }
        let row = RelayRow::current(key, said);
        self.trim();
        Some(row)
    }

    /// The epoch ended by `transition`. Answers the rows that changed; all those of the transition under way are gone.
    pub fn settle(&mut self, transition: TransitionId) -> Vec<RelayRow> {
        let frames = self.of_current(transition);
        self.current.clear();
        let mut rows = vec![RelayRow::settled(self.count, transition, &frames)];
        self.settled.push_back((transition, frames));
        self.count = self.count.saturating_add(1);
        self.trim();
        let held = u64::try_from(self.settled.len()).unwrap_or(u64::MAX);
        let oldest = self.count.saturating_sub(held);
        let gone = self.first..oldest;
        rows.extend(gone.map(|place| RelayRow { key: RelayRow::settled_key(place), value: None }));
        self.first = oldest;
        rows
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

fn read_kept(reader: &mut Reader<'_>) -> Result<VecDeque<Kept>, Malformed> {
    let one = |reader: &mut Reader<'_>| {
        if reader.array(3)? != 3 {
            return Err(Malformed::WrongType);
        }
        let transition = TransitionId::new(reader.unsigned()?);
        let arguments = reader.bytes()?.try_into().map_err(|_| Malformed::OutOfRange)?;
        Ok(Kept { transition, arguments, frame: reader.bytes()?.to_vec() })
    };
    (0..reader.array(MAX_REMEMBERED)?).map(|_| one(reader)).collect()
}

#[cfg(test)]
mod tests {
    use coterie_types::RequestId;
    use coterie_wire::control::Arguments;

    use super::*;

    #[test]
    fn what_the_rows_hold_is_the_log() {
        let (mut log, mut rows) = (RelayLog::default(), BTreeMap::new());
        for number in 1..=70_u32 {
            let transition = TransitionId::new(number);
            let member = MemberId::new(number % 3);
            let prepare = Arguments::Prepare(vec![1; 8]);
            let message = ControlMessage::new(member, RequestId::new(1), transition, &prepare).unwrap();
            let row = log.keep(member, &message, false, &number.to_be_bytes()).unwrap();
            rows.insert(row.key, row.value.unwrap());
            if number == 70 {
                break;
            }
            rows.retain(|key: &Vec<u8>, _| key[0] != RelayRow::CURRENT);
            for row in log.settle(transition) {
                match row.value {
                    Some(value) => drop(rows.insert(row.key, value)),
                    None => drop(rows.remove(&row.key).unwrap()),
                }
            }
        }
        let restored = RelayLog::restore(rows.clone()).unwrap();
        assert_eq!(rows.len(), MAX_SETTLED + 1);
        assert_eq!(format!("{restored:?}"), format!("{log:?}"));
        assert_eq!(restored.frames(TransitionId::new(70)), [70_u32.to_be_bytes()]);
        assert!(restored.frames(TransitionId::new(3)).is_empty());
        assert_eq!(restored.frames(TransitionId::new(9)), [9_u32.to_be_bytes()]);
        rows.insert(vec![9], Vec::new());
        assert_eq!(RelayLog::restore(rows).unwrap_err(), Refusal::BadState);
    }
}
