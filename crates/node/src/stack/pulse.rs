//! What a node has for whoever holds it, in one number: asking for that costs less than for all that it is about.

use super::Stand;

/// An event waits.
const EVENTS: u32 = 1;
/// A parcel waits.
const PARCELS: u32 = 1 << 1;
/// The application is asked whom it admits.
const ASKS: u32 = 1 << 2;
/// Calls are refused because too much waits to be taken.
const FULL: u32 = 1 << 3;
/// The member is out.
const OUT: u32 = 1 << 4;
/// `wake` is due before the time that was last announced.
const SOONER: u32 = 1 << 5;

impl Stand {
    pub(super) fn pulse(&self) -> u32 {
        let is_sooner = match (self.next_wake, self.announced) {
            (Some(next), Some(announced)) => next < announced,
            (next, None) => next.is_some(),
            (None, Some(_)) => false,
        };
        let bits = [
            (self.has_events, EVENTS),
            (self.has_parcels, PARCELS),
            (self.asks, ASKS),
            (self.full, FULL),
            (!self.is_member, OUT),
            (is_sooner, SOONER),
        ];
        bits.iter().filter(|(is_set, _)| *is_set).fold(0, |pulse, (_, bit)| pulse | bit)
    }
}
