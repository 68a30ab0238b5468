//! QUIC of our own: the four stream classes on one connection, without blocking each other (docs/links.md).
//!
//! Who accepts shows a certificate that whoever connects was given beforehand, and may ask for one in turn.

use std::net::SocketAddr;

use quinn::{Endpoint, Incoming, TransportConfig, VarInt};

use crate::classes::Classes;
use crate::endpoint;
use crate::error::LinkError;
use crate::limits::{AUDIO_RECEIVING, AUDIO_SENDING, CONNECTION_WINDOW, KEEP_ALIVE, STREAM_WINDOW};
use crate::link::Link;
use crate::tcp::unreachable;
use crate::tls::{self, Identity, Trust};

/// The protocol's name in TLS, version included.
pub const PROTOCOL: &[u8] = b"coterie-link/1";

/// Accepts links.
#[derive(Debug)]
pub struct Acceptor(Endpoint);

/// A peer whose handshake has begun.
#[derive(Debug)]
pub struct Arriving(Incoming);

impl Acceptor {
    /// Listens at `address` as `identity`; port 0 is any that is free. With `peers`, only whoever shows such a certificate
    /// gets a link. Wants to be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`LinkError::Identity`], and [`LinkError::Unreachable`] with what the system says.
    pub fn bind(address: SocketAddr, identity: &Identity, peers: Option<&Trust>) -> Result<Self, LinkError> {
        let tls = tls::server(identity, peers, Some(PROTOCOL))?;
        Ok(Self(endpoint::listen(address, tls, transport()?)?))
    }

    /// Where it listens.
    ///
    /// # Errors
    /// [`LinkError::Unreachable`] with what the system says.
    pub fn address(&self) -> Result<SocketAddr, LinkError> {
        self.0.local_addr().map_err(|error| unreachable(&error))
    }

    /// The next peer that wants a link. Complete it in a task of its own: a slow one keeps nobody waiting.
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
    /// The link.
    ///
    /// # Errors
    /// [`LinkError::Refused`], [`LinkError::Malformed`], [`LinkError::Unreachable`] or [`LinkError::Lost`].
    pub async fn link(self) -> Result<Link, LinkError> {
        link(endpoint::complete(self.0).await?).await
    }
}

async fn link(connection: quinn::Connection) -> Result<Link, LinkError> {
    let classes = endpoint::in_time(Classes::establish(connection)).await?;
    let peer = classes.peer();
    Ok(Link::of_classes(classes).with_peer(peer))
}

/// Connects to whoever is certified as `name` at `address`, and shows `identity` if it is asked for.
///
/// # Errors
/// As [`Arriving::link`].
pub async fn connect(
    address: SocketAddr,
    name: &str,
    trust: &Trust,
    identity: Option<&Identity>,
) -> Result<Link, LinkError> {
    let tls = tls::client(trust, identity, Some(PROTOCOL))?;
    link(endpoint::connect(address, name, tls, transport()?).await?).await
}

fn transport() -> Result<TransportConfig, LinkError> {
    let mut transport = endpoint::transport()?;
    transport
        .keep_alive_interval(Some(KEEP_ALIVE))
        // One for each class that has one.
        .max_concurrent_uni_streams(VarInt::from_u32(3))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(CONNECTION_WINDOW.into())
        .datagram_send_buffer_size(AUDIO_SENDING)
        .datagram_receive_buffer_size(Some(AUDIO_RECEIVING));
    Ok(transport)
}
