//! Signals across the boundary: one member's client, roles and capabilities, and payloads by themselves.

use std::collections::BTreeSet;

use coterie_gsp::{
    ANSWERS, Answer, Authority, ConformanceClass, Finished, Incoming, Negotiator, Order, Outgoing,
    Permissions, Received, RoleSpec, Roles, SignalClient, Verdict,
};
use coterie_types::{Epoch, MemberId, RequestId, StreamClass};
use coterie_wire::payload::{Resync, Role, Signal, SignalMessage};
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

use crate::answer::guarded;
use crate::arguments::{List, duration, invalid, timestamp, unsigned};
use crate::bytes::Uint8Array;
use crate::failure::{NativeFailure, Outcome, outcome};
use crate::gbp::{
    NativeErrorObject, NativeFormat, class, class_name, codec, codec_name, error_object, format,
};
use crate::gtp::NativeIncoming;
use crate::held::{Held, Part};
use crate::values::milliseconds;

/// What a signal says, and about what.
#[napi(discriminant = "type", discriminant_case = "kebab-case")]
pub enum NativeSignal {
    /// The sender joins.
    Join,
    /// The sender leaves.
    Leave,
    /// A member gets a role.
    RoleChange {
        /// The member.
        target: u32,
        /// The role.
        role: u32,
    },
    /// A member is muted.
    Mute {
        /// The member.
        target: u32,
    },
    /// A member is no longer muted.
    Unmute {
        /// The member.
        target: u32,
    },
    /// The sender begins to publish.
    StreamStart {
        /// What it publishes.
        #[napi(ts_type = "'control' | 'audio' | 'text' | 'signal'")]
        stream_class: String,
    },
    /// The sender ends publishing.
    StreamStop {
        /// What it published.
        #[napi(ts_type = "'control' | 'audio' | 'text' | 'signal'")]
        stream_class: String,
    },
    /// The sender changes its codec.
    CodecUpdate {
        /// The codec.
        codec: u32,
    },
}

/// A signal and who gives it.
#[napi(object)]
pub struct NativeSignalMessage {
    /// What it is about.
    pub signal: NativeSignal,
    /// Its number.
    pub request_id: u32,
    /// Who says to have sent it.
    pub sender: u32,
    /// The role that the sender says to act in.
    pub role_claim: u32,
    /// The arguments as they stand in the payload.
    pub arguments: Option<Uint8Array>,
}

/// Whose signals count.
#[napi(object, object_to_js = false)]
pub struct NativeAuthority {
    /// Whether roles are enforced.
    pub enforced: bool,
    /// What members without a role may do, as bits.
    pub unassigned: u32,
    /// The role that may change codecs without moderating.
    pub automatic_control: Option<u32>,
}

/// A signal that is to be given.
#[napi(object, object_to_js = false)]
pub struct NativeOrder {
    /// The signal.
    pub signal: NativeSignal,
    /// Names it among those of its sender.
    pub request_id: u32,
    /// The role that it is given in.
    pub role_claim: u32,
    /// Whose answers are waited for.
    #[napi(ts_type = "Array<number>")]
    pub awaited: List<u32>,
    /// How long they may take, in milliseconds.
    pub timeout: Option<f64>,
    /// Its arguments, where they are to hold more than the signal knows.
    pub arguments: Option<Uint8Array>,
    /// How it is encoded.
    pub codec: String,
}

/// A signal that is ready to be sealed.
#[napi(object, object_from_js = false)]
pub struct NativeOutgoingSignal {
    /// The signal.
    pub message: NativeSignalMessage,
    /// Its payload.
    pub payload: Uint8Array,
    /// The payload's codec.
    pub codec: String,
}

/// A signal that was received.
#[napi(object, object_from_js = false)]
pub struct NativeReceivedSignal {
    /// The signal.
    pub message: NativeSignalMessage,
    /// How it relates to what was received before.
    #[napi(ts_type = "'new' | 'duplicate' | 'conflicting'")]
    pub verdict: String,
    /// Whether it changed anything.
    pub changed: bool,
}

/// What came of a payload: a signal, or why it was refused and what may be answered.
#[napi(object, object_from_js = false)]
pub struct NativeSignalOutcome {
    /// The signal.
    pub received: Option<NativeReceivedSignal>,
    /// Why it was refused.
    pub refused: Option<NativeFailure>,
    /// What may be answered to that.
    pub answer: Option<NativeAnswer>,
}

/// A member's answer to a signal.
#[napi(object, object_from_js = false)]
pub struct NativeAnswer {
    /// Who gave the signal.
    pub to: u32,
    /// The request that is answered.
    pub request_id: u32,
    /// Why it was refused, if it was.
    pub refused: Option<NativeErrorObject>,
}

/// How a signal of ours ended.
#[napi(object, object_from_js = false)]
pub struct NativeFinished {
    /// The signal's request id.
    pub request_id: u32,
    /// The signal.
    pub signal: NativeSignal,
    /// Who refused it, and why.
    pub refused: Vec<NativeRefusal>,
    /// Who did not answer in time.
    pub silent: Vec<u32>,
}

/// That a member refused a signal.
#[napi(object, object_from_js = false)]
pub struct NativeRefusal {
    /// Who.
    pub member: u32,
    /// Why.
    pub error: NativeErrorObject,
}

/// A role.
#[napi(object)]
pub struct NativeRole {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// What its holders may do, as bits.
    pub permissions: u32,
}

/// Who has a role.
#[napi(object, object_from_js = false)]
pub struct NativeAssignment {
    /// Who.
    pub member: u32,
    /// Which.
    pub role: u32,
}

/// What a member advertised.
#[napi(object, object_from_js = false)]
pub struct NativeAdvertisement {
    /// Who.
    pub member: u32,
    /// What.
    pub tokens: Vec<String>,
}

/// The signals of one group, as one member knows it.
#[napi]
pub struct NativeSignalClient {
    client: Held<SignalClient>,
}

/// Roles, and who has which.
#[napi]
pub struct NativeRoles {
    roles: Part<Roles>,
}

/// What each member advertised.
#[napi]
pub struct NativeNegotiator {
    negotiator: Part<Negotiator>,
}

#[napi]
impl NativeSignalClient {
    /// Nothing known yet.
    #[napi(catch_unwind)]
    pub fn create(member: u32, given: NativeAuthority) -> NativeSignalClient {
        Self { client: Held::new(SignalClient::new(MemberId::new(member), authority(&given))) }
    }

    /// What `export` wrote.
    #[napi(catch_unwind, ts_return_type = "NativeSignalClient | NativeFailure")]
    pub fn import(member: u32, given: NativeAuthority, state: Uint8Array) -> Outcome<NativeSignalClient> {
        outcome(guarded(|| {
            let client = SignalClient::import(MemberId::new(member), authority(&given), &state)?;
            Ok(Self { client: Held::new(client) })
        }))
    }

    /// Gives a signal in the group's present epoch.
    #[napi(catch_unwind, ts_return_type = "NativeOutgoingSignal | NativeFailure")]
    pub fn give(&self, given: NativeOrder, epoch: BigInt, now: f64) -> Outcome<NativeOutgoingSignal> {
        self.client.with(|client| {
            let epoch = Epoch::new(unsigned(&epoch)?);
            Ok(client.give(order(given)?, epoch, timestamp(now))?.into())
        })
    }

    /// Takes a payload in.
    #[napi(catch_unwind, ts_return_type = "NativeSignalOutcome | NativeFailure")]
    pub fn receive(&self, given: NativeIncoming) -> Outcome<NativeSignalOutcome> {
        self.client.with(|client| {
            let incoming = Incoming {
                payload: &given.payload,
                format: format(&given.codec)?,
                origin: given.origin(),
                epoch: Epoch::new(unsigned(&given.epoch)?),
            };
            Ok(match client.receive(&incoming) {
                Ok(received) => {
                    let answer = received.answer().map(NativeAnswer::from);
                    NativeSignalOutcome { received: Some(received.into()), refused: None, answer }
                }
                Err(refused) => {
                    let answer = Answer::refused(&refused).map(NativeAnswer::from);
                    NativeSignalOutcome { received: None, refused: Some(refused.into()), answer }
                }
            })
        })
    }

    /// Takes a member's answer to a signal.
    #[napi(catch_unwind, ts_return_type = "NativeFinished | null | NativeFailure")]
    pub fn handle_answer(
        &self,
        from: u32,
        request_id: u32,
        refused: Option<NativeErrorObject>,
    ) -> Outcome<Option<NativeFinished>> {
        self.client.with(|client| {
            let refused = refused.map(error_object).transpose()?;
            let finished = client.handle_answer(MemberId::new(from), RequestId::new(request_id), refused);
            Ok(finished.map(NativeFinished::from))
        })
    }

    /// When to call `handle_timeout`, in milliseconds since 1970.
    #[napi(catch_unwind, ts_return_type = "number | null | NativeFailure")]
    pub fn poll_timeout(&self) -> Outcome<Option<f64>> {
        self.client.look(|client| client.poll_timeout().map(milliseconds))
    }

    /// Ends signals that were not answered in time.
    #[napi(catch_unwind, ts_return_type = "Array<NativeFinished> | NativeFailure")]
    pub fn handle_timeout(&self, now: f64) -> Outcome<Vec<NativeFinished>> {
        self.client.with(|client| Ok(all_finished(client.handle_timeout(timestamp(now)))))
    }

    /// Takes the group's members as they are now.
    #[napi(catch_unwind, ts_return_type = "Array<NativeFinished> | NativeFailure")]
    pub fn set_roster(
        &self,
        #[napi(ts_arg_type = "Array<number>")] roster: List<u32>,
    ) -> Outcome<Vec<NativeFinished>> {
        self.client.with(|client| Ok(all_finished(client.set_roster(members(roster)?))))
    }

    /// Forgets what was received, and in which epoch.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn reset(&self) -> Outcome<()> {
        self.client.with(|client| {
            client.reset();
            Ok(())
        })
    }

    /// A request id that no signal of ours has in this epoch.
    #[napi(catch_unwind, ts_return_type = "number | NativeFailure")]
    pub fn fresh_request(&self, random: u32) -> Outcome<u32> {
        self.client.look(|client| client.fresh_request(random).number())
    }

    /// Whether a member may send on a class of streams.
    #[napi(catch_unwind, ts_return_type = "boolean | NativeFailure")]
    pub fn may_send(&self, member: u32, stream_class: String) -> Outcome<bool> {
        self.client.with(|client| Ok(client.may_send(MemberId::new(member), class(&stream_class)?)))
    }

    /// Who announced to have joined.
    #[napi(catch_unwind, ts_return_type = "Array<number> | NativeFailure")]
    pub fn members(&self) -> Outcome<Vec<u32>> {
        self.client.look(|client| client.view().members().map(MemberId::number).collect())
    }

    /// Who is muted.
    #[napi(catch_unwind, ts_return_type = "Array<number> | NativeFailure")]
    pub fn muted(&self) -> Outcome<Vec<u32>> {
        self.client.look(|client| client.view().muted().map(MemberId::number).collect())
    }

    /// Whether a member is muted.
    #[napi(catch_unwind, ts_return_type = "boolean | NativeFailure")]
    pub fn is_muted(&self, member: u32) -> Outcome<bool> {
        self.client.look(|client| client.view().is_muted(MemberId::new(member)))
    }

    /// The classes of streams that a member announced to publish on.
    #[napi(catch_unwind, ts_return_type = "Array<'control' | 'audio' | 'text' | 'signal'> | NativeFailure")]
    pub fn publishing(&self, member: u32) -> Outcome<Vec<String>> {
        self.client.look(|client| {
            let publishes = |class: &StreamClass| client.view().is_publishing(MemberId::new(member), *class);
            StreamClass::ALL.into_iter().filter(publishes).map(|class| class_name(class).to_owned()).collect()
        })
    }

    /// The codec that a member announced last.
    #[napi(catch_unwind, ts_return_type = "number | null | NativeFailure")]
    pub fn codec_of(&self, member: u32) -> Outcome<Option<u32>> {
        self.client.look(|client| client.view().codec_of(MemberId::new(member)))
    }

    /// Who may do what: a part of this client.
    #[napi(catch_unwind)]
    pub fn roles(&self) -> NativeRoles {
        NativeRoles { roles: self.client.part(SignalClient::roles_mut) }
    }

    /// What members advertised: a part of this client.
    #[napi(catch_unwind)]
    pub fn capabilities(&self) -> NativeNegotiator {
        NativeNegotiator { negotiator: self.client.part(SignalClient::capabilities_mut) }
    }

    /// Everything that is known.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
    pub fn export(&self) -> Outcome<Uint8Array> {
        self.client.look(|client| client.export().into())
    }

    /// Lets go of everything.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.client.close();
    }
}

#[napi]
impl NativeRoles {
    /// Nobody may anything.
    #[napi(catch_unwind, constructor)]
    #[allow(clippy::new_without_default, reason = "only JavaScript makes one")]
    pub fn new() -> Self {
        Self { roles: Part::alone(Roles::default()) }
    }

    /// Defines a role, or changes it.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn define(&self, role: NativeRole) -> Outcome<()> {
        self.roles.with(|roles| Ok(roles.define(role.into())?))
    }

    /// Gives a member a role.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn assign(&self, member: u32, role: u32) -> Outcome<()> {
        self.roles.with(|roles| Ok(roles.assign(MemberId::new(member), Role::new(role))?))
    }

    /// Takes a member's role away.
    #[napi(catch_unwind, ts_return_type = "boolean | NativeFailure")]
    pub fn forget(&self, member: u32) -> Outcome<bool> {
        self.roles.with(|roles| Ok(roles.forget(MemberId::new(member))))
    }

    /// A role.
    #[napi(catch_unwind, ts_return_type = "NativeRole | null | NativeFailure")]
    pub fn role(&self, id: u32) -> Outcome<Option<NativeRole>> {
        self.roles.look(|roles| roles.role(Role::new(id)).map(NativeRole::from))
    }

    /// Every role.
    #[napi(catch_unwind, ts_return_type = "Array<NativeRole> | NativeFailure")]
    pub fn all(&self) -> Outcome<Vec<NativeRole>> {
        self.roles.look(|roles| roles.iter().map(NativeRole::from).collect())
    }

    /// Who has which role.
    #[napi(catch_unwind, ts_return_type = "Array<NativeAssignment> | NativeFailure")]
    pub fn assignments(&self) -> Outcome<Vec<NativeAssignment>> {
        self.roles.look(|roles| roles.assignments().map(NativeAssignment::from).collect())
    }

    /// The role of a member.
    #[napi(catch_unwind, ts_return_type = "NativeRole | null | NativeFailure")]
    pub fn role_of(&self, member: u32) -> Outcome<Option<NativeRole>> {
        self.roles.look(|roles| roles.role_of(MemberId::new(member)).map(NativeRole::from))
    }

    /// What a member may do, as bits.
    #[napi(catch_unwind, ts_return_type = "number | NativeFailure")]
    pub fn permissions_of(&self, member: u32) -> Outcome<u32> {
        self.roles.look(|roles| roles.permissions_of(MemberId::new(member)).bits())
    }

    /// Whether a member has all of these.
    #[napi(catch_unwind, ts_return_type = "boolean | NativeFailure")]
    pub fn has(&self, member: u32, needed: u32) -> Outcome<bool> {
        self.roles.look(|roles| roles.has(MemberId::new(member), Permissions::new(needed)))
    }

    /// Refuses a member who has not all of these.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn require(&self, member: u32, needed: u32) -> Outcome<()> {
        self.roles.with(|roles| Ok(roles.require(MemberId::new(member), Permissions::new(needed))?))
    }
}

#[napi]
impl NativeNegotiator {
    /// Nobody advertised anything.
    #[napi(catch_unwind, constructor)]
    #[allow(clippy::new_without_default, reason = "only JavaScript makes one")]
    pub fn new() -> Self {
        Self { negotiator: Part::alone(Negotiator::default()) }
    }

    /// Takes a member's tokens in place of those it had.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn advertise(
        &self,
        member: u32,
        #[napi(ts_arg_type = "Array<string>")] tokens: List<String>,
    ) -> Outcome<()> {
        let tokens = tokens.into_vec::<String>();
        self.negotiator.with(|negotiator| Ok(negotiator.advertise(MemberId::new(member), tokens)?))
    }

    /// Adds a class's tokens to those that a member has.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn declare_class(
        &self,
        member: u32,
        #[napi(ts_arg_type = "'A' | 'B' | 'C'")] conformance_class: String,
    ) -> Outcome<()> {
        self.negotiator.with(|negotiator| {
            let class = conformance(&conformance_class)?;
            Ok(negotiator.declare_class(MemberId::new(member), class)?)
        })
    }

    /// Forgets a member.
    #[napi(catch_unwind, ts_return_type = "boolean | NativeFailure")]
    pub fn forget(&self, member: u32) -> Outcome<bool> {
        self.negotiator.with(|negotiator| Ok(negotiator.forget(MemberId::new(member))))
    }

    /// Forgets everybody.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn reset_for_epoch(&self) -> Outcome<()> {
        self.negotiator.with(|negotiator| {
            negotiator.reset_for_epoch();
            Ok(())
        })
    }

    /// What a member advertised, if it did.
    #[napi(catch_unwind, ts_return_type = "Array<string> | null | NativeFailure")]
    pub fn capabilities_of(&self, member: u32) -> Outcome<Option<Vec<String>>> {
        self.negotiator.look(|negotiator| {
            let tokens = negotiator.capabilities_of(MemberId::new(member));
            tokens.map(|tokens| tokens.iter().cloned().collect())
        })
    }

    /// Who advertised, and what.
    #[napi(catch_unwind, ts_return_type = "Array<NativeAdvertisement> | NativeFailure")]
    pub fn all(&self) -> Outcome<Vec<NativeAdvertisement>> {
        self.negotiator.look(|negotiator| negotiator.iter().map(NativeAdvertisement::from).collect())
    }

    /// Whether somebody advertised, and everybody who did has the token.
    #[napi(catch_unwind, ts_return_type = "boolean | NativeFailure")]
    pub fn group_supports(&self, token: String) -> Outcome<bool> {
        self.negotiator.look(|negotiator| negotiator.group_supports(&token))
    }

    /// Whether each of these members advertised the token.
    #[napi(catch_unwind, ts_return_type = "boolean | NativeFailure")]
    pub fn all_support(
        &self,
        #[napi(ts_arg_type = "Array<number>")] all: List<u32>,
        token: String,
    ) -> Outcome<bool> {
        self.negotiator.with(|negotiator| Ok(negotiator.all_support(&members(all)?, &token)))
    }

    /// Tokens that everybody has.
    #[napi(catch_unwind, ts_return_type = "Array<string> | NativeFailure")]
    pub fn intersection(&self) -> Outcome<Vec<String>> {
        self.negotiator.look(|negotiator| negotiator.intersection().into_iter().collect())
    }

    /// Tokens that anybody has.
    #[napi(catch_unwind, ts_return_type = "Array<string> | NativeFailure")]
    pub fn union(&self) -> Outcome<Vec<String>> {
        self.negotiator.look(|negotiator| negotiator.union().into_iter().collect())
    }

    /// Who lacks a token.
    #[napi(catch_unwind, ts_return_type = "Array<number> | NativeFailure")]
    pub fn missing(&self, token: String) -> Outcome<Vec<u32>> {
        self.negotiator
            .look(|negotiator| negotiator.missing(&token).into_iter().map(MemberId::number).collect())
    }

    /// The highest class that everybody is of.
    #[napi(catch_unwind, ts_return_type = "'A' | 'B' | 'C' | null | NativeFailure")]
    pub fn group_class(&self) -> Outcome<Option<String>> {
        self.negotiator.look(|negotiator| negotiator.group_class().map(conformance_name))
    }

    /// How many members advertised.
    #[napi(catch_unwind, ts_return_type = "number | NativeFailure")]
    pub fn size(&self) -> Outcome<u32> {
        self.negotiator.look(|negotiator| u32::try_from(negotiator.len()).unwrap_or(u32::MAX))
    }
}

/// The payload of a signal.
#[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
pub fn native_encode_signal(given: NativeSignalMessage, codec_name: String) -> Outcome<Uint8Array> {
    outcome(guarded(|| {
        let codec = codec(&codec_name)?;
        let message = SignalMessage {
            signal: signal(given.signal)?,
            request: RequestId::new(given.request_id),
            sender: MemberId::new(given.sender),
            role_claim: Role::new(given.role_claim),
        };
        let payload = match given.arguments {
            None => message.encode(codec)?,
            Some(arguments) => message.encode_with(codec, &arguments)?,
        };
        Ok(payload.into())
    }))
}

/// The signal in a payload.
#[napi(catch_unwind, ts_return_type = "NativeSignalMessage | NativeFailure")]
pub fn native_decode_signal(payload: Uint8Array, given: NativeFormat) -> Outcome<NativeSignalMessage> {
    outcome(guarded(|| {
        let (message, arguments) = SignalMessage::decode_with(format(&given)?, &payload)?;
        Ok(signal_message(message, arguments))
    }))
}

/// Tokens by which members say what else they can do.
#[napi(object, object_from_js = false)]
pub struct NativeTokens {
    /// That it answers who asks for messages that it is missing.
    pub resync: String,
    /// That it answers signals.
    pub answers: String,
}

/// Tokens by which members say what else they can do.
#[napi(catch_unwind)]
pub fn native_tokens() -> NativeTokens {
    NativeTokens { resync: Resync::CAPABILITY.to_owned(), answers: ANSWERS.to_owned() }
}

/// The tokens that a member of a class advertises.
#[napi(catch_unwind, ts_return_type = "Array<string> | NativeFailure")]
pub fn native_class_tokens(
    #[napi(ts_arg_type = "'A' | 'B' | 'C'")] conformance_class: String,
) -> Outcome<Vec<String>> {
    outcome(guarded(|| Ok(conformance(&conformance_class)?.tokens().map(ToOwned::to_owned).collect())))
}

pub(crate) fn authority(given: &NativeAuthority) -> Authority {
    match given.enforced {
        false => Authority::Open,
        true => Authority::Enforced {
            unassigned: Permissions::new(given.unassigned),
            automatic_control: given.automatic_control.map(Role::new),
        },
    }
}

pub(crate) fn order(given: NativeOrder) -> Result<Order, NativeFailure> {
    let order = Order::new(signal(given.signal)?, RequestId::new(given.request_id));
    Ok(Order {
        role_claim: Role::new(given.role_claim),
        awaited: members(given.awaited)?,
        timeout: given.timeout.map_or(order.timeout, duration),
        arguments: given.arguments.map(Vec::from),
        codec: codec(&given.codec)?,
        ..order
    })
}

fn members(list: List<u32>) -> Result<BTreeSet<MemberId>, NativeFailure> {
    Ok(list.try_into_vec(|member| Ok(MemberId::new(member)))?.into_iter().collect())
}

fn conformance(name: &str) -> Result<ConformanceClass, NativeFailure> {
    match name {
        "A" => Ok(ConformanceClass::A),
        "B" => Ok(ConformanceClass::B),
        "C" => Ok(ConformanceClass::C),
        _ => Err(invalid("there is no such conformance class")),
    }
}

fn conformance_name(class: ConformanceClass) -> String {
    match class {
        ConformanceClass::A => "A",
        ConformanceClass::B => "B",
        ConformanceClass::C => "C",
    }
    .to_owned()
}

fn signal(given: NativeSignal) -> Result<Signal, NativeFailure> {
    Ok(match given {
        NativeSignal::Join => Signal::Join,
        NativeSignal::Leave => Signal::Leave,
        NativeSignal::RoleChange { target, role } => {
            Signal::RoleChange { target: MemberId::new(target), role: Role::new(role) }
        }
        NativeSignal::Mute { target } => Signal::Mute { target: MemberId::new(target) },
        NativeSignal::Unmute { target } => Signal::Unmute { target: MemberId::new(target) },
        NativeSignal::StreamStart { stream_class } => Signal::StreamStart { class: class(&stream_class)? },
        NativeSignal::StreamStop { stream_class } => Signal::StreamStop { class: class(&stream_class)? },
        NativeSignal::CodecUpdate { codec } => Signal::CodecUpdate { codec },
    })
}

impl From<Signal> for NativeSignal {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Join => Self::Join,
            Signal::Leave => Self::Leave,
            Signal::RoleChange { target, role } => {
                Self::RoleChange { target: target.number(), role: role.number() }
            }
            Signal::Mute { target } => Self::Mute { target: target.number() },
            Signal::Unmute { target } => Self::Unmute { target: target.number() },
            Signal::StreamStart { class } => Self::StreamStart { stream_class: class_name(class).to_owned() },
            Signal::StreamStop { class } => Self::StreamStop { stream_class: class_name(class).to_owned() },
            Signal::CodecUpdate { codec } => Self::CodecUpdate { codec },
        }
    }
}

pub(crate) fn signal_message(message: SignalMessage, arguments: Vec<u8>) -> NativeSignalMessage {
    let SignalMessage { signal, request, sender, role_claim } = message;
    NativeSignalMessage {
        signal: signal.into(),
        request_id: request.number(),
        sender: sender.number(),
        role_claim: role_claim.number(),
        arguments: Some(arguments.into()),
    }
}

impl From<Outgoing> for NativeOutgoingSignal {
    fn from(outgoing: Outgoing) -> Self {
        let arguments = outgoing.arguments;
        Self {
            message: signal_message(outgoing.message, arguments),
            payload: outgoing.payload.into(),
            codec: codec_name(outgoing.codec),
        }
    }
}

impl From<Received> for NativeReceivedSignal {
    fn from(received: Received) -> Self {
        let verdict = match received.verdict {
            Verdict::New => "new",
            Verdict::Duplicate => "duplicate",
            Verdict::Conflicting => "conflicting",
        };
        Self {
            message: signal_message(received.message, received.arguments),
            verdict: verdict.to_owned(),
            changed: received.changed,
        }
    }
}

impl From<Answer> for NativeAnswer {
    fn from(answer: Answer) -> Self {
        Self {
            to: answer.to.number(),
            request_id: answer.request.number(),
            refused: answer.refused.map(NativeErrorObject::from),
        }
    }
}

impl From<Finished> for NativeFinished {
    fn from(finished: Finished) -> Self {
        let refusal = |(member, error): (MemberId, coterie_wire::ErrorObject)| NativeRefusal {
            member: member.number(),
            error: error.into(),
        };
        Self {
            request_id: finished.request.number(),
            signal: finished.signal.into(),
            refused: finished.refused.into_iter().map(refusal).collect(),
            silent: finished.silent.into_iter().map(MemberId::number).collect(),
        }
    }
}

fn all_finished(all: Vec<Finished>) -> Vec<NativeFinished> {
    all.into_iter().map(NativeFinished::from).collect()
}

impl From<NativeRole> for RoleSpec {
    fn from(NativeRole { id, name, permissions }: NativeRole) -> Self {
        Self { id: Role::new(id), name, permissions: Permissions::new(permissions) }
    }
}

impl From<(MemberId, Role)> for NativeAssignment {
    fn from((member, role): (MemberId, Role)) -> Self {
        Self { member: member.number(), role: role.number() }
    }
}

impl From<(MemberId, &BTreeSet<String>)> for NativeAdvertisement {
    fn from((member, tokens): (MemberId, &BTreeSet<String>)) -> Self {
        Self { member: member.number(), tokens: tokens.iter().cloned().collect() }
    }
}

impl From<&RoleSpec> for NativeRole {
    fn from(role: &RoleSpec) -> Self {
        Self { id: role.id.number(), name: role.name.clone(), permissions: role.permissions.bits() }
    }
}
