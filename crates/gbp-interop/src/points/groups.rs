//! Points 9 to 14: membership.

use anyhow::ensure;

use super::{Member, member, pair, refuses, talk};
use crate::members::{Ours, Theirs, now};
use crate::package::Package;
use coterie_wire::Codec;

pub(super) fn key_packages(package: &Package) -> anyhow::Result<()> {
    let (mut ours, mut theirs) = (Ours::new("ours")?, Theirs::new(package, "theirs")?);
    let (of_ours, of_theirs) = (ours.key_package()?, theirs.key_package()?);
    ensure!(of_ours.starts_with(&[0, 1, 0, 1]) && of_theirs.starts_with(&[0, 1, 0, 1]), "they are not bare");
    theirs.invite(&of_ours)?;
    ours.invite(&of_theirs)?;
    theirs.clear()?;
    let wrapped = [&[0, 1, 0, 5][..], &of_ours].concat();
    ensure!(theirs.invite(&wrapped).is_err(), "the package takes one that is wrapped");
    Ok(())
}

pub(super) fn welcomes(package: &Package) -> anyhow::Result<()> {
    for ours_founds in [true, false] {
        let (mut ours, mut theirs) = pair(package, ours_founds)?;
        ensure!(ours.group()? == theirs.group()? && ours.place()?.0 == theirs.place()?.0);
        talk(&mut ours, 1, &mut [&mut theirs])?;
        talk(&mut theirs, 1, &mut [&mut ours])?;
    }
    Ok(())
}

pub(super) fn commits(package: &Package) -> anyhow::Result<()> {
    for ours_commits in [true, false] {
        for ours_joins in [true, false] {
            let (mut ours, mut theirs) = pair(package, ours_commits)?;
            let mut third = member(package, ours_joins, "third")?;
            let (first, second): (&mut dyn Member, &mut dyn Member) =
                if ours_commits { (&mut ours, &mut theirs) } else { (&mut theirs, &mut ours) };
            let (commit, welcome) = first.invite(&third.key_package()?)?;
            second.process(&commit)?;
            ensure!(second.place()?.0 == 1 && first.place()?.0 == 1, "it was not staged");
            third.join(&welcome)?;
            third.start(3, 2, 0)?;
            for member in [&mut *first, &mut *second] {
                member.finalize()?;
                member.apply(1)?;
            }
            talk(first, 1, &mut [&mut *second, &mut *third])?;
            talk(second, 1, &mut [&mut *first, &mut *third])?;
            talk(&mut *third, 1, &mut [first, second])?;
        }
    }
    Ok(())
}

pub(super) fn several(package: &Package) -> anyhow::Result<()> {
    let mut ours = Ours::new("ours")?;
    let (mut one, mut two) = (Theirs::new(package, "one")?, Theirs::new(package, "two")?);
    let mut three = Ours::new("three")?;
    let packages = [one.key_package()?, two.key_package()?, three.key_package()?];
    let packages: Vec<&[u8]> = packages.iter().map(Vec::as_slice).collect();
    let (_, welcome) = ours.mls.invite_all(&packages, now())?;
    ours.finalize()?;
    let mut joiners: [&mut dyn Member; 3] = [&mut one, &mut two, &mut three];
    for (number, joiner) in (2..).zip(&mut joiners) {
        joiner.join(&welcome)?;
        joiner.start(number, 1, 0)?;
    }
    ours.start(1, 1, 0)?;
    talk(&mut ours, 1, &mut joiners)
}

pub(super) fn several_of_theirs(package: &Package) -> anyhow::Result<()> {
    let mut theirs = Theirs::new(package, "theirs")?;
    let (mut one, mut two) = (Ours::new("one")?, Ours::new("two")?);
    let mut three = Theirs::new(package, "three")?;
    let packages = [one.key_package()?, two.key_package()?, three.key_package()?];
    let (_, welcome) = theirs.invite_all(&packages)?;
    theirs.finalize()?;
    let mut joiners: [&mut dyn Member; 3] = [&mut one, &mut two, &mut three];
    for (number, joiner) in (2..).zip(&mut joiners) {
        joiner.join(&welcome)?;
        joiner.start(number, 1, 0)?;
    }
    theirs.start(1, 1, 0)?;
    talk(&mut theirs, 1, &mut joiners)?;
    talk(&mut one, 1, &mut [&mut theirs, &mut two, &mut three])?;
    talk(&mut two, 1, &mut [&mut theirs, &mut one, &mut three])
}

pub(super) fn removal(package: &Package) -> anyhow::Result<()> {
    for ours_removes in [true, false] {
        let (mut ours, mut theirs) = pair(package, ours_removes)?;
        let mut third: Box<dyn Member + '_> = Box::new(Theirs::new(package, "third")?);
        let (first, second): (&mut dyn Member, &mut dyn Member) =
            if ours_removes { (&mut ours, &mut theirs) } else { (&mut theirs, &mut ours) };
        let (commit, welcome) = first.invite(&third.key_package()?)?;
        second.process(&commit)?;
        third.join(&welcome)?;
        third.start(3, 2, 0)?;
        for member in [&mut *first, &mut *second] {
            member.finalize()?;
            member.apply(1)?;
        }
        let commit = first.remove(2)?;
        second.process(&commit)?;
        for member in [&mut *first, &mut *second] {
            member.finalize()?;
            member.apply(2)?;
        }
        let wire = first.say(1, "secret", Codec::Cbor)?;
        ensure!(second.receive(&wire)?.payloads.len() == 1);
        refuses(&mut *third, &wire, 3)?;
        third.process(&commit)?;
        third.finalize()?;
        third.apply(2)?;
        refuses(&mut *third, &wire, 6)?;
    }
    Ok(())
}

pub(super) fn update(package: &Package) -> anyhow::Result<()> {
    let (mut ours, mut theirs) = pair(package, false)?;
    let commit = ours.mls.update(now())?;
    theirs.process(&commit)?;
    for member in [&mut ours as &mut dyn Member, &mut theirs] {
        member.finalize()?;
        member.apply(1)?;
    }
    talk(&mut ours, 1, &mut [&mut theirs])?;
    talk(&mut theirs, 1, &mut [&mut ours])
}
