//! The published stack's link over QUIC: blobs on streams that the connecting side opens, and no protocol named.
//!
//! The accepting side learns of a stream when something comes on it, so whoever opens one writes first. All classes wait
//! for each other. There is no certificate of the connecting side.

use std::net::SocketAddr;

use quinn::{Endpoint, Incoming, TransportConfig, VarInt};

use crate::endpoint;
use crate::error::{LinkError, gone};
use crate::limits::{CONNECTION_WINDOW, KEEP_ALIVE, PUBLISHED_STREAMS, STREAM_WINDOW};
use crate::link::Link;
use crate::tcp::unreachable;
use crate::tls::{self, Identity, Trust};

/// Accepts connections.
#[derive(Debug)]
pub struct Acceptor(Endpoint);

/// A peer whose handshake has begun.
#[derive(Debug)]
pub struct Arriving(Incoming);

/// A connection, on which the side that connected opens links.
#[derive(Clone, Debug)]
pub struct Connection(quinn::Connection);

impl Acceptor {
    /// Listens at `address` as `identity`; port 0 is any that is free. Wants to be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`LinkError::Identity`], and [`LinkError::Unreachable`] with what the system says.
    pub fn bind(address: SocketAddr, identity: &Identity) -> Result<Self, LinkError> {
        let tls = tls::server(identity, None, None)?;
        Ok(Self(endpoint::listen(address, tls, transport(PUBLISHED_STREAMS)?)?))
    }

    /// Where it listens.
    ///
    /// # Errors
    /// [`LinkError::Unreachable`] with what the system says.
    pub fn address(&self) -> Result<SocketAddr, LinkError> {
        self.0.local_addr().map_err(|error| unreachable(&error))
    }

    /// The next peer that connects. Complete it in a task of its own: a slow one keeps nobody waiting.
    ///
    /// # Errors
    /// [`LinkError::Closed`].
    pub async fn accept(&self) -> Result<Arriving, LinkError> {
        endpoint::accept(&self.0).await.map(Arriving)
    }

    /// Refuses whoever comes from now on.
    pub(crate) fn close(&self) {
        endpoint::close(&self.0);
    }
}

impl Arriving {
    /// The connection.
    ///
    /// # Errors
    /// [`LinkError::Refused`], [`LinkError::Unreachable`] or [`LinkError::Lost`].
    pub async fn connection(self) -> Result<Connection, LinkError> {
        endpoint::complete(self.0).await.map(Connection)
    }
}

/// Connects to whoever is certified as `name` at `address`.
///
/// # Errors
/// As [`Arriving::connection`].
pub async fn connect(address: SocketAddr, name: &str, trust: &Trust) -> Result<Connection, LinkError> {
    let tls = tls::client(trust, None, None)?;
    let mut transport = transport(0)?;
    // The side that accepts waits for as long as the other one says that it is there.
    transport.keep_alive_interval(Some(KEEP_ALIVE));
    endpoint::connect(address, name, tls, transport).await.map(Connection)
}

impl Connection {
    /// A new link, for the side that connected. The peer learns of it by what is sent on it first.
    ///
    /// # Errors
    /// What ended the connection.
    pub async fn open(&self) -> Result<Link, LinkError> {
        let (writer, reader) = self.0.open_bi().await.map_err(|why| gone(&why))?;
        Ok(self.link(reader, writer))
    }

    /// The next link that the peer has opened, for the side that accepted.
    ///
    /// # Errors
    /// What ended the connection.
    pub async fn accept(&self) -> Result<Link, LinkError> {
        let (writer, reader) = self.0.accept_bi().await.map_err(|why| gone(&why))?;
        Ok(self.link(reader, writer))
    }

    fn link(&self, reader: quinn::RecvStream, writer: quinn::SendStream) -> Link {
        Link::of_one_stream(reader, writer, None).with_peer(endpoint::certificate_of(&self.0))
    }

    /// Ends the connection and every link on it.
    pub fn close(&self) {
        self.0.close(VarInt::from_u32(0), b"");
    }
}

/// For a side that accepts so many streams at once.
fn transport(streams: u32) -> Result<TransportConfig, LinkError> {
    let mut transport = endpoint::transport()?;
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(streams))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        // Its default is none, and would let a peer fill a hundred streams.
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(CONNECTION_WINDOW.into());
    Ok(transport)
}
