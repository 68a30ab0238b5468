//! SFrame, through the checks that `coterie_sframe` gives out for the purpose.

use coterie_sframe::vectors;

use crate::case::File;
use crate::report::Outcome;

pub(super) fn headers(file: &File) -> Outcome {
    file.each(vectors::header)
}

pub(super) fn frames(file: &File) -> Outcome {
    file.each(vectors::frame)
}

/// Frames recorded from the published peer.
pub(super) fn recorded(file: &File) -> Outcome {
    file.each(vectors::recorded)
}
