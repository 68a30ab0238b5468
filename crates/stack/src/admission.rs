//! What a joiner is told beside its Welcome: its number, where to begin, and who everybody is.
//!
//! MLS names members by leaves and credentials; the stack's streams name them by numbers, which MLS does not carry. An
//! admission is its inviter's word about those. It can mislead nobody about who speaks: what a member says is tied to its
//! leaf, and that to its credential. A wrong number only makes that member's frames fail.

use coterie_gbp::node::Roster;
use coterie_gsp::{Permissions, RoleSpec, Roles};
use coterie_types::{Epoch, LeafIndex, MemberId, TransitionId};
use coterie_wire::cbor::{Reader, Writer};
use coterie_wire::{Malformed, Profile};

use crate::error::StackError;
use crate::limits::MAX_ADMISSION_OVERHEAD;

/// The version of the layout.
const VERSION: u8 = 1;

/// What a joiner needs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Admission {
    /// How frames are protected: what the joiner expects of the group.
    pub profile: Profile,
    /// The joiner's number.
    pub member: MemberId,
    /// The epoch of the node to begin at: one before that of the Welcome for a joiner that waits for EXECUTE.
    pub epoch: Epoch,
    /// The transition that admits it.
    pub transition: TransitionId,
    /// Whether it waits for EXECUTE of that transition.
    pub armed: bool,
    /// Who invites, and is taken for the coordinator.
    pub inviter: Option<MemberId>,
    /// Everybody's number and leaf. The joiner's own may be left out.
    pub members: Vec<(MemberId, LeafIndex)>,
    /// The number of whoever comes in next.
    pub next_member: MemberId,
    /// The group's roles, and who has which.
    pub roles: Roles,
    /// The Welcome.
    pub welcome: Vec<u8>,
}

impl Admission {
    /// Its bytes. They are no secret of their own, and only its receiver can do something with them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.unsigned(VERSION).boolean(self.profile == Profile::Sealed);
        writer.unsigned(self.member.number()).unsigned(self.epoch.number());
        writer.unsigned(self.transition.number()).boolean(self.armed);
        writer.unsigned(self.inviter.unwrap_or_default().number());
        writer.unsigned(self.next_member.number()).array(self.members.len());
        for (member, leaf) in &self.members {
            writer.unsigned(member.number()).unsigned(leaf.number());
        }
        write_roles(&mut writer, &self.roles);
        writer.bytes(&self.welcome).finish()
    }

    /// The admission in `bytes`.
    ///
    /// # Errors
    /// When they are not exactly what [`Self::encode`] of this version gives.
    pub fn decode(bytes: &[u8]) -> Result<Self, StackError> {
        if bytes.len() > coterie_mls::limits::MAX_MESSAGE_LENGTH.saturating_add(MAX_ADMISSION_OVERHEAD) {
            return Err(Malformed::TooLong.into());
        }
        let mut reader = Reader::new(bytes);
        if reader.unsigned::<u8>()? != VERSION {
            return Err(Malformed::OutOfRange.into());
        }
        let admission = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(admission)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let profile = if reader.boolean()? { Profile::Sealed } else { Profile::Interop };
        let (member, epoch) = (MemberId::new(reader.unsigned()?), Epoch::new(reader.unsigned()?));
        let (transition, armed) = (TransitionId::new(reader.unsigned()?), reader.boolean()?);
        let inviter = Some(MemberId::new(reader.unsigned()?)).filter(|who| *who != MemberId::EVERYBODY);
        let next_member = MemberId::new(reader.unsigned()?);
        let count = reader.array(coterie_gbp::node::limits::MAX_MEMBERS)?;
        let pair = |_| Ok((MemberId::new(reader.unsigned()?), LeafIndex::new(reader.unsigned()?)));
        let members = (0..count).map(pair).collect::<Result<_, Malformed>>()?;
        let roles = read_roles(reader)?;
        let welcome = reader.bytes()?.to_vec();
        Ok(Self { profile, member, epoch, transition, armed, inviter, members, next_member, roles, welcome })
    }

    /// The roster, if it names exactly these leaves, and nobody else than the joiner at its own.
    pub(crate) fn roster(
        &self,
        leaves: impl Iterator<Item = LeafIndex>,
        own: LeafIndex,
    ) -> Result<Roster, StackError> {
        let named = self.members.iter().any(|(_, leaf)| *leaf == own);
        let joiner = (!named).then_some((self.member, own));
        let members = self.members.iter().copied().chain(joiner);
        let roster = Roster::new(members).map_err(|_| StackError::Admission)?;
        let leaves: Vec<_> = leaves.collect();
        let whole = leaves.len() == roster.count() && leaves.iter().all(|leaf| roster.at(*leaf).is_some());
        let above = roster.members().all(|member| member < self.next_member);
        if whole && above && roster.at(own) == Some(self.member) {
            Ok(roster)
        } else {
            Err(StackError::Admission)
        }
    }
}

fn write_roles(writer: &mut Writer, roles: &Roles) {
    writer.array(roles.iter().count());
    for role in roles.iter() {
        writer.unsigned(role.id.number()).text(&role.name).unsigned(role.permissions.bits());
    }
    writer.array(roles.assignments().count());
    for (member, role) in roles.assignments() {
        writer.unsigned(member.number()).unsigned(role.number());
    }
}

fn read_roles(reader: &mut Reader<'_>) -> Result<Roles, Malformed> {
    let mut roles = Roles::default();
    for _ in 0..reader.array(coterie_gsp::limits::MAX_ROLES)? {
        let (id, name) = (coterie_wire::payload::Role::new(reader.unsigned()?), reader.text()?.to_owned());
        let role = RoleSpec { id, name, permissions: Permissions::new(reader.unsigned()?) };
        roles.define(role).map_err(|_| Malformed::OutOfRange)?;
    }
    for _ in 0..reader.array(coterie_gsp::limits::MAX_MEMBERS)? {
        let member = MemberId::new(reader.unsigned()?);
        let role = coterie_wire::payload::Role::new(reader.unsigned()?);
        roles.assign(member, role).map_err(|_| Malformed::OutOfRange)?;
    }
    Ok(roles)
}

#[cfg(test)]
mod tests {
    use coterie_types::{Code, ErrorCode};
    use coterie_wire::payload::Role;

    use super::*;

    fn admission() -> Admission {
        let mut roles = Roles::default();
        let role = RoleSpec { id: Role::new(2), name: "lead".to_owned(), permissions: Permissions::SEND };
        roles.define(role).unwrap();
        roles.assign(MemberId::new(1), Role::new(2)).unwrap();
        Admission {
            profile: Profile::Sealed,
            member: MemberId::new(3),
            epoch: Epoch::new(7),
            transition: TransitionId::new(9),
            armed: false,
            inviter: Some(MemberId::new(1)),
            members: [(1, 0), (3, 2)]
                .map(|(member, leaf)| (MemberId::new(member), LeafIndex::new(leaf)))
                .into(),
            next_member: MemberId::new(4),
            roles,
            welcome: vec![5; 40],
        }
    }

    #[test]
    fn an_admission_is_read_back_as_it_was_and_no_part_of_one_is() {
        for inviter in [Some(MemberId::new(1)), None] {
            let admission = Admission { inviter, ..admission() };
            let bytes = admission.encode();
            assert_eq!(Admission::decode(&bytes).unwrap(), admission);
            for length in 0..bytes.len() {
                assert_eq!(Admission::decode(&bytes[..length]).unwrap_err().code(), Code::WIRE_MALFORMED);
            }
            assert!(Admission::decode(&[&bytes[..], &[0]].concat()).is_err());
        }
        let huge = vec![0; coterie_mls::limits::MAX_MESSAGE_LENGTH + MAX_ADMISSION_OVERHEAD + 1];
        assert!(Admission::decode(&huge).is_err());
    }

    #[test]
    fn numbers_have_to_fit_the_tree() {
        let fits = |admission: &Admission, leaves: &[u32], own: u32| {
            let leaves = leaves.iter().map(|leaf| LeafIndex::new(*leaf));
            admission.roster(leaves, LeafIndex::new(own)).is_ok()
        };
        let honest = admission();
        assert!(fits(&honest, &[0, 2], 2));
        assert!(!fits(&honest, &[0, 2], 0), "another one's number");
        assert!(!fits(&honest, &[0, 1], 2), "a leaf without a number");
        assert!(!fits(&honest, &[0, 1, 2], 2), "too few numbers");
        assert!(!fits(&honest, &[2], 2), "too many");
        let unnamed = Admission { members: honest.members[..1].to_vec(), ..honest.clone() };
        assert!(fits(&unnamed, &[0, 2], 2), "the joiner is known by its leaf");
        assert!(!fits(&unnamed, &[0, 1, 2], 2), "but not another one");
        let next_member = MemberId::new(3);
        assert!(!fits(&Admission { next_member, ..honest }, &[0, 2], 2), "a number that is given again");
    }
}
