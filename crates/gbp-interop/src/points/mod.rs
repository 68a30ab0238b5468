//! The points of the checklist, in its order.

mod control;
mod coordination;
mod encoding;
mod groups;
mod links;
mod media;
mod mixed;
mod programs;
mod sealing;
mod whole;

use std::fmt;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use coterie_types::{Epoch, GroupId, MemberId, Sequence, StreamClass, StreamId, TransitionId};
use coterie_wire::{Codec, Flags, Header, PayloadFormat, Profile};

use crate::members::{Heard, Member, Ours, Theirs};
use crate::package::Package;

/// The published peers, each or why it is not to be had.
pub(crate) struct Peers {
    pub(crate) python: Result<Package, String>,
    pub(crate) crates: Result<Package, String>,
}

const PYTHON: &str = "the package";
const CRATES: &str = "the crates";

type Test = fn(&Package) -> anyhow::Result<()>;

/// A part of a point.
enum Check {
    /// What every peer shows.
    Both(Test),
    /// What only the crates show.
    Crates(Test),
}

use Check::{Both, Crates};

const POINTS: &[(&str, &[Check])] = &[
    ("frames decode and encode to the same bytes on both sides", &[Both(encoding::same_bytes)]),
    ("pf is absent for CBOR and taken as 0", &[Both(encoding::codec_key)]),
    ("extra text keys and any order of keys are taken", &[Both(encoding::keys_in_any_order)]),
    ("integers are in shortest form at every boundary", &[Both(encoding::boundaries)]),
    ("the four class keys agree", &[Both(sealing::class_keys)]),
    ("wrong class, number or tag is 0x0006", &[Both(sealing::refused)]),
    ("a sender may begin high and skip, not go back", &[Both(sealing::high_numbers)]),
    ("two members send on one class at once", &[Both(sealing::at_once)]),
    ("key packages are taken, bare", &[Both(groups::key_packages)]),
    ("Welcomes are joined", &[Both(groups::welcomes)]),
    ("commits are staged and exporters agree afterwards", &[Both(groups::commits)]),
    ("one Welcome serves several joiners", &[Both(groups::several), Crates(groups::several_of_theirs)]),
    ("removal by either side", &[Both(groups::removal)]),
    ("a self-update of ours is followed", &[Both(groups::update)]),
    ("pattern A in both roles", &[Both(control::pattern_a)]),
    ("pattern B in both roles", &[Both(control::pattern_b)]),
    ("pattern C, text in both directions", &[Both(control::pattern_c)]),
    ("what is of another transition is 0x0004", &[Both(control::other_transitions)]),
    ("ABORT leaves everybody where they were", &[Both(control::abort)]),
    ("of competing PREPAREs the lower member's wins", &[Crates(coordination::competing)]),
    (
        "a claim makes a coordinator with a higher number yield",
        &[Both(coordination::claims_are_told), Crates(coordination::yielding)],
    ),
    ("after an execute timeout ABORT makes room", &[Crates(coordination::timeouts)]),
    ("the order of checks", &[Both(sealing::order_of_checks)]),
    ("a digest response ends RESYNCING", &[Both(control::digest)]),
    ("text, audio and signals in all codecs, both directions", &[Both(sealing::codecs)]),
    (
        "TCP and QUIC",
        &[Crates(programs::listen), Crates(programs::connect), Crates(links::tcp), Crates(links::quic)],
    ),
];

/// What the checklist leaves to the sub-protocols' description.
const MEDIA: &[(&str, &[Check])] = &[
    ("the key schedules agree: the same bytes on both sides", &[Crates(media::same_bytes)]),
    ("frames pass in both directions", &[Crates(media::both_directions)]),
    ("key ids name leaf and epoch", &[Crates(media::key_ids)]),
    ("replays and forgeries are refused alike", &[Crates(media::replays)]),
    ("a new epoch has keys of its own", &[Crates(media::epochs)]),
];

/// The node that decides for itself, among theirs.
const WHOLE: &[(&str, &[Check])] = &[
    ("ours leads: all patterns, a renewal, a removal", &[Crates(whole::we_lead)]),
    ("theirs leads, falls silent, and comes back", &[Crates(whole::they_lead)]),
];

/// What came of a point.
enum Outcome {
    Held,
    /// By this peer, where the other one is not to be had.
    HeldBy(&'static str),
    NotTested(String),
    Failed(String),
}

/// Where nothing failed and a peer is not to be had.
const NOT_TESTED: u8 = 3;

/// Runs all points and says how many held.
pub(crate) fn run(peers: &Peers) -> ExitCode {
    let mut failed = false;
    let parts = [("", POINTS), ("SFrame ", MEDIA), ("GroupNode ", WHOLE)];
    let [points, media, whole] = parts.map(|(of, points)| {
        let mut held = 0_usize;
        for (number, (title, checks)) in (1..).zip(points) {
            let outcome = outcome(peers, checks);
            failed |= matches!(outcome, Outcome::Failed(_));
            held = held.saturating_add(usize::from(outcome.is_held()));
            println!("{of}{number:2}. {title}: {outcome}");
        }
        format!("{held}/{}", points.len())
    });
    println!("{points} points held, {media} of SFrame, {whole} of GroupNode");
    if failed {
        ExitCode::FAILURE
    } else if peers.python.is_err() || peers.crates.is_err() {
        ExitCode::from(NOT_TESTED)
    } else {
        ExitCode::SUCCESS
    }
}

/// A point is held when every peer that is there holds its part of it, and there is one for each part.
fn outcome(peers: &Peers, checks: &[Check]) -> Outcome {
    let (python, crates) = ((PYTHON, &peers.python), (CRATES, &peers.crates));
    let mut outcome = Outcome::Held;
    for check in checks {
        let (test, against) = match check {
            Both(test) => (test, &[python, crates][..]),
            Crates(test) => (test, &[crates][..]),
        };
        let mut reason = None;
        let mut by = None;
        for (name, peer) in against {
            match peer.as_ref().map(test) {
                Err(missing) => reason = Some(missing),
                Ok(Ok(())) => by = Some(*name),
                Ok(Err(error)) => return Outcome::Failed(format!("against {name}: {error:#}")),
            }
        }
        outcome = match (by, reason) {
            (None, missing) => return Outcome::NotTested(missing.cloned().unwrap_or_default()),
            (Some(by), Some(_)) => Outcome::HeldBy(by),
            (Some(_), None) => outcome,
        };
    }
    outcome
}

impl Outcome {
    const fn is_held(&self) -> bool {
        matches!(self, Self::Held | Self::HeldBy(_))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held => f.write_str("ok"),
            Self::HeldBy(peer) => write!(f, "ok against {peer} alone"),
            Self::NotTested(reason) => write!(f, "not tested: {reason}"),
            Self::Failed(error) => write!(f, "failed: {error}"),
        }
    }
}

/// Two members in epoch 1, ours with the number 1; it founds the group or is invited.
fn pair(package: &Package, ours_founds: bool) -> anyhow::Result<(Ours, Theirs<'_>)> {
    let (mut ours, mut theirs) = (Ours::new("ours")?, Theirs::new(package, "theirs")?);
    if ours_founds {
        admit_first(&mut ours, &mut theirs)?;
    } else {
        admit_first(&mut theirs, &mut ours)?;
    }
    ours.start(1, 1, 0)?;
    theirs.start(2, 1, 0)?;
    Ok((ours, theirs))
}

fn admit_first(founder: &mut dyn Member, joiner: &mut dyn Member) -> anyhow::Result<()> {
    let package = joiner.key_package()?;
    joiner.join(&founder.invite_first(&package)?)
}

/// A member on either side.
fn member<'a>(package: &'a Package, ours: bool, name: &str) -> anyhow::Result<Box<dyn Member + 'a>> {
    Ok(if ours { Box::new(Ours::new(name)?) } else { Box::new(Theirs::new(package, name)?) })
}

/// Says something and sees that all of these hear it, and nothing else.
fn talk(speaker: &mut dyn Member, id: u64, listeners: &mut [&mut dyn Member]) -> anyhow::Result<()> {
    let wire = speaker.say(id, "hello", Codec::Cbor)?;
    for listener in listeners {
        let heard = listener.receive(&wire)?;
        ensure!(heard.kinds == ["payload_received"], "{heard:?} instead of a text");
    }
    Ok(())
}

/// Sees that a frame is refused with this number alone.
fn refuses(listener: &mut dyn Member, wire: &[u8], number: u64) -> anyhow::Result<Heard> {
    let heard = listener.receive(wire)?;
    ensure!(heard.errors == [number] && heard.payloads.is_empty(), "{heard:?} instead of {number:#06x}");
    Ok(heard)
}

/// What a frame of the member 1 in epoch 1 says.
fn header(group: &[u8], class: StreamClass, sequence: u32) -> anyhow::Result<Header> {
    Ok(Header {
        profile: Profile::Interop,
        group: GroupId::new(group).map_err(|error| anyhow::anyhow!("{error}"))?,
        epoch: Epoch::new(1),
        transition: TransitionId::default(),
        class,
        stream: StreamId::standard(class, MemberId::new(1)).context("a stream")?,
        flags: if class == StreamClass::Audio { Flags::AUDIO } else { Flags::MESSAGE },
        sequence: Sequence::new(sequence).context("a number")?,
        format: PayloadFormat::from(Codec::Cbor),
    })
}
