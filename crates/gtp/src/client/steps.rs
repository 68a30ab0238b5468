//! What the steps of a [`TextClient`] are made of: refusing first, then taking note.

use coterie_seen::Origin;
use coterie_types::{Epoch, MemberId, MessageId, RequestId, Timestamp};
use coterie_wire::Codec;
use coterie_wire::payload::{ContentType, Manifest, MessageFlags, Resync, TextMessage};

use super::{Known, Scope, TextClient};
use crate::attachment::Progress;
use crate::catch_up::{Asked, Asking, CaughtUp, Replayed};
use crate::draft::{Draft, Outgoing};
use crate::error::{AttachmentError, ReceiveError, SendError};
use crate::fingerprint::Fingerprint;
use crate::history::Heard;
use crate::receive::{Content, Meaning, Verdict};
use crate::row::{RowChange, RowKey};

/// What is left to be done with a message's content.
pub(super) enum Taken {
    Content(Content),
    Replay(Replay),
}

/// A message of ours that nothing is left to refuse of.
pub(super) struct Said {
    message: TextMessage,
    head: Vec<u8>,
    is_apart: bool,
    codec: Codec,
    known: Known,
    keep: bool,
}

pub(super) struct Replay {
    messages: Vec<(Option<Epoch>, TextMessage)>,
    more: bool,
}

impl TextClient {
    pub(super) fn send_as(&mut self, draft: Draft, keep: bool) -> Result<Outgoing, SendError> {
        let mut next = self.next;
        let said = self.say(draft, keep, &mut next)?;
        Ok(self.note(said))
    }

    /// What a draft becomes once it has a number: everything that can be refused. `next` is the number after it.
    pub(super) fn say(
        &self,
        draft: Draft,
        keep: bool,
        next: &mut Option<MessageId>,
    ) -> Result<Said, SendError> {
        let codec = draft.codec;
        let id = draft.id.or(*next).ok_or(SendError::NoNumber)?;
        let message = draft.message(self.member, id);
        let (head, rest) = message.encode_apart(codec)?;
        let is_apart = !rest.is_empty();
        let known = Known { fingerprint: self.fingerprints.of(&message)?, relayed: false };
        if next.is_some_and(|next| id >= next) {
            *next = id.number().checked_add(1).map(MessageId::new);
        }
        Ok(Said { message, head, is_apart, codec, known, keep })
    }

    /// Takes note of what is said.
    pub(super) fn note(&mut self, said: Said) -> Outgoing {
        let Said { message, head, is_apart, codec, known, keep } = said;
        let mut changes = Vec::new();
        let is_next = self.next.is_some_and(|next| message.id >= next);
        if is_next {
            self.next = message.id.number().checked_add(1).map(MessageId::new);
        }
        // The first row of a message comes with the key of its fingerprint.
        if self.keeps_rows && (is_next || self.seen.is_empty()) {
            changes.push(self.own_row());
        }
        let verdict = self.judge(&message, known.fingerprint, false);
        self.record(&message, (known, Some(self.present)), verdict, keep, &mut changes);
        Outgoing { message, head, is_apart, codec, changes }
    }

    pub(super) fn send_request(&mut self, asking: &Asking, now: Timestamp) -> Result<Outgoing, SendError> {
        let seen = asking.above(self.marks.missing_above());
        self.send_exchange(Resync::Request { seen }.encode()?, asking.request, now)
    }

    pub(super) fn send_exchange(
        &mut self,
        content: Vec<u8>,
        request: RequestId,
        now: Timestamp,
    ) -> Result<Outgoing, SendError> {
        let draft = Draft::content(ContentType::Binary, content);
        self.send_as(Draft { request, sent_at: now, ..draft }, false)
    }

    pub(super) fn admit(&self, message: &TextMessage, origin: Origin) -> Result<(), ReceiveError> {
        let claimed = message.sender;
        if let Some(sender) = origin.other_than(claimed) {
            return Err(ReceiveError::WrongSender { claimed, sender });
        }
        if self.takes(message.content_type) {
            Ok(())
        } else {
            Err(ReceiveError::ContentType(message.content_type.number()))
        }
    }

    fn takes(&self, content_type: ContentType) -> bool {
        self.options.content_types.as_ref().is_none_or(|types| types.contains(&content_type))
    }

    /// Whether this epoch is another than the last one, and that makes everything new.
    pub(super) fn forgets(&self, epoch: Epoch) -> bool {
        self.options.scope == Scope::Epoch && self.epoch != Some(epoch)
    }

    pub(super) fn enter(&mut self, epoch: Epoch, changes: &mut Vec<RowChange>) {
        let [forgets, enters] = [self.forgets(epoch), self.epoch != Some(epoch)];
        if forgets {
            self.seen.clear();
        }
        self.epoch = Some(epoch);
        if forgets && self.keeps_rows {
            changes.push(RowChange::RemoveAll(RowKey::ALL_SEEN.to_vec()));
        }
        if enters && self.keeps_rows {
            changes.push(self.own_row());
        }
    }

    pub(super) fn judge(&self, message: &TextMessage, fingerprint: Fingerprint, relayed: bool) -> Verdict {
        let Some(known) = self.seen.get(message.sender, message.id) else {
            return self.judge_by_history(message, relayed);
        };
        match known.fingerprint == fingerprint {
            true => Verdict::Duplicate,
            false if known.relayed && !relayed => Verdict::Corrected,
            false => Verdict::Conflicting,
        }
    }

    /// What was forgotten may still be kept. Which word the sender gave cannot be told from a row that another member
    /// passed on, so his own word takes its place.
    fn judge_by_history(&self, message: &TextMessage, relayed: bool) -> Verdict {
        let history = self.history.as_ref().filter(|_| self.options.scope == Scope::Group);
        match history.and_then(|history| history.find(message.sender, message.id)) {
            None => Verdict::New,
            Some(kept) if kept.relayed && !relayed => Verdict::Corrected,
            Some(_) => Verdict::Duplicate,
        }
    }

    /// What a fresh message's content is, if it may be.
    pub(super) fn meaning(&self, message: &TextMessage) -> Result<Meaning, ReceiveError> {
        let meaning = Meaning::of(message, self.options.attachments.is_some(), self.options.resync);
        match &meaning {
            Meaning::Resync(Resync::Replay { .. }) if !self.is_asked_for(message) => {
                Err(ReceiveError::NotAsked(message.sender))
            }
            // Binary content may look like a piece by chance; it is one where its manifest came before. Our own members say so.
            Meaning::Piece(piece) if message.content_type == ContentType::Binary => {
                let known = self.attachments.manifest((message.sender, piece.id())).is_some();
                Ok(if known { meaning } else { Meaning::Message })
            }
            _ => Ok(meaning),
        }
    }

    fn is_asked_for(&self, message: &TextMessage) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.is_answered_by(message))
    }

    /// The last thing that can be refused.
    pub(super) fn take_in(
        &mut self,
        message: &TextMessage,
        meaning: Meaning,
        now: Timestamp,
        changes: &mut Vec<RowChange>,
    ) -> Result<Taken, ReceiveError> {
        let sender = message.sender;
        let progress = match meaning {
            Meaning::Message => return Ok(Taken::Content(Content::Message)),
            Meaning::Resync(Resync::Replay { messages, more }) => {
                return Ok(Taken::Replay(Replay { messages, more }));
            }
            Meaning::Resync(Resync::Request { seen }) => {
                let asked = Asked { from: sender, request: message.request, seen };
                return Ok(Taken::Content(Content::Asked(asked)));
            }
            Meaning::Manifest(manifest) => self.offer(sender, manifest, now, changes)?,
            Meaning::Piece(piece) => self.attachments.take(sender, piece, now)?,
        };
        if progress.fresh {
            changes.extend(self.attachment_rows(&progress));
        }
        Ok(Taken::Content(Content::Attachment(progress)))
    }

    /// Expects an attachment; the rows of pieces that overtook its manifest go.
    pub(super) fn offer(
        &mut self,
        sender: MemberId,
        manifest: Manifest,
        now: Timestamp,
        changes: &mut Vec<RowChange>,
    ) -> Result<Progress, AttachmentError> {
        let key = (sender, manifest.id());
        let overtaken = self.attachments.early_of(key).next().is_some();
        let progress = self.attachments.offer(sender, manifest, now)?;
        if overtaken {
            changes.push(RowChange::RemoveAll(RowKey::all_early(key)));
        }
        Ok(progress)
    }

    /// What a store keeps of a manifest or a piece that has just come.
    pub(super) fn attachment_rows(&self, progress: &Progress) -> Option<RowChange> {
        let (key, index) = (progress.key, progress.piece);
        match self.attachments.entry(key) {
            Some(incoming) => Some(crate::state::attachment_row(key, incoming)),
            None => {
                let mut early = self.attachments.early_of(key);
                let (_, early) = early.find(|((_, place), _)| Some(*place) == index)?;
                Some(crate::state::early_row(key, early))
            }
        }
    }

    /// Takes note of a message that was judged, and of the epoch in which it was said. Nothing is left to refuse.
    pub(super) fn record(
        &mut self,
        message: &TextMessage,
        (known, epoch): (Known, Option<Epoch>),
        verdict: Verdict,
        keep: bool,
        changes: &mut Vec<RowChange>,
    ) {
        let (sender, id) = (message.sender, message.id);
        let heard = Heard { relayed: known.relayed, epoch };
        match verdict {
            Verdict::New => self.remember(sender, id, known, changes),
            Verdict::Conflicting => return,
            Verdict::Duplicate => self.confirm(message, known, heard, changes),
            Verdict::Corrected => self.correct(message, known, changes),
        }
        if keep && verdict != Verdict::Duplicate {
            self.keep(message, heard, changes);
        }
        let (seen, marks) = (&self.seen, &mut self.marks);
        let observed = !known.relayed && marks.observe(sender, id);
        let closed = marks.close(sender, |id| seen.contains(sender, id));
        if self.keeps_rows && (observed || closed) {
            changes.extend(crate::state::mark_row(sender, marks));
        }
    }

    fn remember(&mut self, sender: MemberId, id: MessageId, known: Known, changes: &mut Vec<RowChange>) {
        let gone = self.seen.insert(sender, id, known);
        if !self.keeps_rows {
            return;
        }
        if let Some((sender, id)) = gone {
            changes.push(RowChange::Remove(RowKey::Seen(sender, id).bytes()));
        }
        changes.extend(crate::state::seen_row(sender, id, &self.seen));
    }

    /// The sender says himself what another member had passed on.
    fn confirm(&mut self, message: &TextMessage, known: Known, heard: Heard, changes: &mut Vec<RowChange>) {
        let (sender, id) = (message.sender, message.id);
        let better = self.seen.get_mut(sender, id).filter(|before| before.relayed && !known.relayed);
        let Some(before) = better else { return };
        *before = known;
        changes.extend(crate::state::seen_row(sender, id, &self.seen));
        if let Some(position) = self.history.as_mut().and_then(|history| history.confirm(sender, id, heard)) {
            changes.extend(crate::state::kept_row(position, message, heard));
        }
    }

    /// The sender says something else than another member had passed on.
    fn correct(&mut self, message: &TextMessage, known: Known, changes: &mut Vec<RowChange>) {
        let (sender, id) = (message.sender, message.id);
        match self.seen.get_mut(sender, id) {
            Some(before) => {
                *before = known;
                changes.extend(crate::state::seen_row(sender, id, &self.seen));
            }
            None => self.remember(sender, id, known, changes),
        }
        let Some(history) = self.history.as_mut() else { return };
        if let Some(position) = history.position(sender, id) {
            history.remove(position);
            changes.push(RowChange::Remove(RowKey::Kept(position).bytes()));
        }
    }

    fn keep(&mut self, message: &TextMessage, heard: Heard, changes: &mut Vec<RowChange>) {
        let Some(pushed) = self.history.as_mut().and_then(|history| history.push_as(message, heard)) else {
            return;
        };
        if !self.keeps_rows {
            return;
        }
        changes.extend(crate::state::kept_row(pushed.position, message, heard));
        let gone =
            pushed.dropped.into_iter().map(|position| RowChange::Remove(RowKey::Kept(position).bytes()));
        changes.extend(gone);
    }

    pub(super) fn replayed(
        &mut self,
        page: &TextMessage,
        replay: Replay,
        now: Timestamp,
        changes: &mut Vec<RowChange>,
    ) -> CaughtUp {
        let more = self.asking.as_mut().is_some_and(|asking| asking.turn(&replay.messages, replay.more, now));
        let (from, member) = (page.sender, self.member);
        let others = replay.messages.into_iter().filter(|(_, message)| message.sender != member);
        let messages = others.filter_map(|said| self.pass_on(from, said, changes)).collect();
        if !more {
            self.asking = None;
            // Others may have what this one missed as well.
            if self.marks.give_up_gap(from) {
                changes.extend(crate::state::mark_row(from, &self.marks));
            }
        }
        CaughtUp { from, messages, more }
    }

    /// A message in a replay; none where the group does not take its like. Whoever replays his own gives his own word.
    fn pass_on(
        &mut self,
        from: MemberId,
        (epoch, message): (Option<Epoch>, TextMessage),
        changes: &mut Vec<RowChange>,
    ) -> Option<Replayed> {
        if !self.takes(message.content_type) {
            return None;
        }
        let fingerprint = self.fingerprints.of(&message).ok()?;
        let known = Known { fingerprint, relayed: message.sender != from };
        let verdict = self.judge(&message, known.fingerprint, known.relayed);
        let keep = !message.flags.contains(MessageFlags::EPHEMERAL);
        self.record(&message, (known, epoch), verdict, keep, changes);
        Some(Replayed { message, verdict })
    }

    pub(crate) fn own_row(&self) -> RowChange {
        crate::state::own_row(self.next, self.epoch, self.fingerprints.key())
    }
}
