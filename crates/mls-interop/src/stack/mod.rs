//! What the handles stand for: members of groups, those about to join, and external signers.
//!
//! Every member is a [`Device`] of its own with a store of its own in memory, so that several members of one group
//! can be here without knowing of each other. The calls stand in the submodules: [`join`] begins and joins groups,
//! [`propose`] and [`commit`] change them, [`message`] is what members say and export, [`outside`] is for those who
//! are not in the group, [`unimplemented`] is what the engine cannot do.

mod commit;
mod join;
mod message;
mod outside;
mod propose;
mod unimplemented;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use coterie_crypto::entropy::OsEntropy;
use coterie_mls::{
    Device, DeviceOptions, ExternalSigner, Framing, Group, GroupExtension, HandshakeFraming, MlsError,
    Received, Suite,
};
use coterie_store::MemoryStore;
use coterie_types::{LeafIndex, Timestamp};

use crate::proto;
use crate::refusal::Refusal;

/// The suites of RFC 9420 that other stacks know; the hybrid one has no assigned code point yet.
const SUITES: [Suite; 3] = [Suite::X25519Aes128, Suite::P256Aes128, Suite::X25519ChaCha20];

/// Everything that handles have been given out for.
#[derive(Default)]
pub(crate) struct Stack {
    last_handle: u32,
    members: BTreeMap<u32, Member>,
    joiners: BTreeMap<u32, Device>,
    signers: BTreeMap<u32, ExternalSigner>,
}

/// One member's view of one group.
struct Member {
    device: Device,
    group: Group,
    /// The references of this epoch's proposals by their messages: an encrypted one can be opened only once.
    proposals: HashMap<Vec<u8>, Vec<u8>>,
}

impl Stack {
    pub(crate) fn name(&mut self, _: proto::NameRequest) -> Result<proto::NameResponse, Refusal> {
        Ok(proto::NameResponse { name: "Coterie".to_owned() })
    }

    pub(crate) fn supported_ciphersuites(
        &mut self,
        _: proto::SupportedCiphersuitesRequest,
    ) -> Result<proto::SupportedCiphersuitesResponse, Refusal> {
        let ciphersuites = SUITES.iter().map(|suite| u32::from(suite.code_point())).collect();
        Ok(proto::SupportedCiphersuitesResponse { ciphersuites })
    }

    pub(crate) fn free(&mut self, request: proto::FreeRequest) -> Result<proto::FreeResponse, Refusal> {
        let handle = request.state_id;
        self.members.remove(&handle).ok_or(Refusal::UnknownHandle { what: "member", handle })?;
        Ok(proto::FreeResponse {})
    }

    /// A handle that was never given out: members and joiners share one range, because a pre-shared key is stored
    /// for either.
    fn next_handle(&mut self) -> Result<u32, Refusal> {
        self.last_handle = self.last_handle.checked_add(1).ok_or(Refusal::NoHandles)?;
        Ok(self.last_handle)
    }

    fn member(&mut self, handle: u32) -> Result<&mut Member, Refusal> {
        self.members.get_mut(&handle).ok_or(Refusal::UnknownHandle { what: "member", handle })
    }

    fn admit(&mut self, member: Member) -> Result<u32, Refusal> {
        let handle = self.next_handle()?;
        self.members.insert(handle, member);
        Ok(handle)
    }
}

impl Member {
    fn new(device: Device, mut group: Group, encrypt_handshake: bool) -> Result<Self, Refusal> {
        let handshake =
            if encrypt_handshake { HandshakeFraming::Encrypted } else { HandshakeFraming::Public };
        group.set_framing(Framing { handshake, ..Framing::default() })?;
        Ok(Self { device, group, proposals: HashMap::new() })
    }

    /// The leaf of the member whom `identity` names.
    fn leaf_of(&mut self, identity: &[u8]) -> Result<LeafIndex, Refusal> {
        find(self.group.members()?, identity)
    }

    /// Takes in a proposal that came as a message, known or not, and answers its reference.
    fn take_in_proposal(&mut self, message: &[u8]) -> Result<Vec<u8>, Refusal> {
        if let Some(reference) = self.proposals.get(message) {
            return Ok(reference.clone());
        }
        let before = self.group.pending_references()?;
        match self.group.stage(message, now())? {
            Received::Proposal { .. } => self.remember_proposal(message, &before),
            Received::Staged(_) => {
                self.group.discard_staged()?;
                Err(Refusal::Invalid("a commit stands where a proposal belongs"))
            }
            _ => Err(Refusal::Invalid("the message is not a proposal of another member")),
        }
    }

    /// Notes which of the waiting proposals `message` is: the one that was not there `before`.
    fn remember_proposal(&mut self, message: &[u8], before: &[Vec<u8>]) -> Result<Vec<u8>, Refusal> {
        let waiting = self.group.pending_references()?;
        let reference = waiting
            .into_iter()
            .rev()
            .find(|reference| !before.contains(reference))
            .ok_or(Refusal::Invalid("the proposal is known from another message"))?;
        self.proposals.insert(message.to_vec(), reference.clone());
        Ok(reference)
    }
}

fn find(members: Vec<coterie_mls::Member>, identity: &[u8]) -> Result<LeafIndex, Refusal> {
    members
        .into_iter()
        .find(|member| member.identity == identity)
        .map(|member| member.leaf)
        .ok_or(Refusal::Invalid("no member has that identity"))
}

fn suite(code_point: u32) -> Result<Suite, Refusal> {
    SUITES
        .into_iter()
        .find(|suite| u32::from(suite.code_point()) == code_point)
        .ok_or(Refusal::Engine(MlsError::Unsupported("the cipher suite")))
}

fn device(identity: &[u8], suite: Suite) -> Result<Device, Refusal> {
    let options = DeviceOptions { identity: identity.to_vec(), suite };
    Ok(Device::create(options, Arc::new(MemoryStore::default()), Arc::new(OsEntropy))?)
}

fn extensions(extensions: &[proto::Extension]) -> Result<Vec<GroupExtension>, Refusal> {
    extensions
        .iter()
        .map(|extension| {
            let extension_type = u16::try_from(extension.extension_type)
                .map_err(|_| Refusal::Invalid("an extension type has two bytes"))?;
            Ok(GroupExtension { extension_type, data: extension.extension_data.clone() })
        })
        .collect()
}

/// Protocol buffers cannot tell an empty field from one that is not there.
fn given(bytes: &[u8]) -> Option<&[u8]> {
    (!bytes.is_empty()).then_some(bytes)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_secs(since.as_secs())
}
