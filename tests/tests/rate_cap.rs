//! A cap on the rate that the user sets (S0-32).

use std::num::NonZeroU64;

use session_core::RustCrypto;
use session_tests::two::{ALICE, BOB, CHANNEL, established, mend, seconds};
use session_tests::{Flow, Flows, Message, Setup, World};

const BYTES: usize = 1_000_000;

/// Seconds that a megabyte takes from alice to bob.
fn transfer(world: &mut World<RustCrypto>, ends: (session_core::SessionId, session_core::SessionId), tag: u64) -> f64 {
    let begun = world.now();
    let message = vec![Message::streamed(BYTES, 10_000)];
    let flow = Flow::new((ALICE, ends.0), (BOB, ends.1), CHANNEL, tag, message);
    let mut flows = Flows { flows: vec![flow.in_chunks_of(10_000)] };
    assert!(flows.run(world, seconds(60)), "it arrives");
    world.now().saturating_since(begun).as_secs_f64()
}

#[test]
fn a_session_sends_no_faster_than_its_user_allows() {
    let (mut world, at_alice, at_bob) = established(&Setup::default());
    mend(&mut world);
    let ends = (at_alice, at_bob);
    let free = transfer(&mut world, ends, 1);
    assert!(free < 3.0, "{free} s without a cap");
    world.command(ALICE, at_alice, |session| session.set_rate_cap(NonZeroU64::new(100_000)));
    let capped = transfer(&mut world, ends, 2);
    // Headers and tags go under the cap too; a burst of ten datagrams is free.
    assert!((9.5..11.5).contains(&capped), "{capped} s at 100 kB/s");
    world.command(ALICE, at_alice, |session| session.set_rate_cap(None));
    let lifted = transfer(&mut world, ends, 3);
    assert!(lifted < 3.0, "{lifted} s after the cap was lifted");
}
