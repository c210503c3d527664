//! Clocks that jump, stand still and go back.

use session_core::{
    Action, Address, Carrier, Config, ConnectOptions, Endpoint, Instant, Limits, Link, Peer, RustCrypto, Secret, Seed,
    State, StaticKey,
};
use session_sim::{Generator, LinkConfig, Probability};
use session_tests::Campaign;
use session_tests::two::{ALICE, BOB, CHANNEL, established, millis, seconds, without_idle};

//= docs/protocol.md P-11-3
#[test]
fn a_clock_that_goes_back_stands_still() {
    let config = |number: u8| Config::new(StaticKey::new(&RustCrypto, Secret::new([number; 32])), "");
    let peer = Peer::Known { key: *config(2).static_key.public(), psk: None };
    let mut limits = Limits::default();
    limits.pool_blocks = 4096;
    let mut endpoint = Endpoint::new(config(1), limits, RustCrypto, Seed::new([1; 32])).unwrap();
    let link = Link { carrier: Carrier(0), local: Address::Opaque([1; 16]), remote: Address::Opaque([2; 16]) };
    let now = Instant::from_micros(100_000_000);
    endpoint.connect(peer, link, ConnectOptions::default(), now).unwrap();
    let mut buffer = vec![0; endpoint.max_datagram()];
    // The Hello leaves at the latest time seen, so it is repeated half a second after that.
    assert!(matches!(endpoint.poll_action(&mut buffer, Instant::EPOCH), Action::Transmit(_)));
    let Action::Wait(Some(deadline)) = endpoint.poll_action(&mut buffer, Instant::EPOCH) else {
        panic!("nothing to wait for")
    };
    let waiting = deadline.at.saturating_since(now);
    assert!((millis(400)..=millis(600)).contains(&waiting), "{waiting:?}");
    let before = endpoint.digest();
    endpoint.handle_timeout(Instant::EPOCH);
    assert_eq!(endpoint.poll_action(&mut buffer, Instant::from_micros(1)), Action::Wait(Some(deadline)));
    assert_eq!(endpoint.digest(), before);
    endpoint.handle_timeout(deadline.at);
    assert!(matches!(endpoint.poll_action(&mut buffer, now), Action::Transmit(_)));
}

/// A jump ahead, as after a sleep that nobody noticed: the peer is asked before it is given up, and all goes on.
#[test]
fn h18_a_clock_that_jumps_ahead_ends_no_session() {
    for jump in [seconds(20), seconds(3600), seconds(100 * 365 * 86_400)] {
        for node in [ALICE, BOB] {
            let (mut world, at_alice, at_bob) = established(&without_idle());
            world.command(ALICE, at_alice, |session| session.send(b"before", CHANNEL)).unwrap();
            world.set_clock_ahead(node, jump.as_micros() as i64);
            world.command(BOB, at_bob, |session| session.send(b"behind", CHANNEL)).unwrap();
            world.run_for(seconds(60));
            for (node, id) in [(ALICE, at_alice), (BOB, at_bob)] {
                assert_eq!(world.session(node, id).state(), State::Established, "{jump:?} at {node}");
                let received = world.command(node, id, |session| session.recv(&mut [0; 10], CHANNEL));
                assert_eq!(received, Ok(Some(6)), "{jump:?} at {node}");
            }
        }
    }
}

/// No deadline passes meanwhile; what comes is taken, and afterwards all goes on.
#[test]
fn h18_a_clock_that_stands_still_ends_no_session() {
    for node in [ALICE, BOB] {
        let (mut world, at_alice, at_bob) = established(&without_idle());
        world.stop_clock(node, true);
        for (node, id) in [(ALICE, at_alice), (BOB, at_bob)] {
            world.command(node, id, |session| session.send(&[7; 3000], CHANNEL)).unwrap();
        }
        world.run_for(seconds(10));
        world.stop_clock(node, false);
        world.run_for(seconds(20));
        for (node, id) in [(ALICE, at_alice), (BOB, at_bob)] {
            assert_eq!(world.session(node, id).state(), State::Established);
            let received = world.command(node, id, |session| session.recv(&mut [0; 3000], CHANNEL));
            assert_eq!(received, Ok(Some(3000)));
        }
    }
}

/// Ahead and back at each step, both clocks on their own, with loss: once they are sane again, everything arrives soon.
#[test]
fn h18_clocks_that_jump_at_every_step_lose_nothing() {
    Campaign::new(16).run("clock_jumps", |seed| {
        let mut random = Generator::new(seed);
        let (mut world, at_alice, at_bob) = established(&without_idle());
        let loss = Probability::from_percent(random.below(20) as u32);
        world.set_link(ALICE, BOB, LinkConfig { loss, delay: millis(10), ..LinkConfig::default() });
        let ends = [(ALICE, at_alice), (BOB, at_bob)];
        let mut sent = [0_u32; 2];
        for _ in 0..300 {
            let (node, id) = ends[random.below(2) as usize];
            // Up to three seconds either way; back means that it stands until the time it has seen is reached.
            world.set_clock_ahead(node, random.below(6_000_000) as i64 - 3_000_000);
            if world.command(node, id, |session| session.send(&sent[node].to_be_bytes(), CHANNEL)).is_ok() {
                sent[node] += 1;
            }
            world.run_for(millis(random.below(40)));
        }
        for node in [ALICE, BOB] {
            world.set_clock_ahead(node, 0);
        }
        world.run_for(seconds(30));
        for (node, id) in ends {
            assert_eq!(world.session(node, id).state(), State::Established, "{:?}", world.reason(node, id));
            for number in 0..sent[1 - node] {
                let mut message = [0; 4];
                let received = world.command(node, id, |session| session.recv(&mut message, CHANNEL));
                assert_eq!((received, u32::from_be_bytes(message)), (Ok(Some(4)), number), "of {}", sent[1 - node]);
            }
        }
        assert!(sent.iter().all(|sent| *sent > 50), "{sent:?}");
    });
}
