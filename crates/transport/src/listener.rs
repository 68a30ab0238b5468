//! Accepts links, whatever carries them.
//!
//! Handshakes go on beside each other while somebody waits for a link, so that a slow peer keeps nobody waiting. There is a
//! bound for those under way and one for links that nobody takes: beyond either, peers wait outside.

use std::net::SocketAddr;

use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;

use crate::error::LinkError;
use crate::limits::{MAX_ACCEPTED, MAX_ARRIVING};
use crate::link::Link;
use crate::route::local;
use crate::tls::{Identity, Trust};
use crate::{published, quic, tcp};

/// Where peers come in.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    closing: watch::Sender<bool>,
    arrivals: Mutex<Option<Arrivals>>,
}

#[derive(Debug)]
struct Arrivals {
    acceptor: Acceptor,
    /// What goes on for peers who are not there yet.
    under_way: JoinSet<()>,
    ready: mpsc::Receiver<Link>,
    make_ready: mpsc::Sender<Link>,
}

#[derive(Debug)]
enum Acceptor {
    Tcp(tcp::Acceptor),
    Published(published::Acceptor),
    Quic(quic::Acceptor),
}

impl Listener {
    /// Listens at `address` for links over TCP; port 0 is any that is free.
    ///
    /// # Errors
    /// [`LinkError::Unreachable`] with what the system says.
    pub async fn tcp(address: &str) -> Result<Self, LinkError> {
        let acceptor = tcp::Acceptor::bind(local(address).await?).await?;
        Ok(Self::new(acceptor.address()?, Acceptor::Tcp(acceptor)))
    }

    /// Listens as `identity` for links of the published stack's QUIC. Every stream that a peer opens is one.
    ///
    /// # Errors
    /// [`LinkError::Identity`], and as [`Self::tcp`].
    pub async fn published(address: &str, identity: &Identity) -> Result<Self, LinkError> {
        let acceptor = published::Acceptor::bind(local(address).await?, identity)?;
        Ok(Self::new(acceptor.address()?, Acceptor::Published(acceptor)))
    }

    /// Listens as `identity` for links of our own QUIC. With `peers`, only whoever shows such a certificate gets one.
    ///
    /// # Errors
    /// As [`Self::published`].
    pub async fn quic(address: &str, identity: &Identity, peers: Option<&Trust>) -> Result<Self, LinkError> {
        let acceptor = quic::Acceptor::bind(local(address).await?, identity, peers)?;
        Ok(Self::new(acceptor.address()?, Acceptor::Quic(acceptor)))
    }

    fn new(address: SocketAddr, acceptor: Acceptor) -> Self {
        let (make_ready, ready) = mpsc::channel(MAX_ACCEPTED);
        let arrivals = Arrivals { acceptor, under_way: JoinSet::new(), ready, make_ready };
        Self { address, closing: watch::Sender::new(false), arrivals: Mutex::new(Some(arrivals)) }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next peer's link. Peers with whom none comes about are passed over. A dropped future loses nothing.
    ///
    /// # Errors
    /// [`LinkError::Closed`], and [`LinkError::Unreachable`] with what the system says; then others may still come.
    pub async fn accept(&self) -> Result<Link, LinkError> {
        let mut closing = self.closing.subscribe();
        let accept = async { self.arrivals.lock().await.as_mut().ok_or(LinkError::Closed)?.next().await };
        tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing) => Err(LinkError::Closed),
            accepted = accept => accepted,
        }
    }

    /// Refuses whoever comes from now on, and whoever has not been accepted. Links that were go on.
    pub async fn close(&self) {
        self.closing.send_replace(true);
        if let Some(arrivals) = self.arrivals.lock().await.take() {
            arrivals.acceptor.close();
        }
    }
}

impl Arrivals {
    async fn next(&mut self) -> Result<Link, LinkError> {
        loop {
            tokio::select! {
                Some(link) = self.ready.recv() => return Ok(link),
                Some(_) = self.under_way.join_next() => {}
                arrived = self.acceptor.next(), if self.under_way.len() < MAX_ARRIVING => {
                    match arrived? {
                        Arrived::Link(link) => return Ok(link),
                        Arrived::Peer(peer) => {
                            self.under_way.spawn(peer.make_ready(self.make_ready.clone()));
                        }
                    }
                }
            }
        }
    }
}

enum Arrived {
    Link(Link),
    Peer(Box<Peer>),
}

enum Peer {
    Published(published::Arriving),
    Quic(quic::Arriving),
}

impl Acceptor {
    async fn next(&self) -> Result<Arrived, LinkError> {
        Ok(match self {
            Self::Tcp(acceptor) => Arrived::Link(acceptor.accept().await?),
            Self::Published(acceptor) => Arrived::Peer(Box::new(Peer::Published(acceptor.accept().await?))),
            Self::Quic(acceptor) => Arrived::Peer(Box::new(Peer::Quic(acceptor.accept().await?))),
        })
    }

    fn close(&self) {
        match self {
            Self::Tcp(_) => {}
            Self::Published(acceptor) => acceptor.close(),
            Self::Quic(acceptor) => acceptor.close(),
        }
    }
}

impl Peer {
    /// Brings the peer's links to whoever accepts. What comes to nothing is the peer's affair: it is told by its side.
    async fn make_ready(self: Box<Self>, ready: mpsc::Sender<Link>) {
        match *self {
            Self::Quic(arriving) => {
                if let Ok(link) = arriving.link().await {
                    let _ = ready.send(link).await;
                }
            }
            Self::Published(arriving) => {
                let Ok(connection) = arriving.connection().await else { return };
                while let Ok(link) = connection.accept().await {
                    if ready.send(link).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
