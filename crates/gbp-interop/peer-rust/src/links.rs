//! The published links, TCP and QUIC, each in both roles.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use gbp_stack::transport::quic::{QuicStream, make_client_endpoint, make_server_endpoint};
use gbp_stack::{read_blob, write_blob};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::objects::{Object, Objects};
use crate::values::{Arguments, bytes};

/// Only what hangs ever sees it.
const HANGS: Duration = Duration::from_secs(60);
/// So that a listener that nobody wants to reach is not waited for.
const ANYWHERE: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

pub fn make(runtime: &Runtime, class: &str, name: &str, arguments: Arguments<'_>) -> anyhow::Result<Object> {
    runtime.block_on(async {
        let made = async {
            Ok(match (class, name) {
                ("TcpListener", "bind") => Object::Listener(TcpListener::bind(ANYWHERE).await?),
                ("TcpStream", "connect") => Object::Tcp(TcpStream::connect(arguments.text(0)?).await?),
                ("QuicServer", "bind") => Object::Endpoint(make_server_endpoint(
                    ANYWHERE.into(),
                    &arguments.bytes(0)?,
                    &arguments.bytes(1)?,
                )?),
                ("QuicClient", "connect") => Object::Connection(connect(arguments).await?),
                _ => bail!("there is no {class}.{name}"),
            })
        };
        timeout(HANGS, made).await?
    })
}

async fn connect(arguments: Arguments<'_>) -> anyhow::Result<quinn::Connection> {
    let address: SocketAddr = arguments.text(0)?.parse()?;
    let endpoint = make_client_endpoint(ANYWHERE.into(), Some(&arguments.bytes(2)?))?;
    Ok(endpoint.connect(address, arguments.text(1)?)?.await?)
}

pub fn call(
    objects: &mut Objects,
    link: &mut Object,
    name: &str,
    arguments: Arguments<'_>,
) -> anyhow::Result<Value> {
    let answer = objects.runtime.block_on(async { timeout(HANGS, answer(link, name, arguments)).await? })?;
    Ok(match answer {
        Answer::Value(value) => value,
        Answer::Object(object) => objects.keep(object),
    })
}

enum Answer {
    Value(Value),
    Object(Object),
}

async fn answer(link: &mut Object, name: &str, arguments: Arguments<'_>) -> anyhow::Result<Answer> {
    let made = match (&*link, name) {
        (Object::Listener(listener), "accept") => Some(Object::Tcp(listener.accept().await?.0)),
        (Object::Endpoint(endpoint), "accept") => {
            let arriving = endpoint.accept().await.context("the endpoint is closed")?;
            Some(Object::Connection(arriving.await?))
        }
        (Object::Connection(connection), "open") => Some(Object::Stream(QuicStream::open(connection).await?)),
        (Object::Connection(connection), "accept") => {
            Some(Object::Stream(QuicStream::accept(connection).await?))
        }
        _ => None,
    };
    if let Some(object) = made {
        return Ok(Answer::Object(object));
    }
    Ok(Answer::Value(match (link, name) {
        (Object::Listener(listener), "address") => json!(listener.local_addr()?.to_string()),
        (Object::Endpoint(endpoint), "address") => json!(endpoint.local_addr()?.to_string()),
        (Object::Tcp(stream), "write_blob") => json!(write_blob(stream, &arguments.bytes(0)?).await?),
        (Object::Tcp(stream), "write_raw") => json!(stream.write_all(&arguments.bytes(0)?).await?),
        (Object::Tcp(stream), "read_blob") => bytes(&read_blob(stream).await?),
        (Object::Tcp(stream), "finish") => json!(stream.shutdown().await?),
        (Object::Stream(stream), "write_blob") => json!(stream.write_blob(&arguments.bytes(0)?).await?),
        (Object::Stream(stream), "read_blob") => bytes(&stream.read_blob().await?),
        (Object::Stream(stream), "finish") => json!(stream.finish().await?),
        _ => bail!("a link has no {name}"),
    }))
}
