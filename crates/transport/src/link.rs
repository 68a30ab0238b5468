//! A link, whatever carries it.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex as QuickMutex, PoisonError};
use std::time::Duration;

use coterie_types::StreamClass;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, OnceCell, watch};
use tokio::time::timeout;

use crate::blob::{BlobReader, BlobWriter};
use crate::classes::Classes;
use crate::error::LinkError;
use crate::limits::{BATCH, BATCH_BYTES, MAX_SENDING};

/// A connection to one peer that carries frames in both directions. Any number of tasks may send, and one receives.
pub struct Link {
    kind: Kind,
    peer: Option<Vec<u8>>,
    closing: watch::Sender<bool>,
    closed: OnceCell<()>,
    /// Frames that are being sent or wait for it.
    sending: AtomicUsize,
    /// Why nothing more is received.
    ended: QuickMutex<Option<LinkError>>,
}

/// A frame that came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Received {
    /// By which stream it came; none where a link has but one. A hint: what counts is the frame's header.
    pub class: Option<StreamClass>,
    /// The frame.
    pub frame: Vec<u8>,
}

enum Kind {
    OneStream(Box<OneStream>),
    Classes(Box<Classes>),
}

/// All classes on one stream.
struct OneStream {
    reader: Mutex<Option<BlobReader<Box<dyn AsyncRead + Send + Unpin>>>>,
    writer: Mutex<Option<BlobWriter<Box<dyn AsyncWrite + Send + Unpin>>>>,
    dropped: AtomicU64,
}

/// A place among the frames that are being sent.
struct Place<'a>(&'a AtomicUsize);

impl Link {
    pub(crate) fn of_one_stream(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        patience: Option<Duration>,
    ) -> Self {
        let reader: Box<dyn AsyncRead + Send + Unpin> = Box::new(reader);
        let writer: Box<dyn AsyncWrite + Send + Unpin> = Box::new(writer);
        Self::new(Kind::OneStream(Box::new(OneStream {
            reader: Mutex::new(Some(BlobReader::new(reader))),
            writer: Mutex::new(Some(BlobWriter::new(writer, patience))),
            dropped: AtomicU64::new(0),
        })))
    }

    pub(crate) fn of_classes(classes: Classes) -> Self {
        Self::new(Kind::Classes(Box::new(classes)))
    }

    fn new(kind: Kind) -> Self {
        let (closing, sending) = (watch::Sender::new(false), AtomicUsize::new(0));
        Self { kind, peer: None, closing, closed: OnceCell::new(), sending, ended: QuickMutex::default() }
    }

    /// The same link, with the certificate that its peer has shown.
    pub(crate) fn with_peer(self, peer: Option<Vec<u8>>) -> Self {
        Self { peer, ..self }
    }

    /// Sends a frame behind those of its class, and waits while the peer does not keep up. Audio waits behind nothing:
    /// where there is no room for it at once, it is dropped and counted ([`Self::audio_dropped`]).
    ///
    /// The first poll gives a frame its place behind the others. Whoever drops the future later does not know whether the
    /// frame is sent.
    ///
    /// # Errors
    /// [`LinkError::TooLong`] and [`LinkError::Busy`], after which the link goes on, and whatever ends it.
    pub async fn send(&self, frame: &[u8], class: StreamClass) -> Result<(), LinkError> {
        let _place = self.place()?;
        let send = async {
            match &self.kind {
                Kind::OneStream(stream) => stream.send(frame, class).await,
                Kind::Classes(classes) => classes.send(frame, class).await,
            }
        };
        tokio::select! {
            biased;
            () = self.closed() => Err(LinkError::Closed),
            sent = send => sent,
        }
    }

    /// The next frame; none once the peer has ended and everything was received. Where classes have streams of their own,
    /// control comes before what else is there. A dropped future loses nothing.
    ///
    /// # Errors
    /// What ended the link. It ends every later call too.
    pub async fn receive(&self) -> Result<Option<Received>, LinkError> {
        if let Some(ended) = self.ended().clone() {
            return Err(ended);
        }
        let receive = async {
            match &self.kind {
                Kind::OneStream(stream) => stream.receive().await,
                Kind::Classes(classes) => classes.receive().await,
            }
        };
        let received = tokio::select! {
            biased;
            () = self.closed() => Err(LinkError::Closed),
            received = receive => received,
        };
        if let Err(why) = &received {
            self.ended().get_or_insert_with(|| why.clone());
        }
        received
    }

    /// The next frame and those that are there with it, up to [`BATCH`]; none once the peer has ended. A dropped future
    /// loses nothing: it waits for the first alone.
    ///
    /// # Errors
    /// As [`Self::receive`], behind all frames that came before.
    pub async fn receive_batch(&self) -> Result<Vec<Received>, LinkError> {
        let mut batch: Vec<_> = self.receive().await?.into_iter().collect();
        let mut bytes = batch.first().map_or(BATCH_BYTES, |first| first.frame.len());
        while batch.len() < BATCH && bytes < BATCH_BYTES {
            let next = tokio::select! {
                biased;
                received = self.receive() => received,
                () = std::future::ready(()) => Ok(None),
            };
            // An end is met again by the next call.
            let Ok(Some(next)) = next else { break };
            bytes = bytes.saturating_add(next.frame.len());
            batch.push(next);
        }
        Ok(batch)
    }

    /// Closes the link: what was sent goes out, and the peer has `grace` to take it and to end its own direction; then
    /// nothing is left of the connection. Calls that wait end with [`LinkError::Closed`], and so do later ones. Whoever
    /// closes once more waits for the first.
    pub async fn close(&self, grace: Duration) {
        self.closing.send_replace(true);
        let close = || async {
            match &self.kind {
                Kind::OneStream(stream) => stream.close(grace).await,
                Kind::Classes(classes) => classes.close(grace).await,
            }
        };
        self.closed.get_or_init(close).await;
    }

    /// How many audio frames of this side were dropped because there was no room for them, so far.
    #[must_use]
    pub fn audio_dropped(&self) -> u64 {
        match &self.kind {
            Kind::OneStream(stream) => stream.dropped.load(Ordering::Relaxed),
            Kind::Classes(classes) => classes.audio_dropped(),
        }
    }

    /// How many audio frames of the peer's were lost on the way, or dropped because nobody received them in time, as far
    /// as later ones show.
    #[must_use]
    pub fn audio_lost(&self) -> u64 {
        match &self.kind {
            Kind::OneStream(_) => 0,
            Kind::Classes(classes) => classes.audio_lost(),
        }
    }

    /// The certificate that the peer has shown, in DER, where it had to show one.
    #[must_use]
    pub fn peer(&self) -> Option<&[u8]> {
        self.peer.as_deref()
    }

    /// The longest audio frame that goes over the link at present: a packet's worth, where audio has packets of its own.
    #[must_use]
    pub fn longest_audio(&self) -> usize {
        match &self.kind {
            Kind::OneStream(_) => crate::limits::MAX_BLOB,
            Kind::Classes(classes) => classes.longest_audio(),
        }
    }

    fn place(&self) -> Result<Place<'_>, LinkError> {
        let place = Place(&self.sending);
        if self.sending.fetch_add(1, Ordering::Relaxed) < MAX_SENDING {
            Ok(place)
        } else {
            Err(LinkError::Busy)
        }
    }

    fn ended(&self) -> std::sync::MutexGuard<'_, Option<LinkError>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn closed(&self) {
        // The sender lives as long as the link, so this ends only by closing.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl OneStream {
    async fn send(&self, frame: &[u8], class: StreamClass) -> Result<(), LinkError> {
        let mut writer = match class {
            StreamClass::Audio => match self.writer.try_lock() {
                Ok(writer) => writer,
                Err(_) => {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
            },
            _ => self.writer.lock().await,
        };
        writer.as_mut().ok_or(LinkError::Closed)?.send(frame).await
    }

    async fn receive(&self) -> Result<Option<Received>, LinkError> {
        let mut reader = self.reader.lock().await;
        let frame = reader.as_mut().ok_or(LinkError::Closed)?.next().await?;
        Ok(frame.map(|frame| Received { class: None, frame }))
    }

    async fn close(&self, grace: Duration) {
        let end = async {
            if let Some(writer) = self.writer.lock().await.as_mut() {
                writer.finish().await?;
            }
            // What still comes is not wanted, but a peer whose frames nobody takes cannot end.
            while self.receive().await?.is_some() {}
            Ok::<(), LinkError>(())
        };
        // Either way it is over.
        let _ = timeout(grace, end).await;
        *self.writer.lock().await = None;
        *self.reader.lock().await = None;
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}
