//! The MLS working group's test interface over the engine that users get.
//!
//! The working group tests stacks against each other through a gRPC service that each of them serves and that a
//! runner drives: `shared/spec/mls-interop.md` beside the checkout states it. [`serve`] is that service over
//! `coterie-mls`, with every store in memory and the system's clock and randomness.
//!
//! A development tool: it hands private keys out on request and stays on the loopback interface. Nothing that ships
//! depends on it, and the gRPC crates have no other home.

mod refusal;
mod service;
mod stack;

use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use proto::mls_client_server::MlsClientServer;
use service::Service;

pub use refusal::UNIMPLEMENTED;

/// The interface's types, its server and its client, generated from `proto/mls_client.proto`.
#[allow(missing_docs, clippy::pedantic, reason = "generated; the description has the comments")]
pub mod proto {
    tonic::include_proto!("mls_client");
}

/// What one request may carry: the engine's own limit for a message, and what stands around it.
const MAX_REQUEST_LENGTH: usize = coterie_mls::limits::MAX_MESSAGE_LENGTH.saturating_mul(2);

/// Serves one stack on `listener` until the process ends.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener) -> Result<(), tonic::transport::Error> {
    let service = MlsClientServer::new(Service::default())
        .max_decoding_message_size(MAX_REQUEST_LENGTH)
        .max_encoding_message_size(MAX_REQUEST_LENGTH);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder().add_service(service).serve_with_incoming(incoming).await
}
