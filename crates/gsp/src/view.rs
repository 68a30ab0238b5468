//! What signals have made of the group: who is in, muted and publishing.

use std::collections::{BTreeMap, BTreeSet};

use coterie_types::{MemberId, StreamClass};
use coterie_wire::payload::Signal;

use crate::limits::MAX_MEMBERS;

/// What signals have made of the group.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct View {
    pub(crate) members: BTreeSet<MemberId>,
    pub(crate) muted: BTreeSet<MemberId>,
    pub(crate) publishing: BTreeMap<MemberId, BTreeSet<u8>>,
    pub(crate) codecs: BTreeMap<MemberId, u32>,
}

impl View {
    /// Who announced to have joined.
    pub fn members(&self) -> impl Iterator<Item = MemberId> {
        self.members.iter().copied()
    }

    /// Who is muted.
    pub fn muted(&self) -> impl Iterator<Item = MemberId> {
        self.muted.iter().copied()
    }

    /// Whether a member is muted.
    #[must_use]
    pub fn is_muted(&self, member: MemberId) -> bool {
        self.muted.contains(&member)
    }

    /// Whether a member announced to publish on a class of streams.
    #[must_use]
    pub fn is_publishing(&self, member: MemberId, class: StreamClass) -> bool {
        self.publishing.get(&member).is_some_and(|classes| classes.contains(&class.number()))
    }

    /// The codec that a member announced last.
    #[must_use]
    pub fn codec_of(&self, member: MemberId) -> Option<u32> {
        self.codecs.get(&member).copied()
    }

    /// Whether there is room for what a signal would add.
    pub(crate) fn has_room_for(&self, sender: MemberId, signal: Signal) -> bool {
        let (known, held) = match signal {
            Signal::Join => (self.members.contains(&sender), self.members.len()),
            Signal::Mute { target } => (self.muted.contains(&target), self.muted.len()),
            Signal::StreamStart { .. } => (self.publishing.contains_key(&sender), self.publishing.len()),
            Signal::CodecUpdate { .. } => (self.codecs.contains_key(&sender), self.codecs.len()),
            _ => return true,
        };
        known || held < MAX_MEMBERS
    }

    /// What a signal does. Muting is about the target, whoever sends it.
    pub(crate) fn apply(&mut self, sender: MemberId, signal: Signal) -> bool {
        match signal {
            Signal::Join => self.members.insert(sender),
            Signal::Leave => self.forget(sender),
            Signal::Mute { target } => self.muted.insert(target),
            Signal::Unmute { target } => self.muted.remove(&target),
            Signal::StreamStart { class } => {
                self.publishing.entry(sender).or_default().insert(class.number())
            }
            Signal::StreamStop { class } => self.stop(sender, class),
            Signal::CodecUpdate { codec } => self.codecs.insert(sender, codec) != Some(codec),
            Signal::RoleChange { .. } => false,
        }
    }

    fn stop(&mut self, sender: MemberId, class: StreamClass) -> bool {
        let Some(classes) = self.publishing.get_mut(&sender) else { return false };
        let stopped = classes.remove(&class.number());
        if classes.is_empty() {
            self.publishing.remove(&sender);
        }
        stopped
    }

    fn forget(&mut self, member: MemberId) -> bool {
        let was = [self.members.remove(&member), self.muted.remove(&member)];
        let did = [self.publishing.remove(&member).is_some(), self.codecs.remove(&member).is_some()];
        was.into_iter().chain(did).any(|any| any)
    }

    pub(crate) fn retain(&mut self, roster: &BTreeSet<MemberId>) {
        self.members.retain(|member| roster.contains(member));
        self.muted.retain(|member| roster.contains(member));
        self.publishing.retain(|member, _| roster.contains(member));
        self.codecs.retain(|member, _| roster.contains(member));
    }
}
