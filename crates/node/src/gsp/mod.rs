//! Signals across the boundary: one member's client, roles and capabilities, and payloads by themselves.

mod values;

use coterie_gsp::{ANSWERS, Answer, Incoming, Negotiator, Permissions, Roles, SignalClient};
use coterie_types::{Epoch, MemberId, RequestId, StreamClass};
use coterie_wire::payload::{Resync, Role, SignalMessage};
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

use crate::answer::guarded;
use crate::arguments::{List, timestamp, unsigned};
use crate::bytes::Uint8Array;
use crate::failure::{Outcome, outcome};
use crate::gbp::{NativeErrorObject, NativeFormat, class, class_name, codec, error_object, format};
use crate::gtp::NativeIncoming;
use crate::held::{Held, Part};
use crate::values::milliseconds;

pub(crate) use values::{
    NativeAdvertisement, NativeAssignment, NativeAuthority, NativeFinished, NativeOrder, NativeRole,
    NativeSignalMessage, authority, order, signal_message,
};
use values::{
    NativeAnswer, NativeOutgoingSignal, NativeSignalOutcome, all_finished, conformance, conformance_name,
    members, signal,
};

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
