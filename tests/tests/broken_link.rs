//! A link that breaks and mends.

use session_core::State;
use session_tests::two::{ALICE, BOB, CHANNEL, cut, departures_of, established, mend, millis, seconds, without_idle};

/// The deadline that ends the session sends CLOSE where there is somebody to tell.
#[test]
fn mended_links_carry_on() {
    let (mut world, at_alice, at_bob) = established(&without_idle());
    cut(&mut world);
    world.command(ALICE, at_alice, |session| session.send(b"patience", CHANNEL)).unwrap();
    world.run_for(seconds(12));
    mend(&mut world);
    world.run_for(seconds(10));
    assert_eq!(world.session(ALICE, at_alice).state(), State::Established);
    let mut buffer = [0; 10];
    assert_eq!(world.command(BOB, at_bob, |session| session.recv(&mut buffer, CHANNEL)), Ok(Some(8)));
}

//= docs/protocol.md P-10-3
#[test]
fn unanswered_probes_come_at_doubling_distances() {
    let (mut world, at_alice, _) = established(&without_idle());
    cut(&mut world);
    world.command(ALICE, at_alice, |session| session.send(b"anybody?", CHANNEL)).unwrap();
    world.run_for(millis(3000));
    let mut times: Vec<_> = departures_of(&world, ALICE).iter().map(|departure| departure.at).collect();
    times.dedup();
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1].saturating_since(pair[0])).collect();
    assert!(gaps.len() >= 4, "{gaps:?}");
    assert!(gaps.windows(2).all(|pair| pair[1] == pair[0] * 2), "{gaps:?}");
}
