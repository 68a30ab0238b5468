//! The stream classes on one QUIC connection of ours: a stream for control, one for text and one for signals in each
//! direction, and datagrams for audio. docs/links.md has the bytes.
//!
//! No class waits for another: windows of the connection hold all streams when they are full, control has the first
//! priority of what leaves and of what is received, and audio takes only room that is there, for one short queue.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex as QuickMutex, MutexGuard, PoisonError};
use std::time::Duration;

use coterie_types::StreamClass;
use quinn::{
    Connection, ReadError, ReadExactError, RecvStream, SendDatagramError, SendStream, VarInt, WriteError,
};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::blob::{BlobReader, BlobWriter};
use crate::endpoint::certificate_of;
use crate::error::{LinkError, gone};
use crate::link::Received;

/// The form of what follows, on streams and in datagrams.
const VERSION: u8 = 1;

/// What stands before an audio frame: the version, and its number in four bytes, the lowest first.
const AUDIO_HEAD: usize = 5;

/// The classes that have streams, and what goes first when not everything can.
const STREAMS: [(StreamClass, i32); 3] =
    [(StreamClass::Control, 2), (StreamClass::Signal, 1), (StreamClass::Text, 0)];

/// How the connection is closed when all is well.
const GOODBYE: VarInt = VarInt::from_u32(0);

/// How it is closed on a peer that does not keep to the format.
const BROKEN: VarInt = VarInt::from_u32(1);

pub(crate) struct Classes {
    connection: Connection,
    control: Mutex<BlobWriter<SendStream>>,
    signal: Mutex<BlobWriter<SendStream>>,
    text: Mutex<BlobWriter<SendStream>>,
    inbound: Mutex<Inbound>,
    /// The number of the next audio frame. One at a time looks whether there is room.
    audio: QuickMutex<u32>,
    dropped: AtomicU64,
    heard: QuickMutex<Heard>,
}

/// Which audio frames of the peer's came.
#[derive(Debug, Default)]
struct Heard {
    /// One more than the highest number.
    end: u64,
    count: u64,
}

struct Inbound {
    control: Incoming,
    signal: Incoming,
    text: Incoming,
}

/// One class of the peer's.
struct Incoming {
    reader: BlobReader<RecvStream>,
    has_ended: bool,
}

impl Classes {
    /// Opens this side's streams and takes the peer's.
    pub(crate) async fn establish(connection: Connection) -> Result<Self, LinkError> {
        let established = Self::agree(&connection).await;
        if let Err(LinkError::Malformed(why)) = &established {
            connection.close(BROKEN, why.as_bytes());
        }
        established
    }

    async fn agree(connection: &Connection) -> Result<Self, LinkError> {
        if connection.max_datagram_size().is_none() {
            return Err(LinkError::Malformed("no datagrams"));
        }
        let [control, signal, text] = STREAMS;
        let [control, signal, text] = [
            open(connection, control).await?,
            open(connection, signal).await?,
            open(connection, text).await?,
        ];
        let inbound = Inbound::accept(connection).await?;
        Ok(Self {
            connection: connection.clone(),
            control: Mutex::new(control),
            signal: Mutex::new(signal),
            text: Mutex::new(text),
            inbound: Mutex::new(inbound),
            audio: QuickMutex::default(),
            dropped: AtomicU64::new(0),
            heard: QuickMutex::default(),
        })
    }

    pub(crate) async fn send(&self, frame: &[u8], class: StreamClass) -> Result<(), LinkError> {
        match class {
            StreamClass::Control => self.control.lock().await.send(frame).await,
            StreamClass::Signal => self.signal.lock().await.send(frame).await,
            StreamClass::Text => self.text.lock().await.send(frame).await,
            StreamClass::Audio => self.send_audio(frame),
        }
    }

    fn send_audio(&self, frame: &[u8]) -> Result<(), LinkError> {
        let most = self.longest_audio();
        let too_long = LinkError::TooLong { length: frame.len(), most };
        if frame.len() > most {
            return Err(too_long);
        }
        let mut number = self.audio.lock().unwrap_or_else(PoisonError::into_inner);
        let datagram = [&[VERSION], &number.to_le_bytes()[..], frame].concat();
        // A control frame that cannot leave at once means that the path is full.
        let is_full = self.connection.datagram_send_buffer_space() < datagram.len();
        if is_full || self.control.try_lock().is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        self.connection.send_datagram(datagram.into()).map_err(|error| match error {
            SendDatagramError::TooLarge => too_long,
            SendDatagramError::ConnectionLost(why) => gone(&why),
            _ => LinkError::Lost,
        })?;
        *number = number.wrapping_add(1);
        Ok(())
    }

    /// The next frame of any class: control if there is one, else whichever of the others.
    pub(crate) async fn receive(&self) -> Result<Option<Received>, LinkError> {
        let mut inbound = self.inbound.lock().await;
        let Inbound { control, signal, text } = &mut *inbound;
        while !(control.has_ended && signal.has_ended && text.has_ended) {
            let others = async {
                tokio::select! {
                    frame = signal.next() => (StreamClass::Signal, frame),
                    frame = text.next() => (StreamClass::Text, frame),
                    frame = self.next_audio() => (StreamClass::Audio, frame),
                }
            };
            let (class, frame) = tokio::select! {
                biased;
                frame = control.next() => (StreamClass::Control, frame),
                other = others => other,
            };
            if let Some(frame) = frame? {
                return Ok(Some(Received { class: Some(class), frame }));
            }
        }
        Ok(None)
    }

    async fn next_audio(&self) -> Result<Option<Vec<u8>>, LinkError> {
        let Ok(datagram) = self.connection.read_datagram().await else {
            // The streams say how it ended, behind what is left in them.
            return std::future::pending().await;
        };
        let (version, rest) = datagram.split_first().ok_or(LinkError::Malformed("a datagram"))?;
        let (number, frame) = rest.split_first_chunk().ok_or(LinkError::Malformed("a datagram"))?;
        if *version != VERSION {
            return Err(LinkError::Malformed("a datagram"));
        }
        self.heard().note(u32::from_le_bytes(*number));
        Ok(Some(frame.to_vec()))
    }

    pub(crate) async fn close(&self, grace: Duration) {
        let end = async {
            for writer in [&self.control, &self.signal, &self.text] {
                writer.lock().await.finish().await?;
            }
            while self.receive().await?.is_some() {}
            Ok::<(), LinkError>(())
        };
        // Either way it is over.
        let _ = timeout(grace, end).await;
        self.connection.close(GOODBYE, b"");
    }

    pub(crate) fn audio_dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn audio_lost(&self) -> u64 {
        let heard = self.heard();
        heard.end.saturating_sub(heard.count)
    }

    pub(crate) fn longest_audio(&self) -> usize {
        self.connection.max_datagram_size().map_or(0, |most| most.saturating_sub(AUDIO_HEAD))
    }

    /// The certificate that the peer has shown.
    pub(crate) fn peer(&self) -> Option<Vec<u8>> {
        certificate_of(&self.connection)
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    /// Numbers begin again after 2^32: the nearest to the highest is meant.
    fn note(&mut self, number: u32) {
        let low = u32::try_from(self.end & u64::from(u32::MAX)).unwrap_or_default();
        let ahead = number.wrapping_sub(low);
        if ahead < 1 << 31 {
            self.end = self.end.saturating_add(u64::from(ahead)).saturating_add(1);
        }
        self.count = self.count.saturating_add(1);
    }
}

async fn open(
    connection: &Connection,
    (class, priority): (StreamClass, i32),
) -> Result<BlobWriter<SendStream>, LinkError> {
    let mut stream = connection.open_uni().await?;
    stream.set_priority(priority).map_err(|_| LinkError::Lost)?;
    stream.write_all(&[VERSION, class.number()]).await.map_err(|error| match error {
        WriteError::ConnectionLost(why) => why.into(),
        _ => LinkError::Lost,
    })?;
    Ok(BlobWriter::new(stream, None))
}

impl Inbound {
    /// The peer's streams, which come in any order.
    async fn accept(connection: &Connection) -> Result<Self, LinkError> {
        let (mut control, mut signal, mut text) = (None, None, None);
        for _ in STREAMS {
            let mut stream = connection.accept_uni().await?;
            let mut preface = [0; 2];
            stream.read_exact(&mut preface).await.map_err(|error| match error {
                ReadExactError::FinishedEarly(_) => LinkError::Malformed("a stream's beginning"),
                ReadExactError::ReadError(ReadError::ConnectionLost(why)) => why.into(),
                ReadExactError::ReadError(_) => LinkError::Lost,
            })?;
            let [version, class] = preface;
            if version != VERSION {
                return Err(LinkError::Malformed("another version"));
            }
            let place = match StreamClass::from_number(class) {
                Some(StreamClass::Control) => &mut control,
                Some(StreamClass::Signal) => &mut signal,
                Some(StreamClass::Text) => &mut text,
                _ => return Err(LinkError::Malformed("a stream's class")),
            };
            let incoming = Incoming { reader: BlobReader::new(stream), has_ended: false };
            if place.replace(incoming).is_some() {
                return Err(LinkError::Malformed("two streams of one class"));
            }
        }
        let missing = LinkError::Malformed("a class without a stream");
        match (control, signal, text) {
            (Some(control), Some(signal), Some(text)) => Ok(Self { control, signal, text }),
            _ => Err(missing),
        }
    }
}

impl Incoming {
    /// The next frame; none once, when the peer ends.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, LinkError> {
        if self.has_ended {
            return std::future::pending().await;
        }
        let frame = self.reader.next().await?;
        self.has_ended = frame.is_none();
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::Heard;

    #[test]
    fn what_is_missing_is_counted_in_any_order_and_after_four_thousand_million() {
        let mut heard = Heard::default();
        for number in [0, 3, 1, 4, 2, 9] {
            heard.note(number);
        }
        assert_eq!((heard.end, heard.count), (10, 6));
        let mut heard = Heard { end: u64::from(u32::MAX), count: u64::from(u32::MAX) };
        for number in [u32::MAX, 1, 0, 3] {
            heard.note(number);
        }
        assert_eq!(heard.end - heard.count, 1);
    }
}
