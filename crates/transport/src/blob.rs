//! Blobs with their length before them, four bytes of it, the lowest first: on TCP and on every QUIC stream.
//!
//! Both directions can be left in the middle and gone on with: what has been read or accepted stays where it is, so a
//! future that is dropped loses and tears nothing.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::error::{LinkError, lost};
use crate::limits::{MAX_BLOB, READ_AHEAD, STALL};

const HEAD: usize = 4;

/// Reads blobs, one after the other.
#[derive(Debug)]
pub(crate) struct BlobReader<R> {
    stream: R,
    head: Vec<u8>,
    body: Vec<u8>,
    failed: Option<LinkError>,
}

/// Writes blobs, one after the other.
#[derive(Debug)]
pub(crate) struct BlobWriter<W> {
    stream: W,
    /// The blob under way, of which `written` bytes have left.
    blob: Vec<u8>,
    written: usize,
    /// How long the peer may take nothing; for ever, where the connection itself shows whether the peer lives.
    patience: Option<Duration>,
    failed: Option<LinkError>,
}

impl<R: AsyncRead + Unpin> BlobReader<R> {
    pub(crate) const fn new(stream: R) -> Self {
        Self { stream, head: Vec::new(), body: Vec::new(), failed: None }
    }

    /// The next blob; none once the peer has ended. After an error nothing more is read.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, LinkError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let next = self.read().await;
        self.failed = next.as_ref().err().cloned();
        next
    }

    async fn read(&mut self) -> Result<Option<Vec<u8>>, LinkError> {
        // Between two blobs a peer may be silent for as long as it likes.
        if self.head.is_empty() && !fill(&mut self.stream, &mut self.head, HEAD).await? {
            return Ok(None);
        }
        while self.head.len() < HEAD {
            self.go_on(HEAD).await?;
        }
        let head = self.head.as_slice().try_into().map(u32::from_le_bytes);
        let length = head.ok().and_then(|length| usize::try_from(length).ok());
        let length = length.filter(|length| *length <= MAX_BLOB).ok_or(LinkError::Malformed("a length"))?;
        while self.body.len() < length {
            self.go_on(length).await?;
        }
        self.head.clear();
        Ok(Some(std::mem::take(&mut self.body)))
    }

    /// More of what has begun.
    async fn go_on(&mut self, length: usize) -> Result<(), LinkError> {
        let part = if self.head.len() < HEAD { &mut self.head } else { &mut self.body };
        let came = timeout(STALL, fill(&mut self.stream, part, length));
        if came.await.map_err(|_| LinkError::Stalled)?? { Ok(()) } else { Err(LinkError::Lost) }
    }
}

/// Reads once, up to where `part` has `length` bytes, and answers whether anything came.
async fn fill<R: AsyncRead + Unpin>(
    stream: &mut R,
    part: &mut Vec<u8>,
    length: usize,
) -> Result<bool, LinkError> {
    let missing = length.saturating_sub(part.len());
    part.reserve(missing.min(READ_AHEAD));
    let missing = u64::try_from(missing).unwrap_or(u64::MAX);
    let read = stream.take(missing).read_buf(part).await.map_err(|error| lost(&error))?;
    Ok(read > 0)
}

impl<W: AsyncWrite + Unpin> BlobWriter<W> {
    pub(crate) const fn new(stream: W, patience: Option<Duration>) -> Self {
        Self { stream, blob: Vec::new(), written: 0, patience, failed: None }
    }

    /// Sends a blob. Whoever drops the future before it has ended does not know whether the blob is sent; the next call
    /// sends what is left of it first.
    pub(crate) async fn send(&mut self, blob: &[u8]) -> Result<(), LinkError> {
        let too_long = LinkError::TooLong { length: blob.len(), most: MAX_BLOB };
        let length = u32::try_from(blob.len()).ok().filter(|_| blob.len() <= MAX_BLOB).ok_or(too_long)?;
        self.flush().await?;
        (self.blob, self.written) = ([&length.to_le_bytes(), blob].concat(), 0);
        self.flush().await
    }

    /// Ends this direction, behind all that was sent.
    pub(crate) async fn finish(&mut self) -> Result<(), LinkError> {
        self.flush().await?;
        self.stream.shutdown().await.map_err(|error| lost(&error))
    }

    async fn flush(&mut self) -> Result<(), LinkError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let flushed = self.write().await;
        self.failed = flushed.as_ref().err().cloned();
        flushed
    }

    async fn write(&mut self) -> Result<(), LinkError> {
        while let Some(rest) = self.blob.get(self.written..).filter(|rest| !rest.is_empty()) {
            let write = self.stream.write(rest);
            let left = match self.patience {
                None => write.await,
                Some(patience) => timeout(patience, write).await.map_err(|_| LinkError::Stalled)?,
            };
            let left =
                left.and_then(|left| if left == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(left) });
            self.written = self.written.saturating_add(left.map_err(|error| lost(&error))?);
        }
        self.blob = Vec::new();
        self.written = 0;
        self.stream.flush().await.map_err(|error| lost(&error))
    }
}
