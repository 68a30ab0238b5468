//! What names a member, a stream and a place in it, in the protocols above MLS.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $word:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name($inner);

        impl $name {
            /// The one with this number.
            #[must_use]
            pub const fn new(number: $inner) -> Self {
                Self(number)
            }

            /// Its number.
            #[must_use]
            pub const fn number(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($word, " {}"), self.0)
            }
        }
    };
}

number!(
    /// The number a group's application gives a member. It is never used again inside the group, and it is not the
    /// member's leaf. Zero addresses everybody.
    MemberId, u32, "member"
);
number!(
    /// A stream: frames with the same class and stream id are numbered together.
    StreamId, u32, "stream"
);
number!(
    /// Which change of a group's epoch a step belongs to; higher in every change, zero before the first.
    TransitionId, u32, "transition"
);
number!(
    /// What connects a request with its answer; zero where none is expected.
    RequestId, u32, "request"
);
number!(
    /// A message, among all that its sender has sent in the group.
    MessageId, u64, "message"
);

impl MemberId {
    /// Addresses every member.
    pub const EVERYBODY: Self = Self(0);
    /// The first number that has no streams of its own: a stream id is a member's number times 100 and has 32 bits.
    pub const STREAM_LIMIT: u32 = 1_000_000;
}

/// What a stream carries. Its number is the frame's `st`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum StreamClass {
    /// The control plane: transitions, digests, capabilities.
    Control,
    /// Group audio.
    Audio,
    /// Group text.
    Text,
    /// Group signals.
    Signal,
}

impl StreamClass {
    /// Every class, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Control, Self::Audio, Self::Text, Self::Signal];

    /// The class with this number, if there is one.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Control),
            1 => Some(Self::Audio),
            2 => Some(Self::Text),
            3 => Some(Self::Signal),
            _ => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Control => 0,
            Self::Audio => 1,
            Self::Text => 2,
            Self::Signal => 3,
        }
    }

    /// What is added to a hundred times the member's number. It is not the class's number: audio and text are
    /// exchanged.
    const fn base(self) -> u32 {
        match self {
            Self::Control => 0,
            Self::Text => 1,
            Self::Audio => 2,
            Self::Signal => 3,
        }
    }
}

impl StreamId {
    const PER_MEMBER: u32 = 100;

    /// The stream on which `member` sends this class; none from [`MemberId::STREAM_LIMIT`] on.
    #[must_use]
    pub const fn standard(class: StreamClass, member: MemberId) -> Option<Self> {
        if member.0 >= MemberId::STREAM_LIMIT {
            return None;
        }
        match member.0.checked_mul(Self::PER_MEMBER) {
            Some(first) => match first.checked_add(class.base()) {
                Some(number) => Some(Self(number)),
                None => None,
            },
            None => None,
        }
    }

    /// Whose stream of this class it is, if it is numbered in the standard way. A claim: whoever holds the group's
    /// keys can write any number.
    #[must_use]
    pub const fn member(self, class: StreamClass) -> Option<MemberId> {
        if self.0 % Self::PER_MEMBER != class.base() {
            return None;
        }
        let member = self.0 / Self::PER_MEMBER;
        if member < MemberId::STREAM_LIMIT { Some(MemberId(member)) } else { None }
    }
}

/// A frame's place in its stream, from 1.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Sequence(std::num::NonZeroU32);

impl Sequence {
    /// Where every count begins.
    pub const FIRST: Self = Self(std::num::NonZeroU32::MIN);

    /// The place with this number; zero is none, because no receiver accepts it.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        match std::num::NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_audio_are_not_based_on_their_class_numbers() {
        let stream = |class| StreamId::standard(class, MemberId::new(2)).unwrap().number();
        assert_eq!(StreamClass::ALL.map(stream), [200, 202, 201, 203]);
        assert_eq!(StreamClass::ALL.map(StreamClass::number), [0, 1, 2, 3]);
    }

    #[test]
    fn a_standard_stream_names_its_member_and_no_other_stream_does() {
        for class in StreamClass::ALL {
            assert_eq!(StreamClass::from_number(class.number()), Some(class));
            for member in [0, 1, 999_999].map(MemberId::new) {
                assert_eq!(StreamId::standard(class, member).unwrap().member(class), Some(member));
            }
            assert_eq!(StreamId::standard(class, MemberId::new(MemberId::STREAM_LIMIT)), None);
            assert_eq!(StreamId::new(104).member(class), None);
            assert_eq!(StreamId::new(u32::MAX - 95).member(class), None);
        }
        assert_eq!(StreamClass::from_number(4), None);
    }

    #[test]
    fn nothing_is_the_frame_before_the_first() {
        assert_eq!(Sequence::new(0), None);
        assert_eq!(Sequence::new(1), Some(Sequence::FIRST));
    }
}
