//! The end of what was sent is lost: nothing comes behind it that would show the loss (RFC 9002 §6.2, RFC 8985 §7).

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use session_core::Instant;
use session_sim::LinkConfig;
use session_tests::Setup;
use session_tests::two::{ALICE, BOB, CHANNEL, established, millis, seconds};

const TRIP: Duration = Duration::from_millis(50);
/// Bytes of user data in a full datagram, roughly.
const PIECE: usize = 1_135;
const DATAGRAMS: usize = 20;

/// How long a message takes of whose datagrams the last `lost` do not arrive, and the probe timeout of its sender.
fn time_with_tail_lost(lost: usize) -> (Duration, Duration) {
    // Credit that holds nothing back.
    let mut setup = Setup::default();
    setup.limits.pool_blocks = 4096;
    setup.limits.session_window = 512 * 1024;
    setup.limits.channel_window = 512 * 1024;
    let (mut world, at_alice, at_bob) = established(&setup);
    world.set_link(ALICE, BOB, LinkConfig { delay: TRIP, ..LinkConfig::default() });
    let mut buffer = vec![0; 100_000];
    // What went before has opened the window, and told how long a round trip takes.
    for _ in 0..20 {
        world.command(ALICE, at_alice, |session| session.send(&[1; DATAGRAMS * PIECE], CHANNEL)).expect("room");
        world.run_for(seconds(1));
        assert!(world.command(BOB, at_bob, |session| session.recv(&mut buffer, CHANNEL)).expect("open").is_some());
    }
    let stats = world.session(ALICE, at_alice).stats();
    assert!(stats.congestion_window >= (DATAGRAMS * 1_200) as u64, "{stats:?}");
    let timeout = stats.smoothed_rtt + (4 * stats.rtt_variance).max(millis(1)) + millis(25);

    let begun = world.now();
    let left = Rc::new(Cell::new((0, Instant::EPOCH)));
    let counted = Rc::clone(&left);
    world.gate = Some(Box::new(move |departure| {
        if departure.from != ALICE || departure.datagram.len() < 500 {
            return true;
        }
        let (number, _) = counted.get();
        counted.set((number + 1, departure.at));
        !(DATAGRAMS - lost..DATAGRAMS).contains(&number)
    }));
    world.command(ALICE, at_alice, |session| session.send(&[2; DATAGRAMS * PIECE], CHANNEL)).expect("room");
    // A message takes a position more than it has bytes.
    let all = 21 * (DATAGRAMS * PIECE + 1) as u64;
    let arrived = world.run_until(begun.saturating_add(seconds(10)), |world| {
        world.session(BOB, at_bob).channel_stats(CHANNEL).is_some_and(|stats| stats.received == all)
    });
    assert!(arrived, "it arrives after all");
    let again = left.get().0 - DATAGRAMS;
    assert!((lost..=lost + 4).contains(&again), "{lost} lost, {again} sent again");
    (world.now().saturating_since(begun), timeout)
}

//= docs/protocol.md P-10-3
#[test]
fn a_lost_end_arrives_a_probe_timeout_and_two_round_trips_later() {
    let (without, _) = time_with_tail_lost(0);
    // More than these do not fit into a window that has fallen to 70 %, and take a round trip more.
    for lost in 1..=12 {
        let (time, timeout) = time_with_tail_lost(lost);
        // Two probes carry the oldest data; their acknowledgement shows what else is lost.
        let round_trips = if lost <= 2 { 0 } else { 1 };
        let most = without + timeout + 2 * TRIP * round_trips + millis(10);
        println!("{lost} lost: {time:?}, at most {most:?}, probe timeout {timeout:?}");
        assert!(time <= most, "{lost} lost: {time:?}, at most {most:?}");
    }
}
