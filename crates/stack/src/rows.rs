//! Where each row of a group stands among the application's.

use coterie_mls::Rows;
use coterie_store::Entry;
use coterie_types::GroupId;

use crate::error::StackError;
use crate::limits::ROWS_AT_ONCE;

/// What rows are about. Part of the stored format: a number never changes.
pub(crate) type Kind = u8;

/// Profile, own number, the next member's.
pub(crate) const OWN: Kind = 1;
/// The node.
pub(crate) const NODE: Kind = 2;
/// Frames of transitions.
pub(crate) const RELAY: Kind = 3;
/// Records of numbers, by their names.
pub(crate) const NUMBERS: Kind = 4;
/// Text, by its own keys.
pub(crate) const TEXT: Kind = 5;
/// Pieces of attachments.
pub(crate) const PIECE: Kind = 6;
/// Signals.
pub(crate) const SIGNALS: Kind = 7;
/// Who sat where in epochs whose late frames are taken.
pub(crate) const PAST: Kind = 8;
/// An invitation under way.
pub(crate) const INVITING: Kind = 9;
/// Events that wait to be consumed.
pub(crate) const EVENT: Kind = 10;
/// Parcels that wait to be sent.
pub(crate) const PARCEL: Kind = 11;

/// The commit that the application is asked about.
pub(crate) const ASKING: Kind = 12;

/// The place of the next event: ids of events that are gone are not given again.
pub(crate) const NEXT_EVENT: Kind = 13;

/// The rows of one group.
#[derive(Clone, Debug)]
pub(crate) struct RowSpace(Vec<u8>);

impl RowSpace {
    pub(crate) fn of(group: &GroupId) -> Self {
        let id = group.as_bytes();
        // Ids have at most 255 bytes, so none begins another's rows.
        let length = u8::try_from(id.len()).unwrap_or(u8::MAX);
        Self([&b"stack/"[..], &[length], id].concat())
    }

    pub(crate) fn key(&self, kind: Kind, rest: &[u8]) -> Vec<u8> {
        [&self.0[..], &[kind], rest].concat()
    }

    /// Every row of a kind in the order of the keys, without what all keys begin with.
    pub(crate) fn all(&self, kind: Kind, rows: &Rows<'_, '_>) -> Result<Vec<Entry>, StackError> {
        let prefix = self.key(kind, &[]);
        let (mut all, mut after) = (Vec::new(), Vec::new());
        loop {
            let found = rows.scan_after(&prefix, &after, ROWS_AT_ONCE)?;
            let Some((last, _)) = found.last() else { return Ok(all) };
            after.clone_from(last);
            let short = |(key, value): Entry| Some((key.get(prefix.len()..)?.to_vec(), value));
            all.extend(found.into_iter().filter_map(short));
        }
    }
}

/// The place in a row's key.
pub(crate) fn place_in(key: &[u8]) -> Result<u64, StackError> {
    Ok(u64::from_be_bytes(key.try_into().map_err(|_| StackError::BadState)?))
}
