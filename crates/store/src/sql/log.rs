//! Tells a log that a power failure cut short from one that was damaged.
//!
//! SQLite reads its write-ahead log up to the first frame that does not match its checksum and takes the rest
//! for a transaction that was never completed. Damage in the middle would so take back acknowledged steps
//! without a word. But every transaction is synced before the next begins: after a real power failure at most
//! one incomplete transaction follows the good frames. If two or more do, it was not the power.
//!
//! Looks at the file only before SQLite opens it. The format is SQLite's (fileformat2.html, section 4).

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;

use crate::StoreError;

const HEADER_LENGTH: usize = 32;
const FRAME_HEADER_LENGTH: usize = 24;

/// SQLite's magic number without the bit that says how checksums are counted.
const MAGIC: u32 = 0x377f_0682;

/// Pages have this many bytes in every store.
const PAGE_LENGTH: usize = 4096;

/// Refuses the log at `path` if more is broken in it than a power failure breaks. No log is a good log.
pub(super) fn inspect(path: &Path) -> Result<(), StoreError> {
    match File::open(path) {
        Ok(file) => inspect_log(&mut BufReader::with_capacity(1 << 18, file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn inspect_log(log: &mut impl Read) -> Result<(), StoreError> {
    let mut header = [0; HEADER_LENGTH];
    if !fill(log, &mut header)? {
        return Ok(());
    }
    let mut frame = vec![0; FRAME_HEADER_LENGTH.saturating_add(PAGE_LENGTH)];
    let Some((mut chain, salts)) = parse_header(&header) else {
        // SQLite syncs the header before it writes any frame, and a log is only ever begun in an empty file.
        return if fill(log, &mut frame)? { Err(DAMAGED) } else { Ok(()) };
    };
    let mut broken = false;
    let mut commits_after = 0_u32;
    while fill(log, &mut frame)? {
        let Some((head, page)) = frame.split_first_chunk::<FRAME_HEADER_LENGTH>() else { break };
        let same_log = head.get(8..16) == Some(&salts[..]);
        let commits = word(head, 4) != Some(0);
        if !broken {
            chain.add(head.get(..8).unwrap_or_default());
            chain.add(page);
            broken = !same_log || !chain.matches(head);
        }
        if broken && same_log && commits {
            commits_after = commits_after.saturating_add(1);
        }
    }
    if commits_after > 1 { Err(DAMAGED) } else { Ok(()) }
}

const DAMAGED: StoreError = StoreError::Damaged("the write-ahead log is broken before its end");

/// The checksum so far and the salts, if the header is one.
fn parse_header(header: &[u8; HEADER_LENGTH]) -> Option<(Chain, [u8; 8])> {
    let magic = word(header, 0)?;
    if magic & !1 != MAGIC || usize::try_from(word(header, 8)?) != Ok(PAGE_LENGTH) {
        return None;
    }
    let mut chain = Chain { sums: (0, 0), big_endian: magic & 1 == 1 };
    chain.add(header.get(..24)?);
    let salts = header.get(16..24)?.try_into().ok()?;
    chain.matches(header).then_some((chain, salts))
}

/// SQLite's checksum, which runs on from frame to frame.
struct Chain {
    sums: (u32, u32),
    big_endian: bool,
}

impl Chain {
    fn add(&mut self, bytes: &[u8]) {
        let (pairs, _) = bytes.as_chunks::<8>();
        let number = if self.big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        let (mut first, mut second) = self.sums;
        for [a, b, c, d, e, f, g, h] in pairs {
            first = first.wrapping_add(number([*a, *b, *c, *d])).wrapping_add(second);
            second = second.wrapping_add(number([*e, *f, *g, *h])).wrapping_add(first);
        }
        self.sums = (first, second);
    }

    /// Whether the last two words of a header are the checksum.
    fn matches(&self, header: &[u8]) -> bool {
        header.last_chunk::<8>().is_some_and(|[a, b, c, d, e, f, g, h]| {
            let stored = (u32::from_be_bytes([*a, *b, *c, *d]), u32::from_be_bytes([*e, *f, *g, *h]));
            stored == self.sums
        })
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}

/// Fills `buffer`, or answers that the file ends before.
fn fill(log: &mut impl Read, buffer: &mut [u8]) -> Result<bool, StoreError> {
    match log.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error.into()),
    }
}
