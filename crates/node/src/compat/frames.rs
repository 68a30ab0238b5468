//! What is called for every frame of text, as functions that have their objects at hand.
//!
//! An object for each frame, its fields and a buffer made here cost ten times what sealing does. So bytes go into room
//! that the facade lends and copies from, what else is to say into a list of numbers, and the answer is a length.

use coterie_compat::{GroupNode, HeardText, MlsContext, Opened, TextClient};
use coterie_types::{Epoch, MessageId};
use coterie_wire::PayloadFormat;
use napi::Env;
use napi::bindgen_prelude::Unknown;
use napi_derive::napi;

use super::client::{NativeCompatText, codec};
use super::mls::NativeCompatMls;
use super::node::NativeCompatNode;
use super::unsigned8;
use crate::arguments::{invalid, timestamp};
use crate::bound::{Arguments, Lent, bound, exact, with_room};
use crate::failure::NativeFailure;
use crate::held::Held;

/// What the opener answers where there is more to tell than a payload: everything waits to be drained.
const MORE: f64 = -1.0;

/// How a message's content can be read as text.
#[derive(Clone, Copy)]
enum Reading {
    /// Not at all.
    Bytes = 0,
    /// As UTF-8.
    Utf8 = 1,
    /// As ASCII, which is quicker.
    Ascii = 2,
}

/// A node and the context that it seals and opens by.
struct Line {
    node: Held<GroupNode>,
    mls: Held<MlsContext>,
}

#[napi]
impl NativeCompatNode {
    /// What seals texts.
    #[napi(
        catch_unwind,
        ts_return_type = "(id: bigint, text: string, codec: number, out: Uint8Array) => number | NativeFailure"
    )]
    pub fn text_sealer<'env>(&self, env: &'env Env, mls: &NativeCompatMls) -> napi::Result<Unknown<'env>> {
        bound(env, self.line(mls), seal)
    }

    /// What takes frames in. It answers how long the payload is and reports class, stream, number, flags and codec; -1
    /// where other things have happened, which are to be drained.
    #[napi(
        catch_unwind,
        ts_return_type = "(wire: Uint8Array, now: number, out: Uint8Array, report: BigUint64Array) => number | NativeFailure"
    )]
    pub fn opener<'env>(&self, env: &'env Env, mls: &NativeCompatMls) -> napi::Result<Unknown<'env>> {
        bound(env, self.line(mls), open)
    }

    fn line(&self, mls: &NativeCompatMls) -> Line {
        Line { node: self.node.share(), mls: mls.context.share() }
    }
}

#[napi]
impl NativeCompatText {
    /// What takes payloads. It answers how long the content is and reports number and time as they are; behind them as
    /// floating-point numbers sender, request, flags, type, whether it is new, and whether it can be read as bytes (0),
    /// UTF-8 (1) or ASCII (2).
    #[napi(
        catch_unwind,
        ts_return_type = "(plaintext: Uint8Array, epoch: bigint, codec: number, out: Uint8Array, report: BigUint64Array) => number | NativeFailure"
    )]
    pub fn accepter<'env>(&self, env: &'env Env) -> napi::Result<Unknown<'env>> {
        bound(env, self.client.share(), accept)
    }
}

fn seal(line: &Line, arguments: &Arguments) -> Result<f64, NativeFailure> {
    let id = MessageId::new(arguments.wide(0, "id")?);
    let content = arguments.utf8(1, "text")?;
    let codec = codec(arguments.whole(2, "codec")?)?;
    let out = arguments.array(3, "out")?;
    line.node.lend(|node| {
        line.mls.lend(|mls| {
            with_room(Lent::none(), Lent::none(), out, |_, _, out| {
                let length = TextClient::send_into((node, mls), id, content, codec, out)?;
                Ok(exact(length))
            })
        })
    })
}

fn open(line: &Line, arguments: &Arguments) -> Result<f64, NativeFailure> {
    let wire: Lent<u8> = arguments.array(0, "wire")?;
    let now = timestamp(arguments.number(1, "now")?);
    let (out, report) = (arguments.array::<u8>(2, "out")?, arguments.array(3, "report")?);
    if out.len() < wire.len() {
        return Err(invalid("out must be as long as the frame"));
    }
    let opened = line.node.lend(|node| {
        line.mls.lend(|mls| {
            with_room(wire, Lent::none(), out, |wire, _, out| Ok(node.receive_into(mls, wire, out, now)))
        })
    })?;
    Ok(opened.map_or(MORE, |opened| {
        report_opened(&opened, report);
        exact(opened.plaintext.len())
    }))
}

fn report_opened(opened: &Opened, report: Lent<u64>) {
    let numbers = [
        opened.class.number().into(),
        opened.stream.number(),
        opened.sequence.number(),
        opened.flags.bits().into(),
        opened.format.number().into(),
    ];
    put_all(report, 0, numbers);
}

fn accept(client: &Held<TextClient>, arguments: &Arguments) -> Result<f64, NativeFailure> {
    let plaintext = arguments.array(0, "plaintext")?;
    let epoch = Epoch::new(arguments.wide(1, "epoch")?);
    let format = PayloadFormat::new(unsigned8(arguments.whole(2, "codec")?)?);
    let (out, report) = (arguments.array(3, "out")?, arguments.array(4, "report")?);
    let heard = with_room(plaintext, Lent::none(), out, |plaintext, _, out| {
        // Content is a part of its payload: one that fits refuses nothing once the message has been taken note of.
        let room =
            out.get_mut(..plaintext.len()).ok_or_else(|| invalid("out must be as long as the payload"))?;
        let heard = client.lend(|client| Ok(client.accept(plaintext, epoch, format)?))?;
        room.iter_mut().zip(&heard.message.content).for_each(|(to, from)| *to = *from);
        Ok::<_, NativeFailure>(heard)
    })?;
    report_heard(&heard, report);
    Ok(exact(heard.message.content.len()))
}

fn report_heard(heard: &HeardText, report: Lent<u64>) {
    let message = &heard.message;
    report.put(0, message.id.number());
    report.put(1, message.sent_at.as_millis());
    let numbers = [
        message.sender.number(),
        message.request.number(),
        message.flags.bits().into(),
        message.content_type.number().into(),
        heard.is_new.into(),
        Reading::of(&message.content) as u32,
    ];
    put_all(report, 2, numbers);
}

/// Numbers as JavaScript reads them from the same memory.
fn put_all<const COUNT: usize>(report: Lent<u64>, first: usize, numbers: [u32; COUNT]) {
    for (place, number) in (first..).zip(numbers) {
        report.put(place, f64::from(number).to_bits());
    }
}

impl Reading {
    fn of(content: &[u8]) -> Self {
        if content.is_ascii() {
            return Self::Ascii;
        }
        std::str::from_utf8(content).map_or(Self::Bytes, |_| Self::Utf8)
    }
}
