//! Sessions by peer, by address and by name; what of them was announced; and which one gives way to a second of the same peer.
//!
//! A responder's slot is entered when its CONNECT has come. Before, nobody has proved anything, and a replayed Hello must leave no trace here.

use alloc::vec;
use alloc::vec::Vec;

use super::Endpoint;
use crate::action::{Address, Event};
use crate::config::SecondSession;
use crate::crypto::hkdf::hmac;
use crate::crypto::{Provider, PublicKey, Secret};
use crate::ids::{PeerId, Role, SessionId, Uid};
use crate::memory_need::MemoryNeed;
use crate::reason::{CloseCode, CloseReason, ClosedBy};
use crate::session::{SessionCore, State};
use crate::state_hash::StateHash;

const NONE: u32 = u32::MAX;
/// No slot has this number either.
const UNFILED: u32 = NONE - 1;

/// By what sessions are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Peer = 0,
    Address = 1,
    Name = 2,
    /// Attempts of ours by whom they are to reach, as long as they last: a peer may have many sessions beside them.
    Attempt = 3,
}

const INDEXES: usize = 4;

/// Look-ups, and what is left to announce.
pub(super) struct Directory {
    key: Secret,
    indexes: [Index; INDEXES],
    news: Option<News>,
}

impl Directory {
    /// What [`new`](Self::new) allocates.
    pub(super) fn need(sessions: u32, announces: bool) -> MemoryNeed {
        let indexes = INDEXES.saturating_mul(sessions as usize);
        let news = if announces { sessions as usize } else { 0 };
        let buckets = MemoryNeed::of::<u32>(INDEXES.saturating_mul(Index::buckets(sessions)));
        buckets.and(MemoryNeed::of::<Place>(indexes)).and(MemoryNeed::of::<Told>(news))
    }

    /// `key` must be secret: peers choose their addresses and can try many keys.
    pub(super) fn new(sessions: u32, announces: bool, key: Secret) -> Self {
        Self {
            key,
            indexes: core::array::from_fn(|_| Index::new(sessions)),
            news: announces.then(|| News { slots: Vec::with_capacity(sessions as usize), first: NONE, last: NONE }),
        }
    }

    /// Whether [`follow`](Self::follow) would enter it.
    pub(super) fn is_new(&self, slot: u32, core: &SessionCore) -> bool {
        !self.index(By::Address).is_filed(slot) && !core.is_unheard()
    }

    /// Brings the entries of a slot in line with its session.
    pub(super) fn follow(&mut self, slot: u32, core: &SessionCore) {
        if core.is_unheard() {
            return;
        }
        if !self.index(By::Address).is_filed(slot) {
            self.file(By::Address, slot, AddressBytes::of(&core.link().remote).as_bytes());
        }
        // At first contact the initiator learns it from the answer.
        if let Some(peer) = core.peer()
            && !self.index(By::Peer).is_filed(slot)
        {
            self.file(By::Peer, slot, peer.peer_id().as_bytes());
        }
        if let Some(uid) = core.uid()
            && !self.index(By::Name).is_filed(slot)
        {
            self.file(By::Name, slot, &uid.0);
        }
        match core.peer().filter(|_| core.is_own_attempt()) {
            None => self.indexes[By::Attempt as usize].remove(slot),
            Some(peer) if !self.index(By::Attempt).is_filed(slot) => {
                self.file(By::Attempt, slot, peer.peer_id().as_bytes());
            }
            Some(_) => {}
        }
        if let Some(news) = &mut self.news {
            news.note(slot, Some(core));
        }
    }

    /// Whether [`follow`](Self::follow) would change nothing.
    pub(super) fn is_in_line(&self, slot: u32, core: &SessionCore) -> bool {
        let is_filed = |by| self.index(by).is_filed(slot);
        let is_noted = self.news.as_ref().is_none_or(|news| news.is_noted(slot, core));
        let is_told = is_filed(By::Address) && is_filed(By::Peer) >= core.peer().is_some() && is_noted;
        let is_named = is_filed(By::Name) >= core.uid().is_some() && is_filed(By::Attempt) == core.is_own_attempt();
        core.is_unheard() || (is_told && is_named)
    }

    /// The peer of a session is elsewhere.
    pub(super) fn follow_address(&mut self, slot: u32, core: &SessionCore) {
        if self.index(By::Address).is_filed(slot) {
            self.indexes[By::Address as usize].remove(slot);
            self.file(By::Address, slot, AddressBytes::of(&core.link().remote).as_bytes());
        }
    }

    /// The slot's session is gone.
    pub(super) fn leave(&mut self, slot: u32) {
        for index in &mut self.indexes {
            index.remove(slot);
        }
        if let Some(news) = &mut self.news {
            news.note(slot, None);
        }
    }

    /// Whether [`take_event`](Self::take_event) may find one.
    #[inline]
    pub(super) fn has_news(&self) -> bool {
        self.news.as_ref().is_some_and(|news| news.first != NONE)
    }

    /// The next announcement. `at` finds what stands in a slot now.
    #[inline]
    pub(super) fn take_event<'a>(&mut self, at: impl Fn(u32) -> Option<&'a SessionCore>) -> Option<Event> {
        self.news.as_mut()?.take(|slot| at(slot).filter(|core| !core.is_unheard()))
    }

    /// Indexes follow from the sessions.
    pub(super) fn digest_into(&self, hash: &mut StateHash) {
        let Self { key: _, indexes: _, news } = self;
        if let Some(News { slots, first, last: _ }) = news {
            hash.u64(u64::from(*first));
            for Told { session, next, queued } in slots {
                hash.option(session.map(|(generation, _)| u64::from(generation)));
                hash.u64(session.map_or(0, |(_, state)| state as u64));
                hash.u64(u64::from(*next));
                hash.flag(*queued);
            }
        }
    }

    fn file(&mut self, by: By, slot: u32, bytes: &[u8]) {
        let name = self.name(by, bytes);
        self.indexes[by as usize].insert(name, slot);
    }

    /// Slots that may be filed under `bytes`: the caller compares, because 32 bits collide.
    fn find<'a>(&'a self, by: By, bytes: &[u8]) -> impl Iterator<Item = u32> + use<'a> {
        let name = self.name(by, bytes);
        self.index(by).find(name)
    }

    fn index(&self, by: By) -> &Index {
        &self.indexes[by as usize]
    }

    fn name(&self, by: By, bytes: &[u8]) -> u32 {
        let hash = hmac(self.key.expose(), &[&[by as u8], bytes]);
        hash.first_chunk().map_or(0, |first| u32::from_be_bytes(*first))
    }
}

impl<P: Provider> Endpoint<P> {
    /// Every session with `peer` that the application can know of, those that have ended and are not forgotten included.
    pub fn sessions_of(&self, peer: PeerId) -> impl Iterator<Item = SessionId> {
        self.look_up(By::Peer, peer.as_bytes())
            .filter(move |core| core.peer().is_some_and(|key| key.peer_id() == peer))
            .map(SessionCore::id)
    }

    /// The same for sessions whose peer is at `remote`, over any carrier.
    pub fn sessions_at(&self, remote: Address) -> impl Iterator<Item = SessionId> {
        let bytes = AddressBytes::of(&remote);
        self.look_up(By::Address, bytes.as_bytes())
            .filter(move |core| core.link().remote == remote)
            .map(SessionCore::id)
    }

    /// The session that both ends call `uid`. Of a session with ourselves, either end.
    #[must_use]
    pub fn session_by_uid(&self, uid: &Uid) -> Option<SessionId> {
        self.look_up(By::Name, &uid.0).find(|core| core.uid() == Some(*uid)).map(SessionCore::id)
    }

    /// Every session that is Established, in no particular order.
    pub fn established(&self) -> impl Iterator<Item = SessionId> {
        self.slots.iter().filter(|(_, core)| core.state() == State::Established).map(|(_, core)| core.id())
    }

    /// Slots of our attempts at `peer` that still last.
    pub(super) fn attempts_at(&self, peer: &PublicKey) -> impl Iterator<Item = (u32, &SessionCore)> {
        let slots = self.directory.find(By::Attempt, peer.peer_id().as_bytes());
        slots.filter_map(|slot| Some((slot, self.slots.at(slot)?))).filter(move |(_, core)| core.peer() == Some(peer))
    }

    fn look_up<'a>(&'a self, by: By, bytes: &[u8]) -> impl Iterator<Item = &'a SessionCore> + use<'a, P> {
        self.directory.find(by, bytes).filter_map(|slot| self.slots.at(slot))
    }

    // --- a second session of one peer ---

    /// A session with `peer` lives or is on its way, and there is to be no second one.
    pub(super) fn refuses_second(&self, peer: &PublicKey) -> bool {
        self.settings.config.second_session == SecondSession::Refuse
            && self
                .look_up(By::Peer, peer.peer_id().as_bytes())
                .any(|core| core.peer() == Some(peer) && core.is_alive())
    }

    /// CONNECT has come: refuses it before the application hears of it, if its peer has a session. Says whether it did.
    ///
    /// An attempt of ours does not count: two peers that call each other at once would both be refused.
    pub(super) fn refuse_second(&mut self, slot: u32) -> bool {
        let Some(core) = self.slots.at(slot).filter(|core| core.role() == Role::Responder) else { return false };
        if self.settings.config.second_session != SecondSession::Refuse {
            return false;
        }
        let Some(peer) = core.peer().copied() else { return false };
        let has_other = self
            .look_up(By::Peer, peer.peer_id().as_bytes())
            .any(|other| other.id().slot != slot && other.peer() == Some(&peer) && other.is_claimed());
        if has_other {
            self.with(slot, |core, context| core.refuse_unheard(context, CloseCode::BUSY, "this peer has a session"));
        }
        has_other
    }

    /// The session in `slot` has been accepted here: older ones of its peer give way, if the newest wins.
    ///
    /// Only who accepts decides: were both ends to choose, each might end the session that the other kept.
    pub(super) fn supersede(&mut self, slot: u32) {
        if self.settings.config.second_session != SecondSession::NewestWins {
            return;
        }
        let Some(peer) = self.slots.at(slot).and_then(|core| core.peer().copied()) else { return };
        let name = self.directory.name(By::Peer, peer.peer_id().as_bytes());
        let index = By::Peer as usize;
        let mut next = self.directory.indexes[index].first(name);
        while let Some(other) = next {
            next = self.directory.indexes[index].after(name, other);
            if other != slot
                && self
                    .slots
                    .at(other)
                    .is_some_and(|core| core.peer() == Some(&peer) && core.state() == State::Established)
            {
                let text = "a newer session of this peer took its place";
                let reason = CloseReason::protocol(ClosedBy::Protocol, CloseCode::SUPERSEDED, text);
                self.with(other, |core, context| core.end_at_once(context, reason));
            }
        }
    }
}

/// Slots by a 32-bit name: chained hashing, up to two to a chain. All memory stands from the start, places are used as slots are.
struct Index {
    /// The first slot of each chain.
    buckets: Vec<u32>,
    places: Vec<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    name: u32,
    /// `UNFILED` where the slot is in no chain, `NONE` at the front of one.
    previous: u32,
    next: u32,
}

impl Place {
    const UNFILED: Self = Self { name: 0, previous: UNFILED, next: NONE };

    fn is_filed(&self) -> bool {
        self.previous != UNFILED
    }
}

impl Index {
    fn new(slots: u32) -> Self {
        Self { buckets: vec![NONE; Self::buckets(slots)], places: Vec::with_capacity(slots as usize) }
    }

    fn buckets(slots: u32) -> usize {
        (slots as usize).div_ceil(2).checked_next_power_of_two().unwrap_or(usize::MAX)
    }

    fn is_filed(&self, slot: u32) -> bool {
        self.places.get(slot as usize).is_some_and(Place::is_filed)
    }

    fn insert(&mut self, name: u32, slot: u32) {
        while self.places.len() <= slot as usize {
            self.places.push(Place::UNFILED);
        }
        let bucket = self.bucket(name);
        let first = self.buckets[bucket];
        self.places[slot as usize] = Place { name, previous: NONE, next: first };
        if let Some(place) = self.places.get_mut(first as usize) {
            place.previous = slot;
        }
        self.buckets[bucket] = slot;
    }

    fn remove(&mut self, slot: u32) {
        let Some(place) = self.places.get_mut(slot as usize).filter(|place| place.is_filed()) else { return };
        let Place { name, previous, next } = core::mem::replace(place, Place::UNFILED);
        if let Some(after) = self.places.get_mut(next as usize) {
            after.previous = previous;
        }
        match self.places.get_mut(previous as usize) {
            Some(before) => before.next = next,
            None => {
                let bucket = self.bucket(name);
                self.buckets[bucket] = next;
            }
        }
    }

    fn find(&self, name: u32) -> impl Iterator<Item = u32> {
        core::iter::successors(self.first(name), move |slot| self.after(name, *slot))
    }

    fn first(&self, name: u32) -> Option<u32> {
        self.same(name, self.buckets[self.bucket(name)])
    }

    fn after(&self, name: u32, slot: u32) -> Option<u32> {
        self.same(name, self.places.get(slot as usize)?.next)
    }

    /// The first slot of that name in the chain from `slot` on.
    fn same(&self, name: u32, mut slot: u32) -> Option<u32> {
        loop {
            let place = self.places.get(slot as usize)?;
            if place.name == name {
                return Some(slot);
            }
            slot = place.next;
        }
    }

    fn bucket(&self, name: u32) -> usize {
        name as usize & (self.buckets.len() - 1)
    }
}

/// What the application was told of each slot. Whatever differs from what is there is news: so nothing is lost, and nothing piles up.
struct News {
    slots: Vec<Told>,
    first: u32,
    last: u32,
}

#[derive(Clone, Copy)]
struct Told {
    /// The generation of the session that was announced, and its state.
    session: Option<(u32, State)>,
    /// The next slot that has news.
    next: u32,
    queued: bool,
}

impl News {
    /// Queues the slot if it has news.
    fn note(&mut self, slot: u32, core: Option<&SessionCore>) {
        while self.slots.len() <= slot as usize {
            self.slots.push(Told { session: None, next: NONE, queued: false });
        }
        let told = &mut self.slots[slot as usize];
        if told.queued || told.session == core.map(current) {
            return;
        }
        told.queued = true;
        told.next = NONE;
        match self.slots.get_mut(self.last as usize) {
            Some(before) => before.next = slot,
            None => self.first = slot,
        }
        self.last = slot;
    }

    fn is_noted(&self, slot: u32, core: &SessionCore) -> bool {
        self.slots.get(slot as usize).is_some_and(|told| told.queued || told.session == Some(current(core)))
    }

    fn take<'a>(&mut self, at: impl Fn(u32) -> Option<&'a SessionCore>) -> Option<Event> {
        while let Some(told) = self.slots.get_mut(self.first as usize) {
            let slot = self.first;
            let now = at(slot).map(current);
            let id = |generation: u32| SessionId { slot, generation };
            let event = match (told.session, now) {
                (Some((generation, _)), Some(now)) if generation == now.0 => {
                    (told.session != Some(now)).then_some((Event::StateChanged(id(generation)), Some(now)))
                }
                (Some((generation, _)), _) => Some((Event::Removed(id(generation)), None)),
                (None, Some(now)) => Some((Event::Added(id(now.0)), Some(now))),
                (None, None) => None,
            };
            let Some((event, session)) = event else {
                self.pop();
                continue;
            };
            told.session = session;
            if session == now {
                self.pop();
            }
            return Some(event);
        }
        None
    }

    fn pop(&mut self) {
        let Some(told) = self.slots.get_mut(self.first as usize) else { return };
        told.queued = false;
        self.first = core::mem::replace(&mut told.next, NONE);
        if self.first == NONE {
            self.last = NONE;
        }
    }
}

fn current(core: &SessionCore) -> (u32, State) {
    (core.id().generation, core.state())
}

/// An address as bytes, so that it can be hashed.
struct AddressBytes {
    bytes: [u8; 19],
    length: usize,
}

impl AddressBytes {
    fn of(address: &Address) -> Self {
        let mut bytes = [0; 19];
        let length = match address {
            Address::Opaque(opaque) => {
                bytes[..16].copy_from_slice(opaque);
                16
            }
            Address::Ip(ip) => {
                match ip.ip() {
                    core::net::IpAddr::V4(v4) => bytes[..4].copy_from_slice(&v4.octets()),
                    core::net::IpAddr::V6(v6) => bytes[..16].copy_from_slice(&v6.octets()),
                }
                bytes[16..18].copy_from_slice(&ip.port().to_be_bytes());
                bytes[18] = u8::from(ip.is_ipv6());
                19
            }
        };
        Self { bytes, length }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}
