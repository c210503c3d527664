//! Keepalives that find out how long a NAT remembers.

use std::time::Duration;

use session_core::State;
use session_sim::NatConfig;
use session_tests::Setup;
use session_tests::two::{ALICE, BOB, CHANNEL, millis, seconds, two_nodes, without_idle};

fn setup(least: Option<Duration>) -> Setup {
    let mut setup = without_idle();
    setup.timeouts.keepalive = seconds(15 * 60);
    setup.timeouts.least_keepalive = least;
    setup
}

/// How often the NAT before Alice gave her another address, as Bob saw it, in the first two hours and in the two after them; and the interval in the end.
fn rests_behind(nat: NatConfig, least: Option<Duration>) -> (u16, u16, Duration) {
    let mut world = two_nodes(&setup(least));
    world.set_nat(ALICE, Some(nat));
    let (at_alice, at_bob) = world.establish(ALICE, BOB);
    world.run_for(seconds(2 * 3600));
    let while_searching = world.session(BOB, at_bob).stats().path_changes;
    for _ in 0..20 {
        world.run_for(seconds(355));
        // Alice is found whenever Bob has something to say.
        world.command(BOB, at_bob, |session| session.send(b"there?", CHANNEL)).unwrap();
        world.run_for(millis(100));
        let mut out = [0; 10];
        let read = world.command(ALICE, at_alice, |session| session.recv(&mut out, CHANNEL));
        if least.is_some() {
            assert_eq!(read, Ok(Some(6)), "behind {nat:?}");
        }
    }
    assert_eq!(world.session(ALICE, at_alice).state(), State::Established);
    let interval = world.session(ALICE, at_alice).stats().keepalive;
    (while_searching, world.session(BOB, at_bob).stats().path_changes - while_searching, interval)
}

//= docs/protocol.md P-13-7
#[test]
fn a_session_learns_how_long_the_nat_on_its_way_remembers() {
    for is_symmetric in [false, true] {
        for lifetime in [20, 30, 60, 120, 300, 600] {
            let nat = NatConfig { lifetime: seconds(lifetime), is_symmetric, ..NatConfig::default() };
            let (before, after, interval) = rests_behind(nat, Some(seconds(15)));
            assert_eq!(
                (before, after),
                (1, 0),
                "{lifetime} s: one interval was too long, and none after it: {interval:?}"
            );
            // The rung below the one that was too long, which is a root of two.
            let least = seconds(lifetime) * 100 / 142;
            assert!(interval >= least.max(seconds(15)), "{interval:?} behind {lifetime} s");
            assert!(interval * 9 / 10 <= seconds(lifetime), "{interval:?} behind {lifetime} s");
        }
    }
}

#[test]
fn who_searches_nothing_is_forgotten_by_the_nat_at_every_interval() {
    let (before, _, interval) = rests_behind(NatConfig::default(), None);
    assert!(before >= 6, "{before}");
    assert_eq!(interval, seconds(15 * 60));
}

#[test]
fn behind_nothing_that_forgets_the_interval_is_what_was_agreed() {
    let nat = NatConfig { lifetime: seconds(100_000), ..NatConfig::default() };
    let (before, after, interval) = rests_behind(nat, Some(seconds(15)));
    assert_eq!((before, after, interval), (0, 0, seconds(15 * 60)));
}
