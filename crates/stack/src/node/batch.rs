//! Several frames, or several texts, in one step.

use coterie_gtp::Draft;
use coterie_mls::MlsError;
use coterie_types::{MemberId, MessageId, Timestamp};
use coterie_wire::Profile;

use super::GroupNode;
use crate::error::StackError;
use crate::limits::{
    MAX_BYTES_AT_ONCE, MAX_FRAMES_AT_ONCE, MAX_TEXT_BYTES_AT_ONCE, MAX_TEXTS_AT_ONCE, QUICK_BYTES,
    QUICK_FRAMES, QUICK_SEALED_BYTES, QUICK_SEALED_FRAMES,
};

/// What is quick in one step: another thread is not worth it. Nothing, where the node waits for a disk.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct QuickBatch {
    /// Frames, or texts that become frames.
    pub frames: usize,
    /// Their bytes together.
    pub bytes: usize,
}

impl GroupNode {
    /// Takes in frames in their order, many in one step, as [`Self::receive`] would one after the other. Answers how many were
    /// taken in: fewer than there are where one cannot be, and a call with the rest says why.
    ///
    /// # Errors
    /// As [`Self::receive`] for the first. Then nothing was taken in.
    pub fn receive_all<F: AsRef<[u8]>>(&mut self, frames: &[F], now: Timestamp) -> Result<usize, StackError> {
        let mut taken: usize = 0;
        while let Some(rest) = frames.get(taken..).filter(|rest| !rest.is_empty()) {
            match self.receive_run(rest, now) {
                Ok(count) => taken = taken.saturating_add(count),
                Err(error) if taken == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(taken)
    }

    /// Says several things, in one step; answers their numbers.
    ///
    /// # Errors
    /// As [`Self::send_text`] for one of them, and for more than [`MAX_TEXTS_AT_ONCE`] or [`MAX_TEXT_BYTES_AT_ONCE`]. Then
    /// nothing was said.
    pub fn send_texts(
        &mut self,
        target: MemberId,
        drafts: Vec<Draft>,
        now: Timestamp,
    ) -> Result<Vec<MessageId>, StackError> {
        if drafts.len() > MAX_TEXTS_AT_ONCE {
            return Err(StackError::InvalidArgument("there may be 1,024 texts at once"));
        }
        let bytes: usize = drafts.iter().map(|draft| draft.content.len()).sum();
        if bytes > MAX_TEXT_BYTES_AT_ONCE {
            return Err(StackError::InvalidArgument("texts at once may have 64 MiB together"));
        }
        self.step(now, |step| step.send_texts(target, drafts))
    }

    /// How many frames a step takes in, or texts it says, in a millisecond or little more, and of how many bytes.
    #[must_use]
    pub fn quick_batch(&self) -> QuickBatch {
        match self.profile() {
            _ if !self.is_quick() => QuickBatch::default(),
            Profile::Interop => QuickBatch { frames: QUICK_FRAMES, bytes: QUICK_BYTES },
            Profile::Sealed => QuickBatch { frames: QUICK_SEALED_FRAMES, bytes: QUICK_SEALED_BYTES },
        }
    }

    /// Takes in the first of these frames, and those behind it that its step has room for.
    fn receive_run<F: AsRef<[u8]>>(&mut self, frames: &[F], now: Timestamp) -> Result<usize, StackError> {
        let run = frames.get(..run_length(frames)).unwrap_or_default();
        if run.is_empty() {
            return self.receive_each(frames.get(..1).unwrap_or_default(), now);
        }
        match self.step(now, |step| step.take_in_all(run)) {
            Ok((count, None)) => Ok(count),
            Ok((count, Some(error))) => {
                self.note_failure(&error);
                if count == 0 { Err(error) } else { Ok(count) }
            }
            Err(error @ (StackError::Mls(MlsError::Store(_)) | StackError::Busy(_))) => Err(error),
            Err(error) if run.len() == 1 => Err(error),
            // One of them undid all: each has a step of its own, up to that one.
            Err(_) => self.receive_each(run, now),
        }
    }

    fn receive_each<F: AsRef<[u8]>>(&mut self, frames: &[F], now: Timestamp) -> Result<usize, StackError> {
        let mut taken: usize = 0;
        for frame in frames {
            match self.receive(frame.as_ref(), now) {
                Ok(()) => taken = taken.saturating_add(1),
                Err(error) if taken == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(taken)
    }
}

/// How many of these frames one step takes in: none, where the first is audio, which is no step.
fn run_length<F: AsRef<[u8]>>(frames: &[F]) -> usize {
    let mut bytes: usize = 0;
    let fits = |frame: &&F| {
        let has_room = bytes < MAX_BYTES_AT_ONCE;
        bytes = bytes.saturating_add(frame.as_ref().len());
        has_room && !GroupNode::is_audio(frame.as_ref())
    };
    frames.iter().take(MAX_FRAMES_AT_ONCE).take_while(fits).count()
}
