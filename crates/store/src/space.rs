//! The key spaces. Their numbers are part of the stored format.

/// Whose names a key is one of. Entries of two spaces never meet, whatever their keys.
///
/// A number is written into every stored row: it never changes and is never used for something else. 6 and 7 were
/// set aside before the first release, never written by the engine, and stay unused: a group's proposals and epoch
/// keys stand among its rows.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
#[repr(u8)]
pub enum Space {
    /// The device itself: its identity and signature keys.
    Device = 1,
    /// Key packages that wait to be used, with their private keys.
    KeyPackage = 2,
    /// Private keys of leaves and path nodes.
    EncryptionKey = 3,
    /// Pre-shared keys.
    Psk = 4,
    /// The state of each group.
    Group = 5,
    /// How far the counters of keys are used that seal more than one message.
    Counter = 8,
    /// Rows of the application: history, cursors, outbox, settings.
    Application = 100,
}

impl Space {
    /// Every space, in the order of their numbers.
    pub const ALL: &'static [Self] = &[
        Self::Device,
        Self::KeyPackage,
        Self::EncryptionKey,
        Self::Psk,
        Self::Group,
        Self::Counter,
        Self::Application,
    ];

    /// The number that stands in stored rows.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The space with this number, if there is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|space| space.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_they_were_first_stored() {
        let numbers: Vec<u8> = Space::ALL.iter().map(|space| space.number()).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 8, 100]);
    }

    #[test]
    fn a_number_names_its_space_and_no_other() {
        for number in 0..=u8::MAX {
            assert!(Space::from_number(number).is_none_or(|space| space.number() == number));
        }
        assert!(Space::ALL.iter().all(|&space| Space::from_number(space.number()) == Some(space)));
    }
}
