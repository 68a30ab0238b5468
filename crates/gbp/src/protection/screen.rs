//! What can be said of a frame without a key, in the protocol's order, in both profiles.
//!
//! The order is part of the protocol, because it decides which error a doubly wrong frame gives: shape and version,
//! profile, group, epoch (the caller's), size and class, transition, number.

use coterie_types::{GroupId, StreamClass, TransitionId};
use coterie_wire::{Envelope, Frame, FrameError, Profile};

use crate::error::OpenError;
use crate::protection::replay::Streams;

/// The frame up to its epoch.
pub(super) fn envelope<'a>(
    frame: &'a [u8],
    profile: Profile,
    group: &GroupId,
) -> Result<Envelope<'a>, OpenError> {
    let envelope = Envelope::decode(frame)?;
    if envelope.profile() != profile {
        return Err(OpenError::Profile);
    }
    if !envelope.is_for(group) {
        return Err(OpenError::UnknownGroup);
    }
    Ok(envelope)
}

/// The rest of it, in an epoch with these streams. A late epoch takes no control messages.
pub(super) fn frame<'a>(
    envelope: Envelope<'a>,
    transition: TransitionId,
    is_late: bool,
    streams: &Streams,
) -> Result<Frame<'a>, OpenError> {
    let misses = envelope.misses(transition);
    let frame = match envelope.into_frame() {
        Ok(frame) => frame,
        Err(FrameError::Sequence) if misses => return Err(OpenError::Transition(transition)),
        Err(error) => return Err(error.into()),
    };
    if is_late && frame.header.class == StreamClass::Control {
        return Err(OpenError::Epoch(frame.header.epoch));
    }
    if misses {
        return Err(OpenError::Transition(transition));
    }
    streams.check(&frame.header)?;
    Ok(frame)
}
