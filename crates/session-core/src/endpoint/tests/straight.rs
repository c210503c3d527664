//! The straight ways against the general ones: the same happens to two pairs, for one of which the switch is closed, and nothing tells them
//! apart.

use std::vec;

use super::any_order::Random;
use super::pair::Pair;
use super::*;
use crate::action::Ecn;
use crate::channel::Chunk;
use crate::channel_config::{ChannelConfig, ChannelLimits, ChannelMode};
use crate::reason::{RecvError, SendError};
use crate::session::straight::{self, Way};

/// Of which the first pair may go straight.
struct Twins {
    pairs: [Pair; 2],
    /// Packets on their way to each end, the same in both.
    on_the_way: [Vec<Vec<u8>>; 2],
}

impl Twins {
    /// `sets_up` brings a pair about, the same each time.
    fn new(sets_up: impl Fn() -> Pair) -> Self {
        Self { pairs: [sets_up(), straight::closed(sets_up)], on_the_way: [Vec::new(), Vec::new()] }
    }

    /// Does the same to both; what comes of it is the same.
    fn both<T: PartialEq + core::fmt::Debug>(&mut self, operation: impl Fn(&mut Pair) -> T) -> T {
        let [open, closed] = &mut self.pairs;
        let result = operation(open);
        assert_eq!(straight::closed(|| operation(closed)), result);
        for side in [0, 1] {
            assert_eq!(open.ends[side].digest(), closed.ends[side].digest(), "end {side}");
            assert_eq!(open.ends[side].next_deadline(), closed.ends[side].next_deadline());
        }
        result
    }

    fn take(&mut self, side: usize) {
        let packets = self.both(|pair| pair.take(side));
        self.on_the_way[1 - side].extend(packets);
    }

    /// Some packet on its way to an end comes, mostly the one that left first; or it is lost.
    fn carry(&mut self, to: usize, random: &mut Random) {
        let waiting = self.on_the_way[to].len();
        if waiting == 0 {
            return;
        }
        let which = if random.below(8) == 0 { random.below(waiting) } else { 0 };
        let packet = self.on_the_way[to].remove(which);
        if random.below(16) == 0 {
            self.both(|pair| pair.marks.insert(packet.clone(), Ecn::Ce));
        }
        if random.below(16) > 0 {
            let _ = self.both(|pair| pair.receive(to, &packet));
        }
    }

    fn step(&mut self, random: &mut Random, channels: &[ChannelId]) {
        let (side, channel) = (random.below(2), random.one_of(channels));
        match random.below(15) {
            0..3 => {
                let message = vec![random.next() as u8; random.one_of(&[0, 1, 20, 20, 60, 150, 175, 176, 177, 500])];
                self.both(|pair| -> Result<_, SendError> { pair.session(side).send(&message, channel) }).ok();
                self.take(side);
            }
            3..8 => self.carry(side, random),
            8 => {
                let room = random.below(40);
                self.both(|pair| -> Result<Option<Chunk>, RecvError> {
                    pair.session(side).read(&mut vec![0; room], channel)
                })
                .ok();
            }
            9..13 => {
                // Whoever reads little never has a message that is all there is.
                let room = random.one_of(&[600, 600, 600, 30]);
                let receive = |pair: &mut Pair| {
                    let mut out = vec![0; room];
                    (pair.session(side).recv(&mut out, channel), out)
                };
                while let (Ok(Some(_)), _) = self.both(receive) {}
            }
            13 => {
                let time = random.one_of(&[0, 1, 5, 30, 60, 300]);
                self.both(|pair| pair.pass(Duration::from_millis(time)));
                self.both(|pair| pair.ends[side].handle_timeout(pair.now));
            }
            _ => self.take(side),
        }
    }

    /// Each of `ways` is to be taken a good many times.
    fn run(mut self, seeds: core::ops::Range<u64>, channels: &[ChannelId], ways: &[Way]) {
        let before = Way::ALL.map(straight::times);
        for seed in seeds {
            let mut random = Random(seed);
            for _ in 0..400 {
                self.step(&mut random, channels);
            }
        }
        for way in ways {
            let times = straight::times(*way) - before[*way as usize];
            assert!(times > 50, "{way:?} was taken {times} times");
        }
    }
}

fn limits() -> Limits {
    Limits { pool_blocks: 256, opened_channels: 1, ..small_limits() }
}

#[test]
fn nothing_tells_who_went_straight() {
    Twins::new(|| Pair::established(&small_limits())).run(0..40, &[CHANNEL], &Way::ALL);
}

#[test]
fn nor_where_channels_are_many_and_dynamic() {
    let channels = [
        ChannelConfig::from(CHANNEL).with_receipts(),
        ChannelConfig::new(ChannelId(17), ChannelMode::ReliableUnordered),
        ChannelConfig::from(ChannelId(20)),
    ];
    let end = |number| {
        let key = StaticKey::new(&RustCrypto, Secret::new([number; 32]));
        let mut config = Config::new(key, "test");
        config.channels = channels.to_vec();
        config.channel_limits = ChannelLimits { reliable_ordered: 1, ..ChannelLimits::default() };
        Endpoint::new(config, limits(), RustCrypto, Seed::new([number; 32])).unwrap()
    };
    let sets_up = || {
        let mut pair = Pair::new([1, 2].map(end)).establish();
        pair.session(0).open_channel(ChannelMode::ReliableOrdered, Default::default()).unwrap();
        pair
    };
    let dynamic = ChannelId::dynamic(0, ChannelMode::ReliableOrdered, crate::ids::Role::Initiator);
    Twins::new(sets_up).run(
        40..80,
        &[CHANNEL, ChannelId(17), ChannelId(20), dynamic],
        // With a dynamic channel no packet is plain.
        &[Way::Queued, Way::Stored, Way::Taken],
    );
}

#[test]
fn nor_where_packets_are_marked_and_keys_replaced() {
    let mut twins = Twins::new(Pair::established_with_marks);
    for seed in 80..100 {
        twins.both(|pair| pair.session(0).rotate_key().is_ok());
        let mut random = Random(seed);
        for _ in 0..200 {
            twins.step(&mut random, &[CHANNEL]);
        }
    }
}
