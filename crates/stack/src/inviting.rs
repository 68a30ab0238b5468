//! An invitation under way: the Welcome waits until the commit that it belongs to has come into effect.

use coterie_types::MemberId;
use coterie_wire::Malformed;
use coterie_wire::cbor::{Reader, Writer};

use crate::limits::MAX_CHANGES;

/// What is kept of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Inviting {
    pub(crate) joiners: Vec<MemberId>,
    /// Whether the joiners have their Welcome already, and wait for EXECUTE.
    pub(crate) armed: bool,
    pub(crate) welcome: Vec<u8>,
}

impl Inviting {
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.boolean(self.armed).array(self.joiners.len());
        for joiner in &self.joiners {
            writer.unsigned(joiner.number());
        }
        writer.bytes(&self.welcome).finish()
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let armed = reader.boolean()?;
        let joiners = (0..reader.array(MAX_CHANGES)?).map(|_| Ok(MemberId::new(reader.unsigned()?)));
        let joiners = joiners.collect::<Result<_, Malformed>>()?;
        let welcome = reader.bytes()?.to_vec();
        reader.finish()?;
        Ok(Self { joiners, armed, welcome })
    }
}
