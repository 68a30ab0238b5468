//! What a member can say and hear, across the boundary: text, attachments, signals, audio.

use std::sync::Arc;

use coterie_gap::{Outgoing, Played};
use coterie_gsp::RoleSpec;
use coterie_gtp::{AttachmentKey, Draft};
use coterie_stack::{AudioOut, GroupNode};
use coterie_types::{MemberId, MessageId, RequestId, StreamClass};
use coterie_wire::payload::{MediaSource, Role};
use napi::Env;
use napi::bindgen_prelude::{BigInt, Either};
use napi_derive::napi;

use super::NativeGroupNode;
use crate::answer::{Answer, NativeCancellation};
use crate::arguments::{List, timestamp, unsigned};
use crate::bytes::Uint8Array;
use crate::failure::{NativeFailure, Outcome, outcome};
use crate::gap::NativePlayed;
use crate::gbp::{class_name, codec};
use crate::gsp::{NativeAdvertisement, NativeAssignment, NativeOrder, NativeRole, order};
use crate::gtp::{NativeCut, NativeDraft, NativeKept, NativeManifest, NativeMark, after, draft, key};

/// A packet of audio that is to be sent.
#[napi(object, object_to_js = false)]
pub struct NativeAudioOut {
    /// To whom.
    pub target: u32,
    /// Its source.
    pub source: u32,
    /// When it was recorded, in samples.
    pub timestamp: BigInt,
    /// The audio.
    pub frame: Uint8Array,
    /// How the packet is encoded.
    pub codec: String,
}

/// What signals have made of the group.
#[napi(object, object_from_js = false)]
pub struct NativeSignalView {
    /// Who announced to have joined.
    pub members: Vec<u32>,
    /// Who is muted.
    pub muted: Vec<u32>,
    /// Who publishes what.
    pub publishing: Vec<NativePublishing>,
    /// Every role.
    pub roles: Vec<NativeRole>,
    /// Who has which.
    pub assignments: Vec<NativeAssignment>,
    /// Who can do what.
    pub capabilities: Vec<NativeAdvertisement>,
}

/// What a member publishes.
#[napi(object, object_from_js = false)]
pub struct NativePublishing {
    /// Who.
    pub member: u32,
    /// On which classes of streams.
    #[napi(ts_type = "Array<'control' | 'audio' | 'text' | 'signal'>")]
    pub classes: Vec<String>,
}

#[napi]
impl NativeGroupNode {
    /// Says something; its number.
    #[napi(catch_unwind, ts_return_type = "bigint | NativeFailure | Promise<bigint | NativeFailure>")]
    pub fn send_text<'env>(
        &self,
        env: &'env Env,
        target: u32,
        given: Either<String, NativeDraft>,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, BigInt>> {
        let draft = match said(given, now) {
            Ok(draft) => draft,
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        let target = MemberId::new(target);
        let work = move |node: &mut GroupNode| Ok(node.send_text(target, draft, timestamp(now))?);
        self.step(env, cancellation, work, |id| id.number().into())
    }

    /// Says several things; their numbers.
    #[napi(catch_unwind, ts_return_type = "bigint[] | NativeFailure | Promise<bigint[] | NativeFailure>")]
    pub fn send_texts<'env>(
        &self,
        env: &'env Env,
        target: u32,
        #[napi(ts_arg_type = "Array<string | NativeDraft>")] given: List<Either<String, NativeDraft>>,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Vec<BigInt>>> {
        let drafts = match given.try_into_vec(|given| said(given, now)) {
            Ok(drafts) => drafts,
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        let quick = self.is_quick(&drafts, |draft| draft.content.len());
        let target = MemberId::new(target);
        let work = move |node: &mut GroupNode| Ok(node.send_texts(target, drafts, timestamp(now))?);
        let convert = |ids: Vec<MessageId>| ids.into_iter().map(|id| id.number().into()).collect();
        self.work(env, quick, cancellation, work, convert)
    }

    /// Announces an attachment; the message's number.
    #[napi(catch_unwind, ts_return_type = "bigint | NativeFailure | Promise<bigint | NativeFailure>")]
    pub fn send_manifest<'env>(
        &self,
        env: &'env Env,
        target: u32,
        cut: &NativeCut,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, BigInt>> {
        let (target, cut) = (MemberId::new(target), cut.cut.clone());
        let work = move |node: &mut GroupNode| Ok(node.send_manifest(target, &cut, timestamp(now))?);
        self.step(env, cancellation, work, |id| id.number().into())
    }

    /// Sends a piece of an attachment; the message's number.
    #[napi(catch_unwind, ts_return_type = "bigint | NativeFailure | Promise<bigint | NativeFailure>")]
    #[allow(clippy::too_many_arguments, reason = "they are what one call has to know")]
    pub fn send_piece<'env>(
        &self,
        env: &'env Env,
        target: u32,
        cut: &NativeCut,
        index: u32,
        data: Uint8Array,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, BigInt>> {
        let target = MemberId::new(target);
        let piece = match cut.cut.piece(index, data.into()) {
            Ok(piece) => piece,
            Err(error) => return Ok(Either::A(outcome(Err(error)))),
        };
        let work = move |node: &mut GroupNode| Ok(node.send_piece(target, &piece, timestamp(now))?);
        self.work(env, false, cancellation, work, |id| id.number().into())
    }

    /// The data of an attachment that is complete.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure | Promise<Uint8Array | NativeFailure>")]
    pub fn attachment<'env>(
        &self,
        env: &'env Env,
        sender: u32,
        attachment: BigInt,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Uint8Array>> {
        let key = key(sender, &attachment);
        let work = move |node: &mut GroupNode| Ok(node.attachment(key?, timestamp(now))?);
        self.work(env, false, cancellation, work, Uint8Array::from)
    }

    /// What an attachment is that is here or on its way.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeManifest | null | NativeFailure | Promise<NativeManifest | null | NativeFailure>"
    )]
    pub fn manifest<'env>(
        &self,
        env: &'env Env,
        sender: u32,
        attachment: BigInt,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Option<NativeManifest>>> {
        let key = key(sender, &attachment);
        let look =
            move |node: &mut GroupNode, key: AttachmentKey| node.text().attachments().manifest(key).cloned();
        let work = move |node: &mut GroupNode| Ok(look(node, key?));
        self.work(env, true, cancellation, work, |manifest| manifest.map(NativeManifest::from))
    }

    /// Forgets an attachment.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn forget_attachment<'env>(
        &self,
        env: &'env Env,
        sender: u32,
        attachment: BigInt,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        let key = key(sender, &attachment);
        let work = move |node: &mut GroupNode| Ok(node.forget_attachment(key?, timestamp(now))?);
        self.step(env, cancellation, work, |()| ())
    }

    /// Asks a member for messages that are missing here.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn catch_up<'env>(
        &self,
        env: &'env Env,
        member: u32,
        request_id: u32,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        let (member, request) = (MemberId::new(member), RequestId::new(request_id));
        let work = move |node: &mut GroupNode| Ok(node.catch_up(member, request, timestamp(now))?);
        self.step(env, cancellation, work, |()| ())
    }

    /// Messages that are kept behind a position, oldest first.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeKept[] | NativeFailure | Promise<NativeKept[] | NativeFailure>"
    )]
    pub fn history<'env>(
        &self,
        env: &'env Env,
        position: Option<BigInt>,
        limit: u32,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Vec<NativeKept>>> {
        let work = move |node: &mut GroupNode| {
            let history = node.text().history();
            history.map_or_else(|| Ok(Vec::new()), |history| after(history, position.as_ref(), limit))
        };
        self.step(env, cancellation, work, |kept| kept)
    }

    /// The highest message of each sender.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeMark[] | NativeFailure | Promise<NativeMark[] | NativeFailure>"
    )]
    pub fn watermark<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Vec<NativeMark>>> {
        let work = |node: &mut GroupNode| Ok(node.text().watermark().iter().collect::<Vec<_>>());
        let convert = |marks: Vec<_>| marks.into_iter().map(NativeMark::from).collect();
        self.step(env, cancellation, work, convert)
    }

    /// Gives a signal; its request id, which is near the given one where that is taken.
    #[napi(catch_unwind, ts_return_type = "number | NativeFailure | Promise<number | NativeFailure>")]
    pub fn give<'env>(
        &self,
        env: &'env Env,
        target: u32,
        given: NativeOrder,
        fresh: bool,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, u32>> {
        let mut order = match order(given) {
            Ok(order) => order,
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        let target = MemberId::new(target);
        let work = move |node: &mut GroupNode| {
            if fresh {
                order.request = node.signals().fresh_request(order.request.number());
            }
            Ok(node.give(target, order, timestamp(now))?)
        };
        self.step(env, cancellation, work, RequestId::number)
    }

    /// Defines a role here.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn define_role<'env>(
        &self,
        env: &'env Env,
        role: NativeRole,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        let role = RoleSpec::from(role);
        self.step(env, cancellation, move |node| Ok(node.define_role(role, timestamp(now))?), |()| ())
    }

    /// Gives a member a role here.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn assign_role<'env>(
        &self,
        env: &'env Env,
        member: u32,
        role: u32,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        let (member, role) = (MemberId::new(member), Role::new(role));
        self.step(env, cancellation, move |node| Ok(node.assign_role(member, role, timestamp(now))?), |()| ())
    }

    /// What signals have made of the group.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeSignalView | NativeFailure | Promise<NativeSignalView | NativeFailure>"
    )]
    pub fn signal_view<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeSignalView>> {
        self.step(env, cancellation, |node| Ok(signal_view(node)), |view| view)
    }

    /// Sends a packet of audio; false while this member is muted.
    #[napi(catch_unwind, ts_return_type = "boolean | NativeFailure | Promise<boolean | NativeFailure>")]
    pub fn send_audio<'env>(
        &self,
        env: &'env Env,
        given: NativeAudioOut,
        now: f64,
    ) -> napi::Result<Answer<'env, bool>> {
        let audio = match audio(given) {
            Ok(audio) => audio,
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        let quick = self.view.stand().quick_audio;
        let work = move |node: &mut GroupNode| Ok(node.send_audio(audio, timestamp(now))?);
        self.work(env, quick, None, work, |sent| sent)
    }

    /// What is to be played now; nothing while other work is under way.
    #[napi(catch_unwind, ts_return_type = "NativePlayed[] | NativeFailure")]
    pub fn play(&self, now: f64) -> Outcome<Vec<NativePlayed>> {
        let view = Arc::clone(&self.view);
        let work = move |node: &mut GroupNode| {
            let mut played: Vec<Played> = Vec::new();
            node.play(timestamp(now), &mut played);
            view.stand().next_play = node.next_play().map(crate::values::milliseconds);
            Ok(played)
        };
        match self.node.at_once(work) {
            Ok(played) => outcome(played.map(|played| played.into_iter().map(NativePlayed::from).collect())),
            Err(_) => Either::A(Vec::new()),
        }
    }
}

/// What is said: a text written now, or a draft.
fn said(given: Either<String, NativeDraft>, now: f64) -> Result<Draft, NativeFailure> {
    match given {
        Either::A(text) => {
            Ok(Draft { sent_at: timestamp(now), content: text.into_bytes(), ..Draft::default() })
        }
        Either::B(given) => draft(given),
    }
}

fn audio(given: NativeAudioOut) -> Result<AudioOut, NativeFailure> {
    let NativeAudioOut { target, source, timestamp, frame, codec: name } = given;
    let packet =
        Outgoing { source: MediaSource::new(source), timestamp: unsigned(&timestamp)?, frame: frame.into() };
    Ok(AudioOut { packet, target: MemberId::new(target), codec: codec(&name)? })
}

fn signal_view(node: &GroupNode) -> NativeSignalView {
    let (signals, view) = (node.signals(), node.signals().view());
    let classes = |member: MemberId| {
        let publishes = |class: &StreamClass| view.is_publishing(member, *class);
        StreamClass::ALL.into_iter().filter(publishes).map(|class| class_name(class).to_owned()).collect()
    };
    let publishing =
        |member: MemberId| NativePublishing { member: member.number(), classes: classes(member) };
    let mut publishing: Vec<_> = node.control().roster().members().map(publishing).collect();
    publishing.retain(|one| !one.classes.is_empty());
    NativeSignalView {
        members: view.members().map(MemberId::number).collect(),
        muted: view.muted().map(MemberId::number).collect(),
        publishing,
        roles: signals.roles().iter().map(NativeRole::from).collect(),
        assignments: signals.roles().assignments().map(NativeAssignment::from).collect(),
        capabilities: signals.capabilities().iter().map(NativeAdvertisement::from).collect(),
    }
}
