//! What the arguments of each opcode say.

use coterie_types::{RequestId, TransitionId};

use super::{Capabilities, DigestRequest, Opcode, StateDigest};
use crate::cbor::{Reader, Writer};
use crate::limits::{MAX_DETAILS, MAX_DIGEST};
use crate::{ErrorObject, Malformed};

/// A control message's arguments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Arguments {
    /// The commit, an MLS message as it is.
    Prepare(Vec<u8>),
    /// Nothing to say.
    Ready,
    /// Nothing to say.
    Execute,
    /// Why, if the coordinator says.
    Abort(Option<u64>),
    /// From where on.
    DigestRequest(DigestRequest),
    /// The state.
    DigestResponse(StateDigest),
    /// Which commit, and why.
    ReportInvalidCommit(InvalidCommit),
    /// What the member can do, and whether it claims the coordinator's role.
    Capabilities(Capabilities),
    /// The request that was carried out.
    Ack(RequestId),
    /// The request that was refused, and why.
    Nack(RequestId, ErrorObject),
}

/// A commit that a member could not process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidCommit {
    /// The transition that it was for.
    pub transition: TransitionId,
    /// Why, as a number that the application agrees about.
    pub reason: u64,
    /// SHA-256 of the commit, if there was one.
    pub commit_hash: Option<Vec<u8>>,
    /// For people.
    pub details: Option<String>,
}

const INVALID: &[&str] = &["transition_id", "reason_code", "commit_hash", "details"];

impl Arguments {
    /// The opcode whose arguments they are.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        match self {
            Self::Prepare(_) => Opcode::Prepare,
            Self::Ready => Opcode::Ready,
            Self::Execute => Opcode::Execute,
            Self::Abort(_) => Opcode::Abort,
            Self::DigestRequest(_) => Opcode::DigestRequest,
            Self::DigestResponse(_) => Opcode::DigestResponse,
            Self::ReportInvalidCommit(_) => Opcode::ReportInvalidCommit,
            Self::Capabilities(_) => Opcode::Capabilities,
            Self::Ack(_) => Opcode::Ack,
            Self::Nack(..) => Opcode::Nack,
        }
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, Malformed> {
        let mut writer = Writer::default();
        match self {
            Self::Prepare(commit) => return Ok(commit.clone()),
            Self::Ready | Self::Execute | Self::Abort(None) => {}
            Self::Abort(Some(reason)) => {
                writer.map(1).text("reason_code").unsigned(*reason);
            }
            Self::DigestRequest(request) => request.write(&mut writer),
            Self::DigestResponse(digest) => digest.write(&mut writer)?,
            Self::ReportInvalidCommit(report) => report.write(&mut writer)?,
            Self::Capabilities(capabilities) => capabilities.write(&mut writer)?,
            Self::Ack(request) => {
                writer.map(1).text("request_id").unsigned(request.number());
            }
            Self::Nack(request, error) => {
                writer.map(2).text("request_id").unsigned(request.number()).text("error");
                error.write(&mut writer);
            }
        }
        Ok(writer.finish())
    }

    pub(super) fn decode(opcode: Opcode, bytes: &[u8]) -> Result<Self, Malformed> {
        match opcode {
            Opcode::Prepare => return Ok(Self::Prepare(bytes.to_vec())),
            // Receivers look at the transition alone.
            Opcode::Ready => return Ok(Self::Ready),
            Opcode::Execute => return Ok(Self::Execute),
            Opcode::Abort if bytes.is_empty() => return Ok(Self::Abort(None)),
            _ => {}
        }
        let mut reader = Reader::new(bytes);
        let arguments = match opcode {
            Opcode::DigestRequest => Self::DigestRequest(DigestRequest::read(&mut reader)?),
            Opcode::DigestResponse => Self::DigestResponse(StateDigest::read(&mut reader)?),
            Opcode::ReportInvalidCommit => Self::ReportInvalidCommit(InvalidCommit::read(&mut reader)?),
            Opcode::Capabilities => Self::Capabilities(Capabilities::read(&mut reader)?),
            Opcode::Ack => Self::Ack(acknowledged(&mut reader)?),
            Opcode::Nack => refused(&mut reader)?,
            _ => Self::Abort(aborted(&mut reader)?),
        };
        reader.finish()?;
        Ok(arguments)
    }
}

fn aborted(reader: &mut Reader<'_>) -> Result<Option<u64>, Malformed> {
    let mut reason = None;
    reader.record(&["reason_code"], 0, |_, reader| {
        reason = Some(reader.unsigned()?);
        Ok(())
    })?;
    Ok(reason)
}

fn acknowledged(reader: &mut Reader<'_>) -> Result<RequestId, Malformed> {
    let mut request = 0;
    reader.record(&["request_id"], 1, |_, reader| {
        request = reader.unsigned()?;
        Ok(())
    })?;
    Ok(RequestId::new(request))
}

fn refused(reader: &mut Reader<'_>) -> Result<Arguments, Malformed> {
    const KEYS: &[&str] = &["request_id", "error"];
    let (mut request, mut error) = (0, None);
    reader.record(KEYS, KEYS.len(), |key, reader| {
        match key {
            "request_id" => request = reader.unsigned()?,
            _ => error = Some(ErrorObject::read(reader)?),
        }
        Ok(())
    })?;
    Ok(Arguments::Nack(RequestId::new(request), error.ok_or(Malformed::MissingKey("error"))?))
}

impl InvalidCommit {
    fn write(&self, writer: &mut Writer) -> Result<(), Malformed> {
        let hash_too_long = self.commit_hash.as_ref().is_some_and(|hash| hash.len() > MAX_DIGEST);
        if hash_too_long || self.details.as_ref().is_some_and(|details| details.len() > MAX_DETAILS) {
            return Err(Malformed::TooLong);
        }
        writer.map(if self.details.is_some() { 4 } else { 3 });
        writer.text("transition_id").unsigned(self.transition.number());
        writer.text("reason_code").unsigned(self.reason).text("commit_hash");
        match &self.commit_hash {
            Some(hash) => writer.bytes(hash),
            None => writer.null(),
        };
        if let Some(details) = &self.details {
            writer.text("details").text(details);
        }
        Ok(())
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (mut transition, mut reason, mut hash, mut details) = (0, 0, None, None);
        reader.record(INVALID, 3, |key, reader| {
            match key {
                "transition_id" => transition = reader.unsigned()?,
                "reason_code" => reason = reader.unsigned()?,
                "commit_hash" => hash = reader.optional_bytes(MAX_DIGEST)?.map(<[u8]>::to_vec),
                _ => details = Some(reader.text_within(MAX_DETAILS)?.to_owned()),
            }
            Ok(())
        })?;
        Ok(Self { transition: TransitionId::new(transition), reason, commit_hash: hash, details })
    }
}
