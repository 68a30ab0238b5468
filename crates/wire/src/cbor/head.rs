//! What an item begins with: its major type, and a number that is a value, a length or a count.

/// The major type of unsigned integers.
pub(crate) const UNSIGNED: u8 = 0x00;
/// The major type of byte strings.
pub(crate) const BYTES: u8 = 0x40;

/// A CBOR head in its shortest form.
pub(crate) struct Head {
    bytes: [u8; 5],
    length: usize,
}

impl Head {
    pub(crate) fn new(major: u8, number: u32) -> Self {
        let [first, second, third, last] = number.to_be_bytes();
        let (bytes, length) = match number {
            0..24 => ([major | last, 0, 0, 0, 0], 1),
            24..0x100 => ([major | 24, last, 0, 0, 0], 2),
            0x100..0x1_0000 => ([major | 25, third, last, 0, 0], 3),
            _ => ([major | 26, first, second, third, last], 5),
        };
        Self { bytes, length }
    }

    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cbor::Writer;

    #[test]
    fn heads_are_those_of_the_writer_at_every_boundary() {
        for number in [0, 1, 23, 24, 255, 256, 65_535, 65_536, u32::MAX] {
            let mut writer = Writer::default();
            let expected = writer.unsigned(number).finish();
            assert_eq!(Head::new(UNSIGNED, number).bytes(), expected);
        }
        for length in [0, 23, 24, 255, 256, 65_535, 65_536] {
            let mut writer = Writer::default();
            let written = writer.bytes(&vec![7; length]).finish();
            let head = Head::new(BYTES, u32::try_from(length).unwrap());
            assert_eq!(head.bytes(), &written[..written.len() - length]);
        }
    }
}
