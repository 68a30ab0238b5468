//! How the payload inside a frame is encoded.

/// A codec of sub-protocol payloads. The frame around them, and control messages, are CBOR whatever this says.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Codec {
    /// Maps with short text keys; what every peer reads.
    #[default]
    Cbor,
    /// Protobuf, proto3.
    Protobuf,
    /// FlatBuffers.
    FlatBuffers,
}

/// What a frame says of its payload's codec: any of 256 numbers, of which three are known. It is not authenticated in
/// the `interop` profile, so that a wrong one must lead to nothing worse than a refused payload.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct PayloadFormat(u8);

impl Codec {
    /// Every codec, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Cbor, Self::Protobuf, Self::FlatBuffers];
}

impl PayloadFormat {
    /// The format with this number.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// Its number; zero is left out of the frame.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The codec, where it is known. Deployed peers take every unknown number for CBOR; none of them sends one.
    #[must_use]
    pub const fn codec(self) -> Option<Codec> {
        match self.0 {
            0 => Some(Codec::Cbor),
            1 => Some(Codec::Protobuf),
            2 => Some(Codec::FlatBuffers),
            _ => None,
        }
    }
}

impl From<Codec> for PayloadFormat {
    fn from(codec: Codec) -> Self {
        match codec {
            Codec::Cbor => Self(0),
            Codec::Protobuf => Self(1),
            Codec::FlatBuffers => Self(2),
        }
    }
}
