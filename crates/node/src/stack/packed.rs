//! What waits by the dozen, as one run of bytes: an object for each would cost more than everything that was done to
//! make it. `ts/gbp/packed.ts` reads it. Numbers are little-endian.
//!
//! A parcel: `target u32, class u8, length u32, bytes`, where the class [`ADMISSION`] is that of none.
//! An event: [`OTHER`], where it is the next among the objects; or
//! `TEXT u8, flags u8, content type u8, codec u8, sender u32, id u64, number u64, sent at u64, epoch u64, request u32,
//! relayed by u32, length u32, content`, where [`WELL_FORMED`] is set in the codec of what is UTF-8, and nobody is zero.
//! Bytes whose length is said to be [`APART`] are the next of those that stand beside the run.

use coterie_stack::{Event, Parcel, ParcelKind, Text};
use coterie_wire::PayloadFormat;
use coterie_wire::payload::ContentType;

/// The class of an admission.
const ADMISSION: u8 = 0xff;

/// An event that is an object.
const OTHER: u8 = 0;
/// A text.
const TEXT: u8 = 1;

/// A text's content is UTF-8, and says so.
const WELL_FORMED: u8 = 0x80;

/// Bytes of a parcel beside its own.
const PARCEL_HEAD: usize = 9;
/// Bytes of a text beside its content.
const TEXT_HEAD: usize = 52;

/// Bytes above which what is handed over has an array of its own. Below, making one takes longer than to copy the bytes
/// twice more: into the run, and out of it.
const LONG: usize = 4 * 1024;
/// The length of what does.
const APART: u32 = u32::MAX;

/// What waits, in its order.
#[derive(Default)]
pub(super) struct Packed {
    pub(super) run: Vec<u8>,
    /// What is too long for the run.
    pub(super) apart: Vec<Vec<u8>>,
}

pub(super) fn parcels(parcels: Vec<Parcel>) -> Packed {
    let lengths = parcels.iter().map(|parcel| PARCEL_HEAD.saturating_add(in_run(&parcel.bytes)));
    let mut packed = Packed::with_room(lengths.sum());
    for Parcel { target, kind, bytes } in parcels {
        packed.run.extend(target.number().to_le_bytes());
        packed.run.push(match kind {
            ParcelKind::Frame(class) => class.number(),
            ParcelKind::Admission => ADMISSION,
        });
        packed.put_bytes(bytes);
    }
    packed
}

/// Events in their order: those that are texts, and the places of the others, which are answered beside. Nothing packed,
/// where none is a text.
pub(super) fn events(told: Vec<(Option<u64>, Event)>) -> (Option<Packed>, Vec<(Option<u64>, Event)>) {
    let length = |event: &Event| match event {
        Event::Text(text) => TEXT_HEAD.saturating_add(in_run(&text.message.content)),
        _ => 1,
    };
    if !told.iter().any(|(id, event)| is_text(*id, event)) {
        return (None, told);
    }
    let mut packed = Packed::with_room(told.iter().map(|(_, event)| length(event)).sum());
    let mut others = Vec::new();
    for (id, event) in told {
        match (id, event) {
            (Some(id), Event::Text(text)) => packed.put_text(id, text),
            (id, event) => {
                packed.run.push(OTHER);
                others.push((id, event));
            }
        }
    }
    (Some(packed), others)
}

/// A text that has an id, as all have whose form is stored.
const fn is_text(id: Option<u64>, event: &Event) -> bool {
    id.is_some() && matches!(event, Event::Text(_))
}

/// How many of them are in the run.
const fn in_run(bytes: &[u8]) -> usize {
    if bytes.len() > LONG { 0 } else { bytes.len() }
}

impl Packed {
    fn with_room(length: usize) -> Self {
        Self { run: Vec::with_capacity(length), apart: Vec::new() }
    }

    fn put_text(&mut self, id: u64, Text { message, epoch, codec, relayed_by }: Text) {
        let is_text = matches!(message.content_type, ContentType::Plain | ContentType::Markdown);
        let is_well_formed = is_text && std::str::from_utf8(&message.content).is_ok();
        let codec = PayloadFormat::from(codec).number() | if is_well_formed { WELL_FORMED } else { 0 };
        self.run.extend([TEXT, message.flags.bits(), message.content_type.number(), codec]);
        self.run.extend(message.sender.number().to_le_bytes());
        self.run.extend(id.to_le_bytes());
        self.run.extend(message.id.number().to_le_bytes());
        self.run.extend(message.sent_at.as_millis().to_le_bytes());
        self.run.extend(epoch.number().to_le_bytes());
        self.run.extend(message.request.number().to_le_bytes());
        self.run.extend(relayed_by.unwrap_or_default().number().to_le_bytes());
        self.put_bytes(message.content);
    }

    fn put_bytes(&mut self, bytes: Vec<u8>) {
        match u32::try_from(bytes.len()) {
            Ok(length) if bytes.len() <= LONG => {
                self.run.extend(length.to_le_bytes());
                self.run.extend_from_slice(&bytes);
            }
            _ => {
                self.run.extend(APART.to_le_bytes());
                self.apart.push(bytes);
            }
        }
    }
}
