//! How a member comes by its group: it begins it, comes into it, or opens what is stored of it.

use coterie_gbp::node::{Joiner, Node, Roster};
use coterie_gbp::protection::agreement;
use coterie_mls::{Changes, Device, GroupExtension, GroupOptions, HandshakeFraming, Suite, Together};
use coterie_types::{GroupId, LeafIndex, MemberId, Timestamp};
use coterie_wire::Profile;

use super::GroupNode;
use crate::admission::Admission;
use crate::core::{Core, Own, Settings, Waiting};
use crate::error::StackError;
use crate::rows::RowSpace;
use crate::step::{Made, Step};

/// How a group begins.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// How its frames are protected, for good.
    pub profile: Profile,
    /// The founder's number.
    pub member: MemberId,
    /// Its id: 16 bytes in the `interop` profile.
    pub id: GroupId,
    /// Its suite; the device's own, or in the `interop` profile the only one that deployed peers speak.
    pub suite: Option<Suite>,
}

impl GroupNode {
    /// Begins a group, whose coordinator this member is.
    ///
    /// # Errors
    /// When an option does not fit the profile, or the store fails.
    pub fn create(
        device: &Device,
        options: CreateOptions,
        settings: Settings,
        now: Timestamp,
    ) -> Result<Self, StackError> {
        let CreateOptions { profile, member, id, suite } = options;
        let suite = suite.or((profile == Profile::Interop).then_some(Suite::X25519Aes128));
        let volatile = device.is_volatile();
        let mls = GroupOptions { id: Some(id), suite };
        let (group, (core, made)) = device.create_group_together(mls, now, |together| {
            if profile == Profile::Sealed {
                seal_for_good(together, now)?;
            }
            let roster = Roster::new([(member, together.own_leaf())])?;
            let node = Node::create(member, profile, together.epoch(), roster, now)?;
            begin(
                own(profile, member, next_number(member)),
                node,
                settings,
                together,
                (volatile, now),
                |_| {},
            )
        })?;
        Ok(Self::with(device, group, core, made))
    }

    /// Comes into a group. The caller says which profile it expects, so that nobody can talk it into another one.
    ///
    /// # Errors
    /// When the Welcome is refused, the admission does not fit the group, or the group has another profile. Then nothing
    /// has changed, and the key package is not used up.
    pub fn join(
        device: &Device,
        admission: &Admission,
        profile: Profile,
        settings: Settings,
        now: Timestamp,
    ) -> Result<Self, StackError> {
        if admission.profile != profile {
            return Err(coterie_gbp::ProfileError::Changed.into());
        }
        let volatile = device.is_volatile();
        let (group, (core, made)) = device.join_together(&admission.welcome, None, now, |together| {
            let node = admitted(admission, together, now)?;
            if profile == Profile::Sealed {
                together.set_handshake_framing(HandshakeFraming::Public)?;
            }
            let own = own(profile, admission.member, admission.next_member);
            let roles = |core: &mut Core| *core.signals.roles_mut() = admission.roles.clone();
            begin(own, node, settings, together, (volatile, now), roles)
        })?;
        Ok(Self::with(device, group, core, made))
    }

    /// Opens a group that this device is in, or was in until it was removed; none where it never was.
    ///
    /// # Errors
    /// When what is stored is damaged or of another version, or the store fails.
    pub fn open(
        device: &Device,
        id: &GroupId,
        settings: impl FnOnce(Profile) -> Settings,
        now: Timestamp,
    ) -> Result<Option<Self>, StackError> {
        let space = RowSpace::of(id);
        let mut group = device.open_group(id)?;
        let loaded = match &mut group {
            Some(group) => group.together(|together| load(space, settings, together, now))?,
            None => device.rows(|rows| Core::load(space, settings, rows, now))?,
        };
        let Some((core, waiting)) = loaded else { return Ok(None) };
        let mut node = Self::of(device, id.clone(), group, core);
        node.take_back(waiting);
        if node.group.is_some() {
            node.step(now, |step| step.carry_out())?;
        }
        Ok(Some(node))
    }
}

/// The group agrees on the `sealed` profile, and asks its members to know what that is. Its commits travel inside sealed
/// frames, so that they need no encryption of their own and can be looked at again after they gave way.
fn seal_for_good(together: &mut Together<'_, '_>, now: Timestamp) -> Result<(), StackError> {
    let profile = agreement::extension(Profile::Sealed).ok_or(StackError::Internal("it has one"))?;
    let extensions = [
        GroupExtension { extension_type: agreement::EXTENSION_TYPE, data: profile.to_vec() },
        GroupExtension::required_capabilities(&[agreement::EXTENSION_TYPE], &[], &[])?,
    ];
    together.set_handshake_framing(HandshakeFraming::Public)?;
    together.commit(Changes { extensions: Some(&extensions), ..Default::default() }, now)?;
    together.merge_pending()?;
    Ok(())
}

/// The node of a joiner, if what it was told fits the group that it has come into.
fn admitted(
    admission: &Admission,
    together: &mut Together<'_, '_>,
    now: Timestamp,
) -> Result<Node, StackError> {
    let extensions = together.extensions()?;
    let agreed = extensions.iter().find(|one| one.extension_type == agreement::EXTENSION_TYPE);
    agreement::check(admission.profile, agreed.map(|extension| extension.data.as_slice()))?;
    let leaves: Vec<LeafIndex> = together.members()?.iter().map(|member| member.leaf).collect();
    let roster = admission.roster(leaves.into_iter(), together.own_leaf())?;
    let engine = admission.epoch.number().saturating_add(admission.armed.into());
    let armed = admission.armed && admission.profile == Profile::Sealed;
    if engine != together.epoch().number() || armed {
        return Err(StackError::Admission);
    }
    let joiner = Joiner {
        me: admission.member,
        epoch: admission.epoch,
        transition: admission.transition,
        armed: admission.armed,
        roster,
        inviter: admission.inviter,
    };
    Ok(Node::join(joiner, admission.profile, now)?)
}

fn own(profile: Profile, me: MemberId, next_member: MemberId) -> Own {
    Own { profile, me, next_member, leaving: Default::default() }
}

fn next_number(member: MemberId) -> MemberId {
    MemberId::new(member.number().saturating_add(1))
}

/// The first step of a member.
fn begin(
    own: Own,
    node: Node,
    settings: Settings,
    together: &mut Together<'_, '_>,
    (volatile, now): (bool, Timestamp),
    also: impl FnOnce(&mut Core),
) -> Result<(Core, (Waiting, Made)), StackError> {
    let (mut core, waiting, changes) = Core::begin(own, node, settings, together, volatile)?;
    also(&mut core);
    let mut step = Step::new(&mut core, together, volatile, now);
    step.write_text(changes)?;
    step.carry_out()?;
    step.signals_changed = true;
    let made = step.finish()?;
    Ok((core, (waiting, made)))
}

pub(super) fn load(
    space: RowSpace,
    settings: impl FnOnce(Profile) -> Settings,
    together: &mut Together<'_, '_>,
    now: Timestamp,
) -> Result<Option<(Core, Waiting)>, StackError> {
    let loaded = Core::load(space, settings, &together.rows(), now)?;
    let Some((mut core, waiting)) = loaded else { return Ok(None) };
    core.protect(together)?;
    Ok(Some((core, waiting)))
}
