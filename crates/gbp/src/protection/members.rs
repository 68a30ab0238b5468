//! Which member of the application's numbering sits at which leaf, in one epoch.

use std::sync::Arc;

use coterie_types::{LeafIndex, MemberId};

use crate::error::SetupError;
use crate::limits::MAX_LEAVES;

/// An epoch's members. Clones share one table.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Members(Arc<[(LeafIndex, MemberId)]>);

impl Members {
    /// The members with these leaves; of two for one leaf, the first counts.
    ///
    /// # Errors
    /// [`SetupError::TooManyMembers`] above [`MAX_LEAVES`].
    pub fn new(members: impl IntoIterator<Item = (LeafIndex, MemberId)>) -> Result<Self, SetupError> {
        let most = MAX_LEAVES as usize;
        let mut members: Vec<_> = members.into_iter().take(most.saturating_add(1)).collect();
        if members.len() > most {
            return Err(SetupError::TooManyMembers(members.len()));
        }
        members.sort_by_key(|(leaf, _)| *leaf);
        members.dedup_by_key(|(leaf, _)| *leaf);
        Ok(Self(members.into()))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The member at `leaf`.
    #[must_use]
    pub fn at(&self, leaf: LeafIndex) -> Option<MemberId> {
        let found = self.0.binary_search_by_key(&leaf, |(leaf, _)| *leaf).ok()?;
        self.0.get(found).map(|(_, member)| *member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_at_its_leaf_alone() {
        let members =
            [(7, 1), (2, 9), (7, 3)].map(|(leaf, member)| (LeafIndex::new(leaf), MemberId::new(member)));
        let members = Members::new(members).unwrap();
        assert_eq!(members.at(LeafIndex::new(7)), Some(MemberId::new(1)));
        assert_eq!(members.at(LeafIndex::new(2)), Some(MemberId::new(9)));
        assert_eq!(members.at(LeafIndex::new(3)), None);
    }

    #[test]
    fn nobody_can_name_more_members_than_there_are_leaves() {
        let endless = (0..).map(|leaf| (LeafIndex::new(leaf), MemberId::new(leaf)));
        assert_eq!(Members::new(endless), Err(SetupError::TooManyMembers(65_537)));
    }
}
