//! A group across the boundary.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use coterie_mls::{Changes, Events, Group, Pace, Received};
use coterie_types::ErrorCode;
use napi::Env;
use napi::bindgen_prelude::{BigInt, Either, Function};
use napi_derive::napi;

use crate::answer::{Answer, Cancelled, NativeCancellation, in_turn};
use crate::arguments::{List, timestamp};
use crate::bytes::{Latin1String, Uint8Array};
use crate::device::arrays;
use crate::extension::NativeExtension;
use crate::failure::{NativeFailure, Outcome, outcome};
use crate::feed::{FeedAlarm, NativeFeed};
use crate::identity::{NativeCandidate, candidates};
use crate::roster;
use crate::serial::Serial;
use crate::sframe::Followers;
use crate::values::{NativeGroupEvent, NativeProposal};

/// One member's view of one group.
#[napi]
pub struct NativeGroup {
    group: Serial<Group>,
    events: Events,
    pub(crate) view: Arc<View>,
}

/// What can be read without waiting for the work under way; as of the last work done.
pub(crate) struct View {
    id: Vec<u8>,
    suite: &'static str,
    epoch: AtomicU64,
    own_leaf: AtomicU32,
    member: AtomicBool,
    pace: Mutex<Pace>,
    has_proposals: AtomicBool,
    volatile: bool,
    /// Media that go on with the group.
    pub(crate) followers: Followers,
}

impl View {
    fn refresh(&self, group: &mut Group) {
        let epoch = group.epoch().number();
        if self.epoch.swap(epoch, Ordering::AcqRel) != epoch {
            *self.pace.lock().unwrap_or_else(PoisonError::into_inner) = group.pace();
            self.followers.follow(group);
        }
        self.has_proposals.store(group.has_proposals(), Ordering::Release);
        if self.member.swap(group.is_member(), Ordering::AcqRel) && !group.is_member() {
            self.followers.remove();
        }
        if let Ok(leaf) = group.own_leaf() {
            self.own_leaf.store(leaf.number(), Ordering::Release);
        }
    }
}

impl NativeGroup {
    pub(crate) fn new(mut group: Group) -> Self {
        let view = View {
            id: group.id().as_bytes().to_vec(),
            suite: group.suite().name(),
            epoch: AtomicU64::new(0),
            own_leaf: AtomicU32::new(0),
            member: AtomicBool::new(true),
            pace: Mutex::new(group.pace()),
            has_proposals: AtomicBool::new(false),
            volatile: group.is_volatile(),
            followers: Followers::default(),
        };
        view.refresh(&mut group);
        Self { events: group.events().clone(), group: Serial::new(group), view: Arc::new(view) }
    }

    /// Work that only looks or changes little: on this thread where it may.
    pub(crate) fn quickly<'env, T, V>(
        &self,
        env: &'env Env,
        quick: bool,
        cancellation: Option<&NativeCancellation>,
        work: impl FnOnce(&mut Group) -> Result<V, NativeFailure> + Send + 'static,
        convert: fn(V) -> T,
    ) -> napi::Result<Answer<'env, T>>
    where
        T: napi::bindgen_prelude::ToNapiValue + 'static,
        V: Send + 'static,
    {
        let view = Arc::clone(&self.view);
        let work = move |group: &mut Group| {
            let answer = work(group);
            view.refresh(group);
            answer
        };
        in_turn(env, &self.group, Cancelled::by(cancellation), quick && self.view.volatile, work, convert)
    }

    /// Whether a commit of these changes is done on the caller's thread.
    pub(crate) fn commits_quickly(&self, changes: &Changes<'_>) -> bool {
        let pace = self.pace();
        pace.commits_quickly(changes) && (pace.is_small() || !self.view.has_proposals.load(Ordering::Acquire))
    }

    /// Which calls are done on the caller's thread.
    pub(crate) fn pace(&self) -> Pace {
        *self.view.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Work that grows with the group: on this thread where that is small.
    pub(crate) fn by_size<'env, T, V>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
        work: impl FnOnce(&mut Group) -> Result<V, NativeFailure> + Send + 'static,
        convert: fn(V) -> T,
    ) -> napi::Result<Answer<'env, T>>
    where
        T: napi::bindgen_prelude::ToNapiValue + 'static,
        V: Send + 'static,
    {
        self.quickly(env, self.pace().is_small(), cancellation, work, convert)
    }
}

#[napi]
impl NativeGroup {
    /// The group's name.
    #[napi(getter, catch_unwind)]
    pub fn id(&self) -> Uint8Array {
        self.view.id.clone().into()
    }

    /// Its cipher suite.
    #[napi(getter, catch_unwind)]
    pub fn suite(&self) -> String {
        self.view.suite.to_owned()
    }

    /// Where this member is.
    #[napi(getter, catch_unwind)]
    pub fn epoch(&self) -> BigInt {
        self.view.epoch.load(Ordering::Acquire).into()
    }

    /// This device's place in the tree.
    #[napi(getter, catch_unwind)]
    pub fn own_leaf(&self) -> u32 {
        self.view.own_leaf.load(Ordering::Acquire)
    }

    /// Whether this device is still in the group.
    #[napi(getter, catch_unwind)]
    pub fn is_member(&self) -> bool {
        self.view.member.load(Ordering::Acquire)
    }

    /// Everybody in the group, as `roster.rs` writes members.
    #[napi(catch_unwind, ts_return_type = "string | NativeFailure | Promise<string | NativeFailure>")]
    pub fn members<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Latin1String>> {
        self.by_size(env, cancellation, |group| Ok(group.members()?), |all| roster::members(&all))
    }

    /// The proposals that wait for a commit.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeProposal[] | NativeFailure | Promise<NativeProposal[] | NativeFailure>"
    )]
    pub fn pending_proposals<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Vec<NativeProposal>>> {
        let work = |group: &mut Group| Ok(group.pending_proposals()?);
        self.by_size(env, cancellation, work, |all| all.into_iter().map(NativeProposal::from).collect())
    }

    /// What the own pending commit would do.
    #[napi(
        catch_unwind,
        ts_return_type = "string | null | NativeFailure | Promise<string | null | NativeFailure>"
    )]
    pub fn pending_commit<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Option<Latin1String>>> {
        let work = |group: &mut Group| Ok(group.pending_commit()?);
        self.by_size(env, cancellation, work, |summary| summary.as_ref().map(roster::summary))
    }

    /// What the staged commit would do.
    #[napi(
        catch_unwind,
        ts_return_type = "string | null | NativeFailure | Promise<string | null | NativeFailure>"
    )]
    pub fn staged_commit<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Option<Latin1String>>> {
        let work = |group: &mut Group| Ok(group.staged_commit()?);
        self.by_size(env, cancellation, work, |summary| summary.as_ref().map(roster::summary))
    }

    /// The group's extensions.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeExtension[] | NativeFailure | Promise<NativeExtension[] | NativeFailure>"
    )]
    pub fn extensions<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, List<NativeExtension>>> {
        self.by_size(env, cancellation, |group| Ok(group.extensions()?), List::from)
    }

    /// What somebody outside needs to join by a commit of its own.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure | Promise<Uint8Array | NativeFailure>")]
    pub fn group_info<'env>(
        &self,
        env: &'env Env,
        tree_beside: bool,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Uint8Array>> {
        let work = move |group: &mut Group| Ok(group.group_info(!tree_beside)?);
        self.by_size(env, cancellation, work, Uint8Array::from)
    }

    /// The public keys of everybody in the group.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure | Promise<Uint8Array | NativeFailure>")]
    pub fn ratchet_tree<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Uint8Array>> {
        self.by_size(env, cancellation, |group| Ok(group.ratchet_tree()?), Uint8Array::from)
    }

    /// A value that all members of this epoch share.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure | Promise<Uint8Array | NativeFailure>")]
    pub fn epoch_authenticator<'env>(&self, env: &'env Env) -> napi::Result<Answer<'env, Uint8Array>> {
        let work = |group: &mut Group| Ok(group.epoch_authenticator()?);
        self.quickly(env, true, None, work, Uint8Array::from)
    }

    /// A key of this epoch for another protocol.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure | Promise<Uint8Array | NativeFailure>")]
    pub fn export_secret<'env>(
        &self,
        env: &'env Env,
        label: String,
        context: Uint8Array,
        length: u32,
    ) -> napi::Result<Answer<'env, Uint8Array>> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let work = move |group: &mut Group| Ok(group.export_secret(&label, &context, length)?);
        self.quickly(env, true, None, work, Uint8Array::from)
    }

    /// Seals one message.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure | Promise<Uint8Array | NativeFailure>")]
    pub fn encrypt<'env>(
        &self,
        env: &'env Env,
        plaintext: Uint8Array,
        associated_data: Uint8Array,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Uint8Array>> {
        let quick = Group::encrypts_quickly(plaintext.len());
        let work = move |group: &mut Group| Ok(group.encrypt(&plaintext, &associated_data)?);
        self.quickly(env, quick, cancellation, work, Uint8Array::from)
    }

    /// Seals several messages in one step.
    #[napi(
        catch_unwind,
        ts_return_type = "Uint8Array[] | NativeFailure | Promise<Uint8Array[] | NativeFailure>"
    )]
    pub fn encrypt_all<'env>(
        &self,
        env: &'env Env,
        #[napi(ts_arg_type = "Array<Uint8Array>")] plaintexts: List<Uint8Array>,
        associated_data: Uint8Array,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Vec<Uint8Array>>> {
        let plaintexts: Vec<Vec<u8>> = plaintexts.into_vec();
        let work = move |group: &mut Group| Ok(group.encrypt_all(&plaintexts, &associated_data)?);
        self.quickly(env, false, cancellation, work, arrays)
    }

    /// Takes in one message; a commit is merged.
    #[napi(
        catch_unwind,
        ts_return_type = "Exclude<NativeGroupEvent, { type: 'succeeded' }> | NativeFailure | Promise<Exclude<NativeGroupEvent, { type: 'succeeded' }> | NativeFailure>"
    )]
    pub fn receive<'env>(
        &self,
        env: &'env Env,
        message: Uint8Array,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeGroupEvent>> {
        let quick = self.pace().receives_quickly(&message);
        let work = move |group: &mut Group| Ok(group.receive(&message, timestamp(now))?);
        self.quickly(env, quick, cancellation, work, NativeGroupEvent::from)
    }

    /// Takes in one message; a commit waits.
    #[napi(
        catch_unwind,
        ts_return_type = "Exclude<NativeGroupEvent, { type: 'succeeded' }> | NativeFailure | Promise<Exclude<NativeGroupEvent, { type: 'succeeded' }> | NativeFailure>"
    )]
    pub fn stage<'env>(
        &self,
        env: &'env Env,
        message: Uint8Array,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeGroupEvent>> {
        let work = move |group: &mut Group| Ok(group.stage(&message, timestamp(now))?);
        self.by_size(env, cancellation, work, NativeGroupEvent::from)
    }

    /// Whom a message would bring in.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeCandidate[] | NativeFailure | Promise<NativeCandidate[] | NativeFailure>"
    )]
    pub fn received_candidates<'env>(
        &self,
        env: &'env Env,
        message: Uint8Array,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Vec<NativeCandidate>>> {
        let quick = self.pace().receives_quickly(&message);
        let work = move |group: &mut Group| Ok(group.received_candidates(&message, timestamp(now))?);
        self.quickly(env, quick, cancellation, work, candidates)
    }

    /// Whom a commit of key packages, and of what waits, would bring in.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeCandidate[] | NativeFailure | Promise<NativeCandidate[] | NativeFailure>"
    )]
    pub fn candidates<'env>(
        &self,
        env: &'env Env,
        #[napi(ts_arg_type = "Array<Uint8Array>")] key_packages: List<Uint8Array>,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Vec<NativeCandidate>>> {
        let packages: Vec<Vec<u8>> = key_packages.into_vec();
        let work = move |group: &mut Group| Ok(group.candidates(&packages, timestamp(now))?);
        self.by_size(env, cancellation, work, candidates)
    }

    /// Whom the staged commit would bring in.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeCandidate[] | NativeFailure | Promise<NativeCandidate[] | NativeFailure>"
    )]
    pub fn staged_candidates<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Vec<NativeCandidate>>> {
        self.by_size(env, cancellation, |group| Ok(group.staged_candidates()?), candidates)
    }

    /// Takes in several messages in one step.
    #[napi(
        catch_unwind,
        ts_return_type = "(Exclude<NativeGroupEvent, { type: 'succeeded' }> | NativeFailure)[] | NativeFailure | Promise<(Exclude<NativeGroupEvent, { type: 'succeeded' }> | NativeFailure)[] | NativeFailure>"
    )]
    pub fn receive_all<'env>(
        &self,
        env: &'env Env,
        #[napi(ts_arg_type = "Array<Uint8Array>")] messages: List<Uint8Array>,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Vec<Outcome<NativeGroupEvent>>>> {
        let messages: Vec<Vec<u8>> = messages.into_vec();
        let work = move |group: &mut Group| Ok(group.receive_all(&messages, timestamp(now))?);
        self.quickly(env, false, cancellation, work, |all| all.into_iter().map(received).collect())
    }

    /// Everything that happens from now on. `wake` is called when something waits to be taken.
    #[napi(catch_unwind)]
    pub fn subscribe(&self, wake: Function<'_, (), ()>) -> napi::Result<NativeFeed> {
        let subscription = self.events.subscribe();
        if self.group.is_closed() {
            subscription.close();
        }
        Ok(NativeFeed::new(subscription, FeedAlarm::new(&wake)?))
    }

    /// Lets go of the group once the work under way is done.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.group.close();
    }
}

fn received<E: ErrorCode>(received: Result<Received, E>) -> Outcome<NativeGroupEvent> {
    match received {
        Ok(received) => Either::A(received.into()),
        Err(error) => outcome(Err(error)),
    }
}
