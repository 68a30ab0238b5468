//! Point 26: our TCP link against the crates' own program, which listens and connects.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, ensure};
use coterie_transport::{Link, tcp};
use coterie_types::{MessageId, StreamClass};
use coterie_wire::payload::TextMessage;
use coterie_wire::{Codec, PayloadFormat};

use super::Member;
use super::links::{Wires, anywhere};
use crate::members::Ours;
use crate::package::Package;

const TEXT: StreamClass = StreamClass::Text;
/// What the program says, and under which number.
const SAID: &str = "hello over real MLS";
const NUMBER: u64 = 0xcafe_f00d;

/// The program as it runs, and what it prints.
struct Program {
    child: Child,
    prints: BufReader<ChildStdout>,
}

impl Program {
    fn start(program: &Path, role: &str, address: &str) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args([role, address])
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .spawn()
            .context("starting gbp-node")?;
        let prints = BufReader::new(child.stdout.take().context("what it prints")?);
        Ok(Self { child, prints })
    }

    /// Its next line.
    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.prints.read_line(&mut line)?;
        Ok(line)
    }

    /// What it has printed when it has ended well.
    fn end(mut self) -> anyhow::Result<String> {
        let mut printed = String::new();
        self.prints.read_to_string(&mut printed)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "gbp-node ends with {status}: {printed}");
        Ok(printed)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn listen(package: &Package) -> anyhow::Result<()> {
    let wires = Wires::new(package)?;
    // It wants to be told a port, and this one was free just now.
    let address = TcpListener::bind(anywhere())?.local_addr()?;
    let mut program = Program::start(package.node_program()?, "listen", &address.to_string())?;
    ensure!(program.line()?.contains("listener up"), "it does not listen");
    let link = wires.runtime.block_on(tcp::connect(address))?;
    let mut ours = Ours::new("ours")?;
    let invitee = next(&wires, &link)?;
    let welcome = ours.invite_first(&invitee)?;
    wires.runtime.block_on(link.send(&welcome, TEXT))?;
    ours.start(1, 1, 0)?;
    let wire = ours.say(7, "from ours", Codec::Cbor)?;
    wires.runtime.block_on(link.send(&wire, TEXT))?;
    let printed = program.end()?;
    let heard = printed.lines().find(|line| line.contains("received GTP")).context("it received nothing")?;
    ensure!(heard.contains("sender=1") && heard.contains("from ours"), "it heard: {heard}");
    Ok(())
}

pub(super) fn connect(package: &Package) -> anyhow::Result<()> {
    let wires = Wires::new(package)?;
    let acceptor = wires.runtime.block_on(tcp::Acceptor::bind(anywhere()))?;
    let address = acceptor.address()?.to_string();
    let program = Program::start(package.node_program()?, "connect", &address)?;
    let link = wires.runtime.block_on(acceptor.accept())?;
    let mut ours = Ours::new("ours")?;
    let invitee = ours.key_package()?;
    wires.runtime.block_on(link.send(&invitee, TEXT))?;
    ours.join(&next(&wires, &link)?)?;
    ours.start(2, 1, 0)?;
    let heard = ours.receive(&next(&wires, &link)?)?;
    // The member 1 speaks on the stream of the member 2: nothing in a frame says whose it is.
    let (payload, codec, stream) = heard.payloads.first().context("nothing was heard")?;
    ensure!((*codec, *stream) == (0, 201), "it came as {codec} on {stream}");
    let message = TextMessage::decode(PayloadFormat::from(Codec::Cbor), payload)?;
    ensure!(message.id == MessageId::new(NUMBER) && message.sender.number() == 1, "{message:?}");
    ensure!(message.content == SAID.as_bytes(), "{message:?}");
    ensure!(program.end()?.contains("frame sent"), "it says otherwise");
    Ok(())
}

fn next(wires: &Wires<'_>, link: &Link) -> anyhow::Result<Vec<u8>> {
    Ok(wires.runtime.block_on(link.receive())?.context("it has ended")?.frame)
}
