//! The objects that were made, each under the number that its maker was told.

use anyhow::{Context as _, bail};
use gbp_stack::{
    GapClient, GroupNode, GspClient, GtpClient, SFrameDecryptor, SFrameEncryptor, SFrameSession,
    transport::quic::QuicStream,
};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::stack::Mls;
use crate::values::{Arguments, reference};
use crate::{links, media, stack};

pub enum Object {
    Mls(Box<Mls>),
    Node(Box<GroupNode>),
    Text(GtpClient),
    Audio(GapClient),
    Signals(GspClient),
    Session(SFrameSession),
    Encryptor(SFrameEncryptor),
    Decryptor(Box<SFrameDecryptor>),
    Listener(TcpListener),
    Tcp(TcpStream),
    Endpoint(quinn::Endpoint),
    Connection(quinn::Connection),
    Stream(QuicStream),
}

pub struct Objects {
    held: Vec<Option<Object>>,
    pub runtime: Runtime,
}

impl Objects {
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self { held: Vec::new(), runtime: Runtime::new()? })
    }

    /// Keeps an object and says under which number.
    pub fn keep(&mut self, object: Object) -> Value {
        self.held.push(Some(object));
        json!({ "ref": self.held.len() - 1 })
    }

    pub fn call(&mut self, of: &Value, name: &str, arguments: Arguments<'_>) -> anyhow::Result<Value> {
        if let Some(class) = of.as_str() {
            return self.make(class, name, arguments);
        }
        let Some(number) = reference(of) else { return stack::function(name, arguments) };
        // It is not in its place meanwhile, so that it can be given others.
        let slot = self.held.get_mut(number).and_then(Option::take);
        let mut object = slot.context("no such object")?;
        let answer = self.call_object(&mut object, name, arguments);
        if let Some(slot) = self.held.get_mut(number) {
            *slot = Some(object);
        }
        answer
    }

    fn make(&mut self, class: &str, name: &str, arguments: Arguments<'_>) -> anyhow::Result<Value> {
        let object = match (class, name) {
            ("MlsContext", "create") => Object::Mls(Box::new(Mls::create(arguments.text(0)?)?)),
            ("GroupNode", "create") => Object::Node(Box::new(stack::node(arguments)?)),
            ("GtpClient", "create") => Object::Text(GtpClient::new()),
            ("GapClient", "create") => Object::Audio(GapClient::new()),
            ("GspClient", "create") => Object::Signals(GspClient::new()),
            ("SFrameSession", "create") => {
                Object::Session(media::session(self.mls(arguments.object(0)?)?, arguments)?)
            }
            _ => links::make(&self.runtime, class, name, arguments)?,
        };
        Ok(self.keep(object))
    }

    fn call_object(
        &mut self,
        object: &mut Object,
        name: &str,
        arguments: Arguments<'_>,
    ) -> anyhow::Result<Value> {
        match object {
            Object::Mls(mls) => mls.call(name, arguments),
            Object::Node(node) => stack::call_node(self, node, name, arguments),
            Object::Text(_) | Object::Audio(_) | Object::Signals(_) => {
                stack::send(self, object, name, arguments)
            }
            Object::Session(session) => {
                let made = media::make(session, name, arguments)?;
                Ok(self.keep(made))
            }
            Object::Encryptor(encryptor) => media::encryptor(encryptor, name, arguments),
            Object::Decryptor(decryptor) => media::decryptor(decryptor, name, arguments),
            link => links::call(self, link, name, arguments),
        }
    }

    pub fn mls(&mut self, number: usize) -> anyhow::Result<&mut Mls> {
        match self.held.get_mut(number) {
            Some(Some(Object::Mls(mls))) => Ok(mls),
            _ => bail!("{number} is no context"),
        }
    }

    /// A node and a context at once.
    pub fn node_and_mls(&mut self, node: usize, mls: usize) -> anyhow::Result<(&mut GroupNode, &mut Mls)> {
        match self.held.get_disjoint_mut([node, mls])? {
            [Some(Object::Node(node)), Some(Object::Mls(mls))] => Ok((node, mls)),
            _ => bail!("{node} is no node, or {mls} no context"),
        }
    }
}
