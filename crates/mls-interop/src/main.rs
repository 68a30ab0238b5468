//! `cargo xtask mls-interop --port N`: serves the MLS working group's test interface on the loopback interface.

use std::net::Ipv4Addr;

use anyhow::Context as _;
use clap::Parser;
use tokio::net::TcpListener;

/// Serves the MLS working group's test interface.
#[derive(Parser)]
struct Arguments {
    /// The port on 127.0.0.1; 0 takes a free one, which is printed
    #[arg(long, default_value_t = 0)]
    port: u16,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await;
        let listener = listener.with_context(|| format!("listening on port {}", arguments.port))?;
        println!("coterie-mls-interop listens on {}", listener.local_addr()?);
        coterie_mls_interop::serve(listener).await.context("serving")
    })
}
