//! Errors as one member tells them to another.

use coterie_types::{Code, ErrorCode};

use crate::cbor::{Reader, Writer};
use crate::limits::{MAX_DETAILS, MAX_REASON};
use crate::{ErrorClass, ErrorNumber, ErrorTraits, Malformed};

/// What went wrong, by the registry or by an agreement of the application.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ErrorObject {
    kind: ErrorKind,
    reason: String,
    details: Vec<u8>,
}

/// Which error it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorKind {
    /// One of the registry, which says all about it.
    Registered(ErrorNumber),
    /// Another, about which only the sender says something.
    Other(u16, ErrorTraits),
}

const KEYS: &[&str] = &["code", "class", "retryable", "fatal", "reason", "det"];

impl ErrorObject {
    /// An error with a reason for people and opaque details; neither may hold a secret.
    ///
    /// # Errors
    /// When the reason or the details are above their limits.
    pub fn new(kind: ErrorKind, reason: &str, details: &[u8]) -> Result<Self, Malformed> {
        if reason.len() > MAX_REASON || details.len() > MAX_DETAILS {
            return Err(Malformed::TooLong);
        }
        Ok(Self { kind: kind.settled(), reason: reason.to_owned(), details: details.to_vec() })
    }

    /// The registered error, with its name as the reason.
    #[must_use]
    pub fn registered(number: ErrorNumber) -> Self {
        Self { kind: ErrorKind::Registered(number), reason: number.name(), details: Vec::new() }
    }

    /// Which error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What is to be made of it.
    #[must_use]
    pub fn traits(&self) -> ErrorTraits {
        match self.kind {
            ErrorKind::Registered(number) => number.traits(),
            ErrorKind::Other(_, traits) => traits,
        }
    }

    /// The sender's words.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The sender's opaque details.
    #[must_use]
    pub fn details(&self) -> &[u8] {
        &self.details
    }

    /// The bytes on the wire.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.write(&mut writer);
        writer.finish()
    }

    /// The error in `bytes`.
    ///
    /// # Errors
    /// When they are not one in the strict form.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let object = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(object)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        let traits = self.traits();
        writer.map(KEYS.len()).text("code").unsigned(self.kind.number());
        writer.text("class").unsigned(traits.class.number());
        writer.text("retryable").boolean(traits.retryable).text("fatal").boolean(traits.fatal);
        writer.text("reason").text(&self.reason).text("det").bytes(&self.details);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (mut number, mut traits, mut reason, mut details) = (0, ErrorTraits::UNREGISTERED, "", &[][..]);
        reader.record(KEYS, KEYS.len(), |key, reader| {
            match key {
                "code" => number = reader.unsigned()?,
                "class" => {
                    traits.class =
                        ErrorClass::from_number(reader.unsigned()?).ok_or(Malformed::OutOfRange)?;
                }
                "retryable" => traits.retryable = reader.boolean()?,
                "fatal" => traits.fatal = reader.boolean()?,
                "reason" => reason = reader.text()?,
                _ => details = reader.bytes()?,
            }
            Ok(())
        })?;
        Self::new(ErrorKind::Other(number, traits), reason, details)
    }
}

impl ErrorKind {
    /// As it stands on the wire.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Registered(number) => number.number(),
            Self::Other(number, _) => number,
        }
    }

    /// A registered number is what the registry says, whoever claims something else.
    fn settled(self) -> Self {
        ErrorNumber::registered(self.number()).map_or(self, Self::Registered)
    }
}

impl std::fmt::Display for ErrorObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            ErrorKind::Registered(number) => write!(f, "{}", number.code().meaning()),
            ErrorKind::Other(number, _) => write!(f, "a member reported error {number:#06x}"),
        }
    }
}

impl std::error::Error for ErrorObject {}

impl ErrorCode for ErrorObject {
    fn code(&self) -> Code {
        match self.kind {
            ErrorKind::Registered(number) => number.code(),
            ErrorKind::Other(..) => Code::GBP_STREAM_POLICY_VIOLATION,
        }
    }
}
