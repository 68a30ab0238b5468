//! What the members of a group can do together.
//!
//! Fed by whoever reads the control plane's advertisements. Members who never advertised are not counted anywhere.

use std::collections::{BTreeMap, BTreeSet};

use coterie_types::MemberId;
use coterie_wire::Malformed;
use coterie_wire::control::Capabilities;

use crate::limits::MAX_MEMBERS;

/// What a member of the stack can do, in ascending order.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ConformanceClass {
    /// The base protocol and signals.
    A,
    /// Text as well.
    B,
    /// Audio as well.
    C,
}

impl ConformanceClass {
    const TOKENS: [(Self, &'static str); 3] =
        [(Self::A, "gbp/class-a"), (Self::B, "gbp/class-b"), (Self::C, "gbp/class-c")];

    /// The tokens that a member of this class advertises.
    pub fn tokens(self) -> impl Iterator<Item = &'static str> {
        Self::TOKENS.into_iter().filter(move |(class, _)| *class <= self).map(|(_, token)| token)
    }

    /// The highest class all of whose tokens are there.
    fn of(tokens: &BTreeSet<String>) -> Option<Self> {
        let has = |(_, token): &(Self, &str)| tokens.contains(*token);
        Self::TOKENS.iter().take_while(|entry| has(entry)).map(|(class, _)| *class).last()
    }
}

/// What each member advertised.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Negotiator(BTreeMap<MemberId, BTreeSet<String>>);

impl Negotiator {
    /// Takes a member's tokens in place of those it had. None at all count as an advertisement too.
    ///
    /// # Errors
    /// When a token could not be advertised, or there are too many tokens or members.
    pub fn advertise(
        &mut self,
        member: MemberId,
        tokens: impl IntoIterator<Item = String>,
    ) -> Result<(), Malformed> {
        let advertised = Capabilities::new(tokens)?;
        if self.0.len() >= MAX_MEMBERS && !self.0.contains_key(&member) {
            return Err(Malformed::TooMany);
        }
        self.0.insert(member, advertised.features().map(ToOwned::to_owned).collect());
        Ok(())
    }

    /// Adds a class's tokens to those that a member has.
    ///
    /// # Errors
    /// As [`Self::advertise`].
    pub fn declare_class(&mut self, member: MemberId, class: ConformanceClass) -> Result<(), Malformed> {
        let known = self.0.get(&member).cloned().unwrap_or_default();
        self.advertise(member, known.into_iter().chain(class.tokens().map(ToOwned::to_owned)))
    }

    /// Forgets a member.
    pub fn forget(&mut self, member: MemberId) -> bool {
        self.0.remove(&member).is_some()
    }

    /// Forgets everybody, as a change of the epoch asks for.
    pub fn reset_for_epoch(&mut self) {
        self.0.clear();
    }

    /// What a member advertised, if it did.
    #[must_use]
    pub fn capabilities_of(&self, member: MemberId) -> Option<&BTreeSet<String>> {
        self.0.get(&member)
    }

    /// Who advertised, and what.
    pub fn iter(&self) -> impl Iterator<Item = (MemberId, &BTreeSet<String>)> {
        self.0.iter().map(|(member, tokens)| (*member, tokens))
    }

    /// Whether somebody advertised, and everybody who did has the token.
    #[must_use]
    pub fn group_supports(&self, token: &str) -> bool {
        !self.0.is_empty() && self.0.values().all(|tokens| tokens.contains(token))
    }

    /// Whether each of these members advertised the token: what to rely on before using something new.
    #[must_use]
    pub fn all_support(&self, members: &BTreeSet<MemberId>, token: &str) -> bool {
        let supports = |member| self.0.get(member).is_some_and(|tokens| tokens.contains(token));
        members.iter().all(supports)
    }

    /// Tokens that everybody has.
    #[must_use]
    pub fn intersection(&self) -> BTreeSet<String> {
        let mut sets = self.0.values();
        let first = sets.next().cloned().unwrap_or_default();
        sets.fold(first, |common, tokens| common.intersection(tokens).cloned().collect())
    }

    /// Tokens that anybody has.
    #[must_use]
    pub fn union(&self) -> BTreeSet<String> {
        self.0.values().flatten().cloned().collect()
    }

    /// Who advertised and lacks the token, in ascending order.
    #[must_use]
    pub fn missing(&self, token: &str) -> Vec<MemberId> {
        self.0.iter().filter(|(_, tokens)| !tokens.contains(token)).map(|(member, _)| *member).collect()
    }

    /// The lowest class of all; none where nobody advertised, or somebody has none.
    #[must_use]
    pub fn group_class(&self) -> Option<ConformanceClass> {
        let classes: Option<Vec<_>> = self.0.values().map(ConformanceClass::of).collect();
        classes.and_then(|classes| classes.into_iter().min())
    }

    /// How many members advertised.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody did.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: MemberId = MemberId::new(1);
    const BOB: MemberId = MemberId::new(2);

    fn advertise(negotiator: &mut Negotiator, member: MemberId, tokens: &[&str]) {
        negotiator.advertise(member, tokens.iter().map(|token| (*token).to_owned())).unwrap();
    }

    #[test]
    fn a_group_supports_what_everybody_who_advertised_has() {
        let mut all = Negotiator::default();
        assert!(!all.group_supports("opus") && all.intersection().is_empty() && all.union().is_empty());
        advertise(&mut all, ALICE, &["opus", "Opus", "text"]);
        advertise(&mut all, BOB, &["opus"]);
        assert!(all.group_supports("opus") && !all.group_supports("text"));
        assert_eq!((all.missing("text"), all.union().len()), (vec![BOB], 3));
        assert_eq!(all.intersection(), BTreeSet::from(["opus".to_owned()]));
        advertise(&mut all, BOB, &[]);
        assert_eq!((all.len(), all.group_supports("opus")), (2, false));
        assert!(all.forget(BOB) && all.group_supports("Opus"));
        let everybody = BTreeSet::from([ALICE, BOB]);
        assert!(!all.all_support(&everybody, "opus"));
        all.reset_for_epoch();
        assert!(all.is_empty());
    }

    #[test]
    fn classes_are_cumulative_and_the_lowest_counts() {
        let mut all = Negotiator::default();
        assert_eq!(all.group_class(), None);
        advertise(&mut all, ALICE, &["gbp/class-b", "opus"]);
        assert_eq!(all.group_class(), None);
        all.declare_class(ALICE, ConformanceClass::C).unwrap();
        assert_eq!((all.group_class(), all.group_supports("opus")), (Some(ConformanceClass::C), true));
        all.declare_class(BOB, ConformanceClass::A).unwrap();
        assert_eq!(all.group_class(), Some(ConformanceClass::A));
        advertise(&mut all, BOB, &["gbp/class-a", "gbp/class-c"]);
        assert_eq!(all.group_class(), Some(ConformanceClass::A));
        advertise(&mut all, MemberId::new(3), &[]);
        assert_eq!(all.group_class(), None);
    }

    #[test]
    fn tokens_and_members_are_bounded() {
        let mut all = Negotiator::default();
        let many = (0..65).map(|number| number.to_string());
        assert_eq!(all.advertise(ALICE, many), Err(Malformed::TooMany));
        assert_eq!(all.advertise(ALICE, ["x".repeat(65)]), Err(Malformed::TooLong));
        assert!(all.is_empty());
        for member in 0..MAX_MEMBERS as u32 {
            advertise(&mut all, MemberId::new(member), &[]);
        }
        assert_eq!(all.advertise(MemberId::new(u32::MAX), []), Err(Malformed::TooMany));
    }
}
