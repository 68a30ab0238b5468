//! Links across the boundary. What waits for a peer waits on the runtime.

use std::sync::Arc;
use std::time::Duration;

use coterie_transport::{Identity, Link, LinkError, Listener, Received, Route, Trust, connect};
use napi::Env;
use napi_derive::napi;

use crate::answer::{Answer, Cancelled, NativeCancellation, at_once, awaited};
use crate::arguments::{List, invalid};
use crate::bytes::Uint8Array;
use crate::failure::{NativeFailure, Outcome, outcome};
use crate::gbp::{class, class_name};

/// A connection to one peer that carries frames in both directions.
#[napi]
pub struct NativeLink {
    link: Arc<Link>,
}

/// Where peers come in.
#[napi]
pub struct NativeListener {
    listener: Arc<Listener>,
}

/// A certificate and its private key.
#[napi(object)]
pub struct NativeLinkIdentity {
    /// The certificate, in DER.
    pub certificate: Uint8Array,
    /// Its private key, in PKCS#8.
    pub private_key: Uint8Array,
}

/// What is spoken with a peer, and whom it must be.
#[napi(object, object_to_js = false)]
pub struct NativeLinkOptions {
    /// What is spoken.
    #[napi(ts_type = "'tcp' | 'published' | 'quic'")]
    pub kind: String,
    /// A host and a port.
    pub address: String,
    /// The name that the peer is certified as.
    pub name: String,
    /// The certificates that count, in DER.
    #[napi(ts_type = "Array<Uint8Array>")]
    pub trust: Option<List<Uint8Array>>,
    /// Who this side is.
    pub identity: Option<NativeLinkIdentity>,
}

/// A frame that came.
#[napi(object, object_from_js = false)]
pub struct NativeReceivedFrame {
    /// By which stream it came; none where a link has but one.
    #[napi(ts_type = "'control' | 'audio' | 'text' | 'signal'")]
    pub stream_class: Option<String>,
    /// The frame.
    pub bytes: Uint8Array,
}

/// The same, read.
struct Wanted {
    kind: Kind,
    address: String,
    name: String,
    trust: Option<Trust>,
    identity: Option<Identity>,
}

enum Kind {
    Tcp,
    Published,
    Quic,
}

impl NativeLinkOptions {
    fn parse(self) -> Result<Wanted, NativeFailure> {
        let kind = match self.kind.as_str() {
            "tcp" => Kind::Tcp,
            "published" => Kind::Published,
            "quic" => Kind::Quic,
            _ => return Err(invalid("there is no such kind of links")),
        };
        let trust = self.trust.map(|trusted| {
            let certificates: Vec<Vec<u8>> = trusted.into_vec();
            Trust::any_of(certificates.iter().map(Vec::as_slice))
        });
        let identity = self.identity.map(|given| Identity::new(&given.certificate, &given.private_key));
        let (trust, identity) = (trust.transpose()?, identity.transpose()?);
        Ok(Wanted { kind, address: self.address, name: self.name, trust, identity })
    }
}

impl Wanted {
    fn trust(&self) -> Result<&Trust, LinkError> {
        self.trust.as_ref().ok_or(LinkError::Identity("the trusted certificate"))
    }

    fn identity(&self) -> Result<&Identity, LinkError> {
        self.identity.as_ref().ok_or(LinkError::Identity("the certificate or its key"))
    }

    async fn connect(self) -> Result<Link, LinkError> {
        let name = self.name.as_str();
        let route = match self.kind {
            Kind::Tcp => Route::Tcp,
            Kind::Published => Route::Published { name, trust: self.trust()? },
            Kind::Quic => Route::Quic { name, trust: self.trust()?, identity: self.identity.as_ref() },
        };
        connect(&self.address, route).await
    }

    async fn listen(self) -> Result<Listener, LinkError> {
        match self.kind {
            Kind::Tcp => Listener::tcp(&self.address).await,
            Kind::Published => Listener::published(&self.address, self.identity()?).await,
            Kind::Quic => Listener::quic(&self.address, self.identity()?, self.trust.as_ref()).await,
        }
    }
}

#[napi]
impl NativeLink {
    /// Connects to a peer.
    #[napi(catch_unwind, ts_return_type = "NativeLink | NativeFailure | Promise<NativeLink | NativeFailure>")]
    pub fn connect<'env>(
        env: &'env Env,
        options: NativeLinkOptions,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeLink>> {
        let work = async move { Ok(options.parse()?.connect().await?) };
        awaited(env, Cancelled::by(cancellation), work, Self::of)
    }

    /// Sends a frame behind those of its class.
    #[napi(catch_unwind, ts_return_type = "void | NativeFailure | Promise<void | NativeFailure>")]
    pub fn send<'env>(
        &self,
        env: &'env Env,
        bytes: Uint8Array,
        #[napi(ts_arg_type = "'control' | 'audio' | 'text' | 'signal'")] stream_class: String,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        let class = match class(&stream_class) {
            Ok(class) => class,
            Err(failure) => return Ok(at_once(|| Err(failure))),
        };
        let link = Arc::clone(&self.link);
        let work = async move { Ok(link.send(&bytes, class).await?) };
        awaited(env, Cancelled::by(cancellation), work, |()| ())
    }

    /// The next frame and those that are there with it; none once the peer has ended.
    #[napi(
        catch_unwind,
        ts_return_type = "Array<NativeReceivedFrame> | NativeFailure | Promise<Array<NativeReceivedFrame> | NativeFailure>"
    )]
    pub fn receive<'env>(&self, env: &'env Env) -> napi::Result<Answer<'env, Vec<NativeReceivedFrame>>> {
        let link = Arc::clone(&self.link);
        let work = async move { Ok(link.receive_batch().await?) };
        awaited(env, Cancelled::default(), work, |batch| {
            batch.into_iter().map(NativeReceivedFrame::from).collect()
        })
    }

    /// Closes the link: what was sent goes out, and the peer has `grace` milliseconds to take it.
    #[napi(catch_unwind, ts_return_type = "void | NativeFailure | Promise<void | NativeFailure>")]
    pub fn close<'env>(&self, env: &'env Env, grace: u32) -> napi::Result<Answer<'env, ()>> {
        let link = Arc::clone(&self.link);
        let work = async move {
            link.close(Duration::from_millis(grace.into())).await;
            Ok(())
        };
        awaited(env, Cancelled::default(), work, |()| ())
    }

    /// How many audio frames of this side were dropped.
    #[napi(getter)]
    pub fn audio_dropped(&self) -> f64 {
        count(self.link.audio_dropped())
    }

    /// How many audio frames of the peer's never came.
    #[napi(getter)]
    pub fn audio_lost(&self) -> f64 {
        count(self.link.audio_lost())
    }

    /// The longest audio frame that goes over the link at present.
    #[napi(getter)]
    pub fn longest_audio(&self) -> u32 {
        u32::try_from(self.link.longest_audio()).unwrap_or(u32::MAX)
    }

    /// The certificate that the peer has shown.
    #[napi(getter)]
    pub fn peer(&self) -> Option<Uint8Array> {
        self.link.peer().map(Uint8Array::from)
    }

    fn of(link: Link) -> Self {
        Self { link: Arc::new(link) }
    }
}

#[napi]
impl NativeListener {
    /// Listens.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeListener | NativeFailure | Promise<NativeListener | NativeFailure>"
    )]
    pub fn listen<'env>(
        env: &'env Env,
        options: NativeLinkOptions,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeListener>> {
        let work = async move { Ok(options.parse()?.listen().await?) };
        let convert = |listener| Self { listener: Arc::new(listener) };
        awaited(env, Cancelled::by(cancellation), work, convert)
    }

    /// Where it listens.
    #[napi(getter)]
    pub fn address(&self) -> String {
        self.listener.address().to_string()
    }

    /// The next peer's link.
    #[napi(catch_unwind, ts_return_type = "NativeLink | NativeFailure | Promise<NativeLink | NativeFailure>")]
    pub fn accept<'env>(&self, env: &'env Env) -> napi::Result<Answer<'env, NativeLink>> {
        let listener = Arc::clone(&self.listener);
        let work = async move { Ok(listener.accept().await?) };
        awaited(env, Cancelled::default(), work, NativeLink::of)
    }

    /// Refuses whoever comes from now on.
    #[napi(catch_unwind, ts_return_type = "void | NativeFailure | Promise<void | NativeFailure>")]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<Answer<'env, ()>> {
        let listener = Arc::clone(&self.listener);
        let work = async move {
            listener.close().await;
            Ok(())
        };
        awaited(env, Cancelled::default(), work, |()| ())
    }
}

/// A new certificate that vouches for itself, and its key.
#[napi(catch_unwind)]
pub fn native_generate_link_identity(name: String) -> Outcome<NativeLinkIdentity> {
    outcome(Identity::generate(&name).map(|identity| NativeLinkIdentity {
        certificate: identity.certificate().into(),
        private_key: identity.key().expose().into(),
    }))
}

impl From<Received> for NativeReceivedFrame {
    fn from(received: Received) -> Self {
        let stream_class = received.class.map(|class| class_name(class).to_owned());
        Self { stream_class, bytes: received.frame.into() }
    }
}

/// What no link counts up to cannot be told apart.
#[allow(clippy::cast_precision_loss, reason = "2^53 frames are more than a link carries")]
fn count(frames: u64) -> f64 {
    frames as f64
}
