//! Messages with deadlines over bad networks: each is delivered once or reported, and what has no deadline arrives.

use std::time::Duration;

use session_core::{ChannelConfig, Limits};
use session_sim::{Faults, Generator};
use session_tests::traffic::{self, MODES, Plan, Traffic};
use session_tests::{Campaign, Recording, Setup, World};

const CASES: u64 = 16;
/// Messages on each channel, each way.
const MESSAGES: usize = 150;

/// How much credit there is, and how long a message may be.
type Room = fn(&mut Generator, &mut Limits) -> u64;

/// The largest messages fit several times.
fn wide(random: &mut Generator, limits: &mut Limits) -> u64 {
    let window = if random.below(2) == 0 { 32_768 } else { 1 << 20 };
    (limits.session_window, limits.channel_window) = (window, window);
    7000
}

/// 2 to 16 KiB. A message that waits for credit on each reliable channel, and something beside: more would wait for each other.
fn narrow(random: &mut Generator, limits: &mut Limits) -> u64 {
    limits.block_size = if random.below(2) == 0 { 256 } else { 1024 };
    limits.channel_window = 2048 + random.below(14 * 1024 + 1);
    limits.session_window = limits.channel_window + random.below(limits.channel_window);
    limits.channel_window / 3
}

/// What happened: faults, messages expired and delivered, those of both, and every message by its fate.
fn run_case(seed: u64, room: Room) -> (Faults, [usize; 3], Vec<Vec<usize>>) {
    let mut random = Generator::new(seed);
    let mut world = World::new(seed);
    let channels = MODES.map(|(id, mode)| ChannelConfig::new(id, mode).with_priority(random.below(8) as u8)).to_vec();
    let mut limits = Limits::default();
    let longest = room(&mut random, &mut limits);
    let setup = Setup { channels, limits, ..Setup::default() };
    let ledger = Recording::new();
    let nodes = [world.add(&setup, ledger.clone()), world.add(&setup, ledger.clone())];
    world.set_link(nodes[0], nodes[1], traffic::draw_link(&mut random));
    let (here, there) = world.establish(nodes[0], nodes[1]);
    let mut traffic = Traffic::both_ways([(nodes[0], here), (nodes[1], there)], || {
        let mut plan = |_| {
            let most = if random.below(10) == 0 { longest } else { 200 };
            let patience = Duration::from_micros(random.below(150_000));
            Plan { length: random.below(most) as usize, patience: (random.below(2) == 0).then_some(patience) }
        };
        (0..MESSAGES).map(&mut plan).collect()
    });
    traffic::run(&mut world, &mut random, &mut traffic);
    let both = |flow: &Traffic| flow.arrived.iter().filter(|number| flow.expired.contains(number)).count();
    let counts = [
        traffic.iter().map(|flow| flow.expired.len()).sum(),
        traffic.iter().map(|flow| flow.arrived.len()).sum(),
        traffic.iter().map(both).sum(),
    ];
    (world.faults(), counts, traffic.into_iter().map(|flow| flow.arrived).collect())
}

fn run_campaign(room: Room) {
    let campaign = Campaign::new(CASES);
    let mut faults = Faults::NONE;
    let mut counts = [0, 0, 0];
    campaign.run("expiry", |seed| {
        let (some, more, _) = run_case(seed, room);
        faults += some;
        counts = core::array::from_fn(|index| counts[index] + more[index]);
    });
    let [expired, arrived, both] = counts;
    println!("{faults:?}, {expired} expired, {arrived} arrived, {both} of them both");
    if campaign.is_whole() {
        assert!(faults.lost > 0 && faults.duplicated > 0 && faults.reordered > 0, "{faults:?}");
        assert!(expired > 100 && arrived > 1000 && both < expired, "{expired} {arrived} {both}");
    }
}

#[test]
fn every_message_is_delivered_once_or_reported_late() {
    run_campaign(wide);
}

#[test]
fn every_message_is_delivered_once_or_reported_late_where_credit_is_short() {
    run_campaign(narrow);
}

#[test]
fn the_same_seed_expires_the_same_messages() {
    assert_eq!(run_case(7, wide).1, run_case(7, wide).1);
    assert_eq!(run_case(7, wide).2, run_case(7, wide).2);
}
