//! The text of one group, as one member knows it.

mod steps;

use std::collections::BTreeMap;

use coterie_crypto::content_key::ContentKey;
use coterie_seen::Seen;
use coterie_types::{Epoch, MemberId, MessageId, RequestId, Timestamp};
use coterie_wire::Codec;
use coterie_wire::payload::{Chunk, ContentType, Manifest, MessageFlags, Resync, TextMessage};

use crate::attachment::{AttachmentKey, Attachments, Progress, TakenOut};
use crate::catch_up::{Asked, Asking, page};
use crate::cut::Cut;
use crate::draft::{Draft, Outgoing};
use crate::error::{AttachmentError, ReceiveError, SendError};
use crate::fingerprint::{Fingerprint, Fingerprints};
use crate::history::{History, HistoryLimits};
use crate::limits::MAX_JOINERS;
use crate::receive::{Content, Incoming, Meaning, Received, Verdict};
use crate::row::{RowChange, RowKey};
use crate::watermark::Watermark;
use steps::Taken;

/// How long numbers of messages stay what they are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Scope {
    /// For good: a number that was used is never used again. What our own members do.
    #[default]
    Group,
    /// For an epoch, as the published stack has it: after a change of the epoch every message is new again.
    Epoch,
}

/// What a group agreed on, and what this member keeps.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TextOptions {
    /// How long numbers stay what they are.
    pub scope: Scope,
    /// What is kept of messages; nothing, if none.
    pub history: Option<HistoryLimits>,
    /// The largest attachment that is taken in; if none, manifests and pieces are messages like others.
    pub attachments: Option<u64>,
    /// Whether every member advertised that it can catch up ([`Resync::CAPABILITY`]).
    pub resync: bool,
    /// Types of content that the group takes; all, if none.
    pub content_types: Option<Vec<ContentType>>,
}

/// The text of one group, as one member knows it.
#[derive(Clone, Debug)]
pub struct TextClient {
    pub(crate) member: MemberId,
    pub(crate) options: TextOptions,
    pub(crate) epoch: Option<Epoch>,
    /// The number of our next message; none once all are used.
    pub(crate) next: Option<MessageId>,
    pub(crate) seen: Seen<MessageId, Known>,
    pub(crate) fingerprints: Fingerprints,
    pub(crate) marks: Watermark,
    pub(crate) history: Option<History>,
    pub(crate) attachments: Attachments,
    /// The epoch in which this member speaks, as far as it was told.
    present: Epoch,
    /// Who came in after this member, and in which epoch; and this one itself, where it came back.
    pub(crate) joiners: BTreeMap<MemberId, Epoch>,
    asking: Option<Asking>,
    /// Whether steps answer the rows that they changed.
    keeps_rows: bool,
}

/// What is remembered of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Known {
    pub(crate) fingerprint: Fingerprint,
    /// Whether only another member's word stands for it.
    pub(crate) relayed: bool,
}

/// What ended because nothing came in time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Expired {
    /// A member did not answer. The protocol's `GTP_REQUEST_TIMEOUT`.
    Asking(MemberId),
    /// An attachment's pieces stayed away.
    Attachment(AttachmentKey),
}

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            scope: Scope::Group,
            history: Some(HistoryLimits::default()),
            attachments: Some(crate::limits::DEFAULT_ATTACHMENT),
            resync: false,
            content_types: None,
        }
    }
}

impl TextOptions {
    /// What members of the published stack do: nothing but to tell new from duplicate.
    #[must_use]
    pub const fn deployed() -> Self {
        Self { scope: Scope::Epoch, history: None, attachments: None, resync: false, content_types: None }
    }
}

impl TextClient {
    /// Nothing known yet. None where the history's limits are out of range.
    #[must_use]
    pub fn new(member: MemberId, options: TextOptions) -> Option<Self> {
        let history = match options.history {
            None => None,
            Some(limits) => Some(History::new(limits)?),
        };
        let attachments = Attachments::new(options.attachments.unwrap_or_default());
        let (seen, marks, next) = (Seen::default(), Watermark::default(), Some(MessageId::new(1)));
        let (epoch, joiners, asking, keeps_rows) = (None, BTreeMap::new(), None, true);
        Some(Self {
            member,
            options,
            epoch,
            next,
            seen,
            fingerprints: Fingerprints::default(),
            marks,
            history,
            attachments,
            present: Epoch::default(),
            joiners,
            asking,
            keeps_rows,
        })
    }

    /// The same for whoever has taken in nothing yet and has a random key, which it keeps to itself: two messages under one
    /// number are told apart by tags under that key, which takes a tenth of the time of the SHA-256 that it takes without.
    /// The key is kept with the rows.
    #[must_use]
    pub fn keyed(self, key: ContentKey) -> Self {
        Self { fingerprints: Fingerprints::keyed(key), ..self }
    }

    /// For whoever was out of the group and comes back under another number, with this epoch: what is kept of messages and
    /// attachments stays, and what was known of numbers goes, as the others went on meanwhile and pass on nothing of it. Nor does this
    /// one pass on what was said before: it cannot know who came in while it was out.
    #[must_use]
    pub fn come_back(self, member: MemberId, epoch: Epoch, key: ContentKey) -> (Self, Vec<RowChange>) {
        let mut client = Self {
            member,
            epoch: None,
            next: Some(MessageId::new(1)),
            seen: Seen::default(),
            marks: Watermark::default(),
            present: Epoch::default(),
            joiners: BTreeMap::new(),
            asking: None,
            ..self.keyed(key)
        };
        let gone = [RowKey::ALL_SEEN, RowKey::ALL_MARKS, RowKey::ALL_JOINED];
        let gone = gone.into_iter().map(|prefix| RowChange::RemoveAll(prefix.to_vec()));
        let joined = client.joined(member, epoch);
        let changes = gone.chain([client.own_row()]).chain(joined).collect();
        (client, changes)
    }

    /// The same for whoever has no store: what most steps change is not written down.
    #[must_use]
    pub fn without_rows(self) -> Self {
        Self { keeps_rows: false, ..self }
    }

    /// Makes a message of a draft and takes note of it.
    ///
    /// # Errors
    /// When it is too long, or numbers are used up.
    pub fn send(&mut self, draft: Draft) -> Result<Outgoing, SendError> {
        let keep = !draft.flags.contains(MessageFlags::EPHEMERAL);
        self.send_as(draft, keep)
    }

    /// Makes messages of drafts, in their order; of all or, where one is refused, of none.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_all(&mut self, drafts: Vec<Draft>) -> Result<Vec<Outgoing>, SendError> {
        let mut next = self.next;
        let say = |draft: Draft| {
            let keep = !draft.flags.contains(MessageFlags::EPHEMERAL);
            self.say(draft, keep, &mut next)
        };
        let said = drafts.into_iter().map(say).collect::<Result<Vec<_>, _>>()?;
        Ok(said.into_iter().map(|said| self.note(said)).collect())
    }

    /// The message that announces an attachment.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_manifest(&mut self, cut: &Cut, now: Timestamp) -> Result<Outgoing, SendError> {
        let content = cut.manifest().encode(Codec::Cbor)?;
        self.send(Draft { sent_at: now, ..Draft::content(ContentType::Attachment, content) })
    }

    /// The message that carries a piece of an attachment. Histories do not keep it.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_piece(&mut self, piece: &Chunk, now: Timestamp) -> Result<Outgoing, SendError> {
        let content = piece.encode(Codec::Cbor)?;
        self.send_as(Draft { sent_at: now, ..Draft::content(ContentType::Attachment, content) }, false)
    }

    /// Takes a payload in. Whatever is refused changes nothing.
    ///
    /// # Errors
    /// When it is no text message, in somebody else's name, of a type that is not taken, an answer that was not asked
    /// for, or about an attachment that it does not fit.
    pub fn receive(&mut self, incoming: &Incoming<'_>) -> Result<Received, ReceiveError> {
        let message = TextMessage::decode(incoming.format, incoming.payload)?;
        self.admit(&message, incoming.origin)?;
        let fingerprint = self.fingerprints.of(&message)?;
        let forgets = self.forgets(incoming.epoch);
        let verdict = if forgets { Verdict::New } else { self.judge(&message, fingerprint, false) };
        let fresh = matches!(verdict, Verdict::New | Verdict::Corrected);
        let meaning = if fresh { self.meaning(&message)? } else { Meaning::Message };
        let keep = matches!(meaning, Meaning::Message | Meaning::Manifest(_));
        let mut changes = Vec::new();
        let content = self.take_in(&message, meaning, incoming.now, &mut changes)?;
        self.enter(incoming.epoch, &mut changes);
        let keep = keep && !message.flags.contains(MessageFlags::EPHEMERAL);
        let known = Known { fingerprint, relayed: false };
        self.record(&message, (known, Some(incoming.epoch)), verdict, keep, &mut changes);
        let content = match content {
            Taken::Content(content) => content,
            Taken::Replay(replay) => {
                Content::CaughtUp(self.replayed(&message, replay, incoming.now, &mut changes))
            }
        };
        Ok(Received { message, verdict, content, changes })
    }

    /// Asks a member for what is missing here. `request` connects the answer with it: a random number.
    ///
    /// # Errors
    /// When the group has not agreed on it, somebody is being asked already, or as [`Self::send`].
    pub fn ask(
        &mut self,
        member: MemberId,
        request: RequestId,
        now: Timestamp,
    ) -> Result<Outgoing, SendError> {
        if !self.options.resync {
            return Err(SendError::NotAgreed);
        }
        if let Some(asking) = &self.asking {
            return Err(SendError::Asking(asking.member));
        }
        let asking = Asking::new(member, request, now);
        let outgoing = self.send_request(&asking, now)?;
        self.asking = Some(asking);
        Ok(outgoing)
    }

    /// Asks for the next page, after one that said that more follow; nothing where nobody is being asked.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn ask_on(&mut self, now: Timestamp) -> Result<Option<Outgoing>, SendError> {
        let Some(mut asking) = self.asking.clone() else { return Ok(None) };
        let outgoing = self.send_request(&asking, now)?;
        asking.wait(now);
        self.asking = Some(asking);
        Ok(Some(outgoing))
    }

    /// Positions of the messages that [`Self::answer`] would ask for: those of the page whose contents are not in memory.
    #[must_use]
    pub fn wanted_for(&self, asked: &Asked) -> Vec<u64> {
        let Some(history) = &self.history else { return Vec::new() };
        let elsewhere = |position: &u64| history.at(*position).is_some_and(|kept| kept.message.is_none());
        page(history, asked, self.told_since(asked.from)).0.into_iter().filter(elsewhere).collect()
    }

    /// What this member says from now on is said in this epoch.
    pub const fn set_epoch(&mut self, epoch: Epoch) {
        self.present = epoch;
    }

    /// Takes note that a member came in with an epoch: what was said before is not passed on to it. None, and no change, beyond
    /// [`MAX_JOINERS`].
    pub fn joined(&mut self, member: MemberId, epoch: Epoch) -> Option<RowChange> {
        self.put_joiner(member, epoch).then(|| crate::state::joined_row(member, epoch))
    }

    /// Takes note that a member is out.
    pub fn left(&mut self, member: MemberId) -> Option<RowChange> {
        let known = self.joiners.remove(&member);
        known.map(|_| RowChange::Remove(RowKey::Joined(member).bytes()))
    }

    /// From which epoch on a member may be told what was said: where it, or this one itself, came in later than it began.
    fn told_since(&self, member: MemberId) -> Option<Epoch> {
        let came_in = |member| self.joiners.get(member).copied();
        came_in(&member).max(came_in(&self.member))
    }

    pub(crate) fn put_joiner(&mut self, member: MemberId, epoch: Epoch) -> bool {
        let fits = self.joiners.len() < MAX_JOINERS || self.joiners.contains_key(&member);
        if fits {
            self.joiners.insert(member, epoch);
            self.present = self.present.max(epoch);
        }
        fits
    }

    /// One page of what a member is missing. `fetch` gives the messages at positions whose contents are not in memory;
    /// what it does not have is left out.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn answer(
        &mut self,
        asked: &Asked,
        now: Timestamp,
        mut fetch: impl FnMut(u64) -> Option<TextMessage>,
    ) -> Result<Outgoing, SendError> {
        let joined = self.told_since(asked.from);
        let (positions, more) =
            self.history.as_ref().map_or((Vec::new(), false), |history| page(history, asked, joined));
        let history = self.history.as_ref();
        let message = |position| {
            let kept = history.and_then(|history| history.at(position))?;
            Some((kept.epoch, kept.message.cloned().or_else(|| fetch(position))?))
        };
        let messages = positions.into_iter().filter_map(message).collect();
        let content = Resync::Replay { messages, more }.encode()?;
        self.send_exchange(content, asked.request, now)
    }

    /// Forgets what was received and in which epoch, as `reset` of the published clients does.
    pub fn reset(&mut self) -> Vec<RowChange> {
        self.seen.clear();
        self.epoch = None;
        vec![RowChange::RemoveAll(RowKey::ALL_SEEN.to_vec()), self.own_row()]
    }

    /// Empties the history.
    pub fn clear_history(&mut self) -> Vec<RowChange> {
        let Some(history) = self.history.as_mut() else { return Vec::new() };
        history.clear();
        vec![RowChange::RemoveAll(RowKey::ALL_KEPT.to_vec())]
    }

    /// Expects an attachment whose manifest did not come from its sender here: one that was replayed, or that ended and
    /// is wanted again.
    ///
    /// # Errors
    /// As [`Attachments::offer`].
    pub fn expect_attachment(
        &mut self,
        sender: MemberId,
        manifest: Manifest,
        now: Timestamp,
    ) -> Result<(Progress, Vec<RowChange>), AttachmentError> {
        let mut changes = Vec::new();
        let progress = self.offer(sender, manifest, now, &mut changes)?;
        if progress.fresh {
            changes.extend(self.attachment_rows(&progress));
        }
        Ok((progress, changes))
    }

    /// Hands out a piece that is held, to be kept by the caller in the same step as the changes.
    pub fn take_out(&mut self, key: AttachmentKey, index: u32) -> Option<TakenOut> {
        self.attachments.take_out(key, index)
    }

    /// Hands out any piece that is held, of one sender or of anybody, to make room.
    pub fn take_any_out(&mut self, sender: Option<MemberId>) -> Option<TakenOut> {
        self.attachments.take_any_out(sender)
    }

    /// Ends an attachment, complete or not.
    pub fn forget_attachment(&mut self, key: AttachmentKey) -> Vec<RowChange> {
        let early = !self.attachments.drop_early(key).is_empty();
        let early = early.then(|| RowChange::RemoveAll(RowKey::all_early(key)));
        let gone = self.attachments.forget(key);
        let gone = gone.then(|| RowChange::Remove(RowKey::Attachment(key.0, key.1).bytes()));
        gone.into_iter().chain(early).collect()
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let asking = self.asking.as_ref().map(|asking| asking.deadline);
        asking.into_iter().chain(self.attachments.poll_timeout()).min()
    }

    /// Ends what has waited too long.
    pub fn handle_timeout(&mut self, now: Timestamp) -> (Vec<Expired>, Vec<RowChange>) {
        let late = self.asking.take_if(|asking| asking.deadline <= now);
        let mut expired: Vec<Expired> =
            late.map(|asking| Expired::Asking(asking.member)).into_iter().collect();
        let gone = self.attachments.handle_timeout(now);
        let rows = gone.iter().map(|key| RowChange::Remove(RowKey::Attachment(key.0, key.1).bytes()));
        let early = self.attachments.expire_early(now);
        let early = early
            .into_iter()
            .map(|((of, id), index)| RowChange::Remove(RowKey::Early(of, id, index).bytes()));
        let rows = rows.chain(early).collect();
        expired.extend(gone.into_iter().map(Expired::Attachment));
        (expired, rows)
    }

    /// Whose text this is.
    #[must_use]
    pub const fn member(&self) -> MemberId {
        self.member
    }

    /// How far each sender's messages have been seen.
    #[must_use]
    pub const fn watermark(&self) -> &Watermark {
        &self.marks
    }

    /// Messages that are kept.
    #[must_use]
    pub const fn history(&self) -> Option<&History> {
        self.history.as_ref()
    }

    /// Attachments that are being received.
    #[must_use]
    pub const fn attachments(&self) -> &Attachments {
        &self.attachments
    }

    /// Who is being asked for what is missing.
    #[must_use]
    pub fn asking(&self) -> Option<MemberId> {
        self.asking.as_ref().map(|asking| asking.member)
    }

    /// Whether members catch up. It changes with the capabilities of the group's members.
    pub fn set_resync(&mut self, agreed: bool) {
        self.options.resync = agreed;
    }
}
