//! A handshake packet to endpoints in every mood.

use alloc::vec::Vec;

use super::null::Null;
use super::{ALICE, BOB, CHANNEL, Report, drain, endpoint, feed, limits, link};
use crate::action::{Carrier, Link};
use crate::config::{ConnectOptions, Peer};
use crate::crypto::{Provider, PublicKey, RustCrypto, Secret, StaticKey, marks};
use crate::endpoint::Endpoint;
use crate::limits::{Limits, MAX_TENTATIVE_PER_PEER};
use crate::time::Instant;

/// Whom the packet meets; the first byte of an input chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scene {
    /// Nobody.
    Empty,
    /// As many tentative slots of node 1 as it may have.
    PeerPending,
    /// Tentative slots of nodes 3 and 4: all there may be.
    PendingFull,
    /// As many sessions as there may be.
    SessionsFull,
    /// A pool of which no block is left.
    NoMemory,
    /// A carrier that is not configured.
    StrangeCarrier,
    /// An attempt that waits for its Reply.
    SynSent,
    /// An attempt that has been answered.
    Answered,
    /// Nobody, while pairing is on.
    Pairing,
    /// A stranger who has had his Reply, while pairing is on.
    Greeted,
    /// An attempt at a stranger that waits for its Reply.
    FirstContact,
}

impl Scene {
    pub(super) const ALL: [Self; 11] = [
        Self::Empty,
        Self::PeerPending,
        Self::PendingFull,
        Self::SessionsFull,
        Self::NoMemory,
        Self::StrangeCarrier,
        Self::SynSent,
        Self::Answered,
        Self::Pairing,
        Self::Greeted,
        Self::FirstContact,
    ];
}

pub(super) const NOW: Instant = Instant::from_micros(1);
/// Bytes of the marks at the end of a handshake packet.
const MARKS: usize = 32;

/// Set in the first byte: the scene is played with real keys, which a fuzzer does not get past.
pub(super) const REAL: u8 = 0x80;

/// The first byte of `data` sets the scene, the rest is the datagram: as it is, and with its mac1 set right.
pub fn hello(data: &[u8]) -> Report {
    let mut report = Report::default();
    let Some((&first, datagram)) = data.split_first() else { return report };
    let scene = Scene::ALL[usize::from(first & !REAL) % Scene::ALL.len()];
    if first & REAL != 0 {
        meet(RustCrypto, scene, datagram, &mut report);
    } else {
        meet(Null, scene, datagram, &mut report);
    }
    report
}

fn meet<P: Provider + Clone>(provider: P, scene: Scene, datagram: &[u8], report: &mut Report) {
    for right_mark in [false, true] {
        let (mut target, link) = prepare(provider.clone(), scene);
        let mut datagram = datagram.to_vec();
        if right_mark {
            // mac1 is keyed by the responder's static key, whichever of the two that is.
            mark(&mut datagram, &peer(&provider, BOB));
        }
        let _ = feed(&mut target, &datagram, link, NOW, report);
        drain(&mut target, NOW, report);
        // The same once more, as the network may.
        let _ = feed(&mut target, &datagram, link, NOW, report);
        drain(&mut target, NOW, report);
        for _ in 0..16 {
            let Some(deadline) = target.next_deadline() else { break };
            target.handle_timeout(deadline.at);
            drain(&mut target, deadline.at, report);
        }
    }
}

/// Bob in `scene`, or Alice where she has an attempt at Bob; and the link over which the packet comes.
pub(super) fn prepare<P: Provider + Clone>(provider: P, scene: Scene) -> (Endpoint<P>, Link) {
    let mut unseen = Report::default();
    let report = &mut unseen;
    let is_alice = matches!(scene, Scene::SynSent | Scene::Answered | Scene::FirstContact);
    let bounds = match scene {
        Scene::PeerPending => Limits { sessions: 8, pending: 8, pool_blocks: 100, ..limits() },
        _ => limits(),
    };
    let mut target = endpoint(if is_alice { ALICE } else { BOB }, provider.clone(), bounds);
    let mut came_over = link(BOB, ALICE);
    match scene {
        Scene::Empty => {}
        Scene::PeerPending => {
            (0..MAX_TENTATIVE_PER_PEER).for_each(|draw| visit(&mut target, &provider, 1, draw as u8, report));
        }
        Scene::PendingFull => [3, 4].into_iter().for_each(|node| visit(&mut target, &provider, node, 0, report)),
        Scene::SessionsFull => {
            for node in 10..14 {
                attempt(&mut target, &peer(&provider, node), node);
            }
        }
        Scene::NoMemory => exhaust(&mut target, &peer(&provider, 10)),
        Scene::StrangeCarrier => came_over.carrier = Carrier(1),
        Scene::SynSent | Scene::Answered => {
            let hello = begin(&mut target, &peer(&provider, BOB));
            if scene == Scene::Answered {
                let mut bob = endpoint(BOB, provider, limits());
                let _ = feed(&mut bob, &hello, link(BOB, ALICE), NOW, report);
                for reply in drain(&mut bob, NOW, report) {
                    let _ = feed(&mut target, &reply, link(ALICE, BOB), NOW, report);
                }
                drain(&mut target, NOW, report);
            }
            came_over = link(ALICE, BOB);
        }
        Scene::Pairing => target.set_pairing(Some(Instant::MAX), NOW),
        Scene::Greeted => {
            target.set_pairing(Some(Instant::MAX), NOW);
            let hello = begin_first_contact(&mut endpoint(ALICE, provider, limits()));
            let _ = feed(&mut target, &hello, came_over, NOW, report);
            drain(&mut target, NOW, report);
        }
        Scene::FirstContact => {
            begin_first_contact(&mut target);
            came_over = link(ALICE, BOB);
        }
    }
    (target, came_over)
}

/// Alice's Hello to `peer`, which has left.
pub(super) fn begin<P: Provider>(alice: &mut Endpoint<P>, peer: &PublicKey) -> Vec<u8> {
    attempt(alice, peer, BOB);
    drain(alice, NOW, &mut Report::default()).pop().unwrap_or_default()
}

/// Alice's Hello to whoever answers, which has left.
pub(super) fn begin_first_contact<P: Provider>(alice: &mut Endpoint<P>) -> Vec<u8> {
    let begun = alice.connect(Peer::Unknown { psk: None }, link(ALICE, BOB), ConnectOptions::default(), NOW);
    assert!(begun.is_ok(), "{begun:?}");
    drain(alice, NOW, &mut Report::default()).pop().unwrap_or_default()
}

/// Puts the mark of a packet to `responder`, or of first contact, in its place.
pub(super) fn mark(packet: &mut [u8], responder: &PublicKey) {
    let Some(marked) = packet.len().checked_sub(MARKS) else { return };
    let first_contact = packet.get(3).is_some_and(|pattern| *pattern >= 2);
    let mac1 = marks::mac1(&marks::mac1_key(Some(responder).filter(|_| !first_contact)), &packet[..marked]);
    packet[marked..marked + 16].copy_from_slice(&mac1);
}

/// Fills what the pool gives without reservation.
pub(super) fn exhaust<P: Provider>(target: &mut Endpoint<P>, peer: &PublicKey) {
    let known = Peer::Known { key: *peer, psk: None };
    let mut ids = Vec::new();
    // Slots must be left, or their lack would come first.
    for _ in 0..3 {
        ids.extend(target.connect(known, link(BOB, 10), ConnectOptions { user_data: &[1; 512] }, NOW));
    }
    for id in ids {
        for length in [200, 1] {
            while target
                .session_mut(id, NOW)
                .is_some_and(|mut session| session.send(&[7; 200][..length], CHANNEL).is_ok())
            {}
        }
    }
}

/// A Hello of `node`, number `draw` of its own, taken by `target`.
fn visit<P: Provider + Clone>(target: &mut Endpoint<P>, provider: &P, node: u8, draw: u8, report: &mut Report) {
    let mut visitor = endpoint(node, provider.clone(), limits());
    // Another draw than that of the Hello in the corpus.
    visitor.add_entropy(crate::seed::Seed::new([0xE0 | draw; 32]));
    let hello = begin(&mut visitor, &target.public_key());
    let _ = feed(target, &hello, link(BOB, node), NOW, report);
    drain(target, NOW, report);
}

fn attempt<P: Provider>(target: &mut Endpoint<P>, peer: &PublicKey, node: u8) {
    let options = ConnectOptions { user_data: b"who" };
    let begun = target.connect(Peer::Known { key: *peer, psk: None }, link(ALICE, node), options, NOW);
    assert!(begun.is_ok(), "{begun:?}");
}

/// The public key of a node.
pub(super) fn peer<P: Provider>(provider: &P, node: u8) -> PublicKey {
    *StaticKey::new(provider, Secret::new([node; 32])).public()
}
