//! What a stream of audio is known by, and how many are remembered.

use std::collections::BTreeMap;
use std::fmt;

use coterie_types::MemberId;
use coterie_wire::payload::MediaSource;

use crate::clock::{Ticks, ticks};
use crate::limits::{MAX_SOURCES, MAX_SOURCES_PER_MEMBER, SOURCE_IDLE};

/// One member's source of audio. The protocol tells streams apart by the source alone; with the member, two who chose
/// the same number do not disturb each other.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TrackId {
    /// Who sends it, as the layer below says.
    pub member: MemberId,
    /// Its source.
    pub source: MediaSource,
}

impl TrackId {
    const PER_MEMBER: u32 = 100;

    /// The track of `source` where nobody knows whose it is.
    #[must_use]
    pub const fn anonymous(source: MediaSource) -> Self {
        Self { member: MemberId::EVERYBODY, source }
    }

    /// The `index`th track that `member` sends itself, under a number that no other member takes; none from the
    /// hundredth on, and for a member who has no streams.
    #[must_use]
    pub fn own(member: MemberId, index: u32) -> Option<Self> {
        let in_range = member.number() < MemberId::STREAM_LIMIT && index < Self::PER_MEMBER;
        let number = member.number().checked_mul(Self::PER_MEMBER)?.checked_add(index)?;
        in_range.then_some(Self { member, source: MediaSource::new(number) })
    }
}

impl fmt::Display for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "source {} of {}", self.source.number(), self.member)
    }
}

/// What is remembered of each track, and when it was used last. One member has a part of the places only.
#[derive(Clone, Debug)]
pub(crate) struct Tracks<T>(BTreeMap<TrackId, Used<T>>);

#[derive(Clone, Debug)]
struct Used<T> {
    state: T,
    last: Ticks,
}

/// How a track that is not remembered yet would get a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Known,
    Free,
    Of(TrackId),
}

impl<T> Default for Tracks<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Tracks<T> {
    pub(crate) fn get(&self, track: TrackId) -> Option<&T> {
        self.0.get(&track).map(|used| &used.state)
    }

    pub(crate) fn get_mut(&mut self, track: TrackId) -> Option<&mut T> {
        self.0.get_mut(&track).map(|used| &mut used.state)
    }

    /// Whether the track is remembered or could be.
    pub(crate) fn has_room(&self, track: TrackId, now: Ticks) -> bool {
        self.place(track, now).is_some()
    }

    /// The track's state; made with `make` in a free place or in that of the track that was silent for longest.
    pub(crate) fn enter(&mut self, track: TrackId, now: Ticks, make: impl FnOnce() -> T) -> Option<&mut T> {
        if let Place::Of(idle) = self.place(track, now)? {
            self.0.remove(&idle);
        }
        let used = self.0.entry(track).or_insert_with(|| Used { state: make(), last: now });
        used.last = now;
        Some(&mut used.state)
    }

    fn place(&self, track: TrackId, now: Ticks) -> Option<Place> {
        if self.0.contains_key(&track) {
            return Some(Place::Known);
        }
        let of_member = || self.0.iter().filter(|(id, _)| id.member == track.member);
        let is_bounded = track.member != MemberId::EVERYBODY;
        if is_bounded && of_member().count() >= MAX_SOURCES_PER_MEMBER {
            return longest_idle(of_member(), now).map(Place::Of);
        }
        if self.0.len() >= MAX_SOURCES {
            return longest_idle(self.0.iter(), now).map(Place::Of);
        }
        Some(Place::Free)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (TrackId, &T)> {
        self.0.iter().map(|(track, used)| (*track, &used.state))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (TrackId, &mut T)> {
        self.0.iter_mut().map(|(track, used)| (*track, &mut used.state))
    }

    pub(crate) fn forget(&mut self, member: MemberId) {
        self.0.retain(|track, _| track.member != member);
    }

    /// Keeps what `keep` says of each track's state and last use.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&T, Ticks) -> bool) {
        self.0.retain(|_, used| keep(&used.state, used.last));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Who was silent for longest, if that is long enough.
fn longest_idle<'tracks, T: 'tracks>(
    tracks: impl Iterator<Item = (&'tracks TrackId, &'tracks Used<T>)>,
    now: Ticks,
) -> Option<TrackId> {
    let (track, used) = tracks.min_by_key(|(_, used)| used.last)?;
    (now.saturating_sub(used.last) >= ticks(SOURCE_IDLE)).then_some(*track)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;

    fn track(member: u32, source: u32) -> TrackId {
        TrackId { member: MemberId::new(member), source: MediaSource::new(source) }
    }

    #[test]
    fn one_member_cannot_take_every_place_and_an_idle_source_makes_room() {
        let mut tracks = Tracks::default();
        for source in 0..MAX_SOURCES_PER_MEMBER as u32 {
            assert!(tracks.enter(track(7, source), source.into(), || ()).is_some());
        }
        assert!(!tracks.has_room(track(7, 99), 20) && tracks.has_room(track(8, 99), 20));
        assert!(tracks.enter(track(7, 99), 20, || ()).is_none());
        let later = ticks(SOURCE_IDLE);
        assert!(tracks.enter(track(7, 99), later, || ()).is_some());
        assert!(tracks.get(track(7, 0)).is_none() && tracks.get(track(7, 1)).is_some());
        assert_eq!(tracks.len(), MAX_SOURCES_PER_MEMBER);
    }

    #[test]
    fn all_members_together_have_a_bound() {
        let mut tracks = Tracks::default();
        for number in 0..MAX_SOURCES as u32 {
            assert!(tracks.enter(track(number / 16 + 1, number), 0, || ()).is_some());
        }
        assert!(tracks.enter(track(1_000, 0), 1, || ()).is_none());
        assert!(tracks.enter(TrackId::anonymous(MediaSource::new(1)), 1, || ()).is_none());
    }

    #[test]
    fn own_sources_are_unique_in_the_group() {
        assert_eq!(TrackId::own(MemberId::new(5), 3), Some(track(5, 503)));
        assert_eq!(TrackId::own(MemberId::new(5), 100), None);
        assert_eq!(TrackId::own(MemberId::new(MemberId::STREAM_LIMIT), 0), None);
    }
}
