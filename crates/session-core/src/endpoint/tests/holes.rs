//! A peer that leaves every other byte of its window out, on all its channels at once.

use super::pair::Pair;
use super::*;
use crate::channel::positions_per_block;
use crate::channel_config::{ChannelConfig, ChannelMode};
use crate::session::data_blocks;
use crate::wire::{DataFrame, Frame, MessageFrame, Writer};

/// Positions of one channel's window.
const WINDOW: u64 = 1500;
/// Frames in one packet; 64 with data are allowed.
const FRAMES: usize = 60;
/// The channels of the peer that leaves holes, and their modes.
const MODES: [ChannelMode; 15] = {
    use ChannelMode::{LatestValue, ReliableOrdered, ReliableUnordered, Unreliable};
    let [o, u] = [ReliableOrdered, ReliableUnordered];
    [o, u, o, u, o, u, o, u, o, u, o, u, o, Unreliable, LatestValue]
};

fn channels() -> Vec<ChannelConfig> {
    MODES.iter().zip(16..).map(|(mode, id)| ChannelConfig::new(ChannelId(id), *mode)).collect()
}

fn in_data() -> u64 {
    MODES.iter().filter(|mode| !mode.stands_alone()).count() as u64
}

/// Two windows, and no block more: what the second session needs is promised to it as well.
fn limits() -> Limits {
    let limits = Limits {
        session_window: in_data() * WINDOW,
        channel_window: WINDOW,
        mailbox_blocks: (WINDOW - 1).div_ceil(positions_per_block(256)) as u32,
        ..small_limits()
    };
    // The other half serves what is sent, the mailboxes of both sessions, handshakes and control channels.
    Limits { pool_blocks: 2 * window_blocks(&limits) + 100, ..limits }
}

/// Blocks that are promised to one session.
fn window_blocks(limits: &Limits) -> u32 {
    let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new([1; 32])), "test");
    config.channels = channels();
    data_blocks(limits, &config)
}

/// Byte `at` of the one message of `channel`.
fn byte(channel: u64, at: u64) -> u8 {
    (at.wrapping_mul(31) ^ (at >> 8) ^ channel) as u8
}

/// The bytes and terminators of all messages that lie at places of one parity, each in a frame of its own, in packets.
fn packets_of_parity(pair: &mut Pair, parity: u64, backwards: bool) -> Vec<Vec<u8>> {
    let mut places: Vec<(u64, ChannelMode, u64)> = Vec::new();
    for at in (0..WINDOW).filter(|at| at % 2 == parity) {
        places.extend(MODES.iter().zip(16..).map(|(mode, channel)| (channel, *mode, at)));
    }
    if backwards {
        places.reverse();
    }
    let mut packets = Vec::new();
    for places in places.chunks(FRAMES) {
        let mut plaintext = [0; 1500];
        let mut writer = Writer::new(&mut plaintext);
        for (channel, mode, at) in places {
            let data = [byte(*channel, *at)];
            let is_terminator = *at == WINDOW - 1;
            let frame = if mode.stands_alone() {
                if is_terminator {
                    continue;
                }
                let last = *at == WINDOW - 2;
                Frame::Message(MessageFrame { channel: *channel, number: 0, offset: *at, last, data: &data })
            } else {
                let data = if is_terminator { &[][..] } else { &data };
                Frame::Data(DataFrame { channel: *channel, offset: *at, begin: *at == 0, end: is_terminator, data })
            };
            frame.encode(&mut writer).unwrap();
        }
        let length = writer.position();
        packets.push(pair.seal(0, &plaintext[..length]));
    }
    packets
}

fn pool_in_use(pair: &Pair) -> u32 {
    let pool = &pair.ends[1].shared.memory.pool;
    pool.capacity() - pool.free()
}

/// Carries what Bob and the other end say to each other for a second; what is for Alice is lost.
fn settle_with(pair: &mut Pair, other: &mut Endpoint) -> Vec<Event> {
    let end = pair.now.saturating_add(Duration::from_secs(1));
    let mut events = Vec::new();
    let mut out = vec![0; 2000];
    loop {
        let mut quiet = true;
        for from_bob in [true, false] {
            let (from, to) = if from_bob { (&mut pair.ends[1], &mut *other) } else { (&mut *other, &mut pair.ends[1]) };
            loop {
                match from.poll_action(&mut out, pair.now) {
                    Action::Transmit(transmit) if transmit.link.remote == address(1) => {}
                    Action::Transmit(Transmit { len, link, .. }) => {
                        let back = Link { local: link.remote, remote: link.local, ..link };
                        let arrival = Arrival { link: back, ecn: None };
                        assert_eq!(to.handle_datagram(&mut out[..len], arrival, pair.now), Received::Consumed);
                    }
                    Action::Event(event) if from_bob => events.push(event),
                    Action::Event(_) => {}
                    Action::Wait(_) => break,
                    Action::NeedsRoom(bytes) => panic!("{bytes} bytes"),
                }
                quiet = false;
            }
        }
        if quiet {
            let deadlines = [pair.ends[1].next_deadline(), other.next_deadline()].into_iter().flatten();
            let next = deadlines.map(|deadline| deadline.at).min().unwrap_or(Instant::MAX).max(pair.now);
            if next > end {
                pair.now = end;
                return events;
            }
            pair.now = next;
            pair.ends[1].handle_timeout(next);
            other.handle_timeout(next);
        }
    }
}

/// Messages of another session, there and back.
fn exchange_with_another(pair: &mut Pair, other: &mut Endpoint, at_other: SessionId, at_bob: SessionId, round: u8) {
    let message = vec![round; 1499];
    let mut out = vec![0; 1500];
    for channel in [ChannelId(16), ChannelId(17), ChannelId(29), ChannelId(30)] {
        other.session_mut(at_other, pair.now).unwrap().send(&message, channel).unwrap();
    }
    let events = settle_with(pair, other);
    assert!(!events.contains(&Event::Closed(at_bob)), "{events:?}");
    for channel in [ChannelId(16), ChannelId(17), ChannelId(30)] {
        let mut session = pair.ends[1].session_mut(at_bob, pair.now).unwrap();
        assert_eq!(session.recv(&mut out, channel), Ok(Some(1499)), "{channel:?}");
        assert_eq!(out[..1499], message);
        session.send(&message[..700], channel).unwrap();
    }
    let mut session = pair.ends[1].session_mut(at_bob, pair.now).unwrap();
    let _ = session.recv(&mut out, ChannelId(29));
    settle_with(pair, other);
    for channel in [ChannelId(16), ChannelId(17), ChannelId(30)] {
        let mut session = other.session_mut(at_other, pair.now).unwrap();
        assert_eq!(session.recv(&mut out, channel), Ok(Some(700)), "{channel:?}");
    }
}

//= docs/protocol.md P-9-7 P-9-9
#[test]
fn d17_one_byte_holes_over_the_window_of_every_channel_starve_nobody_and_lose_nothing() {
    for (first, backwards) in [(0, false), (1, false), (0, true), (1, true)] {
        let mut pair = Pair::established_with(&limits(), &channels());
        let mut other = endpoint_with(3, limits(), &channels());
        let peer = Peer::Known { key: pair.ends[1].public_key(), psk: None };
        let at_other = other.connect(peer, link(3, 2), ConnectOptions::default(), pair.now).unwrap();
        let events = settle_with(&mut pair, &mut other);
        let [Event::Incoming(at_bob)] = events[..] else { panic!("{events:?}") };
        pair.ends[1].session_mut(at_bob, pair.now).unwrap().accept(b"").unwrap();
        settle_with(&mut pair, &mut other);
        exchange_with_another(&mut pair, &mut other, at_other, at_bob, 1);

        let idle = pool_in_use(&pair);
        for packet in packets_of_parity(&mut pair, first, backwards) {
            pair.deliver(1, &[packet]);
            // Acknowledgements; nobody reads them.
            pair.take(1);
            pair.pass(Duration::from_millis(1));
        }
        // Just the window: the blocks promised for its positions, two more for each channel, and the two mailboxes.
        let promise = window_blocks(&limits()) + 2 * limits().mailbox_blocks;
        let held = pool_in_use(&pair) - idle;
        assert!(held <= promise, "{held} blocks, {promise} were promised");
        assert!(held >= promise / 2, "{held} of {promise}: the window is not full of holes");
        let mut out = vec![0; 2000];
        for (_, id) in MODES.iter().zip(16..) {
            assert_eq!(pair.session(1).recv(&mut out, ChannelId(id)), Ok(None), "every message has holes");
        }
        for round in 2..5 {
            exchange_with_another(&mut pair, &mut other, at_other, at_bob, round);
        }

        for packet in packets_of_parity(&mut pair, 1 - first, !backwards) {
            pair.deliver(1, &[packet]);
            pair.take(1);
            pair.pass(Duration::from_millis(1));
        }
        assert_eq!(pair.close_code(1), None);
        for id in 16..31 {
            let length = pair.session(1).recv(&mut out, ChannelId(id)).unwrap();
            assert_eq!(length, Some(WINDOW as usize - 1), "channel {id}");
            assert!(out[..WINDOW as usize - 1].iter().zip(0..).all(|(is, at)| *is == byte(id, at)), "channel {id}");
        }
        assert!(pool_in_use(&pair) <= idle + 4, "{} blocks are kept, {idle} before", pool_in_use(&pair));
        exchange_with_another(&mut pair, &mut other, at_other, at_bob, 5);
    }
}
