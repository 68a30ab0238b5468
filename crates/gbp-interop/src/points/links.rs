//! Point 26: our links against `gbp-transport`, in both roles.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use coterie_testkit::Seed;
use coterie_transport::limits::MAX_BLOB;
use coterie_transport::{Identity, Link, LinkError, Trust, published, quic as own, tcp as plain};
use coterie_types::StreamClass;
use coterie_wire::Codec;
use rand::{Rng as _, RngExt as _};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{Member, pair};
use crate::package::{Package, bytes, to_bytes};

const NAME: &str = "localhost";
const TEXT: StreamClass = StreamClass::Text;
/// Only what hangs ever sees it.
const HANGS: Duration = Duration::from_secs(60);
/// How many frames of random lengths go each way over each link.
const FRAMES: usize = 200;
/// Most are short, as frames are.
const MOST: usize = 5_000;

/// Both ends of something, ours with the runtime that drives it.
pub(super) struct Wires<'a> {
    pub(super) runtime: Runtime,
    package: &'a Package,
    seed: Seed,
}

impl<'a> Wires<'a> {
    pub(super) fn new(package: &'a Package) -> anyhow::Result<Self> {
        Ok(Self { runtime: Runtime::new()?, package, seed: Seed::new(26) })
    }

    /// Does both at once, ours and theirs.
    fn both<T: Send + 'static>(
        &self,
        ours: impl Future<Output = Result<T, LinkError>> + Send + 'static,
        theirs: impl FnOnce(&Package) -> anyhow::Result<Value>,
    ) -> anyhow::Result<(T, Value)> {
        let ours = self.runtime.spawn(async { tokio::time::timeout(HANGS, ours).await });
        let there = theirs(self.package).context("there")?;
        Ok((self.runtime.block_on(ours)??.context("here")?, there))
    }

    /// A blob of ours arrives there as it is.
    fn sends(&self, link: &Arc<Link>, peer: &Value, blob: &[u8]) -> anyhow::Result<()> {
        let (link, sent) = (Arc::clone(link), blob.to_vec());
        let sending = async move { link.send(&sent, TEXT).await };
        let ((), there) = self.both(sending, |package| package.call(peer, "read_blob", &[]))?;
        ensure!(to_bytes(&there)? == blob, "{} bytes arrive changed there", blob.len());
        Ok(())
    }

    /// And one of theirs here.
    fn receives(&self, link: &Arc<Link>, peer: &Value, blob: &[u8]) -> anyhow::Result<()> {
        let link = Arc::clone(link);
        let receiving = async move { link.receive().await };
        let write = |package: &Package| package.call(peer, "write_blob", &[bytes(blob)]);
        let (here, _) = self.both(receiving, write)?;
        ensure!(here.context("the link ended")?.frame == blob, "{} bytes arrive changed", blob.len());
        Ok(())
    }

    /// The longest blob passes in both directions, one byte more does not, and the link goes on.
    fn carries(&self, link: &Arc<Link>, peer: &Value, opens: bool) -> anyhow::Result<()> {
        // Whoever opened a stream writes first.
        if opens {
            self.sends(link, peer, b"first")?;
        } else {
            self.receives(link, peer, b"first")?;
        }
        for length in [0, 1, 255, 65_536, MAX_BLOB] {
            let blob: Vec<u8> = (0..=250).cycle().take(length).collect();
            self.sends(link, peer, &blob)?;
            self.receives(link, peer, &blob)?;
        }
        let longer = vec![7; MAX_BLOB.saturating_add(1)];
        let refused = self.runtime.block_on(link.send(&longer, TEXT));
        ensure!(matches!(refused, Err(LinkError::TooLong { .. })), "{refused:?} here");
        let refused = self.package.call(peer, "write_blob", &[bytes(&longer)]);
        ensure!(
            refused.is_err_and(|error| error.to_string().contains("too large")),
            "a byte more passes there"
        );
        self.random(link, peer)?;
        self.chat(link, peer)
    }

    /// Frames of random lengths, many on their way at once.
    fn random(&self, link: &Arc<Link>, peer: &Value) -> anyhow::Result<()> {
        let mut random = self.seed.rng(0);
        let blobs: Vec<Vec<u8>> = (0..FRAMES)
            .map(|_| {
                let mut blob = vec![0; random.random_range(0..MOST)];
                random.fill_bytes(&mut blob);
                blob
            })
            .collect();
        let (link, all) = (Arc::clone(link), blobs.clone());
        let ours = async move {
            let sender = Arc::clone(&link);
            let sending = tokio::spawn(async move {
                for blob in &all {
                    sender.send(blob, TEXT).await?;
                }
                Ok::<_, LinkError>(())
            });
            let mut came = Vec::new();
            while came.len() < FRAMES {
                came.push(link.receive().await?.ok_or(LinkError::Lost)?.frame);
            }
            sending.await.map_err(|_| LinkError::Lost)??;
            Ok(came)
        };
        let theirs = |package: &Package| {
            for blob in &blobs {
                package.call(peer, "write_blob", &[bytes(blob)])?;
            }
            for blob in &blobs {
                ensure!(
                    to_bytes(&package.call(peer, "read_blob", &[])?)? == *blob,
                    "a frame arrives changed"
                );
            }
            Ok(Value::Null)
        };
        let (came, _) = self.both(ours, theirs)?;
        ensure!(came == blobs, "frames arrive changed");
        Ok(())
    }

    /// Members on both sides hear each other over it.
    fn chat(&self, link: &Arc<Link>, peer: &Value) -> anyhow::Result<()> {
        let (mut ours, mut theirs) = pair(self.package, true)?;
        for codec in Codec::ALL {
            let wire = ours.say(1, "from here", codec)?;
            self.sends(link, peer, &wire)?;
            ensure!(theirs.receive(&wire)?.payloads.len() == 1, "{codec:?} is not heard there");
            let wire = theirs.say(1, "from there", codec)?;
            self.receives(link, peer, &wire)?;
            ensure!(ours.receive(&wire)?.payloads.len() == 1, "{codec:?} is not heard here");
        }
        Ok(())
    }

    /// The peer ends its direction, and this side notices.
    fn ends(&self, link: &Link, peer: &Value) -> anyhow::Result<()> {
        self.package.call(peer, "finish", &[])?;
        let received = self.runtime.block_on(link.receive())?;
        ensure!(received.is_none(), "something comes behind the end");
        Ok(())
    }
}

pub(super) fn anywhere() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn address(package: &Package, listener: &Value) -> anyhow::Result<SocketAddr> {
    Ok(package.get(listener, "address")?.as_str().context("an address")?.parse()?)
}

pub(super) fn tcp(package: &Package) -> anyhow::Result<()> {
    let wires = Wires::new(package)?;
    let acceptor = wires.runtime.block_on(plain::Acceptor::bind(anywhere()))?;
    let at = json!(acceptor.address()?.to_string());
    let accepting = async move { acceptor.accept().await.map(|link| (link, acceptor)) };
    let connect = |package: &Package| package.call(&json!("TcpStream"), "connect", std::slice::from_ref(&at));
    let ((link, acceptor), peer) = wires.both(accepting, connect)?;
    let link = Arc::new(link);
    wires.carries(&link, &peer, false)?;
    wires.ends(&link, &peer)?;

    let listener = package.call(&json!("TcpListener"), "bind", &[])?;
    let there = address(package, &listener)?;
    let accept = |package: &Package| package.call(&listener, "accept", &[]);
    let (link, peer) = wires.both(async move { plain::connect(there).await }, accept)?;
    let link = Arc::new(link);
    wires.carries(&link, &peer, true)?;
    wires.ends(&link, &peer)?;

    // What says to be longer is not read, on either side.
    let length = u32::try_from(MAX_BLOB)?.saturating_add(1).to_le_bytes();
    let accepting = async move { acceptor.accept().await };
    let (link, peer) = wires.both(accepting, connect)?;
    package.call(&peer, "write_raw", &[bytes(&length)])?;
    let refused = wires.runtime.block_on(link.receive());
    ensure!(matches!(refused, Err(LinkError::Malformed(_))), "{refused:?} here");
    let mut raw = TcpStream::connect(there)?;
    let peer = accept(package)?;
    raw.write_all(&length)?;
    let refused = package.call(&peer, "read_blob", &[]);
    ensure!(refused.is_err_and(|error| error.to_string().contains("too large")), "it is read there");
    Ok(())
}

/// A certificate that only this run trusts, with its key.
fn certified() -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    Ok((made.cert.der().to_vec(), made.signing_key.serialize_der()))
}

pub(super) fn quic(package: &Package) -> anyhow::Result<()> {
    let wires = Wires::new(package)?;
    let (certificate, key) = certified()?;
    we_accept(&wires, &certificate, &key)?;
    we_connect(&wires, &certificate, &key)
}

fn we_accept(wires: &Wires<'_>, certificate: &[u8], key: &[u8]) -> anyhow::Result<()> {
    let _inside = wires.runtime.enter();
    let identity = Identity::new(certificate, key)?;
    let acceptor = published::Acceptor::bind(anywhere(), &identity)?;
    let connect_to = |at: SocketAddr| {
        let arguments = [json!(at.to_string()), json!(NAME), bytes(certificate)];
        move |package: &Package| package.call(&json!("QuicClient"), "connect", &arguments)
    };
    let at = acceptor.address()?;
    let accepting = async move { acceptor.accept().await?.connection().await.map(|one| (one, acceptor)) };
    let ((connection, _acceptor), peer) = wires.both(accepting, connect_to(at))?;
    for _ in 0..2 {
        let stream = wires.package.call(&peer, "open", &[])?;
        let (accepting, first) = (connection.clone(), bytes(b"hello"));
        let write = |package: &Package| package.call(&stream, "write_blob", &[first]);
        let (link, _) = wires.both(async move { accepting.accept().await }, write)?;
        let heard = wires.runtime.block_on(link.receive())?;
        ensure!(heard.is_some_and(|heard| heard.frame == b"hello"), "the first frame is another one");
        let link = Arc::new(link);
        wires.carries(&link, &stream, false)?;
        wires.ends(&link, &stream)?;
    }
    // Our own link names a protocol, which no peer of theirs does.
    let own = own::Acceptor::bind(anywhere(), &identity, None)?;
    let at = own.address()?;
    let refusing = wires.runtime.spawn(async move { own.accept().await?.link().await });
    ensure!(connect_to(at)(wires.package).is_err(), "it comes onto our own link");
    ensure!(wires.runtime.block_on(refusing)?.is_err(), "our own link takes it");
    Ok(())
}

fn we_connect(wires: &Wires<'_>, certificate: &[u8], key: &[u8]) -> anyhow::Result<()> {
    let server = wires.package.call(&json!("QuicServer"), "bind", &[bytes(certificate), bytes(key)])?;
    let at = address(wires.package, &server)?;
    let accept = |package: &Package| package.call(&server, "accept", &[]);
    let trust = Trust::new(certificate)?;
    let connecting = async move { published::connect(at, NAME, &trust).await };
    let (connection, peer) = wires.both(connecting, accept)?;
    for _ in 0..2 {
        let opening = connection.clone();
        let opening = async move {
            let link = opening.open().await?;
            link.send(b"hello", TEXT).await?;
            Ok(link)
        };
        let (link, stream) = wires.both(opening, |package| package.call(&peer, "accept", &[]))?;
        let heard = to_bytes(&wires.package.call(&stream, "read_blob", &[])?)?;
        ensure!(heard == b"hello", "the first frame is another one there");
        let link = Arc::new(link);
        wires.carries(&link, &stream, true)?;
        wires.ends(&link, &stream)?;
    }
    let trust = Trust::new(certificate)?;
    let offering = wires.runtime.spawn(async move { own::connect(at, NAME, &trust, None).await });
    ensure!(accept(wires.package).is_err(), "it takes whoever names a protocol");
    let refused = wires.runtime.block_on(offering)?;
    ensure!(matches!(refused, Err(LinkError::Refused)), "{refused:?} here");
    Ok(())
}
