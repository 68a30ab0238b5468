//! The UDP sockets of both QUIC links, with every limit set.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{Connection, Endpoint, Incoming, ServerConfig, TransportConfig, VarInt};
use rustls::pki_types::CertificateDer;
use tokio::time::timeout;

use crate::error::LinkError;
use crate::limits::{HANDSHAKE, IDLE, WAITING, WAITING_BYTES};
use crate::tcp::unreachable;

/// Everything but streams and windows.
pub(crate) fn transport() -> Result<TransportConfig, LinkError> {
    let mut transport = TransportConfig::default();
    let idle = IDLE.try_into().map_err(|_| LinkError::Identity("the idle timeout"))?;
    transport
        .max_idle_timeout(Some(idle))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None);
    Ok(transport)
}

/// A socket at `address` that accepts.
pub(crate) fn listen(
    address: SocketAddr,
    tls: rustls::ServerConfig,
    transport: TransportConfig,
) -> Result<Endpoint, LinkError> {
    let tls = QuicServerConfig::try_from(tls).map_err(|_| LinkError::Identity("the cipher suites"))?;
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config
        .transport_config(Arc::new(transport))
        .max_incoming(WAITING)
        .incoming_buffer_size(WAITING_BYTES)
        .incoming_buffer_size_total(WAITING_BYTES);
    Endpoint::server(config, address).map_err(|error| unreachable(&error))
}

/// A connection from a socket of its own to whoever is certified as `name` at `address`.
pub(crate) async fn connect(
    address: SocketAddr,
    name: &str,
    tls: rustls::ClientConfig,
    transport: TransportConfig,
) -> Result<Connection, LinkError> {
    let tls = QuicClientConfig::try_from(tls).map_err(|_| LinkError::Identity("the cipher suites"))?;
    let mut config = quinn::ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(transport));
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let endpoint = Endpoint::client(any).map_err(|error| unreachable(&error))?;
    let connecting = endpoint
        .connect_with(config, address, name)
        .map_err(|_| LinkError::Unreachable(std::io::ErrorKind::InvalidInput))?;
    in_time(async { Ok(connecting.await?) }).await
}

/// The certificate that the peer has shown.
pub(crate) fn certificate_of(connection: &Connection) -> Option<Vec<u8>> {
    let shown = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    shown.first().map(|certificate| certificate.to_vec())
}

/// Refuses whoever comes from now on. Connections that stand go on.
pub(crate) fn close(endpoint: &Endpoint) {
    endpoint.set_server_config(None);
}

/// The next peer that wants something. Its handshake is its own affair, so that a slow one keeps nobody waiting.
pub(crate) async fn accept(endpoint: &Endpoint) -> Result<Incoming, LinkError> {
    endpoint.accept().await.ok_or(LinkError::Closed)
}

/// Completes what a peer has begun.
pub(crate) async fn complete(incoming: Incoming) -> Result<Connection, LinkError> {
    in_time(async { Ok(incoming.await?) }).await
}

/// What has to be done within [`HANDSHAKE`].
pub(crate) async fn in_time<T>(work: impl Future<Output = Result<T, LinkError>>) -> Result<T, LinkError> {
    let done = timeout(HANDSHAKE, work).await;
    done.unwrap_or(Err(LinkError::Unreachable(std::io::ErrorKind::TimedOut)))
}
