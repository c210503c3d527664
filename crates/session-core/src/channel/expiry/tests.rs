use std::vec::Vec;

use super::*;
use crate::channel_config::ChannelConfig;
use crate::ids::ChannelId;

const SIZE: usize = 256;

fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

struct Rig {
    channel: Channel,
    expiry: Expiry,
    pool: Pool,
}

impl Rig {
    fn new(mode: ChannelMode) -> Self {
        let channel = Channel::new(&ChannelConfig::new(ChannelId(16), mode), 1 << 20, 2048);
        Self { channel, expiry: Expiry::new(), pool: Pool::new(64, SIZE, 64) }
    }

    /// Queues a message; the place for its deadline is taken first, as a session does.
    fn send(&mut self, message: &[u8], deadline: Option<u64>) -> Result<u64, crate::channel::OutboxError> {
        let begin = self.channel.outbox.write_offset();
        let noted = deadline.is_none_or(|deadline| self.expiry.note(&mut self.pool, begin, at(deadline)));
        let sent =
            if noted { self.channel.send(&mut self.pool, message) } else { Err(crate::channel::OutboxError::Blocked) };
        if noted && deadline.is_some() {
            self.expiry.settle(&mut self.pool, sent.ok());
        }
        sent
    }

    /// Hands the next frame out.
    fn leave(&mut self, most: usize) -> Option<(u64, u64)> {
        let fragment = self.channel.outbox.next_fragment(&self.pool, u64::MAX, most)?;
        self.channel.on_sent(&mut self.pool, &fragment);
        Some((fragment.offset, fragment.positions()))
    }

    fn expire(&mut self, now: u64) -> bool {
        self.channel.expire(&mut self.pool, &mut self.expiry, at(now))
    }

    fn taken(&mut self) -> Vec<u64> {
        core::iter::from_fn(|| self.expiry.take(&mut self.pool)).collect()
    }
}

#[test]
fn nothing_of_an_expired_message_is_sent_and_its_memory_is_free() {
    for mode in [ChannelMode::ReliableOrdered, ChannelMode::ReliableUnordered, ChannelMode::Unreliable] {
        let mut rig = Rig::new(mode);
        let late = rig.send(&[1; 500], Some(10)).unwrap();
        let kept = rig.send(&[2; 100], None).unwrap();
        assert_eq!(rig.expiry.earliest(), at(10));
        assert!(!rig.expire(9));
        assert!(rig.expire(10));
        assert_eq!((rig.expiry.expired(), rig.expiry.earliest()), (1, Instant::MAX));
        assert!(rig.channel.outbox.blocks_held() <= 2, "{mode:?}");
        assert_eq!(rig.leave(1000), Some((late, kept - late)));
        assert_eq!(rig.leave(1000), None);
        assert!(!rig.channel.outbox.has_pending(u64::MAX));
        assert_eq!(rig.taken(), [late]);
        rig.channel.outbox.on_acked(&mut rig.pool, late, kept - late);
        rig.channel.review(&mut rig.pool, &mut rig.expiry);
        rig.expiry.release(&mut rig.pool);
        assert_eq!((rig.pool.free(), rig.channel.outbox.acked_to()), (64, kept), "{mode:?}");
    }
}

#[test]
fn a_skip_waits_for_what_is_not_acknowledged_before_it() {
    let mut rig = Rig::new(ChannelMode::ReliableOrdered);
    let first = rig.send(&[1; 50], None).unwrap();
    let late = rig.send(&[2; 50], Some(10)).unwrap();
    let last = rig.send(&[3; 50], None).unwrap();
    while rig.leave(1000).is_some() {}
    assert!(rig.expire(10));
    assert_eq!(rig.expiry.due(u64::MAX), None);
    rig.channel.on_lost(&mut rig.pool, 0, last);
    assert_eq!(rig.leave(1000), Some((0, first)));
    assert_eq!(rig.leave(1000), Some((late, last - late)), "not what has expired");
    rig.channel.outbox.on_acked(&mut rig.pool, 0, first);
    rig.channel.review(&mut rig.pool, &mut rig.expiry);
    assert_eq!((rig.expiry.due(60), rig.expiry.due(u64::MAX)), (Some(60), Some(late)));
    // Lost, said again, acknowledged.
    rig.expiry.on_said(late, 7);
    assert_eq!(rig.expiry.due(u64::MAX), None);
    rig.expiry.on_packet(6, false);
    assert_eq!(rig.expiry.due(u64::MAX), None);
    rig.expiry.on_packet(7, false);
    assert_eq!(rig.expiry.due(u64::MAX), Some(late));
    assert!(!rig.expiry.is_known());
    rig.expiry.on_said(late, 9);
    rig.expiry.on_packet(9, true);
    assert!(rig.expiry.is_known() && rig.expiry.due(u64::MAX).is_none());
}

#[test]
fn what_is_acknowledged_in_time_does_not_expire() {
    let mut rig = Rig::new(ChannelMode::ReliableUnordered);
    let first = rig.send(&[1; 50], None).unwrap();
    let second = rig.send(&[2; 50], Some(10)).unwrap();
    while rig.leave(1000).is_some() {}
    rig.channel.outbox.on_acked(&mut rig.pool, first, second - first);
    assert!(!rig.expire(10), "though the first is not");
    assert_eq!((rig.expiry.expired(), rig.expiry.earliest()), (0, Instant::MAX));
}

#[test]
fn an_unreliable_message_that_left_whole_does_not_expire_and_a_begun_one_leaves_no_number_twice() {
    let mut rig = Rig::new(ChannelMode::Unreliable);
    let whole = rig.send(&[1; 50], Some(10)).unwrap();
    let begun = rig.send(&[2; 300], Some(10)).unwrap();
    rig.send(&[3; 50], None).unwrap();
    assert_eq!(rig.leave(1000), Some((0, whole)));
    assert_eq!(rig.leave(100), Some((whole, 100)));
    assert!(rig.expire(10));
    assert_eq!(rig.taken(), [begun]);
    let fragment = rig.channel.outbox.next_fragment(&rig.pool, u64::MAX, 1000).unwrap();
    assert_eq!(rig.channel.place_in_message(&fragment), (2, 0));
}

#[test]
fn the_places_are_bounded_and_the_count_is_not() {
    let mut rig = Rig::new(ChannelMode::LatestValue);
    rig.pool = Pool::new(64, SIZE, 64);
    for value in 0..300 {
        rig.send(&[1], Some(value)).unwrap();
        assert!(rig.expire(value));
    }
    assert_eq!((rig.expiry.expired(), rig.taken().len() as u32), (300, MAX_EXPIRING));
    let mut rig = Rig::new(ChannelMode::ReliableOrdered);
    for _ in 0..MAX_EXPIRING {
        rig.send(&[1], Some(9)).unwrap();
    }
    assert!(rig.send(&[1], Some(9)).is_err());
    rig.send(&[1], None).unwrap();
    assert!(rig.expire(9));
    assert_eq!(rig.expiry.expired(), u64::from(MAX_EXPIRING));
    rig.send(&[1], Some(10)).unwrap();
    assert_eq!(rig.taken().len() as u32, MAX_EXPIRING - 1, "the first made room and stays counted");
}

/// Every message is either sent whole or reported, whatever expires when, and the accounts of the outbox hold.
#[test]
fn messages_are_sent_or_reported_in_any_mix() {
    for seed in 0..200_u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut below = |bound: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % bound
        };
        let mut rig = Rig::new(ChannelMode::ReliableOrdered);
        let (mut ends, mut sent, mut now) = (Vec::new(), std::collections::BTreeSet::new(), 0);
        let mut expired = Vec::new();
        for _ in 0..200 {
            match below(5) {
                0 | 1 => {
                    let deadline = (below(2) == 0).then(|| now + below(20));
                    let length = [0, 10, 176, 400][below(4) as usize];
                    let begin = rig.channel.outbox.write_offset();
                    if let Ok(end) = rig.send(&std::vec![1; length], deadline) {
                        ends.push((begin, end));
                    }
                }
                2 | 3 => {
                    if let Some((offset, positions)) = rig.leave(1 + below(300) as usize) {
                        if below(3) == 0 {
                            rig.channel.on_lost(&mut rig.pool, offset, positions);
                        } else {
                            rig.channel.outbox.on_acked(&mut rig.pool, offset, positions);
                            sent.extend(offset..offset + positions);
                        }
                    }
                }
                _ => {
                    now += below(10);
                    rig.expire(now);
                    expired.extend(rig.taken());
                }
            }
        }
        now += 100;
        rig.expire(now);
        expired.extend(rig.taken());
        while let Some((offset, positions)) = rig.leave(500) {
            rig.channel.outbox.on_acked(&mut rig.pool, offset, positions);
            sent.extend(offset..offset + positions);
        }
        rig.channel.review(&mut rig.pool, &mut rig.expiry);
        for (begin, end) in &ends {
            let whole = (*begin..*end).all(|at| sent.contains(&at));
            assert_ne!(whole, expired.contains(end), "seed {seed}: {begin}..{end}");
        }
        let last = expired.iter().max().copied();
        assert_eq!(rig.expiry.due(u64::MAX), last, "seed {seed}");
        assert!(rig.channel.outbox.is_all_acked() && !rig.channel.outbox.has_pending(u64::MAX), "seed {seed}");
        rig.expiry.release(&mut rig.pool);
        assert_eq!(rig.pool.free(), 64, "seed {seed}");
    }
}

/// Every acknowledgement asks what has arrived: what lacks its last byte must not be walked through each time.
#[test]
fn what_has_nearly_arrived_is_not_looked_through_for_every_acknowledgement() {
    let mut rig = Rig::new(ChannelMode::ReliableUnordered);
    rig.pool = Pool::new(2048, 1024, 2048);
    rig.channel.outbox.send(&mut rig.pool, &[0; 100]).unwrap();
    for _ in 0..100 {
        let begin = rig.channel.outbox.write_offset();
        assert!(rig.expiry.note(&mut rig.pool, begin, at(10)));
        let end = rig.channel.send(&mut rig.pool, &[1; 8000]).unwrap();
        rig.expiry.settle(&mut rig.pool, Some(end));
    }
    while rig.leave(1000).is_some() {}
    for message in 0..100 {
        rig.channel.outbox.on_acked(&mut rig.pool, 101 + message * 8001, 8000);
    }
    let before = crate::channel::block_map::work::words();
    for acknowledged in 0..100 {
        rig.channel.outbox.on_acked(&mut rig.pool, acknowledged, 1);
        rig.channel.review(&mut rig.pool, &mut rig.expiry);
    }
    let words = crate::channel::block_map::work::words() - before;
    assert!(words < 100 * 1000, "{words} words");
}
