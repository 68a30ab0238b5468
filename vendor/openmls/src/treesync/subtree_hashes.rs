//! Tree hashes of the subtrees of a [`TreeSync`](super::TreeSync), kept from one epoch to the next.
//!
//! A commit changes one path, and the hashes beside it are the same as before; the parent hashes of a whole tree are
//! checked with the hash of each subtree once per level above it. Without this, each of them hashes every leaf again.

use std::sync::OnceLock;

use crate::binary_tree::array_representation::{TreeNodeIndex, TreeSize};

/// The hash of each subtree, computed when it is first asked for. It is no part of a tree's state: a copy, and a tree
/// that was loaded, begin without any.
#[derive(Debug, Default)]
pub(crate) struct SubtreeHashes(OnceLock<Vec<OnceLock<Box<[u8]>>>>);

impl SubtreeHashes {
    /// Where the hash below `node` stands or is to be put; none outside of a tree of `size`.
    pub(super) fn slot(&self, node: TreeNodeIndex, size: TreeSize) -> Option<&OnceLock<Box<[u8]>>> {
        let slots = self
            .0
            .get_or_init(|| (0..size.u32()).map(|_| OnceLock::new()).collect());
        slots.get(node.u32() as usize)
    }

    /// Forgets the hashes of which `changed` nodes are a part, in a tree that now is of `size`.
    pub(super) fn forget(&mut self, changed: impl Iterator<Item = TreeNodeIndex>, size: TreeSize) {
        let Some(slots) = self.0.get_mut() else {
            return;
        };
        slots.resize_with(size.u32() as usize, OnceLock::new);
        for node in changed {
            let mut above = Some(node);
            while let Some(node) = above {
                if let Some(slot) = slots.get_mut(node.u32() as usize) {
                    *slot = OnceLock::new();
                }
                above = node.parent_in(size);
            }
        }
    }
}

#[cfg(any(test, feature = "test-utils"))]
impl Clone for SubtreeHashes {
    fn clone(&self) -> Self {
        Self::default()
    }
}

#[cfg(any(test, feature = "test-utils"))]
impl PartialEq for SubtreeHashes {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
