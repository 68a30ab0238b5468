//! The way to a peer: its address, and what the peer must be.

use std::net::SocketAddr;

use tokio::net::lookup_host;

use crate::endpoint::in_time;
use crate::error::LinkError;
use crate::limits::MAX_ADDRESSES;
use crate::link::Link;
use crate::tcp::unreachable;
use crate::tls::{Identity, Trust};
use crate::{published, quic, tcp};

/// What is spoken with a peer, and whom it must be.
#[derive(Clone, Copy, Debug)]
pub enum Route<'a> {
    /// The published stack's TCP, which proves nothing.
    Tcp,
    /// The published stack's QUIC.
    Published {
        /// The name that the peer is certified as.
        name: &'a str,
        /// The certificates that count.
        trust: &'a Trust,
    },
    /// Our own QUIC.
    Quic {
        /// The name that the peer is certified as.
        name: &'a str,
        /// The certificates that count.
        trust: &'a Trust,
        /// Who this side is, if it is asked.
        identity: Option<&'a Identity>,
    },
}

/// Connects to the peer at `address`: a host's name or address, and a port. Where a name has several addresses they are
/// tried one after the other.
///
/// # Errors
/// [`LinkError::Address`], [`LinkError::Unreachable`], [`LinkError::Refused`], [`LinkError::Malformed`] or [`LinkError::Lost`].
pub async fn connect(address: &str, route: Route<'_>) -> Result<Link, LinkError> {
    let mut failed = LinkError::Unreachable(std::io::ErrorKind::AddrNotAvailable);
    for address in resolve(address).await? {
        match connect_to(address, route).await {
            Err(error @ LinkError::Unreachable(_)) => failed = error,
            done => return done,
        }
    }
    Err(failed)
}

async fn connect_to(address: SocketAddr, route: Route<'_>) -> Result<Link, LinkError> {
    match route {
        Route::Tcp => tcp::connect(address).await,
        Route::Published { name, trust } => published::connect(address, name, trust).await?.open().await,
        Route::Quic { name, trust, identity } => quic::connect(address, name, trust, identity).await,
    }
}

/// The first address that a name stands for, to listen at.
pub(crate) async fn local(address: &str) -> Result<SocketAddr, LinkError> {
    let first = resolve(address).await?.next();
    first.ok_or(LinkError::Unreachable(std::io::ErrorKind::AddrNotAvailable))
}

async fn resolve(address: &str) -> Result<impl Iterator<Item = SocketAddr> + use<>, LinkError> {
    let parts = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    if parts.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
        return Err(LinkError::Address);
    }
    let found = in_time(async { lookup_host(address).await.map_err(|error| unreachable(&error)) }).await?;
    Ok(found.take(MAX_ADDRESSES).collect::<Vec<_>>().into_iter())
}
