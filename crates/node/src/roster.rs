//! Members, and what commits do to them, across the boundary.
//!
//! They cross in one row of bytes, which `ts/mls/roster.ts` reads in the same order: an object with two byte arrays for
//! each member, made call by call through Node-API, takes longer than all other conversions of a commit together
//! (ADR 22). The row is a string, of one character for each byte: it is read once, and a buffer would be memory outside
//! JavaScript's heap. Numbers are little-endian; what has no fixed length goes behind its length in four bytes, and what
//! may be missing behind one byte that says whether it is there.

use coterie_mls::{CertificateInfo, CommitSummary, Member, Sender, Succession};
use coterie_types::Timestamp;

use crate::bytes::Latin1String;

/// Bytes of a member with a short name, so that a row rarely moves while it grows.
const MEMBER_LENGTH: usize = 96;

pub(crate) fn member(member: &Member) -> Latin1String {
    row(1, |row| row.member(member))
}

pub(crate) fn members(members: &[Member]) -> Latin1String {
    row(members.len(), |row| row.members(members))
}

pub(crate) fn sender(sender: &Sender) -> Latin1String {
    row(1, |row| row.sender(sender))
}

pub(crate) fn summary(summary: &CommitSummary) -> Latin1String {
    let CommitSummary { epoch, committer, own, added, removed, updated, removes_self, succession } = summary;
    let named = [added, removed, updated].iter().map(|members| members.len()).sum::<usize>();
    row(named.saturating_add(1), |row| {
        row.put(epoch.number().to_le_bytes());
        row.flag(*own);
        row.flag(*removes_self);
        row.sender(committer);
        row.members(added);
        row.members(removed);
        row.members(updated);
        row.option(succession.as_ref(), Row::succession);
    })
}

fn row(members: usize, write: impl FnOnce(&mut Row)) -> Latin1String {
    let mut row = Row(Vec::with_capacity(members.saturating_mul(MEMBER_LENGTH)));
    write(&mut row);
    row.0.into()
}

struct Row(Vec<u8>);

impl Row {
    fn member(&mut self, member: &Member) {
        let Member { leaf, identity, signature_key, expires, certificate } = member;
        self.put(leaf.number().to_le_bytes());
        self.bytes(identity);
        self.bytes(signature_key);
        self.option(expires.as_ref(), |row, expires| row.time(*expires));
        self.option(certificate.as_ref(), Self::certificate);
    }

    fn members(&mut self, members: &[Member]) {
        self.length(members.len());
        members.iter().for_each(|member| self.member(member));
    }

    fn sender(&mut self, sender: &Sender) {
        match sender {
            Sender::Member(member) => self.option(Some(member), Self::member),
            Sender::Outsider => self.flag(false),
        }
    }

    fn certificate(&mut self, certificate: &CertificateInfo) {
        let CertificateInfo { valid_from, expires, fingerprint } = certificate;
        self.time(*valid_from);
        self.time(*expires);
        self.bytes(fingerprint);
    }

    fn succession(&mut self, succession: &Succession) {
        let Succession { group_id, suite } = succession;
        self.bytes(group_id.as_bytes());
        self.bytes(suite.name().as_bytes());
    }

    fn option<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn time(&mut self, time: Timestamp) {
        self.put(time.as_millis().to_le_bytes());
    }

    fn flag(&mut self, flag: bool) {
        self.put([u8::from(flag)]);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// The core's limits keep lengths far below what four bytes hold.
    fn length(&mut self, length: usize) {
        self.put(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    }

    fn put<const LENGTH: usize>(&mut self, bytes: [u8; LENGTH]) {
        self.0.extend_from_slice(&bytes);
    }
}
