use std::vec::Vec;

use super::*;
use crate::channel::{Channel, Dynamic, Expiry, Ledger, Mailbox, Skips};
use crate::crypto::rekey::Rekey;
use crate::path::{EcnPath, Others, PeerIds};
use crate::reason::CloseReason;
use crate::recovery::{Congestion, LossEpisode, Pacer, PathMtu, RttEstimator};
use crate::slab::Slab;

/// The bytes of what every session holds, the largest first. Who makes a part larger does it here and in ADR 0009.
const PARTS: [(&str, usize, usize); 22] = [
    ("packets", size_of::<Packets>(), 416),
    ("- replay window", size_of::<ReplayWindow>(), 136),
    ("- received packets", size_of::<AckTracker>(), 104),
    // Eight of them are a counter of tests.
    ("- sent packets", size_of::<SentLog>(), 128),
    ("path", size_of::<Path>(), 304),
    ("- link", size_of::<Link>(), 68),
    ("- round-trip time", size_of::<RttEstimator>(), 20),
    ("- congestion", size_of::<Congestion>(), 48),
    ("- pacer", size_of::<Pacer>(), 32),
    ("- datagram size", size_of::<PathMtu>(), 10),
    ("- ECN", size_of::<EcnPath>(), 64),
    ("keys", size_of::<Keys>(), 232),
    ("attempt", size_of::<SlabKey>(), 4),
    ("channels", size_of::<Channels>(), 128),
    ("clocks", size_of::<Clocks>(), 80),
    ("counters", size_of::<Counters>(), 64),
    ("peer", size_of::<Remote>(), 48),
    ("closing", size_of::<Closing>(), 24),
    ("discards", size_of::<OwnDiscards>(), 28),
    ("events", size_of::<Events>(), 17),
    ("control", size_of::<Control>(), 16),
    ("names", size_of::<(SessionId, ReceiverId, OwnIds, Option<ReceiverId>, [SlabKey; 2], u16, Role, Phase)>(), 48),
];

/// The same of what it holds for a while, or for each channel.
const RECORDS: [(&str, usize, usize); 12] = [
    ("channel", Slab::<Channel>::RECORD, 232),
    ("mailbox", Slab::<Mailbox>::RECORD, 144),
    ("dynamic channel", Slab::<Dynamic>::RECORD, 56),
    ("ledger", Slab::<Ledger>::RECORD, 208),
    ("expiry", Slab::<Expiry>::RECORD, 64),
    ("skips", Slab::<Skips>::RECORD, 24),
    ("loss episode", Slab::<LossEpisode>::RECORD, 128),
    ("ids of the peer", Slab::<PeerIds>::RECORD, 280),
    ("other paths", Slab::<Others>::RECORD, 192),
    ("attempt", Slab::<Attempt>::RECORD, 184),
    ("exchange of keys", Slab::<Rekey>::RECORD, 144),
    ("reason", Slab::<CloseReason>::RECORD, 168),
];

#[test]
fn the_parts_of_a_session_are_as_large_as_adr_0009_says() {
    let grown: Vec<_> = PARTS.into_iter().chain(RECORDS).filter(|(_, bytes, most)| bytes > most).collect();
    assert!(grown.is_empty(), "(part, bytes, allowed): {grown:?}");
}
