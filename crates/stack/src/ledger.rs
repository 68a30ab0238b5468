//! Events and parcels as they are stored until they are consumed or sent.

use coterie_types::{Epoch, MemberId, StreamClass, TransitionId};
use coterie_wire::cbor::{Reader, Writer};
use coterie_wire::payload::{AttachmentId, SignalMessage, TextMessage};
use coterie_wire::{Codec, Malformed, PayloadFormat};

use crate::event::{Event, Parcel, ParcelKind, SignalGiven, Text};

const TEXT: u64 = 1;
const SIGNAL: u64 = 2;
const ATTACHMENT: u64 = 3;
const JOINED: u64 = 4;
const LEFT: u64 = 5;
const EPOCH: u64 = 6;
const REMOVED: u64 = 7;
const LOST: u64 = 8;

/// A class that no frame has: the parcel is an admission.
const ADMISSION: u8 = 0xff;

/// The stored form of an event; none of one that is not stored.
pub(crate) fn write_event(event: &Event) -> Option<Vec<u8>> {
    let mut writer = Writer::default();
    match event {
        Event::Text(text) => {
            let message = text.message.encode(Codec::Cbor).ok()?;
            writer.unsigned(TEXT).unsigned(text.epoch.number()).unsigned(codec_number(text.codec));
            writer.unsigned(text.relayed_by.unwrap_or_default().number()).bytes(&message);
        }
        Event::Signal(signal) => {
            let message = signal.message.encode(Codec::Cbor).ok()?;
            writer.unsigned(SIGNAL).boolean(signal.changed).unsigned(codec_number(signal.codec));
            writer.bytes(&message).bytes(&signal.arguments);
        }
        Event::Attachment((sender, id)) => {
            writer.unsigned(ATTACHMENT).unsigned(sender.number()).unsigned(id.number());
        }
        Event::Joined { member, identity } => {
            writer.unsigned(JOINED).unsigned(member.number()).bytes(identity);
        }
        Event::Left(member) => {
            writer.unsigned(LEFT).unsigned(member.number());
        }
        Event::Epoch { epoch, transition } => {
            writer.unsigned(EPOCH).unsigned(epoch.number()).unsigned(transition.number());
        }
        Event::Removed => {
            writer.unsigned(REMOVED);
        }
        Event::Lost => {
            writer.unsigned(LOST);
        }
        _ => return None,
    }
    Some(writer.finish())
}

pub(crate) fn read_event(bytes: &[u8]) -> Result<Event, Malformed> {
    let mut reader = Reader::new(bytes);
    let event = match reader.unsigned()? {
        TEXT => Event::Text(read_text(&mut reader)?),
        SIGNAL => Event::Signal(read_signal(&mut reader)?),
        ATTACHMENT => Event::Attachment((member(&mut reader)?, AttachmentId::new(reader.unsigned()?))),
        JOINED => Event::Joined { member: member(&mut reader)?, identity: reader.bytes()?.to_vec() },
        LEFT => Event::Left(member(&mut reader)?),
        EPOCH => {
            let epoch = Epoch::new(reader.unsigned()?);
            Event::Epoch { epoch, transition: TransitionId::new(reader.unsigned()?) }
        }
        REMOVED => Event::Removed,
        LOST => Event::Lost,
        _ => return Err(Malformed::OutOfRange),
    };
    reader.finish()?;
    Ok(event)
}

fn read_text(reader: &mut Reader<'_>) -> Result<Text, Malformed> {
    let epoch = Epoch::new(reader.unsigned()?);
    let (codec, relayed_by) = (read_codec(reader)?, member(reader)?);
    let message = TextMessage::decode(PayloadFormat::from(Codec::Cbor), reader.bytes()?);
    let relayed_by = (relayed_by != MemberId::EVERYBODY).then_some(relayed_by);
    Ok(Text { message: message.map_err(|_| Malformed::OutOfRange)?, epoch, codec, relayed_by })
}

fn read_signal(reader: &mut Reader<'_>) -> Result<SignalGiven, Malformed> {
    let (changed, codec) = (reader.boolean()?, read_codec(reader)?);
    let message = SignalMessage::decode(PayloadFormat::from(Codec::Cbor), reader.bytes()?);
    let message = message.map_err(|_| Malformed::OutOfRange)?;
    Ok(SignalGiven { message, arguments: reader.bytes()?.to_vec(), changed, codec })
}

pub(crate) fn write_parcel(parcel: &Parcel) -> Vec<u8> {
    let class = match parcel.kind {
        ParcelKind::Frame(class) => class.number(),
        ParcelKind::Admission => ADMISSION,
    };
    Writer::default().unsigned(parcel.target.number()).unsigned(class).bytes(&parcel.bytes).finish()
}

pub(crate) fn read_parcel(bytes: &[u8]) -> Result<Parcel, Malformed> {
    let mut reader = Reader::new(bytes);
    let target = member(&mut reader)?;
    let kind = match reader.unsigned::<u8>()? {
        ADMISSION => ParcelKind::Admission,
        class => ParcelKind::Frame(StreamClass::from_number(class).ok_or(Malformed::OutOfRange)?),
    };
    let bytes = reader.bytes()?.to_vec();
    reader.finish()?;
    Ok(Parcel { target, kind, bytes })
}

fn member(reader: &mut Reader<'_>) -> Result<MemberId, Malformed> {
    Ok(MemberId::new(reader.unsigned()?))
}

fn codec_number(codec: Codec) -> u8 {
    PayloadFormat::from(codec).number()
}

fn read_codec(reader: &mut Reader<'_>) -> Result<Codec, Malformed> {
    PayloadFormat::new(reader.unsigned()?).codec().ok_or(Malformed::OutOfRange)
}

#[cfg(test)]
mod tests {
    use coterie_types::{MessageId, RequestId};
    use coterie_wire::payload::{Role, Signal};

    use super::*;

    fn text(relayed_by: Option<MemberId>) -> Event {
        let message = TextMessage {
            id: MessageId::new(u64::MAX),
            sender: MemberId::new(7),
            sent_at: Default::default(),
            request: RequestId::new(1),
            flags: Default::default(),
            content_type: Default::default(),
            content: b"hello".to_vec(),
        };
        Event::Text(Text { message, epoch: Epoch::new(3), codec: Codec::Protobuf, relayed_by })
    }

    #[test]
    fn what_must_not_be_lost_is_read_back_as_it_was() {
        let signal = Signal::Mute { target: MemberId::new(4) };
        let message = SignalMessage {
            signal,
            request: RequestId::new(9),
            sender: MemberId::new(2),
            role_claim: Role::new(1),
        };
        let arguments = signal.arguments();
        let all = [
            text(None),
            text(Some(MemberId::new(2))),
            Event::Signal(SignalGiven { message, arguments, changed: true, codec: Codec::FlatBuffers }),
            Event::Attachment((MemberId::new(3), AttachmentId::new(5))),
            Event::Joined { member: MemberId::new(3), identity: b"carol".to_vec() },
            Event::Left(MemberId::new(3)),
            Event::Epoch { epoch: Epoch::new(8), transition: TransitionId::new(9) },
            Event::Removed,
            Event::Lost,
        ];
        for event in all {
            assert!(event.is_durable());
            let bytes = write_event(&event).unwrap();
            assert_eq!(read_event(&bytes), Ok(event));
            for length in 0..bytes.len() {
                assert!(read_event(&bytes[..length]).is_err());
            }
        }
        assert_eq!(write_event(&Event::Missed(3)), None);
    }

    #[test]
    fn parcels_are_read_back_as_they_were() {
        for kind in [ParcelKind::Admission, ParcelKind::Frame(StreamClass::Signal)] {
            let parcel = Parcel { target: MemberId::new(9), kind, bytes: vec![1, 2] };
            assert_eq!(read_parcel(&write_parcel(&parcel)), Ok(parcel));
        }
    }
}
