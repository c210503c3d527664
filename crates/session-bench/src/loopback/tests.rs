use std::sync::atomic::Ordering;

use tokio::sync::mpsc;

use session_core::RustCrypto;

use super::{Bulk as _, Ciphers, OneProcessor, PingPong, Places, Unreliable as _, core_loop, raw, session, unreliable};
use crate::loopback::Datagram;
use crate::report::About;

/// Every fourth message is dropped on the way.
#[test]
fn what_was_lost_does_not_count_and_is_no_reason_to_wait_for_ever() {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let places = Places::one_thread().expect("a runtime");
    let figures = unreliable::figures(
        &places,
        400,
        |counted| async move {
            while receiver.recv().await.is_some() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
            std::future::pending().await
        },
        async {
            (0..400).filter(|number| number % 4 != 0).try_for_each(|number| sender.send(number))?;
            Ok(())
        },
    );
    let [_, rate, part] = figures.expect("some come")[..] else { panic!("three figures") };
    assert_eq!(part, 0.75);
    assert!(rate > 3_000.0, "waiting for the others is no part of the time: {rate}");
}

#[test]
fn unreliable_messages_of_session_come() {
    let places = Places::pool().expect("a runtime");
    let mut session = session::Session::new(places, Datagram::Ethernet, Ciphers::RustCrypto).expect("a session");
    for _ in 0..2 {
        let figures = session.send_unreliable(1_000).expect("some come");
        assert!((0.0..=1.0).contains(&figures[2]), "{figures:?}: none counts twice, and none of the turn before");
    }
}

#[test]
fn session_brings_bytes_across_with_each_of_its_providers() {
    for ciphers in Ciphers::ALL {
        let places = Places::one_thread().expect("a runtime");
        let mut session = session::Session::new(places, Datagram::Best, *ciphers).expect("a session");
        session.transfer(1 << 20).expect("all of it");
    }
}

#[test]
fn round_trips_are_made_on_one_thread_and_on_two() {
    let _processor = OneProcessor::take().expect("a processor");
    for is_apart in [false, true] {
        let places = || if is_apart { Places::apart() } else { Places::one_thread() }.expect("places");
        let about = About::package("session-core-loop", "session-core", "AES-256-GCM, RustCrypto");
        let core_loop = core_loop::CoreLoop::new(places(), RustCrypto, about).expect("a session");
        let session = session::Session::new(places(), Datagram::Ethernet, Ciphers::RustCrypto).expect("a session");
        let echoes = [raw::Echo::connected(places()), raw::Echo::unconnected(places())];
        let mut peers: Vec<Box<dyn PingPong>> = vec![Box::new(core_loop), Box::new(session)];
        peers.extend(echoes.map(|echo| Box::new(echo.expect("sockets")) as Box<dyn PingPong>));
        for mut peer in peers {
            for _ in 0..2 {
                let times = peer.round_trips(10).unwrap_or_else(|error| panic!("{}: {error}", peer.about().name));
                assert_eq!(times.len(), 10, "{}", peer.about().name);
            }
        }
    }
}
