//! The published stack's links: their bytes, their bounds, and peers that do not behave.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use coterie_transport::limits::MAX_BLOB;
use coterie_transport::{Link, LinkError, published, quic};
use coterie_types::{Code, ErrorCode, StreamClass};
use support::{Certified, NAME, anywhere, blob, in_time, published_pair, quic_pair, tcp_pair, tcp_raw};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const TEXT: StreamClass = StreamClass::Text;

/// The longest blob passes in both directions, one byte more does not, and the link goes on.
async fn carries_what_the_published_stack_carries(one: &Link, other: &Link) {
    for (from, to) in [(one, other), (other, one)] {
        for length in [0, 1, 3, 65_536, MAX_BLOB] {
            let sent = blob(length, 7);
            let (sending, received) = tokio::join!(from.send(&sent, TEXT), to.receive());
            sending.unwrap();
            assert_eq!(received.unwrap().unwrap().frame, sent);
        }
        let refused = from.send(&vec![0; MAX_BLOB + 1], TEXT).await.unwrap_err();
        assert_eq!(refused, LinkError::TooLong { length: 1_048_577, most: 1_048_576 });
        assert_eq!(refused.code(), Code::LINK_TOO_LONG);
    }
    one.send(b"goes on", TEXT).await.unwrap();
    assert_eq!(other.receive().await.unwrap().unwrap().frame, b"goes on");
}

#[tokio::test]
async fn tcp_carries_a_mebibyte_and_not_a_byte_more() {
    let (one, other) = tcp_pair().await;
    in_time(carries_what_the_published_stack_carries(&one, &other)).await;
}

#[tokio::test]
async fn quic_carries_a_mebibyte_and_not_a_byte_more_on_every_stream() {
    let (connected, accepted) = published_pair().await;
    for _ in 0..3 {
        let link = connected.open().await.unwrap();
        // The opener writes first.
        link.send(b"hello", TEXT).await.unwrap();
        let peer = accepted.accept().await.unwrap();
        assert_eq!(peer.receive().await.unwrap().unwrap().frame, b"hello");
        in_time(carries_what_the_published_stack_carries(&link, &peer)).await;
    }
}

#[tokio::test]
async fn the_length_comes_first_with_its_lowest_byte() {
    let (link, mut raw) = tcp_raw().await;
    link.send(&[9; 0x53], TEXT).await.unwrap();
    link.send(&[], TEXT).await.unwrap();
    let mut bytes = [0; 4 + 0x53 + 4];
    raw.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes[..5], [0x53, 0, 0, 0, 9]);
    assert_eq!(bytes[4 + 0x53..], [0, 0, 0, 0]);
}

/// The future is dropped after every byte.
#[tokio::test]
async fn a_frame_that_comes_byte_by_byte_is_whole_whoever_stops_waiting_in_between() {
    let (link, mut raw) = tcp_raw().await;
    let sent = blob(300, 1);
    let bytes = [&300_u32.to_le_bytes(), sent.as_slice()].concat();
    let writing = tokio::spawn(async move {
        for byte in bytes {
            raw.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        raw
    });
    let received = in_time(async {
        loop {
            tokio::select! {
                biased;
                received = link.receive() => break received,
                () = tokio::task::yield_now() => {}
            }
        }
    });
    assert_eq!(received.await.unwrap().unwrap().frame, sent);
    drop(writing.await.unwrap());
    assert_eq!(link.receive().await.unwrap(), None, "the peer ended between two frames");
}

#[tokio::test]
async fn a_length_above_the_bound_ends_the_link_for_good() {
    for length in [1_048_577, u32::MAX] {
        let (link, mut raw) = tcp_raw().await;
        raw.write_all(&length.to_le_bytes()).await.unwrap();
        raw.write_all(&[0; 100]).await.unwrap();
        for _ in 0..2 {
            assert_eq!(link.receive().await, Err(LinkError::Malformed("a length")));
        }
    }
}

#[tokio::test]
async fn a_peer_that_goes_in_the_middle_of_a_frame_is_lost() {
    for bytes in [&[5, 0][..], &[5, 0, 0, 0], &[5, 0, 0, 0, 1, 2]] {
        let (link, mut raw) = tcp_raw().await;
        raw.write_all(bytes).await.unwrap();
        drop(raw);
        assert_eq!(link.receive().await, Err(LinkError::Lost));
    }
}

#[tokio::test]
async fn a_peer_that_stands_still_in_the_middle_of_a_frame_is_given_up_and_a_silent_one_is_not() {
    let (link, mut raw) = tcp_raw().await;
    raw.write_all(&[5, 0, 0, 0, 1]).await.unwrap();
    tokio::time::pause();
    assert_eq!(link.receive().await, Err(LinkError::Stalled));
    let (link, _raw) = tcp_raw().await;
    let silent = tokio::time::timeout(Duration::from_secs(86_400), link.receive()).await;
    assert!(silent.is_err(), "a day of silence is no fault");
}

#[tokio::test]
async fn a_peer_that_never_reads_is_given_up_and_costs_no_memory() {
    let (link, _raw) = tcp_raw().await;
    tokio::time::pause();
    let frame = vec![0; MAX_BLOB];
    let mut sent = 0;
    let refused = loop {
        match link.send(&frame, TEXT).await {
            Ok(()) => sent += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, LinkError::Stalled);
    assert!(sent < 64, "{sent} MiB are more than a socket holds");
    assert_eq!(link.send(b"", TEXT).await, Err(LinkError::Stalled));
}

#[tokio::test]
async fn a_slow_reader_slows_the_sender_and_gets_everything_in_order() {
    const FRAMES: usize = 48;
    let (sender, receiver) = tcp_pair().await;
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let sending = tokio::spawn(async move {
        for count in 0..FRAMES {
            sender.send(&blob(MAX_BLOB, u8::try_from(count).unwrap()), TEXT).await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
        }
        sender.close(Duration::from_secs(60)).await;
    });
    let mut most_ahead = 0;
    for count in 0..FRAMES {
        most_ahead = most_ahead.max(sent.load(Ordering::SeqCst).saturating_sub(count));
        let received = in_time(receiver.receive()).await.unwrap().unwrap();
        assert_eq!(received.frame, blob(MAX_BLOB, u8::try_from(count).unwrap()));
    }
    assert!(most_ahead < 32, "{most_ahead} MiB ahead of the reader");
    assert_eq!(receiver.receive().await.unwrap(), None);
    receiver.close(Duration::ZERO).await;
    in_time(sending).await.unwrap();
}

#[tokio::test]
async fn a_flood_of_empty_frames_is_taken_one_by_one() {
    const FRAMES: usize = 100_000;
    let (link, mut raw) = tcp_raw().await;
    let flooding = tokio::spawn(async move { raw.write_all(&vec![0; 4 * FRAMES]).await.map(|()| raw) });
    for _ in 0..FRAMES {
        assert_eq!(link.receive().await.unwrap().unwrap().frame, b"");
    }
    drop(flooding.await.unwrap());
    assert_eq!(link.receive().await.unwrap(), None);
}

#[tokio::test]
async fn closing_sends_what_was_accepted_and_ends_every_call_on_this_side() {
    let (one, other) = tcp_pair().await;
    let one = Arc::new(one);
    let waiting = tokio::spawn({
        let one = Arc::clone(&one);
        async move { one.receive().await }
    });
    one.send(b"last", TEXT).await.unwrap();
    let reading = async {
        assert_eq!(other.receive().await.unwrap().unwrap().frame, b"last");
        assert_eq!(other.receive().await.unwrap(), None);
        // The other direction is still open, until this side ends it too.
        other.close(Duration::ZERO).await;
    };
    tokio::join!(in_time(one.close(Duration::from_secs(60))), in_time(reading));
    assert_eq!(waiting.await.unwrap(), Err(LinkError::Closed));
    assert_eq!(one.send(b"", TEXT).await, Err(LinkError::Closed));
    assert_eq!(one.receive().await, Err(LinkError::Closed));
    one.close(Duration::ZERO).await;
}

#[tokio::test]
async fn an_abrupt_close_is_noticed_on_every_link() {
    let (connected, accepted) = published_pair().await;
    let link = connected.open().await.unwrap();
    link.send(b"hello", TEXT).await.unwrap();
    let peer = accepted.accept().await.unwrap();
    peer.receive().await.unwrap().unwrap();
    connected.close();
    assert_eq!(in_time(peer.receive()).await, Err(LinkError::Lost));
    assert_eq!(link.receive().await, Err(LinkError::Closed));

    let (one, other) = quic_pair().await;
    drop(one);
    assert_eq!(in_time(other.receive()).await, Err(LinkError::Lost));

    let (one, other) = tcp_pair().await;
    drop(one);
    assert_eq!(in_time(other.receive()).await, Ok(None), "TCP cannot tell an end from a loss");
}

#[tokio::test]
async fn whoever_offers_or_requires_a_protocol_and_whoever_does_not_refuse_each_other() {
    let server = Certified::new();
    let published = published::Acceptor::bind(anywhere(), &server.identity()).unwrap();
    let ours = quic::Acceptor::bind(anywhere(), &server.identity(), None).unwrap();
    let address = published.address().unwrap();
    let accept = async { published.accept().await.unwrap().connection().await };
    let trust = server.trust();
    let (refused, here) =
        in_time(async { tokio::join!(quic::connect(address, NAME, &trust, None), accept) }).await;
    assert_eq!(refused.unwrap_err(), LinkError::Refused);
    assert!(here.is_err());
    let address = ours.address().unwrap();
    let accept = async { ours.accept().await.unwrap().link().await };
    let (refused, here) =
        in_time(async { tokio::join!(published::connect(address, NAME, &trust), accept) }).await;
    assert_eq!(refused.unwrap_err(), LinkError::Refused);
    assert!(here.is_err());
}

#[tokio::test]
async fn a_peer_with_another_certificate_or_name_is_refused() {
    let (server, other) = (Certified::new(), Certified::new());
    let acceptor = published::Acceptor::bind(anywhere(), &server.identity()).unwrap();
    let address = acceptor.address().unwrap();
    for (name, trust) in [(NAME, other.trust()), ("elsewhere", server.trust())] {
        let accept = async { acceptor.accept().await.unwrap().connection().await };
        let (refused, _) =
            in_time(async { tokio::join!(published::connect(address, name, &trust), accept) }).await;
        assert_eq!(refused.unwrap_err().code(), Code::LINK_REFUSED);
    }
}
