//! Two nodes in a [`World`], and what most scenarios do with them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use session_core::{ChannelId, Event, Instant, RustCrypto, SessionId};
use session_sim::{LinkConfig, Probability};

use crate::world::{Departure, Setup, World};

/// The channel most scenarios use.
pub const CHANNEL: ChannelId = ChannelId(16);
/// The first node, which connects.
pub const ALICE: usize = 0;
/// The second, which accepts.
pub const BOB: usize = 1;

/// So many milliseconds.
#[must_use]
pub fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// So many seconds.
#[must_use]
pub fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// Two nodes that have not met; what leaves them is kept.
#[must_use]
pub fn two_nodes(setup: &Setup) -> World<RustCrypto> {
    let mut world = World::new(1);
    world.add(setup, RustCrypto);
    world.add(setup, RustCrypto);
    world.departures = Some(Vec::new());
    world
}

/// The usual setup without the deadline of idleness.
#[must_use]
pub fn without_idle() -> Setup {
    let mut setup = Setup::default();
    setup.timeouts.idle = None;
    setup
}

/// An established session with all beginnings settled: the world, and the session at each node.
#[must_use]
pub fn established(setup: &Setup) -> (World<RustCrypto>, SessionId, SessionId) {
    let mut world = two_nodes(setup);
    let (at_alice, at_bob) = world.establish(ALICE, BOB);
    world.settle(millis(500));
    world.take_events(ALICE);
    world.take_events(BOB);
    world.departures = Some(Vec::new());
    (world, at_alice, at_bob)
}

/// What left a node so far.
#[must_use]
pub fn departures_of(world: &World<RustCrypto>, from: usize) -> Vec<Departure> {
    world.departures.iter().flatten().filter(|departure| departure.from == from).cloned().collect()
}

/// How many milliseconds after `start` they left.
#[must_use]
pub fn since(start: Instant, departures: &[Departure]) -> Vec<u128> {
    departures.iter().map(|departure| departure.at.saturating_since(start).as_millis()).collect()
}

/// From now on nothing arrives.
pub fn cut(world: &mut World<RustCrypto>) {
    world.set_link(ALICE, BOB, LinkConfig { loss: Probability::ALWAYS, ..LinkConfig::default() });
}

/// From now on everything arrives.
pub fn mend(world: &mut World<RustCrypto>) {
    world.set_link(ALICE, BOB, LinkConfig { delay: millis(10), ..LinkConfig::default() });
}

/// Holds back what one node sends from now on, and keeps it.
pub fn hold_back(world: &mut World<RustCrypto>, from: usize) -> Rc<RefCell<Vec<Vec<u8>>>> {
    let held = Rc::new(RefCell::new(Vec::new()));
    let into = Rc::clone(&held);
    world.gate = Some(Box::new(move |departure| {
        if departure.from == from {
            into.borrow_mut().push(departure.datagram.clone());
        }
        departure.from != from
    }));
    held
}

/// Runs until a session has ended; tells how long it took.
///
/// # Panics
/// If it takes longer than `limit`.
pub fn run_until_closed(world: &mut World<RustCrypto>, node: usize, id: SessionId, limit: Duration) -> Duration {
    let start = world.now();
    let until = start.saturating_add(limit);
    let closed = world.run_until(until, |world| world.take_events(node).contains(&Event::Closed(id)));
    assert!(closed, "not closed within {limit:?}");
    world.now().saturating_since(start)
}
