//! Frames and the registry of errors, across the boundary, and the words that all toolkits share.

use coterie_types::{Epoch, GroupId, Sequence, StreamClass, StreamId, TransitionId};
use coterie_wire::{
    Codec, ErrorClass, ErrorKind, ErrorNumber, ErrorObject, ErrorTraits, Flags, Frame, Header, PayloadFormat,
    Profile,
};
use napi::bindgen_prelude::{BigInt, Either};
use napi_derive::napi;

use crate::answer::guarded;
use crate::arguments::{invalid, unsigned, unsigned16};
use crate::bytes::Uint8Array;
use crate::failure::{NativeFailure, Outcome, outcome};

/// A codec by its name, or a number that none has.
pub(crate) type NativeFormat = Either<String, u32>;

/// Everything of a frame but its payload.
#[napi(object)]
pub struct NativeFrameHeader {
    /// How the payload is protected.
    #[napi(ts_type = "'interop' | 'sealed'")]
    pub profile: String,
    /// Whose it is.
    pub group_id: Uint8Array,
    /// The sender's epoch.
    pub epoch: BigInt,
    /// The last transition that the sender has applied.
    pub transition_id: u32,
    /// What the stream carries.
    #[napi(ts_type = "'control' | 'audio' | 'text' | 'signal'")]
    pub stream_class: String,
    /// The stream.
    pub stream_id: u32,
    /// Hints.
    pub flags: u32,
    /// The place in the stream.
    pub sequence: u32,
    /// The payload's codec.
    pub codec: Either<String, u32>,
}

/// A well-formed frame.
#[napi(object, object_from_js = false)]
pub struct NativeFrame {
    /// Everything but the payload.
    pub header: NativeFrameHeader,
    /// The payload, protected or not.
    pub payload: Uint8Array,
}

/// What the registry says about a number.
#[napi(object)]
pub struct NativeRegisteredError {
    /// As it stands on the wire.
    pub number: u32,
    /// Its name in the published registry.
    pub name: String,
    /// What kind it is.
    #[napi(ts_type = "'transport' | 'crypto' | 'state' | 'policy' | 'schema' | 'authorization'")]
    pub class: String,
    /// Whether the same may succeed later.
    pub retryable: bool,
    /// Whether the node that raised it is finished.
    pub fatal: bool,
    /// The stable code under which it surfaces.
    pub code: String,
    /// What it means, in words.
    pub meaning: String,
}

/// An error as one member tells it to another.
#[napi(object)]
pub struct NativeErrorObject {
    /// Its number.
    pub number: u32,
    /// What kind it is.
    #[napi(ts_type = "'transport' | 'crypto' | 'state' | 'policy' | 'schema' | 'authorization'")]
    pub class: String,
    /// Whether the same may succeed later.
    pub retryable: bool,
    /// Whether the node that raised it is finished.
    pub fatal: bool,
    /// The sender's words.
    pub reason: String,
    /// The sender's opaque details.
    pub details: Uint8Array,
}

/// The frame's bytes.
#[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
pub fn native_encode_frame(given: NativeFrameHeader, payload: Uint8Array) -> Outcome<Uint8Array> {
    outcome(guarded(|| {
        let frame = Frame { header: header(given)?, payload: &payload };
        Ok(frame.encode()?.into())
    }))
}

/// The frame in bytes.
#[napi(catch_unwind, ts_return_type = "NativeFrame | NativeFailure")]
pub fn native_decode_frame(bytes: Uint8Array) -> Outcome<NativeFrame> {
    outcome(guarded(|| {
        let Frame { header, payload } = Frame::decode(&bytes)?;
        Ok(NativeFrame { header: header.into(), payload: payload.into() })
    }))
}

/// What a payload of the sealed profile is bound to.
#[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
pub fn native_frame_authenticated_data(given: NativeFrameHeader) -> Outcome<Uint8Array> {
    outcome(guarded(|| Ok(header(given)?.authenticated_data().into())))
}

/// The stream on which a member sends a class, if it has one.
#[napi(catch_unwind, ts_return_type = "number | null | NativeFailure")]
pub fn native_standard_stream(stream_class: String, member: u32) -> Outcome<Option<u32>> {
    outcome(guarded(|| {
        let member = coterie_types::MemberId::new(member);
        Ok(StreamId::standard(class(&stream_class)?, member).map(StreamId::number))
    }))
}

/// Every error of the registry, in the order of their numbers.
#[napi(catch_unwind)]
pub fn native_error_registry() -> Vec<NativeRegisteredError> {
    ErrorNumber::ALL.iter().map(|number| NativeRegisteredError::from(*number)).collect()
}

/// The bytes of an error object.
#[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
pub fn native_encode_error(error: NativeErrorObject) -> Outcome<Uint8Array> {
    outcome(guarded(|| Ok(error_object(error)?.encode().into())))
}

/// The error object in bytes.
#[napi(catch_unwind, ts_return_type = "NativeErrorObject | NativeFailure")]
pub fn native_decode_error(bytes: Uint8Array) -> Outcome<NativeErrorObject> {
    outcome(guarded(|| Ok(ErrorObject::decode(&bytes)?.into())))
}

fn header(given: NativeFrameHeader) -> Result<Header, NativeFailure> {
    Ok(Header {
        profile: profile(&given.profile)?,
        group: GroupId::new(&given.group_id)?,
        epoch: Epoch::new(unsigned(&given.epoch)?),
        transition: TransitionId::new(given.transition_id),
        class: class(&given.stream_class)?,
        stream: StreamId::new(given.stream_id),
        flags: Flags::new(unsigned16(given.flags)?),
        sequence: Sequence::new(given.sequence).ok_or_else(|| invalid("numbers begin with 1"))?,
        format: format(&given.codec)?,
    })
}

impl From<Header> for NativeFrameHeader {
    fn from(header: Header) -> Self {
        Self {
            profile: profile_name(header.profile).to_owned(),
            group_id: header.group.as_bytes().into(),
            epoch: header.epoch.number().into(),
            transition_id: header.transition.number(),
            stream_class: class_name(header.class).to_owned(),
            stream_id: header.stream.number(),
            flags: header.flags.bits().into(),
            sequence: header.sequence.number(),
            codec: format_name(header.format),
        }
    }
}

impl From<ErrorNumber> for NativeRegisteredError {
    fn from(number: ErrorNumber) -> Self {
        let ErrorTraits { class, retryable, fatal } = number.traits();
        Self {
            number: number.number().into(),
            name: number.name(),
            class: error_class_name(class).to_owned(),
            retryable,
            fatal,
            code: number.code().as_str().to_owned(),
            meaning: number.code().meaning().to_owned(),
        }
    }
}

pub(crate) fn error_object(given: NativeErrorObject) -> Result<ErrorObject, NativeFailure> {
    let NativeErrorObject { number, class, retryable, fatal, reason, details } = given;
    let traits = ErrorTraits { class: error_class(&class)?, retryable, fatal };
    Ok(ErrorObject::new(ErrorKind::Other(unsigned16(number)?, traits), &reason, &details)?)
}

impl From<ErrorObject> for NativeErrorObject {
    fn from(error: ErrorObject) -> Self {
        let ErrorTraits { class, retryable, fatal } = error.traits();
        Self {
            number: error.kind().number().into(),
            class: error_class_name(class).to_owned(),
            retryable,
            fatal,
            reason: error.reason().to_owned(),
            details: error.details().into(),
        }
    }
}

const CODECS: [(Codec, &str); 3] =
    [(Codec::Cbor, "cbor"), (Codec::Protobuf, "protobuf"), (Codec::FlatBuffers, "flatbuffers")];

const CLASSES: [(StreamClass, &str); 4] = [
    (StreamClass::Control, "control"),
    (StreamClass::Audio, "audio"),
    (StreamClass::Text, "text"),
    (StreamClass::Signal, "signal"),
];

const PROFILES: [(Profile, &str); 2] = [(Profile::Interop, "interop"), (Profile::Sealed, "sealed")];

const ERROR_CLASSES: [(ErrorClass, &str); 6] = [
    (ErrorClass::Transport, "transport"),
    (ErrorClass::Crypto, "crypto"),
    (ErrorClass::State, "state"),
    (ErrorClass::Policy, "policy"),
    (ErrorClass::Schema, "schema"),
    (ErrorClass::Authorization, "authorization"),
];

fn named<T: Copy>(table: &[(T, &str)], name: &str) -> Option<T> {
    table.iter().find(|(_, known)| *known == name).map(|(value, _)| *value)
}

fn name_of<T: PartialEq>(table: &[(T, &'static str)], value: &T) -> &'static str {
    table.iter().find(|(known, _)| known == value).map_or("", |(_, name)| name)
}

pub(crate) fn codec(name: &str) -> Result<Codec, NativeFailure> {
    named(&CODECS, name).ok_or_else(|| invalid("there is no such codec"))
}

pub(crate) fn codec_name(codec: Codec) -> String {
    name_of(&CODECS, &codec).to_owned()
}

pub(crate) fn format(given: &NativeFormat) -> Result<PayloadFormat, NativeFailure> {
    match given {
        Either::A(name) => codec(name).map(PayloadFormat::from),
        Either::B(number) => {
            let number = u8::try_from(*number).map_err(|_| invalid("a codec's number is from 0 to 255"))?;
            Ok(PayloadFormat::new(number))
        }
    }
}

fn format_name(format: PayloadFormat) -> NativeFormat {
    match format.codec() {
        Some(codec) => Either::A(codec_name(codec)),
        None => Either::B(format.number().into()),
    }
}

pub(crate) fn profile(name: &str) -> Result<Profile, NativeFailure> {
    named(&PROFILES, name).ok_or_else(|| invalid("there is no such profile"))
}

pub(crate) fn profile_name(profile: Profile) -> &'static str {
    name_of(&PROFILES, &profile)
}

pub(crate) fn class(name: &str) -> Result<StreamClass, NativeFailure> {
    named(&CLASSES, name).ok_or_else(|| invalid("there is no such class of streams"))
}

pub(crate) fn class_name(class: StreamClass) -> &'static str {
    name_of(&CLASSES, &class)
}

fn error_class(name: &str) -> Result<ErrorClass, NativeFailure> {
    named(&ERROR_CLASSES, name).ok_or_else(|| invalid("there is no such class of errors"))
}

fn error_class_name(class: ErrorClass) -> &'static str {
    name_of(&ERROR_CLASSES, &class)
}
