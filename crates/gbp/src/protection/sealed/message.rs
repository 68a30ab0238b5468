//! The part of an MLS PrivateMessage that travels in the clear (RFC 9420, section 6.3).
//!
//! Read here, before MLS is asked, because MLS uses up a message's key when it opens it.

use coterie_types::Epoch;

const MLS_1_0: [u8; 2] = [0, 1];
const PRIVATE_MESSAGE: [u8; 2] = [0, 2];
const APPLICATION: u8 = 1;

/// What everybody can read of an application message. MLS authenticates all of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Head<'a> {
    pub(super) group: &'a [u8],
    pub(super) epoch: Epoch,
    pub(super) authenticated_data: &'a [u8],
}

impl<'a> Head<'a> {
    /// The head of `message`, if that begins like an application message in a PrivateMessage.
    pub(super) fn read(message: &'a [u8]) -> Option<Self> {
        let (version, rest) = message.split_first_chunk::<2>()?;
        let (wire_format, rest) = rest.split_first_chunk::<2>()?;
        if (*version, *wire_format) != (MLS_1_0, PRIVATE_MESSAGE) {
            return None;
        }
        let (group, rest) = vector(rest)?;
        let (epoch, rest) = rest.split_first_chunk::<8>()?;
        let (content, rest) = rest.split_first()?;
        let (authenticated_data, _) = vector(rest)?;
        let epoch = Epoch::new(u64::from_be_bytes(*epoch));
        (*content == APPLICATION).then_some(Self { group, epoch, authenticated_data })
    }
}

/// A vector with its length before it, in the shortest form (RFC 9420, section 2.1.2), and what follows.
fn vector(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = *bytes.first()?;
    let (length, rest) = match first >> 6 {
        0 => (usize::from(first), bytes.get(1..)?),
        1 => {
            let (head, rest) = bytes.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*head) & 0x3fff), rest)
        }
        2 => {
            let (head, rest) = bytes.split_first_chunk::<4>()?;
            (usize::try_from(u32::from_be_bytes(*head) & 0x3fff_ffff).ok()?, rest)
        }
        _ => return None,
    };
    let shortest = match length {
        0..0x40 => 0,
        0x40..0x4000 => 1,
        _ => 2,
    };
    if first >> 6 != shortest { None } else { rest.split_at_checked(length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(content: u8) -> Vec<u8> {
        let mut message = vec![0, 1, 0, 2, 3];
        message.extend(b"gid");
        message.extend(7_u64.to_be_bytes());
        message.push(content);
        message.extend([0x40, 0x41]);
        message.extend([9; 0x41]);
        message.extend(b"the rest");
        message
    }

    #[test]
    fn an_application_message_is_read_up_to_what_travels_beside_it() {
        let bytes = message(APPLICATION);
        let head = Head { group: b"gid", epoch: Epoch::new(7), authenticated_data: &[9; 0x41] };
        assert_eq!(Head::read(&bytes), Some(head));
        for length in 0..bytes.len() - b"the rest".len() {
            assert_eq!(Head::read(&bytes[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn commits_proposals_other_formats_and_long_lengths_are_not_application_messages() {
        for content in [0, 2, 3, 255] {
            assert_eq!(Head::read(&message(content)), None);
        }
        for (at, byte) in [(0, 1), (1, 2), (3, 1), (3, 3), (4, 0xc3)] {
            let mut bytes = message(APPLICATION);
            bytes[at] = byte;
            assert_eq!(Head::read(&bytes), None, "byte {at}");
        }
        assert_eq!(vector(&[0x40, 0x3f]), None);
        assert_eq!(vector(&[0x80, 0, 0x3f, 0xff]), None);
        assert_eq!(vector(&[0x80, 0xff, 0xff, 0xff, 1]), None);
        assert_eq!(vector(&[0]), Some((&[][..], &[][..])));
    }
}
