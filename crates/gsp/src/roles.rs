//! Who may do what.
//!
//! There are no predefined roles: a registry begins empty, and a group gives its roles the numbers it likes. Nothing here
//! is on the wire but those numbers.

use std::collections::BTreeMap;
use std::ops::BitOr;

use coterie_types::{MemberId, StreamClass};
use coterie_wire::payload::Role;

use crate::error::RoleError;
use crate::limits::{MAX_MEMBERS, MAX_ROLE_NAME, MAX_ROLES};

/// What a member may do. Bits from the eighth on are the application's.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Permissions(u32);

impl Permissions {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Publish text.
    pub const SEND_TEXT: Self = Self(0x01);
    /// Publish audio.
    pub const SEND_AUDIO: Self = Self(0x02);
    /// Give signals.
    pub const SEND_SIGNAL: Self = Self(0x04);
    /// Mute others, and end that.
    pub const MUTE_OTHERS: Self = Self(0x08);
    /// Give roles.
    pub const ASSIGN_ROLES: Self = Self(0x10);
    /// Invite.
    pub const INVITE: Self = Self(0x20);
    /// Remove members.
    pub const REMOVE_MEMBERS: Self = Self(0x40);
    /// Close or archive the group.
    pub const CLOSE_GROUP: Self = Self(0x80);
    /// All of the above.
    pub const ALL: Self = Self(0xff);
    /// To send text, audio and signals.
    pub const SEND: Self = Self(0x07);

    /// The permissions with these bits.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Self(bits)
    }

    /// All bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether all of `other` are among these.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What publishing on a class of streams needs.
    #[must_use]
    pub const fn to_send(class: StreamClass) -> Self {
        match class {
            StreamClass::Audio => Self::SEND_AUDIO,
            StreamClass::Text => Self::SEND_TEXT,
            StreamClass::Signal => Self::SEND_SIGNAL,
            StreamClass::Control => Self::NONE,
        }
    }
}

impl BitOr for Permissions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A role.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoleSpec {
    /// Its number, which signals carry.
    pub id: Role,
    /// Its name, for people.
    pub name: String,
    /// What its holders may do.
    pub permissions: Permissions,
}

/// Roles, and who has which.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Roles {
    roles: BTreeMap<Role, RoleSpec>,
    assigned: BTreeMap<MemberId, Role>,
}

impl Roles {
    /// Defines a role, or changes it for everybody who has it.
    ///
    /// # Errors
    /// When its name is too long, or there are too many.
    pub fn define(&mut self, role: RoleSpec) -> Result<(), RoleError> {
        if role.name.len() > MAX_ROLE_NAME {
            return Err(RoleError::Name);
        }
        if self.roles.len() >= MAX_ROLES && !self.roles.contains_key(&role.id) {
            return Err(RoleError::TooMany);
        }
        self.roles.insert(role.id, role);
        Ok(())
    }

    /// Gives a member a role in place of the one it has.
    ///
    /// # Errors
    /// When there is no such role, or there are too many members.
    pub fn assign(&mut self, member: MemberId, role: Role) -> Result<(), RoleError> {
        self.may_assign(member, role)?;
        self.assigned.insert(member, role);
        Ok(())
    }

    pub(crate) fn may_assign(&self, member: MemberId, role: Role) -> Result<(), RoleError> {
        if !self.roles.contains_key(&role) {
            return Err(RoleError::Unknown(role));
        }
        let room = self.assigned.len() < MAX_MEMBERS || self.assigned.contains_key(&member);
        if room { Ok(()) } else { Err(RoleError::TooMany) }
    }

    /// Takes a member's role away: it has left.
    pub fn forget(&mut self, member: MemberId) -> bool {
        self.assigned.remove(&member).is_some()
    }

    /// A role.
    #[must_use]
    pub fn role(&self, id: Role) -> Option<&RoleSpec> {
        self.roles.get(&id)
    }

    /// Every role.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &RoleSpec> {
        self.roles.values()
    }

    /// Who has a role, and which.
    pub fn assignments(&self) -> impl DoubleEndedIterator<Item = (MemberId, Role)> {
        self.assigned.iter().map(|(member, role)| (*member, *role))
    }

    /// The role of a member.
    #[must_use]
    pub fn role_of(&self, member: MemberId) -> Option<&RoleSpec> {
        self.assigned.get(&member).and_then(|role| self.roles.get(role))
    }

    /// What a member may do: nothing where it has no role.
    #[must_use]
    pub fn permissions_of(&self, member: MemberId) -> Permissions {
        self.role_of(member).map_or(Permissions::NONE, |role| role.permissions)
    }

    /// Whether a member has all of these.
    #[must_use]
    pub fn has(&self, member: MemberId, needed: Permissions) -> bool {
        self.permissions_of(member).contains(needed)
    }

    /// Refuses a member who has not all of these.
    ///
    /// # Errors
    /// [`RoleError::Unauthorized`].
    pub fn require(&self, member: MemberId, needed: Permissions) -> Result<(), RoleError> {
        let refused = RoleError::Unauthorized { member, needed: needed.bits() };
        if self.has(member, needed) { Ok(()) } else { Err(refused) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: MemberId = MemberId::new(1);

    fn role(id: u32, permissions: Permissions) -> RoleSpec {
        RoleSpec { id: Role::new(id), name: format!("role {id}"), permissions }
    }

    #[test]
    fn nobody_may_anything_before_roles_are_given() {
        let mut roles = Roles::default();
        assert_eq!(roles.permissions_of(ALICE), Permissions::NONE);
        assert!(roles.has(ALICE, Permissions::NONE));
        assert_eq!(roles.assign(ALICE, Role::new(2)), Err(RoleError::Unknown(Role::new(2))));
        let refused = roles.require(ALICE, Permissions::ASSIGN_ROLES).unwrap_err();
        assert_eq!(refused.to_string(), "member 1 lacks 0x00000010");
    }

    #[test]
    fn a_role_that_is_defined_again_changes_its_holders() {
        let mut roles = Roles::default();
        roles.define(role(2, Permissions::SEND_TEXT)).unwrap();
        roles.assign(ALICE, Role::new(2)).unwrap();
        assert!(!roles.has(ALICE, Permissions::SEND));
        roles.define(role(2, Permissions::SEND | Permissions::new(1 << 31))).unwrap();
        assert!(roles.has(ALICE, Permissions::new(1 << 31)));
        assert!(roles.forget(ALICE) && !roles.forget(ALICE));
    }

    #[test]
    fn roles_and_members_are_bounded_and_a_known_one_can_still_change() {
        let mut roles = Roles::default();
        for id in 0..MAX_ROLES as u32 {
            roles.define(role(id, Permissions::ALL)).unwrap();
        }
        assert_eq!(roles.define(role(u32::MAX, Permissions::ALL)), Err(RoleError::TooMany));
        assert_eq!(roles.define(role(7, Permissions::NONE)), Ok(()));
        for member in 0..MAX_MEMBERS as u32 {
            roles.assign(MemberId::new(member), Role::new(7)).unwrap();
        }
        assert_eq!(roles.assign(MemberId::new(u32::MAX), Role::new(7)), Err(RoleError::TooMany));
        assert_eq!(roles.assign(MemberId::new(5), Role::new(8)), Ok(()));
        let long = RoleSpec { name: "x".repeat(65), ..role(1, Permissions::ALL) };
        assert_eq!(roles.define(long), Err(RoleError::Name));
    }
}
