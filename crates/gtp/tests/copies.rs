//! How often a piece of an attachment is copied between the sender's data and the receiver's.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test may panic")]
#![allow(unsafe_code, reason = "an allocator that counts")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use coterie_gtp::limits::DEFAULT_CHUNK;
use coterie_gtp::{Cut, Label};
use coterie_testkit::T0;
use coterie_wire::payload::AttachmentId;
use support::{ALICE, BOB, client, from};

/// How many blocks as large as a piece were allocated, or moved to grow. A copy needs one.
struct Counting;

const LARGE: usize = DEFAULT_CHUNK as usize;

thread_local! {
    static BLOCKS: Cell<usize> = const { Cell::new(0) };
}

fn count(size: usize) {
    if size >= LARGE {
        BLOCKS.set(BLOCKS.get().saturating_add(1));
    }
}

// SAFETY: everything is the system's; only a number is kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn copies<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = BLOCKS.get();
    let result = work();
    (BLOCKS.get() - before, result)
}

#[test]
fn a_piece_is_copied_once_where_it_is_sent_and_twice_where_it_is_received() {
    let [mut alice, mut bob] = [ALICE, BOB].map(client);
    let data = vec![7; LARGE];
    let label = Label { filename: "f", mime_type: "" };
    let cut = Cut::of(AttachmentId::new(1), label, &data, DEFAULT_CHUNK).unwrap();
    bob.receive(&from(&alice.send_manifest(&cut, T0).unwrap())).unwrap();

    let (sending, sent) = copies(|| alice.send_piece(&cut.piece(0, data.clone()).unwrap(), T0).unwrap());
    assert_eq!(sending - 1, 1, "into the message, of whose payload it is a part; the clone is the test's");
    let arriving = from(&sent);
    let (receiving, received) = copies(|| bob.receive(&arriving).unwrap());
    assert_eq!(receiving, 2, "out of the payload, and out of the message");
    drop(received);
    let (taking_out, taken) = copies(|| bob.take_any_out(None).unwrap());
    assert_eq!((taking_out, taken.data == data), (0, true));
}
