//! The published stack's link over TCP: blobs with their length before them, and nothing else.
//!
//! It hides nothing and proves nothing, and all classes wait for each other. For peers that have no other link.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::error::LinkError;
use crate::limits::{HANDSHAKE, PATIENCE};
use crate::link::Link;

/// Accepts links.
#[derive(Debug)]
pub struct Acceptor(TcpListener);

impl Acceptor {
    /// Listens at `address`; port 0 is any that is free.
    ///
    /// # Errors
    /// [`LinkError::Unreachable`] with what the system says.
    pub async fn bind(address: SocketAddr) -> Result<Self, LinkError> {
        Ok(Self(TcpListener::bind(address).await.map_err(|error| unreachable(&error))?))
    }

    /// Where it listens.
    ///
    /// # Errors
    /// [`LinkError::Unreachable`] with what the system says.
    pub fn address(&self) -> Result<SocketAddr, LinkError> {
        self.0.local_addr().map_err(|error| unreachable(&error))
    }

    /// The next peer that connects.
    ///
    /// # Errors
    /// [`LinkError::Unreachable`] with what the system says; others may still come.
    pub async fn accept(&self) -> Result<Link, LinkError> {
        let (stream, _) = self.0.accept().await.map_err(|error| unreachable(&error))?;
        link(stream)
    }
}

/// Connects to the peer at `address`.
///
/// # Errors
/// [`LinkError::Unreachable`].
pub async fn connect(address: SocketAddr) -> Result<Link, LinkError> {
    let stream = timeout(HANDSHAKE, TcpStream::connect(address)).await;
    let stream = stream.map_err(|_| LinkError::Unreachable(io::ErrorKind::TimedOut))?;
    link(stream.map_err(|error| unreachable(&error))?)
}

fn link(stream: TcpStream) -> Result<Link, LinkError> {
    // A frame is whole when it is written: there is nothing to wait for.
    stream.set_nodelay(true).map_err(|error| unreachable(&error))?;
    let (reader, writer) = stream.into_split();
    Ok(Link::of_one_stream(reader, writer, Some(PATIENCE)))
}

pub(crate) fn unreachable(error: &io::Error) -> LinkError {
    LinkError::Unreachable(error.kind())
}
