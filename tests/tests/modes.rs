//! Every channel mode keeps its promise over bad networks, in both directions at once, whatever the handshake was; and no nonce serves twice.

use std::collections::BTreeSet;
use std::time::Duration;

use session_core::{ChannelConfig, ChannelId, ChannelMode, Event, Instant, Limits, SendError, SessionId};
use session_sim::{Faults, Generator, LinkConfig, Probability, Reordering};
use session_tests::{Campaign, Contact, Recording, Setup, World};

const CASES: u64 = 24;
/// Messages on each channel, each way.
const MESSAGES: usize = 300;
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
    lengths: Vec<usize>,
    sent: usize,
    /// Numbers of the messages that arrived, in order of arrival.
    arrived: Vec<usize>,
}

impl Traffic {
    /// A message's bytes: its number, and bytes that follow from number and channel.
    fn message(&self, number: usize) -> Vec<u8> {
        let fill = (0..self.lengths[number]).map(|at| (at ^ number) as u8 ^ self.channel.0 as u8);
        (number as u32).to_be_bytes().into_iter().chain(fill).collect()
    }

    /// Sends the next message, if there is room.
    fn send(&mut self, world: &mut World<Recording>) {
        if self.sent == self.lengths.len() {
            return;
        }
        let message = self.message(self.sent);
        match world.command(self.from.0, self.from.1, |session| session.send(&message, self.channel)) {
            Ok(_) => self.sent += 1,
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
    }

    fn is_done(&self, world: &World<Recording>) -> bool {
        self.sent == self.lengths.len()
            && world.session(self.from.0, self.from.1).channel_stats(self.channel).unwrap().is_all_acked()
    }

    /// What the mode promises, once everything has settled.
    fn check(&self, world: &World<Recording>) {
        let all: Vec<usize> = (0..self.lengths.len()).collect();
        let unique: BTreeSet<usize> = self.arrived.iter().copied().collect();
        assert_eq!(unique.len(), self.arrived.len(), "{:?}: nothing comes twice", self.mode);
        let lost = world.session(self.from.0, self.from.1).channel_stats(self.channel).unwrap().lost_messages;
        let dropped = world.session(self.to.0, self.to.1).channel_stats(self.channel).unwrap().dropped_messages;
        match self.mode {
            ChannelMode::ReliableOrdered => assert_eq!(self.arrived, all),
            ChannelMode::ReliableUnordered => assert_eq!(unique.into_iter().collect::<Vec<_>>(), all),
            ChannelMode::Unreliable => {
                let accounted = self.arrived.len() as u64 + lost + dropped;
                assert!(
                    accounted >= all.len() as u64,
                    "{} arrived, {lost} lost, {dropped} dropped",
                    self.arrived.len()
                );
            }
            ChannelMode::LatestValue => {
                assert!(self.arrived.is_sorted(), "never an older value after a newer one");
                assert_eq!(self.arrived.last(), all.last(), "the newest value arrives");
            }
            other => panic!("{other:?} is not tested"),
        }
        if self.mode.eq(&ChannelMode::Unreliable) {
            assert!(!self.arrived.is_empty());
        } else {
            assert_eq!(lost, 0);
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

fn run_case(seed: u64) -> (Faults, [usize; 2]) {
    let mut random = Generator::new(seed);
    let mut world = World::new(seed);
    let channels = MODES.map(|(id, mode)| ChannelConfig::new(id, mode).with_priority(random.below(8) as u8)).to_vec();
    // Four seeds in a row have the handshakes of all patterns.
    let contact = Contact::ALL[(seed % 4) as usize];
    let psk = contact.with_psk().then_some([7; 32]);
    let setup = Setup { channels, limits: Limits::default(), psk, ..Setup::default() };
    let ledger = Recording::new();
    let nodes = [world.add(&setup, ledger.clone()), world.add(&setup, ledger.clone())];
    world.set_link(nodes[0], nodes[1], draw_link(&mut random));
    if contact.is_first() {
        world.set_pairing(nodes[1], Some(Instant::MAX));
    }
    let (here, there) = world.establish_by(contact, nodes[0], nodes[1]);
    assert_eq!(world.session(nodes[1], there).is_first_contact(), contact.is_first());
    let ends = [(nodes[0], here), (nodes[1], there)];
    let mut traffic = Vec::new();
    for (from, to) in [(ends[0], ends[1]), (ends[1], ends[0])] {
        for (channel, mode) in MODES {
            let lengths = (0..MESSAGES)
                .map(|_| {
                    let most = if random.below(10) == 0 { 9000 } else { 200 };
                    random.below(most) as usize
                })
                .collect();
            traffic.push(Traffic { from, to, channel, mode, lengths, sent: 0, arrived: Vec::new() });
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
    let lost_was_told =
        ends.iter().any(|(node, id)| world.take_events(*node).contains(&Event::Lost(*id, ChannelId(22))));
    let lost: u64 = ends
        .iter()
        .map(|(node, id)| world.session(*node, *id).channel_stats(ChannelId(22)).unwrap().lost_messages)
        .sum();
    assert_eq!(lost_was_told, lost > 0, "loss is told exactly where there was some");
    assert!(ledger.arrived() <= ledger.sealed() && ledger.arrived() > 100);
    let arrived = |mode| traffic.iter().filter(|flow| flow.mode == mode).map(|flow| flow.arrived.len()).sum();
    (world.faults(), [arrived(ChannelMode::Unreliable), arrived(ChannelMode::LatestValue)])
}

#[test]
fn every_mode_keeps_its_promise() {
    let campaign = Campaign::new(CASES);
    let mut faults = Faults::NONE;
    let mut arrived = [0, 0];
    campaign.run("modes", |seed| {
        let (some, [unreliable, latest]) = run_case(seed);
        faults += some;
        arrived = [arrived[0] + unreliable, arrived[1] + latest];
    });
    println!("{faults:?}, arrived: {arrived:?} unreliable and latest-value messages");
    if campaign.is_whole() {
        let all = CASES as usize * 2 * MESSAGES;
        assert!(faults.lost > 0 && faults.duplicated > 0 && faults.reordered > 0, "{faults:?}");
        assert!((all / 2..all).contains(&arrived[0]), "{arrived:?} of {all}: some are lost, most are not");
        assert!(arrived[1] < all, "values are overtaken");
    }
}
