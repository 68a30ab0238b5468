//! Joining a group by the Welcome that a member sent.

use std::sync::Arc;

use coterie_store::StoreError;
use coterie_types::{GroupId, Timestamp};
use openmls::prelude::tls_codec::DeserializeBytes;
use openmls::prelude::{MlsGroup, MlsMessageBodyIn, MlsMessageIn, ProcessedWelcome, StagedWelcome, Welcome};
use openmls_traits::OpenMlsProvider;

use super::{Device, join_config};
use crate::authentication::Candidate;
use crate::error::MlsError;
use crate::external;
use crate::group::{Arrival, Group, Together};
use crate::limits::{MAX_MEMBERS, MAX_MESSAGE_LENGTH, QUICK_WELCOME_LENGTH};
use crate::provider::Provider;
use crate::rows::Rows;
use crate::succession::{self, Proof};

impl Device {
    /// Whether joining by `welcome` takes so little time that another thread is not worth it.
    #[must_use]
    pub fn joins_quickly(&self, welcome: &[u8]) -> bool {
        welcome.len() <= QUICK_WELCOME_LENGTH && self.suite().is_quick() && self.shared.is_volatile()
    }

    /// Joins a group by the Welcome that somebody sent. The key package it was made for is used up, unless it is
    /// one of last resort; a Welcome that is refused uses up nothing.
    ///
    /// `ratchet_tree` is the group's tree where it does not travel inside the Welcome.
    ///
    /// # Errors
    /// When the Welcome is malformed, forged, not for this device, or for a group that it is in; when a member's
    /// credential does not count, or the policy refuses one.
    pub fn join(
        &self,
        welcome: &[u8],
        ratchet_tree: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Group, MlsError> {
        self.join_with(welcome, ratchet_tree, now, |_, _| Ok(()))
    }

    /// Joins, and stores what `beside` writes in the same step.
    ///
    /// # Errors
    /// As [`Self::join`], and when `beside` fails.
    pub fn join_with(
        &self,
        welcome: &[u8],
        ratchet_tree: Option<&[u8]>,
        now: Timestamp,
        beside: impl FnOnce(&GroupId, &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<Group, MlsError> {
        self.join_together(welcome, ratchet_tree, now, |together| {
            let id = together.id()?;
            Ok(beside(&id, &mut together.rows())?)
        })
        .map(|(group, ())| group)
    }

    /// Joins, with all that `work` does to the group in the same step. When it refuses the group, nothing has changed and
    /// the key package is not used up.
    ///
    /// # Errors
    /// As [`Self::join`], and what `work` answers.
    pub fn join_together<T, E: From<MlsError>>(
        &self,
        welcome: &[u8],
        ratchet_tree: Option<&[u8]>,
        now: Timestamp,
        work: impl FnOnce(&mut Together<'_, '_>) -> Result<T, E>,
    ) -> Result<(Group, T), E> {
        check_welcome(welcome, ratchet_tree)?;
        let noting = self.shared.crypto.noting_signatures();
        let (provider, joined) =
            self.shared.open_together(&noting, |provider| join(welcome, ratchet_tree, provider));
        let judged = joined.and_then(|(group, proof)| {
            self.shared.judge_present(group.members(), group.own_leaf_index(), group.group_id(), now)?;
            Ok((group, proof))
        });
        match judged {
            Ok((group, proof)) => {
                let arrival = Arrival::Welcomed(proof);
                Group::begin_together(Arc::clone(&self.shared), group, arrival, provider, work)
            }
            Err(error) => Err(succession::explain(provider.explain(error), provider.storage()).into()),
        }
    }

    /// Who is in the group that a Welcome is for, beside this device, for an application whose word takes longer than a
    /// call may. Uses up nothing.
    ///
    /// # Errors
    /// As [`Self::join`].
    pub fn welcomed_by(
        &self,
        welcome: &[u8],
        ratchet_tree: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Vec<Candidate>, MlsError> {
        check_welcome(welcome, ratchet_tree)?;
        let noting = self.shared.crypto.noting_signatures();
        let (provider, joined) =
            self.shared.open_together(&noting, |provider| join(welcome, ratchet_tree, provider));
        let (group, _) =
            joined.map_err(|error| succession::explain(provider.explain(error), provider.storage()))?;
        self.shared.judge_present(group.members(), group.own_leaf_index(), group.group_id(), now)
    }
}

fn join(
    welcome: &[u8],
    tree: Option<&[u8]>,
    provider: &Provider<'_>,
) -> Result<(MlsGroup, Option<Proof>), MlsError> {
    let welcome = decode_welcome(welcome)?;
    let tree = tree.map(external::decode_tree).transpose()?;
    let processed = ProcessedWelcome::new_from_welcome(provider, &join_config(), welcome)?;
    let proof = succession::proof_in(&processed, provider.storage())?;
    // A member whose leaf has outlived its lifetime must not lock joiners out; the roster shows it instead.
    let mut builder = openmls::group::JoinBuilder::new(provider, processed).skip_lifetime_validation();
    if let Some(tree) = tree {
        builder = builder.with_ratchet_tree(tree);
    }
    let staged: StagedWelcome = builder.build()?;
    if staged.members().count() > MAX_MEMBERS {
        return Err(MlsError::TooLarge { what: "the group", limit: MAX_MEMBERS });
    }
    Ok((staged.into_group(provider)?, proof))
}

fn check_welcome(welcome: &[u8], ratchet_tree: Option<&[u8]>) -> Result<(), MlsError> {
    let length = welcome.len().max(ratchet_tree.map_or(0, <[u8]>::len));
    if length > MAX_MESSAGE_LENGTH {
        return Err(MlsError::TooLarge { what: "a Welcome", limit: MAX_MESSAGE_LENGTH });
    }
    Ok(())
}

fn decode_welcome(bytes: &[u8]) -> Result<Welcome, MlsError> {
    let message =
        MlsMessageIn::tls_deserialize_exact_bytes(bytes).map_err(|_| MlsError::Malformed("a Welcome"))?;
    match message.extract() {
        MlsMessageBodyIn::Welcome(welcome) => Ok(welcome),
        _ => Err(MlsError::Malformed("a Welcome")),
    }
}
