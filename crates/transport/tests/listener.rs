//! Links of every kind, by address.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod support;

use std::time::Duration;

use coterie_transport::{Identity, Link, LinkError, Listener, Route, Trust, connect};
use coterie_types::StreamClass;
use support::in_time;

const ANYWHERE: &str = "127.0.0.1:0";
const NAME: &str = "friends";

/// A listener of every kind, and the way to it.
async fn listeners(server: &Identity, trust: &Trust) -> Vec<(Listener, bool)> {
    vec![
        (Listener::tcp(ANYWHERE).await.unwrap(), false),
        (Listener::published(ANYWHERE, server).await.unwrap(), false),
        (Listener::quic(ANYWHERE, server, None).await.unwrap(), false),
        (Listener::quic(ANYWHERE, server, Some(trust)).await.unwrap(), true),
    ]
}

#[tokio::test]
async fn peers_of_every_kind_come_in_beside_one_that_never_does() {
    let (server, client) = (Identity::generate(NAME).unwrap(), Identity::generate(NAME).unwrap());
    let trust = Trust::new(server.certificate()).unwrap();
    let peers = Trust::any_of([server.certificate(), client.certificate()]).unwrap();
    let routes = [
        Route::Tcp,
        Route::Published { name: NAME, trust: &trust },
        Route::Quic { name: NAME, trust: &trust, identity: None },
        Route::Quic { name: NAME, trust: &trust, identity: Some(&client) },
    ];
    for ((listener, asks), route) in listeners(&server, &peers).await.into_iter().zip(routes) {
        let address = listener.address().to_string();
        // A stranger who says nothing that anybody understands.
        let stranger = tokio::net::UdpSocket::bind(ANYWHERE).await.unwrap();
        stranger.send_to(&[0xff; 1_200], listener.address()).await.unwrap();
        for _ in 0..2 {
            let connecting = async {
                let link = connect(&address, route).await.unwrap();
                link.send(b"hello", StreamClass::Text).await.unwrap();
                link
            };
            let (near, far) = in_time(async { tokio::join!(connecting, listener.accept()) }).await;
            let far = far.unwrap();
            assert_eq!(in_time(far.receive()).await.unwrap().unwrap().frame, b"hello");
            assert_eq!(far.peer(), asks.then_some(client.certificate()));
            let shows = (!matches!(route, Route::Tcp)).then_some(server.certificate());
            assert_eq!(near.peer(), shows);
            both_close(near, far).await;
        }
        listener.close().await;
        assert_eq!(listener.accept().await.err(), Some(LinkError::Closed));
    }
}

async fn both_close(near: Link, far: Link) {
    let far_end = async {
        assert_eq!(far.receive().await.unwrap(), None);
        far.close(Duration::ZERO).await;
    };
    in_time(async { tokio::join!(near.close(Duration::from_secs(60)), far_end) }).await;
}

#[tokio::test]
async fn whoever_waits_for_a_peer_hears_that_the_listener_closes() {
    let listener = Listener::tcp(ANYWHERE).await.unwrap();
    let close = async {
        tokio::task::yield_now().await;
        listener.close().await;
    };
    let (accepted, ()) = in_time(async { tokio::join!(listener.accept(), close) }).await;
    assert_eq!(accepted.err(), Some(LinkError::Closed));
}

#[tokio::test]
async fn addresses_that_lead_nowhere_say_so() {
    for address in ["", "nowhere", "127.0.0.1", "127.0.0.1:99999", ":1", "::1", "\u{0}:1"] {
        let refused = in_time(connect(address, Route::Tcp)).await.unwrap_err();
        let is_address = !["::1", "\u{0}:1"].contains(&address);
        assert_eq!(refused == LinkError::Address, is_address, "{address}: {refused}");
        assert_eq!(Listener::tcp(address).await.unwrap_err(), refused);
    }
    let gone = Listener::tcp(ANYWHERE).await.unwrap();
    let address = gone.address().to_string();
    gone.close().await;
    assert!(matches!(connect(&address, Route::Tcp).await, Err(LinkError::Unreachable(_))));
    assert_eq!(Identity::generate("\u{e4}").unwrap_err(), LinkError::Identity("the name"));
    assert!(Trust::any_of([]).is_err());
}
