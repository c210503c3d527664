use alloc::vec;

use super::*;
use crate::Config;
use crate::channel_config::ChannelConfig;
use crate::crypto::{RustCrypto, Secret, StaticKey};
use crate::ids::ChannelId;

const CHANNEL: usize = CONTROL + 1;

fn channels(limits: &Limits) -> (Memory, Channels) {
    let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new([1; 32])), "test");
    config.channels = vec![ChannelConfig::from(ChannelId(16))];
    let mut memory = Memory::new(limits, &config, 16);
    let channels = Channels::open(&mut memory, &config, limits);
    (memory, channels)
}

/// What was given up frees credit as if it had been read. Whoever stores what comes of it late gives that credit, too.
#[test]
fn what_was_given_up_and_comes_late_brings_the_credit_that_is_due() {
    let limits = Limits { sessions: 1, session_window: 4_096, channel_window: 4_096, ..Limits::default() };
    let (mut memory, mut channels) = channels(&limits);
    assert_eq!(channels.skip(&mut memory, &limits, CHANNEL, 3_000), Ok(true));
    let given = |channels: &Channels, memory: &Memory| {
        let channel = channels.get(memory, CHANNEL).unwrap();
        (channel.receive_maximum, channel.announce, channels.receive_maximum(), channels.announce)
    };
    assert_eq!(given(&channels, &memory), (4_096, false, 4_096, false), "who skips gives none");
    let late = Fragment { offset: 2_000, length: 10, begin: false, end: false };
    let stored = channels.store(&mut memory, &limits, CHANNEL, &late, &[7; 10]);
    assert_eq!(stored, Ok(Stored { index: CHANNEL, advanced: false }));
    assert_eq!(given(&channels, &memory), (3_000 + 4_096, true, 3_000 + 4_096, true));
    assert_eq!(channels.get(&memory, CHANNEL).unwrap().inbox().blocks_held(), 0, "it takes no memory");
}
