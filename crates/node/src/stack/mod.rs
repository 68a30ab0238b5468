//! One member's whole stack over one group, across the boundary.
//!
//! Calls on one node are done in their order: at once where that takes less than a millisecond and nothing is under way,
//! else on another thread.

mod admission;
mod asking;
mod events;
mod media;
mod options;
mod packed;
mod pulse;
mod say;
mod wishes;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coterie_mls::limits::QUICK_LENGTH;
use coterie_stack::{Admission, GroupNode, Member, QuickBatch};
use coterie_types::{Epoch, GroupId, LeafIndex, MemberId};
use napi::Env;
use napi::bindgen_prelude::{BigInt, Either};
use napi_derive::napi;

use crate::answer::{Answer, Cancelled, NativeCancellation, by_itself, elsewhere, in_turn};
use crate::arguments::{List, timestamp, unsigned};
use crate::bytes::Uint8Array;
use crate::device::NativeDevice;
use crate::failure::NativeFailure;
use crate::gbp::{profile, profile_name};
use crate::serial::Serial;
use crate::sframe::Followers;
use crate::values::milliseconds;
pub use admission::{NativeAdmission, NativeSeat, native_make_admission, native_read_admission};
use events::{NativeTakenEvents, NativeTakenParcels, state_name};
use options::{NativeNodeOptions, NativeNodeSettings, Settled};

/// A member of a group, which its coordinator orders.
#[napi]
pub struct NativeGroupNode {
    node: Serial<GroupNode>,
    view: Arc<View>,
}

/// How a node stands; as of the last work done.
#[napi(object, object_from_js = false)]
pub struct NativeNodeView {
    /// The epoch it is in.
    pub epoch: BigInt,
    /// Where it is in its life.
    #[napi(
        ts_type = "'idle' | 'connecting' | 'establishing-group' | 'active' | 'resyncing' | 'failed' | 'closed'"
    )]
    pub state: String,
    /// Who coordinates, as far as it knows.
    pub coordinator: Option<u32>,
    /// The last transition that it has applied.
    pub transition_id: u32,
    /// The transition under way.
    pub pending_transition_id: Option<u32>,
    /// When `wake` is due, in milliseconds since 1970.
    pub next_wake: Option<f64>,
    /// When `play` is due.
    pub next_play: Option<f64>,
    /// Whether calls are refused because too much waits to be taken.
    pub is_full: bool,
    /// Whether it is in the group.
    pub is_member: bool,
    /// Its place in the tree.
    pub own_leaf: Option<u32>,
    /// Whether `question` has something.
    pub asks: bool,
}

/// Somebody in the group.
#[napi(object, object_from_js = false)]
pub struct NativeNodeMember {
    /// Its number.
    pub member: u32,
    /// Its place in the tree.
    pub leaf: u32,
    /// Whom its credential names.
    pub identity: Uint8Array,
    /// The key that its messages are verified with.
    pub signature_key: Uint8Array,
}

/// What can be read without waiting for the work under way.
struct View {
    id: Vec<u8>,
    profile: &'static str,
    member: u32,
    stand: Mutex<Stand>,
    /// Media that go on with the group.
    followers: Followers,
}

#[derive(Clone, Copy)]
struct Stand {
    epoch: u64,
    state: &'static str,
    coordinator: Option<MemberId>,
    transition: u32,
    pending: Option<u32>,
    next_wake: Option<f64>,
    /// The time that was last announced for it.
    announced: Option<f64>,
    next_play: Option<f64>,
    has_events: bool,
    has_parcels: bool,
    full: bool,
    is_member: bool,
    own_leaf: Option<u32>,
    asks: bool,
    keyed: Epoch,
    quick: bool,
    quick_audio: bool,
    quick_batch: QuickBatch,
}

impl Stand {
    fn of(node: &GroupNode) -> Self {
        let control = node.control();
        Self {
            epoch: node.epoch().number(),
            state: state_name(node.state()),
            coordinator: control.coordinator(),
            transition: control.last_transition().number(),
            pending: control.pending_transition().map(|pending| pending.number()),
            next_wake: node.next_wake().map(milliseconds),
            announced: None,
            next_play: node.next_play().map(milliseconds),
            has_events: node.has_events(),
            has_parcels: node.has_parcels(),
            full: node.is_full(),
            is_member: node.is_member(),
            own_leaf: node.own_leaf().map(LeafIndex::number),
            asks: node.question().is_some(),
            keyed: node.keyed_epoch(),
            quick: node.is_quick(),
            quick_audio: node.sends_audio_quickly(),
            quick_batch: node.quick_batch(),
        }
    }
}

impl View {
    fn stand(&self) -> MutexGuard<'_, Stand> {
        self.stand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the work has left; media go on before anybody hears of it.
    fn refresh(&self, node: &mut GroupNode) {
        let before = *self.stand();
        let after = Stand::of(node);
        // Media of a member that is out are still its own.
        let own_leaf = after.own_leaf.or(before.own_leaf);
        let after = Stand { own_leaf, announced: before.announced, ..after };
        if after.is_member && after.keyed != before.keyed {
            self.followers.follow(node);
        }
        if before.is_member && !after.is_member {
            self.followers.remove();
        }
        *self.stand() = after;
    }
}

impl NativeGroupNode {
    fn new(node: GroupNode) -> Self {
        let view = View {
            id: node.id().as_bytes().to_vec(),
            profile: profile_name(node.profile()),
            member: node.me().number(),
            stand: Mutex::new(Stand::of(&node)),
            followers: Followers::default(),
        };
        Self { node: Serial::new(node), view: Arc::new(view) }
    }

    /// Work in its turn: on this thread where `quick` says so and nothing is under way.
    fn work<'env, T, V>(
        &self,
        env: &'env Env,
        quick: bool,
        cancellation: Option<&NativeCancellation>,
        work: impl FnOnce(&mut GroupNode) -> Result<V, NativeFailure> + Send + 'static,
        convert: fn(V) -> T,
    ) -> napi::Result<Answer<'env, T>>
    where
        T: napi::bindgen_prelude::ToNapiValue + 'static,
        V: Send + 'static,
    {
        in_turn(env, &self.node, Cancelled::by(cancellation), quick, self.watched(work), convert)
    }

    /// A step: on this thread where the group is small and nothing waits for a disk.
    fn step<'env, T, V>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
        work: impl FnOnce(&mut GroupNode) -> Result<V, NativeFailure> + Send + 'static,
        convert: fn(V) -> T,
    ) -> napi::Result<Answer<'env, T>>
    where
        T: napi::bindgen_prelude::ToNapiValue + 'static,
        V: Send + 'static,
    {
        // In a statement of its own: the work takes the lock.
        let quick = self.view.stand().quick;
        self.work(env, quick, cancellation, work, convert)
    }

    /// Whether so many frames, or what becomes frames, are quick in one step.
    fn is_quick<I>(&self, items: &[I], length: impl Fn(&I) -> usize) -> bool {
        let QuickBatch { frames, bytes } = self.view.stand().quick_batch;
        items.len() <= frames && items.iter().map(length).fold(0, usize::saturating_add) <= bytes
    }

    /// Work after which the view is as it left the node.
    fn watched<V>(
        &self,
        work: impl FnOnce(&mut GroupNode) -> Result<V, NativeFailure> + Send + 'static,
    ) -> impl FnOnce(&mut GroupNode) -> Result<V, NativeFailure> + Send + 'static {
        let view = Arc::clone(&self.view);
        move |node| {
            let answer = work(node);
            view.refresh(node);
            answer
        }
    }
}

#[napi]
impl NativeGroupNode {
    /// Begins a group.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeGroupNode | NativeFailure | Promise<NativeGroupNode | NativeFailure>"
    )]
    pub fn create<'env>(
        env: &'env Env,
        device: &NativeDevice,
        options: NativeNodeOptions,
        settings: NativeNodeSettings,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeGroupNode>> {
        let parsed = options.parse().and_then(|options| Ok((options, Settled::parse(settings)?)));
        let (options, settings) = match parsed {
            Ok(parsed) => parsed,
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        let device = device.device.clone();
        let quick = device.makes_groups_quickly();
        let settings = settings.of(options.profile);
        let work = move || Ok(GroupNode::create(&device, options, settings, timestamp(now))?);
        by_itself(env, quick, cancellation, work, NativeGroupNode::new)
    }

    /// Comes into a group.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeGroupNode | NativeFailure | Promise<NativeGroupNode | NativeFailure>"
    )]
    pub fn join<'env>(
        env: &'env Env,
        device: &NativeDevice,
        admission: Uint8Array,
        #[napi(ts_arg_type = "'interop' | 'sealed'")] expected: String,
        settings: NativeNodeSettings,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeGroupNode>> {
        let parse = || -> Result<_, NativeFailure> {
            Ok((Admission::decode(&admission)?, profile(&expected)?, Settled::parse(settings)?))
        };
        let (admission, profile, settings) = match parse() {
            Ok(parsed) => parsed,
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        let device = device.device.clone();
        let quick = device.joins_quickly(&admission.welcome);
        let settings = settings.of(profile);
        let work = move || Ok(GroupNode::join(&device, &admission, profile, settings, timestamp(now))?);
        by_itself(env, quick, cancellation, work, NativeGroupNode::new)
    }

    /// Opens what is stored of a group.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeGroupNode | null | NativeFailure | Promise<NativeGroupNode | null | NativeFailure>"
    )]
    pub fn open<'env>(
        env: &'env Env,
        device: &NativeDevice,
        id: Uint8Array,
        settings: NativeNodeSettings,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Option<NativeGroupNode>>> {
        let settings = match Settled::parse(settings) {
            Ok(settings) => settings,
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        let (device, id) = (device.device.clone(), GroupId::new(&id));
        let work =
            move || Ok(GroupNode::open(&device, &id?, |profile| settings.of(profile), timestamp(now))?);
        elsewhere(env, Cancelled::by(cancellation), work, |node| node.map(NativeGroupNode::new))
    }

    /// The group's name.
    #[napi(getter, catch_unwind)]
    pub fn id(&self) -> Uint8Array {
        self.view.id.clone().into()
    }

    /// How frames are protected.
    #[napi(getter, catch_unwind, ts_return_type = "'interop' | 'sealed'")]
    pub fn profile(&self) -> String {
        self.view.profile.to_owned()
    }

    /// This member's number.
    #[napi(getter, catch_unwind)]
    pub fn member(&self) -> u32 {
        self.view.member
    }

    /// How the node stands.
    #[napi(getter, catch_unwind)]
    pub fn view(&self) -> NativeNodeView {
        let stand = *self.view.stand();
        NativeNodeView {
            epoch: stand.epoch.into(),
            state: stand.state.to_owned(),
            coordinator: stand.coordinator.map(MemberId::number),
            transition_id: stand.transition,
            pending_transition_id: stand.pending,
            next_wake: stand.next_wake,
            next_play: stand.next_play,
            is_full: stand.full,
            is_member: stand.is_member,
            own_leaf: stand.own_leaf,
            asks: stand.asks,
        }
    }

    /// What it has for whoever holds it; `pulse.rs` has the bits.
    #[napi(getter, catch_unwind)]
    pub fn pulse(&self) -> u32 {
        self.view.stand().pulse()
    }

    /// When `wake` is due, as `view` says; `pulse` tells when it is due before that.
    #[napi(catch_unwind)]
    pub fn announce_wake(&self) -> Option<f64> {
        let mut stand = self.view.stand();
        stand.announced = stand.next_wake;
        stand.next_wake
    }

    /// Takes in a frame.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn receive<'env>(
        &self,
        env: &'env Env,
        frame: Uint8Array,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        let small = self.view.stand().quick && frame.len() <= QUICK_LENGTH;
        let quick = small || GroupNode::is_audio(&frame);
        let work = move |node: &mut GroupNode| Ok(node.receive(&frame, timestamp(now))?);
        self.work(env, quick, cancellation, work, |()| ())
    }

    /// Takes in several frames; how many, which is fewer than were given where one cannot be taken in now.
    #[napi(catch_unwind, ts_return_type = "number | NativeFailure | Promise<number | NativeFailure>")]
    pub fn receive_all<'env>(
        &self,
        env: &'env Env,
        #[napi(ts_arg_type = "Array<Uint8Array>")] frames: List<Uint8Array>,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, u32>> {
        let frames: Vec<Vec<u8>> = frames.into_vec();
        let quick = self.is_quick(&frames, Vec::len);
        let work = move |node: &mut GroupNode| Ok(node.receive_all(&frames, timestamp(now))?);
        // Lists are shorter.
        self.work(env, quick, cancellation, work, |taken| u32::try_from(taken).unwrap_or(u32::MAX))
    }

    /// Does what is due.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn wake<'env>(&self, env: &'env Env, now: f64) -> napi::Result<Answer<'env, ()>> {
        self.step(env, None, move |node| Ok(node.wake(timestamp(now))?), |()| ())
    }

    /// Up to `max` events that wait. Those that were taken before are dealt with.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeTakenEvents | NativeFailure | Promise<NativeTakenEvents | NativeFailure>"
    )]
    pub fn take_events<'env>(
        &self,
        env: &'env Env,
        max: u32,
    ) -> napi::Result<Answer<'env, NativeTakenEvents>> {
        let work = move |node: &mut GroupNode| {
            node.events_dealt_with();
            let events: Vec<_> = (0..max).map_while(|_| node.poll_told()).collect();
            Ok((events, !node.is_member()))
        };
        self.work(env, true, None, work, NativeTakenEvents::from)
    }

    /// Says that events up to this one are dealt with, for good.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn acknowledge<'env>(
        &self,
        env: &'env Env,
        id: BigInt,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        let id = match unsigned(&id) {
            Ok(id) => id,
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        self.step(env, cancellation, move |node| Ok(node.acknowledge(id)?), |()| ())
    }

    /// Up to `max` parcels that wait. Those that were taken before are carried away.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeTakenParcels | NativeFailure | Promise<NativeTakenParcels | NativeFailure>"
    )]
    pub fn take_parcels<'env>(
        &self,
        env: &'env Env,
        max: u32,
    ) -> napi::Result<Answer<'env, NativeTakenParcels>> {
        let work = move |node: &mut GroupNode| {
            node.parcels_carried();
            let parcels: Vec<_> = (0..max).map_while(|_| node.poll_parcel()).collect();
            Ok((parcels, !node.is_member()))
        };
        self.work(env, true, None, work, NativeTakenParcels::from)
    }

    /// The commit of the transition under way.
    #[napi(
        catch_unwind,
        ts_return_type = "Uint8Array | null | NativeFailure | Promise<Uint8Array | null | NativeFailure>"
    )]
    pub fn pending_commit<'env>(&self, env: &'env Env) -> napi::Result<Answer<'env, Option<Uint8Array>>> {
        let work = |node: &mut GroupNode| Ok(node.control().pending_commit().map(<[u8]>::to_vec));
        self.work(env, true, None, work, |commit| commit.map(Uint8Array::from))
    }

    /// Everybody in the group.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeNodeMember[] | NativeFailure | Promise<NativeNodeMember[] | NativeFailure>"
    )]
    pub fn members<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Vec<NativeNodeMember>>> {
        let convert = |all: Vec<Member>| all.into_iter().map(NativeNodeMember::from).collect();
        self.step(env, cancellation, |node| Ok(node.members()?), convert)
    }

    /// A value that all members of this epoch share.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure | Promise<Uint8Array | NativeFailure>")]
    pub fn epoch_authenticator<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Uint8Array>> {
        self.step(env, cancellation, |node| Ok(node.epoch_authenticator()?), Uint8Array::from)
    }

    /// Lets go of the node once the work under way is done, and forgets on disk what was dealt with.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<Answer<'env, ()>> {
        if self.node.is_closed() {
            return Ok(Either::A(Either::A(())));
        }
        let answer = self.step(env, None, |node| Ok(node.remove_rows()?), |()| ());
        self.node.close();
        answer
    }
}

impl From<Member> for NativeNodeMember {
    fn from(member: Member) -> Self {
        let Member { member, leaf, identity, signature_key } = member;
        Self {
            member: member.number(),
            leaf: leaf.number(),
            identity: identity.into(),
            signature_key: signature_key.into(),
        }
    }
}
