//! The points of the checklist, in its order.

mod control;
mod encoding;
mod groups;
mod sealing;

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use coterie_types::{Epoch, GroupId, MemberId, Sequence, StreamClass, StreamId, TransitionId};
use coterie_wire::{Codec, Flags, Header, PayloadFormat, Profile};

use crate::members::{Heard, Member, Ours, Theirs};
use crate::package::Package;

/// How a point is tested.
enum Check {
    Run(fn(&Package) -> anyhow::Result<()>),
    /// Not at all, for this reason.
    Not(&'static str),
}

const CRATES: &str = "needs the published crates gbp-node, gbp-transport and gbp-cli";

const POINTS: &[(&str, Check)] = &[
    ("frames decode and encode to the same bytes on both sides", Check::Run(encoding::same_bytes)),
    ("pf is absent for CBOR and taken as 0", Check::Run(encoding::codec_key)),
    ("extra text keys and any order of keys are taken", Check::Run(encoding::keys_in_any_order)),
    ("integers are in shortest form at every boundary", Check::Run(encoding::boundaries)),
    ("the four class keys agree", Check::Run(sealing::class_keys)),
    ("wrong class, number or tag is 0x0006", Check::Run(sealing::refused)),
    ("a sender may begin high and skip, not go back", Check::Run(sealing::high_numbers)),
    ("two members send on one class at once", Check::Run(sealing::at_once)),
    ("key packages are taken, bare", Check::Run(groups::key_packages)),
    ("Welcomes are joined", Check::Run(groups::welcomes)),
    ("commits are staged and exporters agree afterwards", Check::Run(groups::commits)),
    ("one Welcome serves several joiners", Check::Run(groups::several)),
    ("removal by either side", Check::Run(groups::removal)),
    ("a self-update of ours is followed", Check::Run(groups::update)),
    ("pattern A in both roles", Check::Run(control::pattern_a)),
    ("pattern B in both roles", Check::Run(control::pattern_b)),
    ("pattern C, text in both directions", Check::Run(control::pattern_c)),
    ("what is of another transition is 0x0004", Check::Run(control::other_transitions)),
    ("ABORT leaves everybody where they were", Check::Run(control::abort)),
    ("of competing PREPAREs the lower member's wins", Check::Not(CRATES)),
    ("a claim makes a coordinator with a higher number yield", Check::Not(CRATES)),
    ("after an execute timeout ABORT makes room", Check::Not(CRATES)),
    ("the order of checks", Check::Run(sealing::order_of_checks)),
    ("a digest response ends RESYNCING", Check::Run(control::digest)),
    ("text, audio and signals in all codecs, both directions", Check::Run(sealing::codecs)),
    ("TCP and QUIC", Check::Not(CRATES)),
];

/// Runs all points and says how many held.
pub(crate) fn run(package: &Package) -> ExitCode {
    let (mut held, mut failed) = (0_usize, false);
    for (number, (title, check)) in (1..).zip(POINTS) {
        let said = match check {
            Check::Not(reason) => format!("not tested: {reason}"),
            Check::Run(test) => match test(package) {
                Ok(()) => {
                    held = held.saturating_add(1);
                    "ok".to_owned()
                }
                Err(error) => {
                    failed = true;
                    format!("failed: {error:#}")
                }
            },
        };
        println!("{number:2}. {title}: {said}");
    }
    println!("{held}/{} points held", POINTS.len());
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Says that nothing was tested.
pub(crate) fn none(reason: &str) -> ExitCode {
    for (number, (title, _)) in (1..).zip(POINTS) {
        println!("{number:2}. {title}: not tested: {reason}");
    }
    println!("0/{} points held", POINTS.len());
    ExitCode::FAILURE
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
