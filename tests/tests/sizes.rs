//! Messages of nothing, and the largest there are, of every mode over a link that loses: what comes out has the hash of what went in.
//!
//! `SESSION_LARGE_MIB` is the size of the large ones; `just large` makes them 64 MiB.

use std::env;
use std::time::Duration;

use session_core::{
    ChannelConfig, ChannelId, ChannelMode, Event, Limits, RustCrypto, SendError, SessionId, SessionMut,
};
use session_sim::{Generator, LinkConfig, Probability, Reordering};
use session_tests::{Setup, World};
use sha2::{Digest, Sha256};

const CHANNEL: ChannelId = ChannelId(16);
/// Data bytes of a block of 1 KiB.
const PER_BLOCK: usize = 736;
/// Virtual time within which a message has to cross.
const TIME: Duration = Duration::from_secs(3600);

type Hash = [u8; 32];

/// Bytes of a large message.
fn large() -> usize {
    let mebibytes = env::var("SESSION_LARGE_MIB").ok().map_or(4, |text| text.parse().expect("a number of MiB"));
    mebibytes << 20
}

/// The bytes of a message, in any pieces; those of different seeds differ.
struct Source {
    random: Generator,
    left: usize,
    hash: Sha256,
}

impl Source {
    fn new(seed: u64, length: usize) -> Self {
        Self { random: Generator::new(seed), left: length, hash: Sha256::new() }
    }

    fn whole(seed: u64, length: usize) -> Vec<u8> {
        Self::new(seed, length).next(length)
    }

    fn next(&mut self, most: usize) -> Vec<u8> {
        let length = most.min(self.left);
        self.left -= length;
        let bytes: Vec<u8> = (0..length).map(|_| self.random.below(256) as u8).collect();
        self.hash.update(&bytes);
        bytes
    }
}

fn hash_of(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

fn lossy() -> LinkConfig {
    LinkConfig {
        loss: Probability::from_ppm(5000),
        duplication: Probability::from_percent(1),
        reordering: Reordering::mild(),
        delay: Duration::from_millis(2),
        ..LinkConfig::default()
    }
}

/// A session whose channel has `mode`, over a link that loses.
fn opened(mode: ChannelMode, limits: Limits) -> (World<RustCrypto>, [(usize, SessionId); 2]) {
    let setup = Setup { channels: vec![ChannelConfig::new(CHANNEL, mode)], limits, ..Setup::default() };
    let mut world = World::new(64);
    let (alice, bob) = (world.add(&setup, RustCrypto), world.add(&setup, RustCrypto));
    let (at_alice, at_bob) = world.establish(alice, bob);
    world.set_link(alice, bob, lossy());
    (world, [(alice, at_alice), (bob, at_bob)])
}

/// The writing and the reading end of a stream of messages.
struct Stream<W: Iterator<Item = Source>> {
    from: (usize, SessionId),
    to: (usize, SessionId),
    waiting: W,
    open: Option<Source>,
    /// What was drawn from `open` and not taken by the core yet.
    rest: Vec<u8>,
    sent: Vec<Hash>,
    reading: Sha256,
    received: Vec<Hash>,
}

impl<W: Iterator<Item = Source>> Stream<W> {
    /// Writes as much as the core takes.
    fn push(&mut self, world: &mut World<RustCrypto>) {
        loop {
            let (node, id) = self.from;
            match world.command(node, id, |session| self.step(session)) {
                Ok(true) => {}
                Ok(false) | Err(SendError::Blocked) => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Begins a message, writes a piece of it or finishes it; `false` if there is nothing left.
    fn step(&mut self, session: &mut SessionMut<'_, RustCrypto>) -> Result<bool, SendError> {
        let Some(source) = self.open.as_mut() else {
            self.open = self.waiting.next();
            if self.open.is_some() {
                session.begin(CHANNEL)?;
            }
            return Ok(self.open.is_some());
        };
        if self.rest.is_empty() {
            self.rest = source.next(50_000);
        }
        if self.rest.is_empty() {
            session.finish(CHANNEL)?;
            self.sent.extend(self.open.take().map(|source| Hash::from(source.hash.finalize())));
            return Ok(true);
        }
        let written = session.write(&self.rest, CHANNEL)?;
        self.rest.drain(..written);
        Ok(true)
    }

    /// Reads all there is.
    fn pull(&mut self, world: &mut World<RustCrypto>) {
        let mut buffer = vec![0; 40_000];
        let (node, id) = self.to;
        while let Some(chunk) = world.command(node, id, |session| session.read(&mut buffer, CHANNEL)).expect("it lives")
        {
            self.reading.update(&buffer[..chunk.length]);
            if chunk.end {
                self.received.push(self.reading.finalize_reset().into());
            }
        }
    }
}

/// Streams messages from one end, written and read in pieces as events ask for it; returns the hashes of what was written and of what was read.
fn stream(world: &mut World<RustCrypto>, [from, to]: [(usize, SessionId); 2], lengths: &[usize]) -> [Vec<Hash>; 2] {
    let waiting = lengths.iter().zip(1..).map(|(length, seed)| Source::new(seed, *length));
    let (sent, received) = (Vec::new(), Vec::new());
    let mut stream = Stream { from, to, waiting, open: None, rest: Vec::new(), sent, reading: Sha256::new(), received };
    stream.push(world);
    let limit = world.now().saturating_add(TIME);
    let done = world.run_until(limit, |world| {
        while let Some(event) = world.next_event(from.0) {
            match event {
                Event::Writable(..) => stream.push(world),
                Event::Closed(id) => panic!("{:?}", world.reason(from.0, id)),
                _ => {}
            }
        }
        while let Some(event) = world.next_event(to.0) {
            match event {
                Event::Readable(..) => stream.pull(world),
                Event::Closed(id) => panic!("{:?}", world.reason(to.0, id)),
                _ => {}
            }
        }
        stream.received.len() == lengths.len()
    });
    assert!(done, "{} of {} messages have come", stream.received.len(), lengths.len());
    [stream.sent, stream.received]
}

#[test]
fn streamed_messages_of_nothing_and_of_the_largest_size_arrive() {
    let (mut world, ends) = opened(ChannelMode::ReliableOrdered, Limits::default());
    let lengths = [0, large(), 0, 1, large() / 3, 0];
    let [sent, received] = stream(&mut world, ends, &lengths);
    assert_eq!(sent, received);
    assert_eq!(sent[0], hash_of(b""));
    assert_ne!(sent[1], sent[4]);
    assert!(world.faults().lost > 0 && world.faults().duplicated > 0, "{}", world.faults());
    // The other way too, the stream's reader being the writer now.
    let [sent, received] = stream(&mut world, [ends[1], ends[0]], &[0, large() / 8]);
    assert_eq!(sent, received);
}

/// The next whole message at one end, within a time.
fn receive(world: &mut World<RustCrypto>, to: (usize, SessionId), time: Duration) -> Option<Vec<u8>> {
    let limit = world.now().saturating_add(time);
    let mut length = None;
    world.run_until(limit, |world| {
        length = world.session(to.0, to.1).message_length(CHANNEL);
        length.is_some()
    });
    let mut message = vec![0; length? as usize];
    let received = world.command(to.0, to.1, |session| session.recv(&mut message, CHANNEL));
    assert_eq!(received, Ok(Some(message.len())));
    Some(message)
}

#[test]
fn whole_messages_of_nothing_and_of_the_largest_size_arrive_on_reliable_channels() {
    for mode in [ChannelMode::ReliableOrdered, ChannelMode::ReliableUnordered] {
        let blocks = (large() / PER_BLOCK + 2) as u32;
        let window = (large() + 1) as u64;
        let mut limits = Limits::default();
        limits.sessions = 2;
        limits.send_blocks = blocks;
        limits.session_window = window;
        limits.channel_window = window;
        limits.pool_blocks = 3 * blocks + 1000;
        let (mut world, [from, to]) = opened(mode, limits);
        for length in [0, large(), 0, 1] {
            let message = Source::whole(length as u64, length);
            let sent = world.command(from.0, from.1, |session| session.send(&message, CHANNEL));
            assert!(sent.is_ok(), "{mode:?}, {length}: {sent:?}");
            let received =
                receive(&mut world, to, TIME).unwrap_or_else(|| panic!("{mode:?}: {length} bytes do not come"));
            assert_eq!((received.len(), hash_of(&received)), (length, hash_of(&message)), "{mode:?}");
            // Until all is acknowledged, so that there is room for the next.
            world.run_for(Duration::from_secs(5));
        }
        // One byte more than the peer's window and a terminator.
        let message = vec![1; large() + 1];
        let sent = world.command(from.0, from.1, |session| session.send(&message, CHANNEL));
        assert_eq!(sent, Err(SendError::TooLarge), "{mode:?}");
        assert_eq!(receive(&mut world, to, Duration::from_secs(5)), None);
    }
}

/// A mailbox of 24 blocks: some fifteen datagrams, so that some of these messages come through whole.
//= docs/protocol.md P-9.1-6
#[test]
fn the_largest_message_that_a_mailbox_takes_arrives_and_a_larger_one_is_refused() {
    const BLOCKS: u32 = 24;
    let largest = BLOCKS as usize * PER_BLOCK;
    for mode in [ChannelMode::Unreliable, ChannelMode::LatestValue] {
        let mut limits = Limits::default();
        limits.mailbox_blocks = BLOCKS;
        limits.send_blocks = BLOCKS + 8;
        let (mut world, [from, to]) = opened(mode, limits);
        let mut arrived = [0; 2];
        for (round, length) in [0, largest].into_iter().cycle().take(40).enumerate() {
            let message = Source::whole(round as u64, length);
            world.command(from.0, from.1, |session| session.send(&message, CHANNEL)).expect("there is room");
            match receive(&mut world, to, Duration::from_secs(10)) {
                Some(received) => {
                    assert_eq!((received.len(), hash_of(&received)), (length, hash_of(&message)), "{mode:?} {round}");
                    arrived[round % 2] += 1;
                }
                None => assert_eq!(mode, ChannelMode::Unreliable, "the newest value always comes"),
            }
            world.run_for(Duration::from_secs(1));
        }
        let lost = world.session(from.0, from.1).channel_stats(CHANNEL).expect("a channel").lost_messages as usize;
        // Who is late counts as lost and arrives all the same.
        assert!((40..44).contains(&(arrived[0] + arrived[1] + lost)), "{mode:?}: {arrived:?}, {lost} lost");
        assert!(world.faults().lost > 0 && arrived.iter().all(|arrived| *arrived > 10), "{mode:?}: {arrived:?}");

        // A byte more would find no room at the peer, and is refused here, as is what our own blocks do not hold.
        for length in [largest + 1, (BLOCKS as usize + 7) * PER_BLOCK] {
            let sent = world.command(from.0, from.1, |session| session.send(&vec![1; length], CHANNEL));
            assert_eq!(sent, Err(SendError::TooLarge), "{mode:?}: {length}");
        }
        // And the channel goes on.
        world.run_for(Duration::from_secs(5));
        let message = Source::whole(99, 500);
        for _ in 0..10 {
            world.command(from.0, from.1, |session| session.send(&message, CHANNEL)).expect("there is room");
        }
        assert_eq!(receive(&mut world, to, Duration::from_secs(5)), Some(message), "{mode:?}");
    }
}
