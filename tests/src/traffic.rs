//! Messages of every mode, with and without deadlines: each carries its number, and each keeps the promise of its channel.

use std::collections::BTreeSet;
use std::time::Duration;

use session_core::{ChannelId, ChannelMode, Provider, SendError, SendOptions, SessionId};
use session_sim::{Generator, LinkConfig, Probability, Reordering};

use crate::world::World;

/// A channel of each mode.
pub const MODES: [(ChannelId, ChannelMode); 4] = [
    (ChannelId(20), ChannelMode::ReliableOrdered),
    (ChannelId(21), ChannelMode::ReliableUnordered),
    (ChannelId(22), ChannelMode::Unreliable),
    (ChannelId(23), ChannelMode::LatestValue),
];

/// A message to send.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Its bytes, beside its number.
    pub length: usize,
    /// For how long it is worth something.
    pub patience: Option<Duration>,
}

/// One direction of one channel.
#[derive(Debug)]
pub struct Traffic {
    /// Node and session that send.
    pub from: (usize, SessionId),
    /// Node and session that receive.
    pub to: (usize, SessionId),
    /// The channel.
    pub channel: ChannelId,
    /// What it promises.
    pub mode: ChannelMode,
    /// Numbers of the messages that were given up.
    pub expired: BTreeSet<usize>,
    /// Numbers of the messages that arrived, in order of arrival.
    pub arrived: Vec<usize>,
    plan: Vec<Plan>,
    /// End offsets of those that were sent.
    ends: Vec<u64>,
}

impl Traffic {
    /// Both directions of all channels of [`MODES`].
    pub fn both_ways(ends: [(usize, SessionId); 2], mut plan: impl FnMut() -> Vec<Plan>) -> Vec<Self> {
        let mut traffic = Vec::new();
        for (from, to) in [(ends[0], ends[1]), (ends[1], ends[0])] {
            for (channel, mode) in MODES {
                traffic.push(Self {
                    from,
                    to,
                    channel,
                    mode,
                    expired: BTreeSet::new(),
                    arrived: Vec::new(),
                    plan: plan(),
                    ends: Vec::new(),
                });
            }
        }
        traffic
    }

    /// A message's bytes: its number, and bytes that follow from number and channel.
    fn message(&self, number: usize) -> Vec<u8> {
        let fill = (0..self.plan[number].length).map(|at| (at ^ number) as u8 ^ self.channel.0 as u8);
        (number as u32).to_be_bytes().into_iter().chain(fill).collect()
    }

    /// Positions of a message.
    fn positions(&self, number: usize) -> u64 {
        self.plan[number].length as u64 + 5
    }

    /// Sends the next message, if there is room.
    fn send<P: Provider>(&mut self, world: &mut World<P>) {
        let Some(plan) = self.plan.get(self.ends.len()) else { return };
        let message = self.message(self.ends.len());
        let deadline = plan.patience.map(|patience| world.now().saturating_add(patience));
        let options = deadline.map_or(SendOptions::default(), SendOptions::by);
        let (node, id) = self.from;
        match world.command(node, id, |session| session.send_with(&message, self.channel, options)) {
            Ok(id) => self.ends.push(id.end_offset),
            Err(SendError::Blocked) => {}
            Err(error) => panic!("{:?}: {error}", self.mode),
        }
    }

    fn receive<P: Provider>(&mut self, world: &mut World<P>) {
        let mut buffer = vec![0; 20_000];
        let (node, id) = self.to;
        while let Ok(Some(length)) = world.command(node, id, |session| session.recv(&mut buffer, self.channel)) {
            let number = u32::from_be_bytes(*buffer.first_chunk().expect("a number")) as usize;
            assert_eq!(buffer[..length], self.message(number), "{:?} {number}", self.mode);
            self.arrived.push(number);
        }
        let (node, id) = self.from;
        while let Some(id) = world.command(node, id, |session| session.take_expired(self.channel)) {
            let number = self.ends.iter().position(|end| *end == id.end_offset).expect("it was sent");
            assert!(self.plan[number].patience.is_some(), "{:?} {number} has no deadline", self.mode);
            assert!(self.expired.insert(number), "{:?} {number} expires twice", self.mode);
        }
    }

    fn is_done<P: Provider>(&self, world: &World<P>) -> bool {
        self.ends.len() == self.plan.len()
            && world.session(self.from.0, self.from.1).channel_stats(self.channel).unwrap().is_all_acked()
    }

    /// What the mode promises, once everything has settled.
    fn check<P: Provider>(&self, world: &World<P>) {
        let mode = self.mode;
        let sender = world.session(self.from.0, self.from.1).channel_stats(self.channel).unwrap();
        let receiver = world.session(self.to.0, self.to.1).channel_stats(self.channel).unwrap();
        let unique: BTreeSet<usize> = self.arrived.iter().copied().collect();
        assert_eq!(unique.len(), self.arrived.len(), "{mode:?}: nothing comes twice");
        assert_eq!(sender.expired_messages, self.expired.len() as u64, "{mode:?}");
        let known: BTreeSet<usize> = unique.union(&self.expired).copied().collect();
        if mode == ChannelMode::Unreliable {
            let accounted = known.len() as u64 + sender.lost_messages + receiver.dropped_messages;
            assert!(accounted >= self.plan.len() as u64, "{} known, {sender:?}, {receiver:?}", known.len());
            return;
        }
        assert_eq!(sender.lost_messages, 0, "{mode:?}");
        if mode != ChannelMode::ReliableUnordered {
            assert!(self.arrived.is_sorted(), "{mode:?}: in order, never an older one after a newer one");
        }
        if mode == ChannelMode::LatestValue {
            assert!(known.contains(&(self.plan.len() - 1)), "the newest arrives or is reported");
            return;
        }
        assert_eq!(known.len(), self.plan.len(), "{mode:?}: each is delivered or reported");
        // What the receiver passed over was reported at the sender.
        let skipped: u64 = self.expired.difference(&unique).map(|number| self.positions(*number)).sum();
        assert_eq!(receiver.skipped_positions, skipped, "{mode:?}");
        let all: u64 = (0..self.plan.len()).map(|number| self.positions(number)).sum();
        assert_eq!((sender.queued, receiver.read), (all, all), "{mode:?}: no position is lost from the account");
    }
}

/// Sends and receives until all is sent and acknowledged, and checks what came of it.
///
/// # Panics
/// If anything is not as promised, or does not come to an end.
pub fn run<P: Provider>(world: &mut World<P>, random: &mut Generator, traffic: &mut [Traffic]) {
    let mut rounds = 0;
    while traffic.iter().any(|flow| !flow.is_done(world)) {
        assert!(rounds < 100_000, "it does not come to an end: {traffic:?}");
        rounds += 1;
        for flow in &mut *traffic {
            flow.send(world);
        }
        world.run_for(Duration::from_millis(1 + random.below(10)));
        for flow in &mut *traffic {
            flow.receive(world);
        }
    }
    // What was given up counts as acknowledged; the peer hears of it as what it reads gives credit.
    for _ in 0..10 {
        world.run_for(Duration::from_secs(1));
        for flow in &mut *traffic {
            flow.receive(world);
        }
    }
    traffic.iter().for_each(|flow| flow.check(world));
}

/// A bad network: loss and reordering up to 30 %, duplication up to 10 %.
pub fn draw_link(random: &mut Generator) -> LinkConfig {
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
