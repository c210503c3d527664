//! A packet made in the straight way is the one that the general way makes, and leaves the same behind.

use super::any_order::Random;
use super::pair::Pair;
use super::*;
use crate::channel_config::{ChannelConfig, ChannelMode};
use crate::send_options::SendOptions;
use crate::session::straight;

const OTHERS: [ChannelId; 4] = [ChannelId(17), ChannelId(18), ChannelId(19), ChannelId(20)];

/// A pair and what is on its way to each end.
struct World {
    pair: Pair,
    flying: [Vec<Vec<u8>>; 2],
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Send { side: usize, channel: ChannelId, length: usize, lasts: Option<Duration> },
    Take { side: usize },
    PollShort { side: usize, room: usize },
    Deliver { to: usize },
    Lose { to: usize },
    Read { side: usize },
    Pass(Duration),
    Serve { side: usize },
}

impl Step {
    fn any(random: &mut Random, channels: usize) -> Self {
        let side = random.below(2);
        match random.below(20) {
            0..4 => {
                let others = OTHERS.get(..channels - 1).unwrap_or_default();
                let channel =
                    if random.below(2) == 0 { CHANNEL } else { *others.get(random.below(4)).unwrap_or(&CHANNEL) };
                let length = random.one_of(&[0, 1, 10, 64, 100, 200, 900, 1_000, 1_080, 1_100, 1_120, 2_500]);
                let lasts = (random.below(60) == 0).then(|| Duration::from_millis(random.below(50) as u64));
                Self::Send { side, channel, length, lasts }
            }
            4..11 => Self::Take { side },
            11 => Self::PollShort { side, room: random.below(1_300) },
            12..15 => Self::Deliver { to: side },
            15 => {
                if random.below(4) == 0 {
                    Self::Lose { to: side }
                } else {
                    Self::Deliver { to: side }
                }
            }
            16..18 => Self::Read { side },
            18 => Self::Pass(Duration::from_micros(random.one_of(&[1, 50, 1_000, 20_000, 300_000]))),
            _ => Self::Serve { side },
        }
    }
}

impl World {
    fn new(channels: &[ChannelConfig], carries_marks: bool) -> Self {
        let mut pair = Pair::new([1, 2].map(|seed| endpoint_with(seed, small_limits(), channels)));
        pair.carries_marks = carries_marks;
        Self { pair: pair.establish(), flying: [Vec::new(), Vec::new()] }
    }

    fn apply(&mut self, step: Step) {
        let Self { pair, flying } = self;
        match step {
            Step::Send { side, channel, length, lasts } => {
                let deadline = lasts.map(|lasts| pair.now.saturating_add(lasts));
                let options = deadline.map_or_else(SendOptions::default, SendOptions::by);
                let _ = pair.session(side).send_with(&vec![length as u8; length], channel, options);
            }
            Step::Take { side } => flying[1 - side].extend(pair.take(side)),
            Step::PollShort { side, room } => {
                let mut out = vec![0; room];
                if let Action::Transmit(transmit) = pair.ends[side].poll_action(&mut out, pair.now) {
                    flying[1 - side].push(out[..transmit.len].to_vec());
                }
            }
            Step::Deliver { to } => {
                for packet in core::mem::take(&mut flying[to]) {
                    let _ = pair.receive(to, &packet);
                }
            }
            Step::Lose { to } => flying[to].clear(),
            Step::Read { side } => {
                for channel in [CHANNEL].into_iter().chain(OTHERS) {
                    while let Ok(Some(_)) = pair.session(side).recv(&mut [0; 4_000], channel) {}
                }
            }
            Step::Pass(time) => pair.pass(time),
            Step::Serve { side } => pair.serve(side, pair.now),
        }
    }
}

/// Takes steps in both ways, and returns how many packets went the straight one.
fn compare(seed: u64, channels: &[ChannelConfig], carries_marks: bool) -> u64 {
    let [mut plain, mut all] = [(), ()].map(|()| World::new(channels, carries_marks));
    let mut random = Random(seed);
    let before = straight::times(straight::Way::Plain);
    for number in 0..400 {
        let step = Step::any(&mut random, channels.len());
        plain.apply(step);
        straight::closed(|| all.apply(step));
        assert_eq!(plain.flying, all.flying, "seed {seed}, step {number}: {step:?}");
        for side in [0, 1] {
            let [one, other] = [&plain, &all].map(|world| world.pair.ends[side].checksum(seed));
            assert_eq!(one, other, "seed {seed}, step {number}, end {side}: {step:?}");
        }
    }
    assert_eq!(plain.pair.events, all.pair.events, "seed {seed}");
    straight::times(straight::Way::Plain) - before
}

#[test]
fn a_plain_packet_is_what_the_general_way_makes() {
    let channels = [
        ChannelConfig::from(CHANNEL),
        ChannelConfig::new(OTHERS[0], ChannelMode::ReliableUnordered).with_priority(0),
        ChannelConfig::from(OTHERS[1]).with_weight(3),
        ChannelConfig::new(OTHERS[2], ChannelMode::Unreliable),
        ChannelConfig::from(OTHERS[3]).with_receipts(),
    ];
    for count in [1, 3, 5] {
        for carries_marks in [false, true] {
            let plain: u64 = (0..24).map(|seed| compare(seed, &channels[..count], carries_marks)).sum();
            assert!(plain > 100, "{plain} packets of {count} channels went the straight way");
        }
    }
}
