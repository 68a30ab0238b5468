//! Admissions across the boundary: members of deployed packages give and take their parts.

use coterie_gsp::Roles;
use coterie_stack::Admission;
use coterie_types::{Epoch, LeafIndex, MemberId, TransitionId};
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

use crate::arguments::unsigned;
use crate::bytes::Uint8Array;
use crate::failure::{NativeFailure, Outcome, outcome};
use crate::gbp::{profile, profile_name};

/// A member's number and its place in the tree.
#[napi(object)]
pub struct NativeSeat {
    /// Its number.
    pub member: u32,
    /// Its place.
    pub leaf: u32,
}

/// What a joiner needs.
#[napi(object)]
pub struct NativeAdmission {
    /// How frames are protected.
    #[napi(ts_type = "'interop' | 'sealed'")]
    pub profile: String,
    /// The joiner's number.
    pub member: u32,
    /// The epoch to begin at.
    pub epoch: BigInt,
    /// The transition that admits it.
    pub transition_id: u32,
    /// Whether it waits for EXECUTE.
    pub armed: bool,
    /// Who invites.
    pub inviter: Option<u32>,
    /// Everybody.
    pub members: Vec<NativeSeat>,
    /// The number of whoever comes in next.
    pub next_member: u32,
    /// The Welcome.
    pub welcome: Uint8Array,
}

impl From<Admission> for NativeAdmission {
    fn from(admission: Admission) -> Self {
        let seat = |(member, leaf): (MemberId, LeafIndex)| NativeSeat {
            member: member.number(),
            leaf: leaf.number(),
        };
        Self {
            profile: profile_name(admission.profile).to_owned(),
            member: admission.member.number(),
            epoch: admission.epoch.number().into(),
            transition_id: admission.transition.number(),
            armed: admission.armed,
            inviter: admission.inviter.map(MemberId::number),
            members: admission.members.into_iter().map(seat).collect(),
            next_member: admission.next_member.number(),
            welcome: admission.welcome.into(),
        }
    }
}

impl NativeAdmission {
    fn parse(self) -> Result<Admission, NativeFailure> {
        let seat = |seat: NativeSeat| (MemberId::new(seat.member), LeafIndex::new(seat.leaf));
        Ok(Admission {
            profile: profile(&self.profile)?,
            member: MemberId::new(self.member),
            epoch: Epoch::new(unsigned(&self.epoch)?),
            transition: TransitionId::new(self.transition_id),
            armed: self.armed,
            inviter: self.inviter.map(MemberId::new),
            members: self.members.into_iter().map(seat).collect(),
            next_member: MemberId::new(self.next_member),
            roles: Roles::default(),
            welcome: self.welcome.into(),
        })
    }
}

/// What an admission says, but for the roles in it.
#[napi(catch_unwind, ts_return_type = "NativeAdmission | NativeFailure")]
pub fn native_read_admission(bytes: Uint8Array) -> Outcome<NativeAdmission> {
    outcome(Admission::decode(&bytes).map(NativeAdmission::from))
}

/// An admission of these parts, without roles.
#[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
pub fn native_make_admission(admission: NativeAdmission) -> Outcome<Uint8Array> {
    outcome(admission.parse().map(|admission| Uint8Array::from(admission.encode())))
}
