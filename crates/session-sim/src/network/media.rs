//! Media that both directions of a link share.

use std::collections::BTreeMap;
use std::time::Duration;

use session_core::Instant;

use crate::Link;

/// The shared media, by the two nodes they connect.
#[derive(Debug, Default)]
pub(super) struct Media {
    media: BTreeMap<(usize, usize), Medium>,
}

#[derive(Debug)]
struct Medium {
    /// What a change of direction takes.
    turn: Duration,
    busy_until: Instant,
    /// Who sent last.
    sender: Option<usize>,
}

impl Media {
    pub(super) fn set(&mut self, one: usize, other: usize, turn: Option<Duration>) {
        let key = key(one, other);
        match turn {
            Some(turn) => {
                let medium = self.media.entry(key).or_insert(Medium { turn, busy_until: Instant::EPOCH, sender: None });
                medium.turn = turn;
            }
            None => drop(self.media.remove(&key)),
        }
    }

    /// Makes `link` wait for the medium, where it has to.
    pub(super) fn take<Flow: Copy>(&mut self, from: usize, to: usize, link: &mut Link<Flow>) {
        let Some(medium) = self.media.get(&key(from, to)) else { return };
        if medium.sender.is_some_and(|sender| sender != from) {
            link.hold_until(medium.busy_until.saturating_add(medium.turn));
        }
    }

    /// Notes how long `link` has it.
    pub(super) fn give_back<Flow: Copy>(&mut self, from: usize, to: usize, link: &Link<Flow>) {
        if let Some(medium) = self.media.get_mut(&key(from, to)) {
            medium.busy_until = medium.busy_until.max(link.busy_until());
            medium.sender = Some(from);
        }
    }
}

fn key(one: usize, other: usize) -> (usize, usize) {
    (one.min(other), one.max(other))
}
