//! What waits by the dozen, as one run of bytes: an object for each would cost more than everything that was done to
//! make it. `ts/gbp/packed.ts` reads it. Numbers are little-endian.
//!
//! A parcel: `target u32, class u8, length u32, bytes`, where the class [`ADMISSION`] is that of none.
//! An event: [`OTHER`], where it is the next among the objects; or
//! `TEXT u8, flags u8, content type u8, codec u8, sender u32, id u64, number u64, sent at u64, epoch u64, request u32,
//! relayed by u32, length u32, content`, where [`WELL_FORMED`] is set in the codec of what is UTF-8, and nobody is zero.

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

pub(super) fn parcels(parcels: &[Parcel]) -> Vec<u8> {
    let lengths = parcels.iter().map(|parcel| parcel.bytes.len().saturating_add(PARCEL_HEAD));
    let mut packed = Vec::with_capacity(lengths.sum());
    for Parcel { target, kind, bytes } in parcels {
        packed.extend(target.number().to_le_bytes());
        packed.push(match kind {
            ParcelKind::Frame(class) => class.number(),
            ParcelKind::Admission => ADMISSION,
        });
        put_bytes(&mut packed, bytes);
    }
    packed
}

/// Events in their order: those that are texts, and the places of the others. Nothing, where none is a text.
pub(super) fn events(told: &[(Option<u64>, Event)]) -> Option<Vec<u8>> {
    let length = |event: &Event| match event {
        Event::Text(text) => text.message.content.len().saturating_add(TEXT_HEAD),
        _ => 1,
    };
    if !told.iter().any(|(id, event)| as_text(*id, event).is_some()) {
        return None;
    }
    let mut packed = Vec::with_capacity(told.iter().map(|(_, event)| length(event)).sum());
    for (id, event) in told {
        match as_text(*id, event) {
            Some((id, text)) => put_text(&mut packed, id, text),
            None => packed.push(OTHER),
        }
    }
    Some(packed)
}

/// A text that has an id, as all have whose form is stored.
pub(super) fn as_text(id: Option<u64>, event: &Event) -> Option<(u64, &Text)> {
    match event {
        Event::Text(text) => id.map(|id| (id, text)),
        _ => None,
    }
}

fn put_text(packed: &mut Vec<u8>, id: u64, Text { message, epoch, codec, relayed_by }: &Text) {
    let is_text = matches!(message.content_type, ContentType::Plain | ContentType::Markdown);
    let is_well_formed = is_text && std::str::from_utf8(&message.content).is_ok();
    let codec = PayloadFormat::from(*codec).number() | if is_well_formed { WELL_FORMED } else { 0 };
    packed.extend([TEXT, message.flags.bits(), message.content_type.number(), codec]);
    packed.extend(message.sender.number().to_le_bytes());
    packed.extend(id.to_le_bytes());
    packed.extend(message.id.number().to_le_bytes());
    packed.extend(message.sent_at.as_millis().to_le_bytes());
    packed.extend(epoch.number().to_le_bytes());
    packed.extend(message.request.number().to_le_bytes());
    packed.extend(relayed_by.unwrap_or_default().number().to_le_bytes());
    put_bytes(packed, &message.content);
}

/// Frames and their contents are far shorter than 4 GiB.
fn put_bytes(packed: &mut Vec<u8>, bytes: &[u8]) {
    packed.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    packed.extend_from_slice(bytes);
}
