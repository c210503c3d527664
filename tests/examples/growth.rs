//! What `.ci/growth.py` counts: one call, with so many of something in the way as the arguments say, and with twice as many.
//!
//! The arguments are a case and a number. What stands in the way is made by the other end, as a peer that wants it slow would; then [`counted`] runs once.
//! The provider computes nothing, so the cipher is not in the count.

use std::hint::black_box;
use std::time::Duration;

use session_core::{Action, Arrival, ChannelMode, ChannelOptions, Endpoint, Instant, Limits, SendOptions, SessionMut};
use session_tests::pair::{CHANNEL, DATAGRAM, link, reversed};
use session_tests::{Null, Pair};

/// Time between two packets: enough for the pacer.
const PACE_MICROS: u64 = 1_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let case = arguments.next().expect("a case");
    let count: usize = arguments.next().and_then(|count| count.parse().ok()).expect("how many");
    let mut world = World::new();
    match case.as_str() {
        "ranges" => ranges(&mut world, count),
        "outstanding" => outstanding(&mut world, count),
        "holes" => holes(&mut world, count),
        "channels" => channels(&mut world, count),
        "deadlines" => deadlines(&mut world, count),
        case => panic!("{case} is no case"),
    }
}

/// The only function that is counted.
#[inline(never)]
fn counted<T>(call: impl FnOnce() -> T) -> T {
    black_box(call())
}

/// An acknowledgement of so many ranges.
fn ranges(world: &mut World, count: usize) {
    let packets = world.small_packets(2 * count);
    for packet in packets.iter().skip(1).step_by(2) {
        world.give_server(packet);
    }
    let answers = world.take_from_server();
    let (last, before) = answers.split_last().expect("an acknowledgement");
    for answer in before {
        world.give_client(answer);
    }
    let (client, at, mut last) = (&mut world.pair.client, world.at, last.clone());
    let _ = counted(|| client.handle_datagram(&mut last, Arrival::new(link()), at));
}

/// An acknowledgement of the latest of so many packets.
fn outstanding(world: &mut World, count: usize) {
    let packets = world.small_packets(count);
    world.give_server(packets.last().expect("a packet"));
    let mut answer = world.take_from_server().pop().expect("an acknowledgement");
    let (client, at) = (&mut world.pair.client, world.at);
    let _ = counted(|| client.handle_datagram(&mut answer, Arrival::new(link()), at));
}

/// A message behind so many holes, and what is said to it.
fn holes(world: &mut World, count: usize) {
    let packets = world.small_packets(2 * count + 2);
    let (last, before) = packets.split_last().expect("a packet");
    for packet in before.iter().skip(1).step_by(2) {
        world.give_server(packet);
    }
    let _ = world.take_from_server();
    let (server, at, mut last) = (&mut world.pair.server, world.at, last.clone());
    counted(|| arrive(server, &mut last, at));
}

/// A message on the last of so many dynamic channels, and what is said to it.
fn channels(world: &mut World, count: usize) {
    let mut last = CHANNEL;
    for _ in 0..count {
        let mut client = world.client();
        last = client.open_channel(ChannelMode::ReliableOrdered, ChannelOptions::new()).expect("there is room");
        client.send(b"1", last).expect("there is credit");
        world.settle();
    }
    world.client().send(b"2", last).expect("there is credit");
    let mut packet = world.take_from_client().pop().expect("a packet");
    let (server, at) = (&mut world.pair.server, world.at);
    counted(|| arrive(server, &mut packet, at));
}

/// An acknowledgement of the first of so many messages with a deadline.
fn deadlines(world: &mut World, count: usize) {
    let hour = Duration::from_secs(3_600);
    let mut packets = Vec::new();
    while packets.len() < count {
        // The latest first, so that every one is a new earliest.
        let deadline = world.at.saturating_add(hour - Duration::from_secs(packets.len() as u64));
        world.client().send_with(b"1", CHANNEL, SendOptions::by(deadline)).expect("there is credit");
        packets.extend(world.take_from_client());
    }
    world.give_server(&packets[0]);
    world.give_server(&packets[1]);
    let mut answer = world.take_from_server().pop().expect("an acknowledgement");
    let (client, at) = (&mut world.pair.client, world.at);
    let _ = counted(|| client.handle_datagram(&mut answer, Arrival::new(link()), at));
}

/// A datagram comes, and everything that it causes is fetched.
fn arrive(endpoint: &mut Endpoint<Null>, datagram: &mut [u8], at: Instant) {
    let mut out = [0; DATAGRAM];
    let _ = endpoint.handle_datagram(datagram, Arrival::new(reversed(link())), at);
    while !matches!(endpoint.poll_action(&mut out, at), Action::Wait(_)) {}
}

/// A session, and what passes between its ends in the hands of the case.
struct World {
    pair: Pair,
    at: Instant,
}

impl World {
    fn new() -> Self {
        let mut limits = Limits::default();
        limits.sessions = 1;
        limits.pending = 1;
        // Both ends are alike, and no more than 1024 channels are possible in all.
        limits.opened_channels = 512;
        let mut pair = Pair::new(&limits, |config| config.channel_limits.reliable_ordered = 512);
        let at = Instant::from_micros(1);
        pair.connect(1, at);
        Self { pair, at }
    }

    fn client(&mut self) -> SessionMut<'_, Null> {
        self.pair.client.session_mut(self.pair.connected[0], self.at).expect("the session is up")
    }

    fn settle(&mut self) {
        self.at = Instant::from_micros(self.at.as_micros() + PACE_MICROS);
        self.pair.settle(self.at);
    }

    /// Packets of one byte each, none delivered.
    fn small_packets(&mut self, count: usize) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        while packets.len() < count {
            self.client().send(b"1", CHANNEL).expect("there is credit");
            packets.extend(self.take_from_client());
        }
        packets
    }

    fn take_from_client(&mut self) -> Vec<Vec<u8>> {
        self.at = Instant::from_micros(self.at.as_micros() + PACE_MICROS);
        drain(&mut self.pair.client, self.at)
    }

    fn take_from_server(&mut self) -> Vec<Vec<u8>> {
        drain(&mut self.pair.server, self.at)
    }

    fn give_server(&mut self, datagram: &[u8]) {
        let _ = self.pair.server.handle_datagram(&mut datagram.to_vec(), Arrival::new(reversed(link())), self.at);
    }

    fn give_client(&mut self, datagram: &[u8]) {
        let _ = self.pair.client.handle_datagram(&mut datagram.to_vec(), Arrival::new(link()), self.at);
    }
}

fn drain(endpoint: &mut Endpoint<Null>, at: Instant) -> Vec<Vec<u8>> {
    let mut out = vec![0; DATAGRAM];
    let mut datagrams = Vec::new();
    loop {
        match endpoint.poll_action(&mut out, at) {
            Action::Transmit(transmit) => datagrams.push(out[..transmit.len].to_vec()),
            Action::Event(_) => {}
            _ => return datagrams,
        }
    }
}
