//! A link, whatever carries it.

use std::fmt;
use std::time::Duration;

use coterie_types::StreamClass;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;

use crate::blob::{BlobReader, BlobWriter};
use crate::classes::Classes;
use crate::error::LinkError;

/// A connection to one peer that carries frames in both directions. Any number of tasks may send, and one receives.
pub struct Link {
    kind: Kind,
    closing: watch::Sender<bool>,
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
}

impl Link {
    pub(crate) fn of_one_stream(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        let reader: Box<dyn AsyncRead + Send + Unpin> = Box::new(reader);
        let writer: Box<dyn AsyncWrite + Send + Unpin> = Box::new(writer);
        Self::new(Kind::OneStream(Box::new(OneStream {
            reader: Mutex::new(Some(BlobReader::new(reader))),
            writer: Mutex::new(Some(BlobWriter::new(writer))),
        })))
    }

    pub(crate) fn of_classes(classes: Classes) -> Self {
        Self::new(Kind::Classes(Box::new(classes)))
    }

    fn new(kind: Kind) -> Self {
        Self { kind, closing: watch::Sender::new(false) }
    }

    /// Sends a frame behind those of its class, and waits while the peer does not keep up. Audio never waits: where our
    /// QUIC link has no room for it, it is dropped and counted ([`Self::audio_dropped`]).
    ///
    /// Whoever drops the future does not know whether the frame is sent.
    ///
    /// # Errors
    /// [`LinkError::TooLong`], after which the link goes on, and whatever ends it.
    pub async fn send(&self, frame: &[u8], class: StreamClass) -> Result<(), LinkError> {
        let send = async {
            match &self.kind {
                Kind::OneStream(stream) => stream.send(frame).await,
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
        let receive = async {
            match &self.kind {
                Kind::OneStream(stream) => stream.receive().await,
                Kind::Classes(classes) => classes.receive().await,
            }
        };
        tokio::select! {
            biased;
            () = self.closed() => Err(LinkError::Closed),
            received = receive => received,
        }
    }

    /// Closes the link: what was sent goes out, and the peer has `grace` to take it and to end its own direction; then
    /// nothing is left of the connection. Calls that wait end with [`LinkError::Closed`], and so do later ones.
    pub async fn close(&self, grace: Duration) {
        self.closing.send_replace(true);
        match &self.kind {
            Kind::OneStream(stream) => stream.close(grace).await,
            Kind::Classes(classes) => classes.close(grace).await,
        }
    }

    /// How many audio frames were dropped because there was no room for them, so far.
    #[must_use]
    pub fn audio_dropped(&self) -> u64 {
        match &self.kind {
            Kind::OneStream(_) => 0,
            Kind::Classes(classes) => classes.audio_dropped(),
        }
    }

    /// The longest audio frame that goes over the link at present: a packet's worth, where audio has packets of its own.
    #[must_use]
    pub fn longest_audio(&self) -> usize {
        match &self.kind {
            Kind::OneStream(_) => crate::limits::MAX_BLOB,
            Kind::Classes(classes) => classes.longest_audio(),
        }
    }

    async fn closed(&self) {
        // The sender lives as long as the link, so this ends only by closing.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }
}

impl OneStream {
    async fn send(&self, frame: &[u8]) -> Result<(), LinkError> {
        self.writer.lock().await.as_mut().ok_or(LinkError::Closed)?.send(frame).await
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
