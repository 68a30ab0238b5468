//! Our QUIC link: classes that do not block each other, and peers that do not behave.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use coterie_transport::limits::{MAX_BLOB, STREAM_WINDOW};
use coterie_transport::{LinkError, quic};
use coterie_types::{Code, ErrorCode, StreamClass};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::pki_types::CertificateDer;
use support::{Certified, NAME, anywhere, blob, in_time, quic_pair};

#[tokio::test]
async fn every_class_goes_both_ways_whole_in_its_order_and_by_its_name() {
    let (one, other) = quic_pair().await;
    for (from, to) in [(&one, &other), (&other, &one)] {
        for class in StreamClass::ALL {
            let longest = if class == StreamClass::Audio { from.longest_audio() } else { MAX_BLOB };
            for length in [0, 1, 160, longest] {
                let sent = blob(length, 3);
                let (sending, received) =
                    in_time(async { tokio::join!(from.send(&sent, class), to.receive()) }).await;
                sending.unwrap();
                let received = received.unwrap().unwrap();
                assert_eq!((received.class, received.frame), (Some(class), sent));
            }
            let refused = from.send(&vec![0; MAX_BLOB + 1], class).await.unwrap_err();
            assert_eq!(refused.code(), Code::LINK_TOO_LONG);
        }
        assert_eq!(from.audio_dropped(), 0);
        assert!(from.longest_audio() > 1_000);
    }
}

/// Text is sent until its window is full and nobody reads. Neither control nor signals wait for it.
#[tokio::test]
async fn a_peer_that_does_not_read_stops_text_and_nothing_else() {
    const LENGTH: usize = 100_000;
    const FRAMES: usize = 40;
    let (one, other) = quic_pair().await;
    let (one, sent) = (Arc::new(one), Arc::new(AtomicUsize::new(0)));
    let texts = tokio::spawn({
        let (one, sent) = (Arc::clone(&one), Arc::clone(&sent));
        async move {
            for count in 0..FRAMES {
                one.send(&blob(LENGTH, u8::try_from(count).unwrap()), StreamClass::Text).await.unwrap();
                sent.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let fit = STREAM_WINDOW as usize / (LENGTH + 4);
    in_time(async {
        while sent.load(Ordering::SeqCst) < fit {
            tokio::task::yield_now().await;
        }
        for class in [StreamClass::Control, StreamClass::Signal] {
            one.send(&blob(MAX_BLOB, 1), class).await.unwrap();
        }
    })
    .await;
    assert_eq!(sent.load(Ordering::SeqCst), fit, "the window is full");
    let (mut next_text, mut others) = (0, 0);
    while next_text < FRAMES || others < 2 {
        let received = in_time(other.receive()).await.unwrap().unwrap();
        if received.class == Some(StreamClass::Text) {
            assert_eq!(received.frame, blob(LENGTH, u8::try_from(next_text).unwrap()));
            next_text += 1;
        } else {
            assert_eq!(received.frame, blob(MAX_BLOB, 1));
            others += 1;
        }
    }
    texts.await.unwrap();
}

/// Audio as fast as it can be made. It ends only when every control frame, the longest included, has arrived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audio_flood_never_delays_a_control_frame_and_says_what_it_dropped() {
    const CONTROLS: usize = 50;
    let (one, other) = quic_pair().await;
    let (one, arrived) = (Arc::new(one), Arc::new(AtomicBool::new(false)));
    one.send(&[7; 160], StreamClass::Audio).await.unwrap();
    let flood = tokio::spawn({
        let (one, arrived) = (Arc::clone(&one), Arc::clone(&arrived));
        async move {
            let mut sent = 1_u64;
            while !arrived.load(Ordering::SeqCst) {
                for _ in 0..100 {
                    one.send(&[7; 160], StreamClass::Audio).await.unwrap();
                    sent += 1;
                }
                tokio::task::yield_now().await;
            }
            sent
        }
    });
    let controls = tokio::spawn({
        let one = Arc::clone(&one);
        async move {
            for count in 0..CONTROLS {
                let length = if count % 10 == 0 { MAX_BLOB } else { 100 };
                one.send(&blob(length, u8::try_from(count).unwrap()), StreamClass::Control).await.unwrap();
            }
        }
    });
    let (mut next, mut heard) = (0, 0_u64);
    while next < CONTROLS {
        let received = in_time(other.receive()).await.unwrap().unwrap();
        if received.class == Some(StreamClass::Audio) {
            heard += 1;
            continue;
        }
        let length = if next % 10 == 0 { MAX_BLOB } else { 100 };
        assert_eq!(received.frame, blob(length, u8::try_from(next).unwrap()));
        next += 1;
    }
    arrived.store(true, Ordering::SeqCst);
    let sent = flood.await.unwrap();
    controls.await.unwrap();
    let dropped = one.audio_dropped();
    println!(
        "{CONTROLS} control frames arrived in a flood of {sent} audio frames: {dropped} dropped, {heard} heard"
    );
    assert!(dropped > 0 && dropped < sent, "{dropped} of {sent}");
    assert!(heard <= sent - dropped);
}

#[tokio::test]
async fn closing_delivers_what_was_sent_and_then_the_peer_reads_the_end() {
    let (one, other) = quic_pair().await;
    for count in 0..3 {
        one.send(&blob(200_000, count), StreamClass::Text).await.unwrap();
    }
    one.send(b"goodbye", StreamClass::Control).await.unwrap();
    let reading = async {
        let mut received = Vec::new();
        while let Some(frame) = other.receive().await.unwrap() {
            received.push(frame.class);
        }
        other.close(Duration::ZERO).await;
        received
    };
    // Whoever closes twice at once does not cut the first one short.
    let again = one.close(Duration::ZERO);
    let ((), (), mut received) =
        in_time(async { tokio::join!(one.close(Duration::from_secs(60)), again, reading) }).await;
    received.sort();
    let text = Some(StreamClass::Text);
    assert_eq!(received, [Some(StreamClass::Control), text, text, text]);
    assert_eq!(one.send(b"", StreamClass::Text).await, Err(LinkError::Closed));
    assert_eq!(one.receive().await, Err(LinkError::Closed));
    assert!(other.receive().await.is_err());
}

#[tokio::test]
async fn where_peers_are_named_only_they_get_a_link() {
    let (server, client, stranger) = (Certified::new(), Certified::new(), Certified::new());
    let acceptor = quic::Acceptor::bind(anywhere(), &server.identity(), Some(&client.trust())).unwrap();
    let (address, trust) = (acceptor.address().unwrap(), server.trust());
    for (identity, is_welcome) in
        [(None, false), (Some(stranger.identity()), false), (Some(client.identity()), true)]
    {
        let accept = async { acceptor.accept().await.unwrap().link().await };
        let connect = quic::connect(address, NAME, &trust, identity.as_ref());
        let (connected, accepted) = in_time(async { tokio::join!(connect, accept) }).await;
        assert_eq!((connected.is_ok(), accepted.is_ok()), (is_welcome, is_welcome));
        if let Err(refused) = connected {
            assert_eq!(refused, LinkError::Refused);
        }
    }
}

/// A peer that has the protocol's name and nothing else of it.
async fn bare(address: SocketAddr, server: &Certified) -> quinn::Connection {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(server.certificate.clone())).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![quic::PROTOCOL.to_vec()];
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let endpoint = quinn::Endpoint::client(anywhere()).unwrap();
    endpoint.connect_with(config, address, NAME).unwrap().await.unwrap()
}

#[tokio::test]
async fn a_peer_that_does_not_keep_to_the_format_gets_no_link() {
    let server = Certified::new();
    let acceptor = quic::Acceptor::bind(anywhere(), &server.identity(), None).unwrap();
    let address = acceptor.address().unwrap();
    for (prefaces, why) in [
        (&[[2, 0], [1, 2], [1, 3]][..], "another version"),
        (&[[1, 1], [1, 2], [1, 3]], "a stream's class"),
        (&[[1, 9], [1, 2], [1, 3]], "a stream's class"),
        (&[[1, 0], [1, 0], [1, 3]], "two streams of one class"),
    ] {
        let accept = async { acceptor.accept().await.unwrap().link().await };
        let hostile = async {
            let connection = bare(address, &server).await;
            for preface in prefaces {
                // The other side may have hung up by now.
                let Ok(mut stream) = connection.open_uni().await else { break };
                let _ = stream.write_all(preface).await;
            }
            connection.closed().await
        };
        let (refused, closed) = in_time(async { tokio::join!(accept, hostile) }).await;
        assert_eq!(refused.err(), Some(LinkError::Malformed(why)));
        assert!(matches!(closed, quinn::ConnectionError::ApplicationClosed(_)), "{closed:?}");
    }
}

#[tokio::test]
async fn a_bad_length_or_datagram_of_a_peer_is_told_from_a_loss_and_ends_the_link_for_good() {
    for (datagram, why) in
        [(&[9, 0, 0, 0, 0, 1][..], "a datagram"), (&[1, 0, 0, 0], "a datagram"), (&[], "a length")]
    {
        let (link, connection, mut streams) = half_bare_pair().await;
        if datagram.is_empty() {
            streams[1].write_all(&u32::MAX.to_le_bytes()).await.unwrap();
        } else {
            connection.send_datagram(datagram.to_vec().into()).unwrap();
        }
        for _ in 0..2 {
            assert_eq!(in_time(link.receive()).await, Err(LinkError::Malformed(why)));
        }
    }
}

/// A link, and the peer that has only the protocol's name and its streams.
async fn half_bare_pair() -> (coterie_transport::Link, quinn::Connection, Vec<quinn::SendStream>) {
    let server = Certified::new();
    let acceptor = quic::Acceptor::bind(anywhere(), &server.identity(), None).unwrap();
    let address = acceptor.address().unwrap();
    let accept = async { acceptor.accept().await.unwrap().link().await };
    let bare = async {
        let connection = bare(address, &server).await;
        let mut streams = Vec::new();
        for class in [0, 2, 3] {
            let mut stream = connection.open_uni().await.unwrap();
            stream.write_all(&[1, class]).await.unwrap();
            streams.push(stream);
        }
        (connection, streams)
    };
    let (link, (connection, streams)) = in_time(async { tokio::join!(accept, bare) }).await;
    (link.unwrap(), connection, streams)
}

#[tokio::test]
async fn audio_that_never_came_is_counted_by_the_numbers_of_what_did() {
    let (link, connection, _streams) = half_bare_pair().await;
    for number in [0_u8, 2, 1, 7] {
        connection.send_datagram(vec![1, number, 0, 0, 0, 42].into()).unwrap();
    }
    for _ in 0..4 {
        assert_eq!(in_time(link.receive()).await.unwrap().unwrap().frame, [42]);
    }
    assert_eq!((link.audio_lost(), link.audio_dropped()), (4, 0));
}

/// Nobody reads for as long as a TCP link would wait, and longer. The connection itself says that the peer is there.
#[tokio::test]
async fn a_consumer_that_pauses_for_long_keeps_its_link() {
    let (one, other) = quic_pair().await;
    let one = Arc::new(one);
    let sending = tokio::spawn({
        let one = Arc::clone(&one);
        async move {
            for count in 0..3 {
                one.send(&blob(MAX_BLOB, count), StreamClass::Text).await?;
            }
            Ok::<(), LinkError>(())
        }
    });
    // The window is full by now, and time goes on in steps in which both sides answer each other.
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    for _ in 0..2_000 {
        tokio::time::advance(Duration::from_millis(300)).await;
        tokio::task::yield_now().await;
    }
    tokio::time::resume();
    for count in 0..3 {
        assert_eq!(in_time(other.receive()).await.unwrap().unwrap().frame, blob(MAX_BLOB, count));
    }
    in_time(sending).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_there_comes_together_and_the_end_behind_it() {
    let (one, other) = quic_pair().await;
    for count in 0..10 {
        one.send(&blob(100, count), StreamClass::Text).await.unwrap();
    }
    let closing = tokio::spawn(async move { one.close(Duration::from_secs(60)).await });
    let (mut frames, mut batches) = (Vec::new(), 0);
    loop {
        let batch = in_time(other.receive_batch()).await.unwrap();
        if batch.is_empty() {
            break;
        }
        batches += 1;
        frames.extend(batch.into_iter().map(|received| received.frame));
    }
    other.close(Duration::ZERO).await;
    in_time(closing).await.unwrap();
    assert_eq!(frames, (0..10).map(|count| blob(100, count)).collect::<Vec<_>>());
    assert!(batches < 10, "{batches} batches");
}

#[tokio::test]
async fn whoever_sends_without_waiting_is_stopped_before_memory_is() {
    let (one, _other) = quic_pair().await;
    let frame = vec![0; MAX_BLOB];
    let more = coterie_transport::limits::MAX_SENDING + 10;
    let mut waiting: Vec<_> = (0..more).map(|_| Box::pin(one.send(&frame, StreamClass::Text))).collect();
    let mut refused = 0;
    for send in &mut waiting {
        // What is there at once is there, and the rest waits.
        tokio::select! {
            biased;
            sent = send => refused += usize::from(sent == Err(LinkError::Busy)),
            () = std::future::ready(()) => {}
        }
    }
    assert!((1..=10).contains(&refused), "{refused} were refused");
    drop(waiting);
    one.send(b"goes on", StreamClass::Control).await.unwrap();
}
