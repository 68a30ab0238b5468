//! What the tests of the links share.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses a part of it, and may panic"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use coterie_transport::{Identity, Link, Trust, published, quic, tcp};
use tokio::net::TcpStream;

pub const NAME: &str = "localhost";

/// Nothing here takes a fraction of it: only what hangs ever sees it.
const HANGS: Duration = Duration::from_secs(120);

/// A certificate of its own, as both sides want it.
pub struct Certified {
    pub certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Certified {
    pub fn new() -> Self {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        Self { certificate: made.cert.der().to_vec(), key: made.signing_key.serialize_der() }
    }

    pub fn identity(&self) -> Identity {
        Identity::new(&self.certificate, &self.key).unwrap()
    }

    pub fn trust(&self) -> Trust {
        Trust::new(&self.certificate).unwrap()
    }
}

pub fn anywhere() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

pub async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANGS, work).await.unwrap()
}

/// Both ends of a TCP link.
pub async fn tcp_pair() -> (Link, Link) {
    let acceptor = tcp::Acceptor::bind(anywhere()).await.unwrap();
    let (connected, accepted) = tokio::join!(tcp::connect(acceptor.address().unwrap()), acceptor.accept());
    (connected.unwrap(), accepted.unwrap())
}

/// A link whose peer is a bare socket.
pub async fn tcp_raw() -> (Link, TcpStream) {
    let acceptor = tcp::Acceptor::bind(anywhere()).await.unwrap();
    let (raw, accepted) = tokio::join!(TcpStream::connect(acceptor.address().unwrap()), acceptor.accept());
    let raw = raw.unwrap();
    raw.set_nodelay(true).unwrap();
    (accepted.unwrap(), raw)
}

/// Both ends of a connection of the published stack: first that which connected.
pub async fn published_pair() -> (published::Connection, published::Connection) {
    let server = Certified::new();
    let acceptor = published::Acceptor::bind(anywhere(), &server.identity()).unwrap();
    let (address, trust) = (acceptor.address().unwrap(), server.trust());
    let accept = async { acceptor.accept().await.unwrap().connection().await };
    let (connected, accepted) = tokio::join!(published::connect(address, NAME, &trust), accept);
    (connected.unwrap(), accepted.unwrap())
}

/// Both ends of our QUIC link: first that which connected.
pub async fn quic_pair() -> (Link, Link) {
    let server = Certified::new();
    let acceptor = quic::Acceptor::bind(anywhere(), &server.identity(), None).unwrap();
    let (address, trust) = (acceptor.address().unwrap(), server.trust());
    let accept = async { acceptor.accept().await.unwrap().link().await };
    let (connected, accepted) = tokio::join!(quic::connect(address, NAME, &trust, None), accept);
    (connected.unwrap(), accepted.unwrap())
}

/// Bytes that tell their place.
pub fn blob(length: usize, first: u8) -> Vec<u8> {
    (0..length).map(|at| first.wrapping_add(u8::try_from(at % 251).unwrap())).collect()
}
