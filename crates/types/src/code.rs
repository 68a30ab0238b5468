//! Every error code, once.
//!
//! A code is a stable string and public API: it never changes meaning and is never used again for another.
//! `docs/error-codes.md` and the TypeScript union in `ts/error-codes.ts` are generated from this list by
//! `cargo xtask generate`.

use std::fmt;

use crate::LeafIndex;

/// The stable name of one way in which a call can fail.
#[derive(Clone, Copy)]
pub struct Code(&'static Entry);

/// Whether the same call may succeed later.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retry {
    /// Never, with these arguments and in this state.
    Never,
    /// Yes: nothing was changed, and the cause may pass.
    Later,
}

#[derive(Debug)]
struct Entry {
    name: &'static str,
    retry: Retry,
    meaning: &'static str,
    next: &'static str,
}

/// What every error of the stack answers.
pub trait ErrorCode: std::error::Error {
    /// The most specific code there is: an error that wraps another answers with its cause's.
    fn code(&self) -> Code;

    /// Who signed what was refused, where it was a member of a group and its signature was verified.
    fn offender(&self) -> Option<LeafIndex> {
        None
    }
}

impl Code {
    /// The string that crosses every boundary.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0.name
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn retry(self) -> Retry {
        self.0.retry
    }

    /// What happened, in one sentence.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        self.0.meaning
    }

    /// What the caller can do about it, in one sentence.
    #[must_use]
    pub const fn next(self) -> &'static str {
        self.0.next
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Code {}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! codes {
    ($($name:ident, $retry:ident, $meaning:literal, $next:literal;)+) => {
        impl Code {
            $(
                #[doc = $meaning]
                #[doc = ""]
                #[doc = $next]
                pub const $name: Self = Self(&Entry {
                    name: stringify!($name),
                    retry: Retry::$retry,
                    meaning: $meaning,
                    next: $next,
                });
            )+

            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
        }
    };
}

codes! {
    // Calls.
    INVALID_ARGUMENT, Never, "An argument is of the wrong type, empty, too long or out of range.",
        "Correct the argument that the message names.";
    HANDLE_CLOSED, Never, "The object was closed, by close(), by leaving an `await using` block or by its owner.",
        "Open or join again; do not use an object after closing it.";
    ABORTED, Later, "The call's AbortSignal fired before the work began.",
        "Nothing was changed; call again when wanted.";
    BUSY, Later, "Too much work is already waiting on this object.",
        "Await some of the calls under way, then call again.";
    FEED_FULL, Later, "A subscriber of this object's events has not consumed them and its queue is full.",
        "Nothing was changed; consume or close the event stream, then call again.";
    INTERNAL, Never, "An invariant of Coterie did not hold, or native code panicked. This is a defect of ours.",
        "Report it with the message; close the object and open it again.";
    NATIVE_LOAD_FAILED, Never, "The native addon could not be loaded.",
        "Read the cause: it names the file that was tried, what the system said and what to install.";
    RANDOMNESS_UNAVAILABLE, Later, "The operating system gave no randomness.",
        "Call again; if it persists, the machine is not fit to hold keys.";

    // Directory and group channel.
    DIRECTORY_EMPTY, Later, "The directory holds no key package of this identity.",
        "Ask the member to publish more key packages.";
    CHANNEL_CLOSED, Never, "The group channel has ended.",
        "Connect the group to a channel again.";
    CHANNEL_BEHIND, Never, "The group channel no longer holds the position that was asked for.",
        "Messages are missing: leave the group and ask to be invited again.";
    COMMIT_SUPERSEDED, Later, "Another member's commit came first; this one was dropped.",
        "Look at the new roster and repeat the change if it is still wanted.";

    // Links.
    LINK_CLOSED, Never, "The link was closed on this side.",
        "Make another link.";
    LINK_LOST, Later, "The peer or the network went away.",
        "Make another link and send again what was not acknowledged.";
    LINK_STALLED, Later, "The peer stood still in the middle of a frame for too long.",
        "Close the link and make another one.";
    LINK_MALFORMED, Never, "The peer does not keep to the format of the link.",
        "Close the link; the peer speaks another protocol or another version.";
    LINK_TOO_LONG, Never, "The frame is longer than the link carries.",
        "Send it in parts; the link goes on.";
    LINK_UNREACHABLE, Later, "No connection came about.",
        "Check address and network, then connect again.";
    LINK_REFUSED, Never, "The peers did not agree on a secure connection.",
        "Check that each side trusts the other's certificate and that both speak the same protocol.";

    // MLS.
    MLS_MALFORMED, Never, "The bytes are not a well-formed MLS message of the kind that was expected.",
        "Check that the bytes are complete and of the right kind.";
    MLS_UNSUPPORTED, Never, "The cipher suite, protocol version or credential type is not supported here.",
        "Use a suite that every member supports.";
    MLS_NOT_AUTHENTIC, Never, "A message, signature or confirmation did not verify. Nothing was changed.",
        "Drop the message; whoever sent it is faulty or not a member.";
    MLS_WRONG_GROUP, Never, "The message belongs to another group.",
        "Hand it to the group whose id it carries.";
    MLS_WRONG_EPOCH, Never, "The message is for an epoch this member has left too long ago or has not reached.",
        "If it is ahead, process the missing commits first; if it is behind, it is lost.";
    MLS_ALREADY_PROCESSED, Never, "This message was processed before, or its key was used up.",
        "Nothing: duplicates are harmless.";
    MLS_INVALID_COMMIT, Never, "A commit breaks the rules of the protocol. Nothing was changed.",
        "Report its sender to the other members.";
    MLS_INVALID_PROPOSAL, Never, "A proposal breaks the rules of the protocol. Nothing was changed.",
        "Drop it.";
    MLS_INVALID_KEY_PACKAGE, Never, "A key package is forged, expired, or not fit for this group.",
        "Fetch a newer one.";
    MLS_KEY_PACKAGE_NOT_FOUND, Never, "The Welcome is for a key package that this device does not hold, or has used before.",
        "Publish a new key package and ask to be invited again.";
    MLS_WELCOME_INVALID, Never, "The Welcome or its tree is damaged, forged, or does not fit together.",
        "Ask to be invited again.";
    MLS_GROUP_EXISTS, Never, "This device already holds a group with this id.",
        "Open the existing group, or choose another id.";
    MLS_GROUP_NOT_FOUND, Never, "This device holds no group with this id.",
        "Join it first.";
    MLS_REMOVED, Never, "This member was removed from the group; its keys are gone.",
        "Ask to be invited again.";
    MLS_MEMBER_NOT_FOUND, Never, "No member sits at this leaf.",
        "Read the roster again; it changes with every commit.";
    MLS_ALREADY_MEMBER, Never, "The key package's owner, or its key, is in the group already.",
        "Use a fresh key package of somebody who is not a member.";
    MLS_CANNOT_REMOVE_SELF, Never, "A member cannot commit its own removal.",
        "Propose to leave; another member commits it.";
    MLS_COMMIT_PENDING, Later, "A commit of this member is waiting to be merged or discarded.",
        "Merge or discard it first.";
    MLS_NO_PENDING_COMMIT, Never, "There is no commit waiting to be merged or discarded.",
        "Nothing: it was merged or dropped already.";
    MLS_PROPOSALS_PENDING, Later, "Proposals wait to be committed; no message may be sent before.",
        "Commit the pending proposals first.";
    MLS_NOTHING_TO_COMMIT, Never, "The commit would change nothing.",
        "Give it something to add, remove or update.";
    MLS_TOO_LARGE, Never, "A message or a group is above a stated limit.",
        "Split it; the limit is named in the message.";
    MLS_PSK_NOT_FOUND, Never, "A pre-shared key that the message refers to is not known here.",
        "Store the key, then process the message again.";
    MLS_GROUP_INFO_INVALID, Never, "The GroupInfo or its tree is damaged, forged, incomplete, or does not fit together.",
        "Ask a member for a newer one.";
    MLS_INVALID_CREDENTIAL, Never, "A credential does not count: its certificates lead to nobody trusted here, do not fit its key or break a rule, or credentials of its kind are not accepted.",
        "Read the message for the rule; trust the right anchors, or have the member get a proper certificate.";
    MLS_CERTIFICATE_EXPIRED, Never, "A certificate of somebody who would come in, or of this device, has expired.",
        "Have its owner renew the certificate, then try again.";
    MLS_RESTORED, Never, "The store was put back to an earlier state, so this group's keys may have been used already.",
        "Reading goes on. To send again, join anew: by an external commit with resync, or by a new invitation.";
    MLS_REFUSED_BY_POLICY, Never, "The application's policy refused somebody who would come in, or failed. Nothing was changed.",
        "Resolve the refusal, then process or discard the commit.";
    MLS_DIVERGED, Never, "A commit that this member discarded was accepted by the group, which went on without it.",
        "Join again from outside with resync, by a GroupInfo of another member.";
    MLS_SUCCEEDED, Never, "The group has ended: another one succeeds it. Only late messages can still be read.",
        "Join the successor by its Welcome and go on there.";
    MLS_NOT_SUCCEEDED, Never, "The group has not named a successor.",
        "Commit the name of the successor first.";
    MLS_DESCENT_UNKNOWN, Later, "The Welcome is to a group that succeeds one which this device is not in, or whose end it has not reached.",
        "Process what is left of the old group, then join again; whoever was never in it is added later, by an ordinary commit.";
    MLS_NOT_UNDONE, Never, "The application's rows could not be written, and a group in memory cannot undo what was done.",
        "The group is whole: look at its state, and repeat what is still wanted.";

    // Bytes of the Group Protocol Stack.
    WIRE_MALFORMED, Never, "The bytes are not a well-formed frame, message or payload.",
        "Drop them; whoever sent them is faulty or hostile.";
    WIRE_TOO_LARGE, Never, "A frame, a payload or a part of one is above a stated limit.",
        "Split it; the limit is named in the message.";
    WIRE_UNSUPPORTED_CODEC, Never, "The payload's codec is none that this version knows.",
        "Ask the sender to use CBOR, Protobuf or FlatBuffers.";

    // Group base protocol. The numbers on the wire are mapped to these.
    GBP_UNSUPPORTED_VERSION, Never, "The frame is of a version or a profile of the protocol that is not supported here.",
        "Upgrade Coterie, or ask the sender to.";
    GBP_UNKNOWN_GROUP, Never, "The frame belongs to another group.",
        "Hand it to the group whose id it carries.";
    GBP_EPOCH_MISMATCH, Later, "The frame is for an epoch this member has left or has not reached.",
        "Complete the transition under way; if the frame is of the past, it is lost.";
    GBP_TRANSITION_MISMATCH, Later, "The frame or message belongs to another transition than the current one.",
        "Wait for the transition under way to end, then repeat it.";
    GBP_REPLAY_DETECTED, Never, "A frame with this number was accepted before, or is too old to tell.",
        "Nothing: duplicates are harmless.";
    GBP_DECRYPT_FAILED, Later, "The frame did not authenticate. Nothing was changed.",
        "Drop it; whoever sent it holds other keys.";
    GBP_COMMIT_INVALID, Never, "The commit of a transition was refused.",
        "Report it to the coordinator, who aborts the transition.";
    GBP_STREAM_POLICY_VIOLATION, Never, "The frame or control message breaks the rules of its stream.",
        "Drop it; whoever sent it is faulty or hostile.";
    GBP_TRANSITION_IN_PROGRESS, Never, "Another transition is under way.",
        "Wait until it has ended or abort it, then begin again.";
    GBP_PREPARE_TIMEOUT, Later, "No member was ready in time for the transition.",
        "Abort it and prepare another.";
    GBP_READY_TIMEOUT, Later, "A member took too long to process the commit of a transition.",
        "Abort it and prepare another, or remove the member.";
    GBP_EXECUTE_TIMEOUT, Later, "The coordinator did not complete a transition in time.",
        "Wait for the next transition, or elect a coordinator.";
    GBP_COORDINATOR_GONE, Later, "Nothing was heard of the coordinator for too long.",
        "The member with the lowest number claims the role.";
    GBP_DIGEST_MISMATCH, Never, "Two members disagree about who belongs to the group.",
        "Leave the group and ask to be invited again.";
    GBP_PROFILE_MISMATCH, Never, "The frame, or the group's extensions, name another protection profile than the group has agreed on.",
        "Drop the frame; refuse a commit that changes the profile.";
    GBP_SENDER_MISMATCH, Never, "The frame is on a stream that is not its sender's.",
        "Drop it; its sender is faulty or hostile.";
    GBP_TOO_MANY_STREAMS, Never, "Members send on more streams in this epoch than are remembered.",
        "Drop the frame.";
    GBP_NOT_RESERVED, Later, "No numbers are reserved for sealing frames of this class.",
        "Reserve numbers, store the record, then seal again.";
    GBP_NUMBERS_EXHAUSTED, Never, "Every number that this member has for frames of this class was used.",
        "Change the group's epoch: it has new keys.";
    GBP_NOT_A_MEMBER, Never, "A control message comes from somebody who does not belong to the group, or an order names such a member.",
        "Drop it; if it is an order, read the roster again.";
    GBP_NOT_COORDINATOR, Never, "Only the coordinator, or whoever prepared the transition, may order this.",
        "Ask the coordinator, or claim the role when it is silent.";
    GBP_NOT_ACTIVE, Never, "The node has left the group, was removed from it, or has failed.",
        "Ask to be invited again.";
    GBP_TRANSITIONS_EXHAUSTED, Never, "Every number of a transition in this group was used.",
        "Create a successor group.";
    GBP_STATE_INVALID, Never, "The stored state of a node is damaged or of another version.",
        "Ask to be invited again.";
    GBP_ADMISSION_INVALID, Never, "What a joiner was told about the group does not fit the group.",
        "Do not trust the inviter; ask another member to be invited.";
    GBP_TOO_LARGE, Never, "A commit or a group is above what the control plane carries.",
        "Split the change, or let a delivery service order the group's commits.";

    // Group audio.
    GAP_BAD_SOURCE_ID, Never, "The audio names a source that is not known here.",
        "Drop it.";
    GAP_DECODE_FAILED, Never, "The audio payload or its frame could not be decoded.",
        "Drop it; the next frame stands for itself.";
    GAP_AUTH_FAILED, Never, "The audio frame did not authenticate.",
        "Drop it; whoever sent it holds other keys.";
    GAP_REPLAY_DETECTED, Never, "An audio frame with this number was accepted before, or is too old to tell.",
        "Nothing: duplicates are harmless.";
    GAP_EPOCH_STALE, Never, "The audio's key phase belongs to an epoch that has expired.",
        "Drop it.";
    GAP_KEY_PHASE_UNKNOWN, Never, "The audio's key phase was never known here.",
        "Drop it.";
    GAP_TOO_MANY_SOURCES, Later, "More sources of audio are in use than are remembered, of one member or of all.",
        "Drop it; a source that is silent for half a minute makes room. Send fewer sources.";
    GAP_BUFFER_FULL, Later, "As much audio as may wait to be played is waiting.",
        "Play what is due, then take more; the next packet stands for itself.";

    // Group text and signals.
    STATE_INVALID, Never, "The bytes are not a saved state of text or signals, or not of this version.",
        "Begin with an empty state; text can be caught up with from another member.";

    // Group text.
    GTP_BAD_LENGTH, Never, "A text message's length field and its content differ.",
        "Drop it; whoever sent it is faulty or hostile.";
    GTP_UNSUPPORTED_CONTENT_TYPE, Never, "The group does not take content of this type.",
        "Send it as another type.";
    GTP_DUPLICATE_MESSAGE, Never, "This message was received before.",
        "Nothing: duplicates are harmless.";
    GTP_POLICY_REJECTED, Never, "The group's policy refused the message.",
        "Do not repeat it.";
    GTP_ATTACHMENT_INTEGRITY, Never, "An attachment's pieces do not fit its manifest.",
        "Ask its sender to send it again.";
    GTP_REQUEST_TIMEOUT, Later, "No answer to a request came in time.",
        "Ask again.";
    GTP_WRONG_SENDER, Never, "A text message names another sender than the member who sent it.",
        "Drop it; whoever sent it is faulty or hostile.";
    GTP_ATTACHMENT_UNKNOWN, Never, "A piece belongs to no attachment that is being received.",
        "Drop it, or ask its sender for the manifest.";
    GTP_ATTACHMENT_FULL, Later, "There is no room for the piece or the attachment. Nothing was changed.",
        "Take pieces or whole attachments out, then hand it in again.";
    GTP_ATTACHMENT_INCOMPLETE, Later, "Pieces of the attachment are missing.",
        "Wait for them.";

    // Group signals.
    GSP_BAD_SCHEMA, Never, "A signal or its arguments are not of the form that its type asks for.",
        "Correct the arguments; on receipt, drop it.";
    GSP_UNAUTHORIZED, Never, "The sender may not give this signal.",
        "Ask a member whose role allows it.";
    GSP_UNKNOWN_SIGNAL, Never, "The signal's number is none that this version knows.",
        "Drop it.";
    GSP_DUPLICATE_REQUEST, Never, "This signal was received before.",
        "Nothing: duplicates are harmless.";
    GSP_STATE_CONFLICT, Later, "The signal contradicts the current state.",
        "Look at the state, then repeat the signal if it is still wanted.";
    GSP_PRECONDITION_FAILED, Never, "Something that the signal depends on is missing.",
        "Establish it, then give the signal anew.";
    GSP_WRONG_SENDER, Never, "A signal names another sender than the member who sent it.",
        "Drop it; whoever sent it is faulty or hostile.";
    GSP_REQUEST_TIMEOUT, Later, "Not every member answered a signal in time.",
        "Look at who did not, then give the signal anew if it is still wanted.";
    GSP_REFUSED, Never, "A member refused a signal.",
        "Read the reason that it gave.";
    GSP_ROLE_UNKNOWN, Never, "No role has this number.",
        "Define the role first.";

    // SFrame.
    SFRAME_MALFORMED, Never, "A media frame is shorter than its header and tag.",
        "Drop it.";
    SFRAME_UNKNOWN_KEY_ID, Later, "A media frame is for an epoch whose keys are not held, or no longer.",
        "If a commit is under way, try again after it; drop the frame otherwise.";
    SFRAME_REPLAY, Never, "A media frame was seen before, or is too old to tell.",
        "Nothing: duplicates are harmless.";
    SFRAME_NOT_AUTHENTIC, Never, "A media frame did not verify. Nothing was changed.",
        "Drop it; whoever sent it is faulty, or not a member.";
    SFRAME_TOO_MANY_SENDERS, Never, "More members send media in this epoch than are remembered.",
        "Drop the frame.";
    SFRAME_TOO_MANY_FORGERIES, Never, "Too many media frames failed to verify under a suite with short tags.",
        "Change the group's epoch, and use a suite with full tags.";
    SFRAME_NOT_RESERVED, Later, "No counters are reserved for sealing media frames.",
        "Reserve counters, store the record, then seal again.";
    SFRAME_COUNTER_EXHAUSTED, Never, "Every counter of a media key was used.",
        "Change the group's epoch: it has new keys.";

    // Storage.
    STORE_LOCKED, Later, "Another process or handle has this store open.",
        "Close the other one; a store has one owner at a time.";
    STORE_WRONG_KEY, Never, "The passphrase or key does not open this store.",
        "Give the right one; there is no other way in.";
    STORE_DAMAGED, Never, "The store's file is damaged: a page failed its integrity check.",
        "Restore a backup, then rejoin the groups.";
    STORE_NEWER, Never, "The store was written by a newer version of Coterie.",
        "Upgrade Coterie; nothing was changed.";
    STORE_FULL, Later, "The disk is full. Nothing of this step was stored.",
        "Free space and call again.";
    STORE_IO, Later, "The operating system reported an I/O error. Nothing of this step was acknowledged.",
        "Check the disk; close and open the store again.";
    STORE_BUSY, Later, "The store's file is locked by another program.",
        "Call again.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_unique_and_says_what_happened_and_what_to_do() {
        for (index, code) in Code::ALL.iter().enumerate() {
            assert!(!Code::ALL[..index].contains(code), "{code} is listed twice");
            assert!(
                code.meaning().ends_with('.') && code.next().ends_with('.'),
                "{code} needs two sentences"
            );
            assert!(
                code.as_str().bytes().all(|b| b.is_ascii_uppercase() || b == b'_'),
                "{code} is not a constant"
            );
        }
    }
}
