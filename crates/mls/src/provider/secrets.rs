//! The message secrets of a group, cut into rows.
//!
//! openmls hands them over as one value: every ratchet of the current epoch and of each retained past one, and the
//! leaves of those. Written whole, a message in a group of a thousand would cost as much as a thousand members'
//! ratchets, times the retained epochs (ADR 0004). Cut up, an epoch that a step did not touch costs nothing, and of
//! the one it did only the rows that differ are written.
//!
//! postcard has no framing: the form of a struct or a sequence is that of its parts, one after the other. So a value
//! is put together again by joining rows, and nothing here needs to know what is inside a part. [`Cutter`] knows the
//! names of the four structs on the way down to the ratchets; should a later openmls rename one, encoding fails and
//! `the_rows_of_message_secrets_join_to_what_openmls_wrote` says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use coterie_crypto::hash::{self, HashAlgorithm};
use serde::ser::{Impossible, SerializeSeq, SerializeStruct};
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

/// Elements of a secret tree's arrays in one row. A ratchet takes 36 bytes as long as nothing was skipped, so a row
/// of 64 fits one page of the database and a group of thousands has no more than a few dozen rows.
const ELEMENTS_PER_ROW: usize = 64;

/// Room for one row's bytes from the start, so that growing leaves few copies of secrets behind.
const ROW_CAPACITY: usize = 4 * 1024;

type Row = Zeroizing<Vec<u8>>;
type Digest = Vec<u8>;

/// What is stored of a group's message secrets, to tell what a step has to write.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    index: Index,
    digests: BTreeMap<u64, Vec<Digest>>,
}

/// The row that names the others.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Index {
    max_epochs: u64,
    past: Vec<Epoch>,
    current: Epoch,
}

/// An epoch and in how many rows it stands.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
struct Epoch {
    number: u64,
    rows: u32,
}

/// A row's place behind the group's key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    Index,
    /// Everybody's public keys in a past epoch.
    Leaves(u64),
    Secrets(u64, u32),
}

impl Place {
    pub(super) fn suffix(self) -> Vec<u8> {
        match self {
            Self::Index => Vec::new(),
            Self::Leaves(epoch) => [&epoch.to_be_bytes()[..], &[0]].concat(),
            Self::Secrets(epoch, row) => [&epoch.to_be_bytes()[..], &[1], &row.to_be_bytes()[..]].concat(),
        }
    }
}

impl Index {
    fn past(&self) -> impl Iterator<Item = Epoch> + '_ {
        self.past.iter().copied()
    }

    fn epochs(&self) -> impl Iterator<Item = Epoch> + '_ {
        self.past().chain(std::iter::once(self.current))
    }
}

/// Puts the stored form of message secrets together from rows that `read` finds.
pub(super) fn join<E>(
    index: Index,
    mut read: impl FnMut(Place) -> Result<Vec<u8>, E>,
) -> Result<(Row, Stored), E> {
    let mut whole = Zeroizing::new(Vec::with_capacity(ROW_CAPACITY));
    let mut digests = BTreeMap::new();
    put_number(&mut whole, index.max_epochs);
    put_number(&mut whole, index.past.len() as u64);
    for epoch in index.epochs() {
        let is_past = epoch.number != index.current.number;
        if is_past {
            put_number(&mut whole, epoch.number);
        }
        let mut of_epoch = Vec::new();
        for row in 0..epoch.rows {
            let bytes = Zeroizing::new(read(Place::Secrets(epoch.number, row))?);
            of_epoch.push(digest(&bytes));
            whole.extend_from_slice(&bytes);
        }
        digests.insert(epoch.number, of_epoch);
        if is_past {
            whole.extend_from_slice(&read(Place::Leaves(epoch.number))?);
        }
    }
    Ok((whole, Stored { index, digests }))
}

/// What a step writes and deletes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) puts: Vec<(Place, Vec<u8>)>,
    pub(super) deletes: Vec<Place>,
}

impl Stored {
    /// Cuts `secrets` up and answers what has to change in the store. `current` is the epoch that the group is in
    /// now, `touched` are those whose ratchets may have moved since the last write; the others are not looked at.
    pub(super) fn update(
        &mut self,
        secrets: &impl Serialize,
        current: u64,
        touched: &BTreeSet<u64>,
    ) -> Result<Changes, CutError> {
        let mut cutter = Cutter::new(self, current, touched);
        secrets.serialize(Walk { cutter: &mut cutter, at: Level::Outside })?;
        let (epochs, max_epochs) = (cutter.epochs, cutter.max_epochs);
        let mut changes = Changes::default();
        let mut index = Index { max_epochs, ..Index::default() };
        for cut in epochs {
            let number = cut.number;
            let rows = match cut.rows {
                Some(rows) => self.replace(number, rows, &mut changes)?,
                None => count(self.digests.get(&number).map_or(0, Vec::len))?,
            };
            let epoch = Epoch { number, rows };
            if let Some(leaves) = cut.leaves {
                changes.puts.push((Place::Leaves(number), leaves.to_vec()));
            }
            if number == current { index.current = epoch } else { index.past.push(epoch) }
        }
        self.forget_all_but(&index, &mut changes);
        if index != self.index {
            let bytes = postcard::to_stdvec(&index).map_err(CutError::of)?;
            changes.puts.push((Place::Index, bytes));
            self.index = index;
        }
        Ok(changes)
    }

    /// Writes the rows of one epoch that differ from what is stored.
    fn replace(&mut self, number: u64, rows: Vec<Row>, changes: &mut Changes) -> Result<u32, CutError> {
        let before = self.digests.remove(&number).unwrap_or_default();
        let mut digests = Vec::with_capacity(rows.len());
        let length = count(rows.len())?;
        for (row, bytes) in (0..length).zip(rows) {
            let digest = digest(&bytes);
            if before.get(digests.len()) != Some(&digest) {
                changes.puts.push((Place::Secrets(number, row), bytes.to_vec()));
            }
            digests.push(digest);
        }
        changes.deletes.extend((length..count(before.len())?).map(|row| Place::Secrets(number, row)));
        self.digests.insert(number, digests);
        Ok(length)
    }

    /// Deletes every epoch that is no longer retained.
    fn forget_all_but(&mut self, index: &Index, changes: &mut Changes) {
        for old in self.index.epochs() {
            if index.epochs().any(|epoch| epoch.number == old.number)
                || !self.digests.contains_key(&old.number)
            {
                continue;
            }
            self.digests.remove(&old.number);
            changes.deletes.push(Place::Leaves(old.number));
            changes.deletes.extend((0..old.rows).map(|row| Place::Secrets(old.number, row)));
        }
    }

    /// Whether the leaves of a past epoch are stored; they never change.
    fn has_leaves_of(&self, epoch: u64) -> bool {
        self.index.past().any(|past| past.number == epoch)
    }
}

/// One epoch as it was cut up.
struct CutEpoch {
    number: u64,
    /// None for one that need not be looked at.
    rows: Option<Vec<Row>>,
    /// None for those that are stored, and for the current epoch, whose leaves are the tree's.
    leaves: Option<Row>,
}

/// Walks down message secrets as openmls serialises them.
struct Cutter<'a> {
    stored: &'a Stored,
    current: u64,
    touched: &'a BTreeSet<u64>,
    max_epochs: u64,
    epochs: Vec<CutEpoch>,
    row: Row,
}

impl<'a> Cutter<'a> {
    fn new(stored: &'a Stored, current: u64, touched: &'a BTreeSet<u64>) -> Self {
        let row = Zeroizing::new(Vec::with_capacity(ROW_CAPACITY));
        Self { stored, current, touched, max_epochs: 0, epochs: Vec::new(), row }
    }

    fn begin_epoch(&mut self, number: u64) {
        self.epochs.push(CutEpoch { number, rows: None, leaves: None });
    }

    fn epoch(&mut self) -> Result<&mut CutEpoch, CutError> {
        self.epochs.last_mut().ok_or(CutError)
    }

    fn append(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), CutError> {
        // `to_extend` takes the buffer and gives it back.
        let row = std::mem::take(&mut *self.row);
        *self.row = postcard::to_extend(value, row).map_err(CutError::of)?;
        Ok(())
    }

    /// Ends a row.
    fn cut(&mut self) -> Result<(), CutError> {
        let row = std::mem::replace(&mut self.row, Zeroizing::new(Vec::with_capacity(ROW_CAPACITY)));
        self.epoch()?.rows.get_or_insert_default().push(row);
        Ok(())
    }

    fn message_secrets(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), CutError> {
        let number = self.epoch()?.number;
        let is_stored = self.stored.digests.contains_key(&number);
        if is_stored && !self.touched.contains(&number) && number != self.current {
            return Ok(());
        }
        value.serialize(Walk { cutter: self, at: Level::Outside })?;
        self.cut()
    }

    fn leaves(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), CutError> {
        let number = self.epoch()?.number;
        if !self.stored.has_leaves_of(number) {
            let bytes = postcard::to_stdvec(value).map_err(CutError::of)?;
            self.epoch()?.leaves = Some(Zeroizing::new(bytes));
        }
        Ok(())
    }
}

/// Where in the value a [`Walk`] is.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Level {
    Outside,
    Store,
    PastEpochs,
    PastEpoch,
    Secrets,
    Tree,
    /// Inside one of the tree's arrays, before this element.
    Array(usize),
}

/// A serializer that takes apart the structs it knows and leaves what is inside to postcard.
struct Walk<'c, 'a> {
    cutter: &'c mut Cutter<'a>,
    at: Level,
}

impl<'c, 'a> Walk<'c, 'a> {
    fn field(&mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<(), CutError> {
        let cutter = &mut *self.cutter;
        match (self.at, name) {
            (Level::Store, "max_epochs") => {
                cutter.max_epochs = number(value)?;
                Ok(())
            }
            (Level::Store, "past_epoch_trees") => value.serialize(Walk { cutter, at: Level::Store }),
            (Level::Store, "message_secrets") => {
                cutter.begin_epoch(cutter.current);
                cutter.message_secrets(value)
            }
            (Level::PastEpoch, "epoch") => {
                let number = number(value)?;
                cutter.begin_epoch(number);
                Ok(())
            }
            (Level::PastEpoch, "message_secrets") => cutter.message_secrets(value),
            (Level::PastEpoch, "leaves") => cutter.leaves(value),
            (Level::Secrets, "secret_tree") => value.serialize(Walk { cutter, at: Level::Secrets }),
            (
                Level::Tree,
                "leaf_nodes" | "parent_nodes" | "handshake_sender_ratchets" | "application_sender_ratchets",
            ) => value.serialize(Walk { cutter, at: Level::Tree }),
            (Level::Secrets | Level::Tree, _) => cutter.append(value),
            _ => Err(CutError),
        }
    }

    fn element(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), CutError> {
        match self.at {
            Level::PastEpochs => value.serialize(Walk { cutter: &mut *self.cutter, at: Level::PastEpochs }),
            Level::Array(index) => {
                if index > 0 && index.is_multiple_of(ELEMENTS_PER_ROW) {
                    self.cutter.cut()?;
                }
                self.at = Level::Array(index.saturating_add(1));
                self.cutter.append(value)
            }
            _ => Err(CutError),
        }
    }
}

impl SerializeStruct for Walk<'_, '_> {
    type Ok = ();
    type Error = CutError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), CutError> {
        self.field(name, value)
    }

    fn end(self) -> Result<(), CutError> {
        Ok(())
    }
}

impl SerializeSeq for Walk<'_, '_> {
    type Ok = ();
    type Error = CutError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CutError> {
        self.element(value)
    }

    fn end(self) -> Result<(), CutError> {
        Ok(())
    }
}

type Never = Impossible<(), CutError>;

macro_rules! refuse {
    ($($name:ident($($argument:ty),*) -> $ok:ty;)+) => {
        $(fn $name(self, $(_: $argument),*) -> Result<$ok, CutError> { Err(CutError) })+
    };
}

impl Serializer for Walk<'_, '_> {
    type Ok = ();
    type Error = CutError;
    type SerializeSeq = Self;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Self;
    type SerializeStructVariant = Never;

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Self, CutError> {
        let at = match (self.at, name) {
            (Level::Outside, "MessageSecretsStore") => Level::Store,
            (Level::PastEpochs, "EpochTree") => Level::PastEpoch,
            (Level::Outside, "MessageSecrets") => Level::Secrets,
            (Level::Secrets, "SecretTree") => Level::Tree,
            _ => return Err(CutError),
        };
        Ok(Walk { cutter: self.cutter, at })
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self, CutError> {
        match self.at {
            Level::Store => Ok(Walk { cutter: self.cutter, at: Level::PastEpochs }),
            Level::Tree => {
                self.cutter.append(&length.ok_or(CutError)?)?;
                Ok(Walk { cutter: self.cutter, at: Level::Array(0) })
            }
            _ => Err(CutError),
        }
    }

    refuse! {
        serialize_bool(bool) -> (); serialize_i8(i8) -> (); serialize_i16(i16) -> (); serialize_i32(i32) -> ();
        serialize_i64(i64) -> (); serialize_u8(u8) -> (); serialize_u16(u16) -> (); serialize_u32(u32) -> ();
        serialize_u64(u64) -> (); serialize_f32(f32) -> (); serialize_f64(f64) -> (); serialize_char(char) -> ();
        serialize_str(&str) -> (); serialize_bytes(&[u8]) -> (); serialize_none() -> (); serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_tuple(usize) -> Never;
        serialize_tuple_struct(&'static str, usize) -> Never;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never;
        serialize_map(Option<usize>) -> Never;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), CutError> {
        Err(CutError)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<(), CutError> {
        Err(CutError)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), CutError> {
        Err(CutError)
    }
}

/// The value is not what this version of openmls makes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("message secrets have another shape than expected")]
pub(super) struct CutError;

impl CutError {
    fn of(_: postcard::Error) -> Self {
        Self
    }
}

impl serde::ser::Error for CutError {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

fn digest(bytes: &[u8]) -> Digest {
    hash::digest(HashAlgorithm::Sha256, bytes).as_bytes().to_vec()
}

fn count(length: usize) -> Result<u32, CutError> {
    u32::try_from(length).map_err(|_| CutError)
}

/// A whole number, whatever its type: postcard encodes them all alike.
fn number(value: &(impl Serialize + ?Sized)) -> Result<u64, CutError> {
    let bytes = postcard::to_stdvec(value).map_err(CutError::of)?;
    postcard::from_bytes(&bytes).map_err(CutError::of)
}

fn put_number(bytes: &mut Row, number: u64) {
    let mut rest = number;
    loop {
        let low = rest.to_le_bytes()[0] & 0x7f;
        rest >>= 7;
        if rest == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct MessageSecretsStore {
        max_epochs: usize,
        past_epoch_trees: Vec<EpochTree>,
        message_secrets: MessageSecrets,
    }

    #[derive(Clone, Serialize)]
    struct EpochTree {
        epoch: u64,
        message_secrets: MessageSecrets,
        leaves: Vec<String>,
    }

    #[derive(Clone, Serialize)]
    struct MessageSecrets {
        key: Vec<u8>,
        secret_tree: SecretTree,
        added_at: Option<u64>,
    }

    #[derive(Clone, Serialize)]
    struct SecretTree {
        own_index: u32,
        leaf_nodes: Vec<Option<Vec<u8>>>,
        application_sender_ratchets: Vec<Option<Vec<u8>>>,
        size: u32,
    }

    fn secrets(size: usize, fill: u8) -> MessageSecrets {
        MessageSecrets {
            key: vec![fill; 32],
            secret_tree: SecretTree {
                own_index: 300,
                leaf_nodes: vec![None; size],
                application_sender_ratchets: vec![Some(vec![fill; 40]); size],
                size: 7,
            },
            added_at: Some(1 << 40),
        }
    }

    fn store(size: usize, past: &[u64]) -> MessageSecretsStore {
        let epoch = |&epoch| EpochTree {
            epoch,
            message_secrets: secrets(size, 3),
            leaves: vec!["leaf".into(); size],
        };
        MessageSecretsStore {
            max_epochs: 500,
            past_epoch_trees: past.iter().map(epoch).collect(),
            message_secrets: secrets(size, 9),
        }
    }

    /// A store of rows by what stands behind the group's key.
    type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

    fn apply(rows: &mut Rows, changes: Changes) {
        for place in changes.deletes {
            assert!(rows.remove(&place.suffix()).is_some(), "{place:?} is deleted and was never written");
        }
        rows.extend(changes.puts.into_iter().map(|(place, bytes)| (place.suffix(), bytes)));
    }

    fn joined(rows: &Rows) -> (Row, Stored) {
        let index = postcard::from_bytes(&rows[&Place::Index.suffix()]).unwrap();
        join(index, |place| rows.get(&place.suffix()).cloned().ok_or(place)).unwrap()
    }

    #[test]
    fn the_rows_of_any_number_of_epochs_and_leaves_join_to_the_whole() {
        for size in [1, 63, 64, 65, 128, 1000] {
            for past in [&[][..], &[4], &[200, 201, 300]] {
                let (mut rows, mut stored) = (Rows::new(), Stored::default());
                let value = store(size, past);
                apply(&mut rows, stored.update(&value, 301, &BTreeSet::new()).unwrap());
                assert_eq!(*joined(&rows).0, postcard::to_stdvec(&value).unwrap(), "{size} leaves, {past:?}");
            }
        }
    }

    #[test]
    fn a_step_writes_the_row_that_changed_and_nothing_else() {
        let (mut rows, mut stored) = (Rows::new(), Stored::default());
        let mut value = store(1000, &[5, 6]);
        apply(&mut rows, stored.update(&value, 7, &BTreeSet::new()).unwrap());
        value.message_secrets.secret_tree.application_sender_ratchets[500] = Some(vec![1; 40]);
        for mut stored in [stored.clone(), joined(&rows).1] {
            let changes = stored.update(&value, 7, &BTreeSet::from([7])).unwrap();
            assert_eq!((changes.puts.len(), changes.deletes.len()), (1, 0));
            assert!(changes.puts[0].1.len() < 64 * 42 + 10);
            let mut rows = rows.clone();
            apply(&mut rows, changes);
            assert_eq!(*joined(&rows).0, postcard::to_stdvec(&value).unwrap());
        }
    }

    #[test]
    fn an_epoch_that_ends_keeps_its_rows_and_one_that_is_no_longer_retained_loses_them() {
        let (mut rows, mut stored) = (Rows::new(), Stored::default());
        apply(&mut rows, stored.update(&store(100, &[5, 6]), 7, &BTreeSet::new()).unwrap());
        let mut next = store(100, &[6, 7]);
        next.past_epoch_trees[1].message_secrets = secrets(100, 9);
        let changes = stored.update(&next, 8, &BTreeSet::from([7])).unwrap();
        assert!(changes.puts.iter().all(|(place, _)| !matches!(place, Place::Secrets(5..=7, _))));
        apply(&mut rows, changes);
        assert_eq!(*joined(&rows).0, postcard::to_stdvec(&next).unwrap());
        assert!(rows.keys().all(|key| !key.starts_with(&5_u64.to_be_bytes())));
    }

    #[test]
    fn a_past_epoch_is_written_again_only_when_it_was_touched() {
        let (mut rows, mut stored) = (Rows::new(), Stored::default());
        let mut value = store(10, &[5]);
        apply(&mut rows, stored.update(&value, 6, &BTreeSet::new()).unwrap());
        value.past_epoch_trees[0].message_secrets = secrets(10, 4);
        assert!(stored.clone().update(&value, 6, &BTreeSet::new()).unwrap().puts.is_empty());
        let changes = stored.update(&value, 6, &BTreeSet::from([5])).unwrap();
        assert_eq!(changes.puts.len(), 1);
        apply(&mut rows, changes);
        assert_eq!(*joined(&rows).0, postcard::to_stdvec(&value).unwrap());
    }

    #[test]
    fn a_missing_row_is_reported() {
        let (mut rows, mut stored) = (Rows::new(), Stored::default());
        apply(&mut rows, stored.update(&store(100, &[5]), 6, &BTreeSet::new()).unwrap());
        let index: Index = postcard::from_bytes(&rows[&Place::Index.suffix()]).unwrap();
        for key in rows.keys().filter(|key| !key.is_empty()).cloned().collect::<Vec<_>>() {
            let mut rows = rows.clone();
            rows.remove(&key);
            assert!(join(index.clone(), |place| rows.get(&place.suffix()).cloned().ok_or(())).is_err());
        }
    }

    #[test]
    fn a_value_of_another_shape_is_refused() {
        let mut stored = Stored::default();
        assert!(stored.update(&7_u64, 0, &BTreeSet::new()).is_err());
        assert!(stored.update(&vec![1_u8], 0, &BTreeSet::new()).is_err());
    }
}
