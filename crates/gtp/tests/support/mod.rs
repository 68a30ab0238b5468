//! What the tests of this crate share.
#![allow(dead_code, reason = "not every test needs everything")]

use coterie_crypto::content_key::ContentKey;
use coterie_gtp::{Incoming, Origin, Outgoing, TextClient, TextOptions};
use coterie_testkit::T0;
use coterie_types::{Epoch, MemberId};
use coterie_wire::Codec;

pub(crate) const ALICE: MemberId = MemberId::new(1);
pub(crate) const BOB: MemberId = MemberId::new(2);
pub(crate) const CAROL: MemberId = MemberId::new(3);

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

/// A payload that `sender` sent in epoch 1.
pub(crate) fn incoming(codec: Codec, payload: &[u8], sender: MemberId) -> Incoming<'_> {
    let origin = Origin::Member(sender);
    Incoming { payload, format: codec.into(), origin, epoch: Epoch::new(1), now: T0 }
}

/// The same of a message that a client made.
pub(crate) fn from(sent: &Outgoing) -> Incoming<'_> {
    incoming(sent.codec, sent.payload().leak(), sent.message.sender)
}

pub(crate) fn options() -> TextOptions {
    TextOptions { resync: true, ..TextOptions::default() }
}

pub(crate) fn key(byte: u8) -> ContentKey {
    ContentKey::new([byte; 16]).unwrap()
}

pub(crate) fn client(member: MemberId) -> TextClient {
    TextClient::new(member, options()).unwrap().keyed(key(0x5a))
}
