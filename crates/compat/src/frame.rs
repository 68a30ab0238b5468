//! What the published package's free functions do with bytes.

use coterie_wire::cbor::Writer;
use coterie_wire::limits::MAX_FRAME;
use coterie_wire::{ErrorNumber, ErrorObject};

use crate::error::CompatError;
use crate::limits::GROUP_ID_LENGTH;

/// A frame as it is to be written, whatever it says. Its payload is taken as it is.
#[derive(Clone, Copy, Debug)]
pub struct RawFrame<'a> {
    /// The protocol's version.
    pub version: u8,
    /// The group id.
    pub group: &'a [u8],
    /// The epoch.
    pub epoch: u64,
    /// The last transition.
    pub transition: u32,
    /// The stream's class.
    pub class: u8,
    /// The stream.
    pub stream: u32,
    /// Flags.
    pub flags: u16,
    /// The number.
    pub sequence: u32,
    /// The payload.
    pub payload: &'a [u8],
}

impl RawFrame<'_> {
    /// The frame's bytes. No codec is named in it.
    ///
    /// # Errors
    /// When the group id does not have 16 bytes or the payload is above the limit of frames.
    pub fn encode(&self) -> Result<Vec<u8>, CompatError> {
        if self.group.len() != GROUP_ID_LENGTH {
            return Err(CompatError::Argument("a group id has 16 bytes"));
        }
        if self.payload.len() > MAX_FRAME {
            return Err(CompatError::Argument("the payload is longer than a frame can be"));
        }
        let mut writer = Writer::with_capacity(self.payload.len().saturating_add(128));
        writer.map(10).text("v").unsigned(self.version).text("gid").bytes(self.group);
        writer.text("ep").unsigned(self.epoch).text("tid").unsigned(self.transition);
        writer.text("st").unsigned(self.class).text("sid").unsigned(self.stream);
        writer.text("fl").unsigned(self.flags).text("seq").unsigned(self.sequence);
        writer.text("psz").unsigned(self.payload.len() as u64).text("pl").bytes(self.payload);
        Ok(writer.finish())
    }
}

/// The encoded error object of a registered number.
#[must_use]
pub fn lookup_error(number: u16) -> Option<Vec<u8>> {
    ErrorNumber::registered(number).map(|number| ErrorObject::registered(number).encode())
}
