//! The head of a message: what whoever carries it may know.

use coterie_types::{Epoch, GroupId};
use openmls::framing::ContentType;
use openmls::prelude::MlsMessageIn;
use openmls::prelude::tls_codec::DeserializeBytes;

use crate::error::MlsError;
use crate::limits::MAX_MESSAGE_LENGTH;

/// What a message of a group says in the clear. Nothing of it is verified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MessageHead {
    /// The group it is for.
    pub group_id: GroupId,
    /// The epoch it was made in.
    pub epoch: Epoch,
    /// What it carries.
    pub content: MessageContent,
}

/// What a message of a group carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MessageContent {
    /// Something that a member says.
    Application,
    /// A proposal.
    Proposal,
    /// A commit.
    Commit,
}

/// Reads the head of a message of a group.
///
/// # Errors
/// When it is not one, or too long.
pub fn read_message_head(message: &[u8]) -> Result<MessageHead, MlsError> {
    if message.len() > MAX_MESSAGE_LENGTH {
        return Err(MlsError::TooLarge { what: "the message", limit: MAX_MESSAGE_LENGTH });
    }
    let message = MlsMessageIn::tls_deserialize_exact_bytes(message)
        .map_err(|_| MlsError::Malformed("a message of a group"))?
        .try_into_protocol_message()
        .map_err(|_| MlsError::Malformed("a message of a group"))?;
    Ok(MessageHead {
        group_id: GroupId::new(message.group_id().as_slice())
            .map_err(|_| MlsError::Unsupported("the length of the group's id"))?,
        epoch: Epoch::new(message.epoch().as_u64()),
        content: match message.content_type() {
            ContentType::Application => MessageContent::Application,
            ContentType::Proposal => MessageContent::Proposal,
            ContentType::Commit => MessageContent::Commit,
        },
    })
}
