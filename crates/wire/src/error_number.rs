//! The numbers that name errors on the wire, and what each means here.

use coterie_types::Code;

/// What kind of error a number names.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ErrorClass {
    /// The connection.
    Transport,
    /// Keys, tags and replays.
    Crypto,
    /// Something that depends on time and order.
    State,
    /// A rule of the group or the stack.
    Policy,
    /// The form of a message.
    Schema,
    /// Who may do what.
    Authorization,
}

impl ErrorClass {
    /// The class with this number, if there is one.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Transport),
            2 => Some(Self::Crypto),
            3 => Some(Self::State),
            4 => Some(Self::Policy),
            5 => Some(Self::Schema),
            6 => Some(Self::Authorization),
            _ => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Transport => 1,
            Self::Crypto => 2,
            Self::State => 3,
            Self::Policy => 4,
            Self::Schema => 5,
            Self::Authorization => 6,
        }
    }
}

/// What the registry, or a sender of an unregistered number, says about an error.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ErrorTraits {
    /// What kind it is.
    pub class: ErrorClass,
    /// Whether the same may succeed later.
    pub retryable: bool,
    /// Whether the node that raised it is finished.
    pub fatal: bool,
}

impl ErrorTraits {
    /// What is taken of a number outside of the registry about which nothing is said.
    pub const UNREGISTERED: Self = Self { class: ErrorClass::Policy, retryable: false, fatal: false };
}

/// A number of the registry.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct ErrorNumber(u16);

struct Entry {
    number: u16,
    name: &'static str,
    traits: ErrorTraits,
    code: Code,
}

macro_rules! registry {
    ($($number:literal $code:ident $class:ident $retryable:literal $fatal:literal;)+) => {
        impl ErrorNumber {
            $(
                #[doc = concat!("The number of `", stringify!($code), "`.")]
                pub const $code: Self = Self($number);
            )+

            /// Every number of the registry, in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$code),+];
        }

        const REGISTRY: &[Entry] = &[$(Entry {
            number: $number,
            name: concat!("ERR_", stringify!($code)),
            traits: ErrorTraits { class: ErrorClass::$class, retryable: $retryable, fatal: $fatal },
            code: Code::$code,
        }),+];
    };
}

registry! {
    0x0001 GBP_UNSUPPORTED_VERSION Schema false true;
    0x0002 GBP_UNKNOWN_GROUP State false true;
    0x0003 GBP_EPOCH_MISMATCH State true false;
    0x0004 GBP_TRANSITION_MISMATCH State true false;
    0x0005 GBP_REPLAY_DETECTED Crypto false false;
    0x0006 GBP_DECRYPT_FAILED Crypto true false;
    0x0007 GBP_COMMIT_INVALID Crypto false true;
    0x0008 GBP_STREAM_POLICY_VIOLATION Policy false false;
    0x0009 GBP_TRANSITION_IN_PROGRESS State false false;
    0x0010 GBP_PREPARE_TIMEOUT State true false;
    0x0011 GBP_READY_TIMEOUT State true false;
    0x0012 GBP_EXECUTE_TIMEOUT State true false;
    0x0013 GBP_COORDINATOR_GONE State true false;
    0x0014 GBP_DIGEST_MISMATCH State false true;
    0x1001 GAP_BAD_SOURCE_ID Schema false false;
    0x1002 GAP_DECODE_FAILED Schema false false;
    0x1003 GAP_AUTH_FAILED Crypto false false;
    0x1004 GAP_REPLAY_DETECTED Crypto false false;
    0x1005 GAP_EPOCH_STALE Crypto false false;
    0x1006 GAP_KEY_PHASE_UNKNOWN Crypto false false;
    0x2001 GTP_BAD_LENGTH Schema false false;
    0x2002 GTP_UNSUPPORTED_CONTENT_TYPE Schema false false;
    0x2003 GTP_DUPLICATE_MESSAGE Policy false false;
    0x2004 GTP_POLICY_REJECTED Policy false false;
    0x2005 GTP_ATTACHMENT_INTEGRITY Schema false false;
    0x2006 GTP_REQUEST_TIMEOUT State true false;
    0x3001 GSP_BAD_SCHEMA Schema false false;
    0x3002 GSP_UNAUTHORIZED Authorization false false;
    0x3003 GSP_UNKNOWN_SIGNAL Schema false false;
    0x3004 GSP_DUPLICATE_REQUEST Policy false false;
    0x3005 GSP_STATE_CONFLICT State true false;
    0x3006 GSP_PRECONDITION_FAILED State false false;
}

/// The base protocol's names do not carry its own: `ERR_EPOCH_MISMATCH`, but `ERR_GTP_BAD_LENGTH`.
const UNNAMED_LAYER: &str = "ERR_GBP_";

impl ErrorNumber {
    /// The registered number, if it is one.
    #[must_use]
    pub fn registered(number: u16) -> Option<Self> {
        REGISTRY.iter().any(|entry| entry.number == number).then_some(Self(number))
    }

    /// As it stands on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Its name in the published registry.
    #[must_use]
    pub fn name(self) -> String {
        let name = self.entry().map_or("", |entry| entry.name);
        name.strip_prefix(UNNAMED_LAYER).map_or_else(|| name.to_owned(), |rest| format!("ERR_{rest}"))
    }

    /// What the registry says about it. It overrides whatever a sender claims.
    #[must_use]
    pub fn traits(self) -> ErrorTraits {
        self.entry().map_or(ErrorTraits::UNREGISTERED, |entry| entry.traits)
    }

    /// The stable code under which it surfaces.
    #[must_use]
    pub fn code(self) -> Code {
        self.entry().map_or(Code::GBP_STREAM_POLICY_VIOLATION, |entry| entry.code)
    }

    /// Always found: nothing else makes a number than the registry.
    fn entry(self) -> Option<&'static Entry> {
        REGISTRY.iter().find(|entry| entry.number == self.0)
    }
}

impl std::fmt::Debug for ErrorNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

#[cfg(test)]
mod tests {
    use coterie_types::Retry;

    use super::*;

    #[test]
    fn a_number_and_its_code_agree_about_retrying() {
        for number in ErrorNumber::ALL {
            let later = number.code().retry() == Retry::Later;
            assert_eq!(later, number.traits().retryable, "{number:?}");
        }
    }

    #[test]
    fn gaps_and_private_numbers_are_not_registered() {
        for number in [0, 0x000a, 0x000f, 0x0015, 0x1007, 0xf000, 0xffff] {
            assert_eq!(ErrorNumber::registered(number), None);
        }
        assert_eq!(ErrorNumber::registered(0x10), Some(ErrorNumber::GBP_PREPARE_TIMEOUT));
    }
}
