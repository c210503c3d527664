//! Messages with deadlines over bad networks: each is delivered once or reported, and what has no deadline arrives.

use std::collections::BTreeSet;
use std::time::Duration;

use session_core::{ChannelConfig, ChannelId, ChannelMode, Limits, SendError, SendOptions, SessionId};
use session_sim::{Faults, Generator, LinkConfig, Probability, Reordering};
use session_tests::{Campaign, Recording, Setup, World};

const CASES: u64 = 16;
/// Messages on each channel, each way.
const MESSAGES: usize = 150;
const MODES: [(ChannelId, ChannelMode); 4] = [
    (ChannelId(20), ChannelMode::ReliableOrdered),
    (ChannelId(21), ChannelMode::ReliableUnordered),
    (ChannelId(22), ChannelMode::Unreliable),
    (ChannelId(23), ChannelMode::LatestValue),
];

/// One direction of one channel.
struct Traffic {
    from: (usize, SessionId),
    to: (usize, SessionId),
    channel: ChannelId,
    mode: ChannelMode,
    /// Length, and for how long it is worth something.
    plan: Vec<(usize, Option<Duration>)>,
    /// End offsets of those that were sent.
    ends: Vec<u64>,
    expired: BTreeSet<usize>,
    arrived: Vec<usize>,
}

impl Traffic {
    fn message(&self, number: usize) -> Vec<u8> {
        let fill = (0..self.plan[number].0).map(|at| (at ^ number) as u8 ^ self.channel.0 as u8);
        (number as u32).to_be_bytes().into_iter().chain(fill).collect()
    }

    fn send(&mut self, world: &mut World<Recording>) {
        let Some((_, patience)) = self.plan.get(self.ends.len()).copied() else { return };
        let message = self.message(self.ends.len());
        let deadline = patience.map(|patience| world.now().saturating_add(patience));
        let options = deadline.map_or(SendOptions::default(), SendOptions::by);
        let sent =
            world.command(self.from.0, self.from.1, |session| session.send_with(&message, self.channel, options));
        match sent {
            Ok(id) => self.ends.push(id.end_offset),
            Err(SendError::Blocked) => {}
            Err(error) => panic!("{:?}: {error}", self.mode),
        }
    }

    fn receive(&mut self, world: &mut World<Recording>) {
        let mut buffer = vec![0; 20_000];
        while let Ok(Some(length)) =
            world.command(self.to.0, self.to.1, |session| session.recv(&mut buffer, self.channel))
        {
            let number = u32::from_be_bytes(*buffer.first_chunk().expect("a number")) as usize;
            assert_eq!(buffer[..length], self.message(number), "{:?} {number}", self.mode);
            self.arrived.push(number);
        }
        while let Some(id) = world.command(self.from.0, self.from.1, |session| session.take_expired(self.channel)) {
            let number = self.ends.iter().position(|end| *end == id.end_offset).expect("it was sent");
            assert!(self.plan[number].1.is_some(), "{:?} {number} has no deadline", self.mode);
            assert!(self.expired.insert(number), "{:?} {number} expires twice", self.mode);
        }
    }

    fn is_done(&self, world: &World<Recording>) -> bool {
        self.ends.len() == self.plan.len()
            && world.session(self.from.0, self.from.1).channel_stats(self.channel).unwrap().is_all_acked()
    }

    fn check(&self, world: &World<Recording>) {
        let unique: BTreeSet<usize> = self.arrived.iter().copied().collect();
        assert_eq!(unique.len(), self.arrived.len(), "{:?}: nothing comes twice", self.mode);
        let sender = world.session(self.from.0, self.from.1);
        assert_eq!(sender.channel_stats(self.channel).unwrap().expired_messages, self.expired.len() as u64);
        let known: BTreeSet<usize> = unique.union(&self.expired).copied().collect();
        match self.mode {
            ChannelMode::ReliableOrdered | ChannelMode::ReliableUnordered => {
                assert_eq!(known.len(), self.plan.len(), "{:?}: each is delivered or reported", self.mode);
                if self.mode == ChannelMode::ReliableOrdered {
                    assert!(self.arrived.is_sorted(), "in order");
                }
                // What the receiver passed over was reported at the sender.
                let lengths = self.expired.difference(&unique).map(|number| self.plan[*number].0 as u64 + 5);
                let skipped =
                    world.session(self.to.0, self.to.1).channel_stats(self.channel).unwrap().skipped_positions;
                assert_eq!(skipped, lengths.sum::<u64>(), "{:?}", self.mode);
            }
            ChannelMode::Unreliable => {
                let dropped = world.session(self.to.0, self.to.1).channel_stats(self.channel).unwrap().dropped_messages;
                assert!(
                    known.len() as u64 + sender.channel_stats(self.channel).unwrap().lost_messages + dropped
                        >= self.plan.len() as u64
                );
            }
            _ => {
                assert!(self.arrived.is_sorted(), "never an older value after a newer one");
                assert!(known.contains(&(self.plan.len() - 1)), "the newest arrives or is reported");
            }
        }
    }
}

fn draw_link(random: &mut Generator) -> LinkConfig {
    let percent = |random: &mut Generator, most: u64| Probability::from_percent(random.below(most + 1) as u32);
    LinkConfig {
        loss: percent(random, 30),
        duplication: percent(random, 10),
        reordering: Reordering::new(percent(random, 30), random.below(65) as u8, Duration::from_millis(50)),
        delay: Duration::from_micros(random.below(50_000)),
        jitter: Duration::from_micros(random.below(5_000)),
        ..LinkConfig::default()
    }
}

/// What happened: faults, messages expired and delivered, those of both, and every message by its fate.
fn run_case(seed: u64) -> (Faults, [usize; 3], Vec<Vec<usize>>) {
    let mut random = Generator::new(seed);
    let mut world = World::new(seed);
    let channels = MODES.map(|(id, mode)| ChannelConfig::new(id, mode).with_priority(random.below(8) as u8)).to_vec();
    let window = if random.below(2) == 0 { 32_768 } else { 1 << 20 };
    let mut limits = Limits::default();
    (limits.session_window, limits.channel_window) = (window, window);
    let setup = Setup { channels, limits, ..Setup::default() };
    let ledger = Recording::new();
    let nodes = [world.add(&setup, ledger.clone()), world.add(&setup, ledger.clone())];
    world.set_link(nodes[0], nodes[1], draw_link(&mut random));
    let (here, there) = world.establish(nodes[0], nodes[1]);
    let ends = [(nodes[0], here), (nodes[1], there)];
    let mut traffic = Vec::new();
    for (from, to) in [(ends[0], ends[1]), (ends[1], ends[0])] {
        for (channel, mode) in MODES {
            let mut plan = |_| {
                let most = if random.below(10) == 0 { 7000 } else { 200 };
                let patience = Duration::from_micros(random.below(150_000));
                (random.below(most) as usize, (random.below(2) == 0).then_some(patience))
            };
            let plan = (0..MESSAGES).map(&mut plan).collect();
            let (ends, expired, arrived) = (Vec::new(), BTreeSet::new(), Vec::new());
            traffic.push(Traffic { from, to, channel, mode, plan, ends, expired, arrived });
        }
    }
    for _ in 0..100_000 {
        for flow in &mut traffic {
            flow.send(&mut world);
        }
        world.run_for(Duration::from_millis(1 + random.below(10)));
        for flow in &mut traffic {
            flow.receive(&mut world);
        }
        if traffic.iter().all(|flow| flow.is_done(&world)) {
            break;
        }
    }
    world.run_for(Duration::from_secs(5));
    for flow in &mut traffic {
        flow.receive(&mut world);
        flow.check(&world);
    }
    let both = |flow: &Traffic| flow.arrived.iter().filter(|number| flow.expired.contains(number)).count();
    let counts = [
        traffic.iter().map(|flow| flow.expired.len()).sum(),
        traffic.iter().map(|flow| flow.arrived.len()).sum(),
        traffic.iter().map(both).sum(),
    ];
    (world.faults(), counts, traffic.into_iter().map(|flow| flow.arrived).collect())
}

#[test]
fn every_message_is_delivered_once_or_reported_late() {
    let campaign = Campaign::new(CASES);
    let mut faults = Faults::NONE;
    let mut counts = [0, 0, 0];
    campaign.run("expiry", |seed| {
        let (some, more, _) = run_case(seed);
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
fn the_same_seed_expires_the_same_messages() {
    assert_eq!(run_case(7).1, run_case(7).1);
    assert_eq!(run_case(7).2, run_case(7).2);
}
