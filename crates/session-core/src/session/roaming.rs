//! Paths: the peer comes from elsewhere, or this end goes elsewhere (protocol §15).

use super::SessionCore;
use super::events::SessionEvent;
use super::receive::Opened;
use super::transmit::{Outcome, TAG};
use crate::action::{Address, Link, Migration};
use crate::crypto::Provider;
use crate::limits::MIN_UDP_DATAGRAM;
use crate::memory::Memory;
use crate::path::{Challenge, OtherPath, Others, mark_of};
use crate::reason::MigrateError;
use crate::recovery::PathMtu;
use crate::shared::{Context, Settings, Shared};
use crate::slab::SlabKey;
use crate::time::Instant;
use crate::wire::{Frame, Writer};

/// A datagram with an answer and a challenge takes this much at most: header 13, frames 18, tag 16.
const LEAST_PROBE: u16 = 48;

/// Over which path a datagram came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    InUse,
    Other,
    Neither,
}

impl SessionCore {
    /// Over which path an authentic datagram came, and by which id; counts what it brought.
    #[inline]
    pub(super) fn note_arrival(&mut self, memory: &mut Memory, opened: &Opened<'_>, newest: bool) -> Over {
        if !is_same_way(&opened.arrival.link, &self.path.link) {
            return self.note_elsewhere(memory, opened, newest);
        }
        if newest {
            self.own_ids.set_named(mark_of(&opened.receiver_id));
        }
        Over::InUse
    }

    #[inline(never)]
    fn note_elsewhere(&mut self, memory: &mut Memory, opened: &Opened<'_>, newest: bool) -> Over {
        let link = &opened.arrival.link;
        let named = mark_of(&opened.receiver_id);
        self.path.elsewhere = self.path.elsewhere.saturating_add(1);
        match self.other_mut(memory).filter(|other| is_same_way(link, &other.link)) {
            Some(other) => {
                let renamed = other.named != named;
                other.on_received(opened.length, named);
                // Somebody else's copy may have opened the path, under the id of another: what the peer itself says there counts.
                let has_none = memory.peer_ids.get(self.peer_ids).is_some_and(|ids| ids.elsewhere().is_none());
                if renamed && has_none && newest && named != self.own_ids.named() {
                    self.name_afresh(memory);
                }
                Over::Other
            }
            None => Over::Neither,
        }
    }

    /// All frames of a packet have been applied. The newest that is not a mere probe says where the peer is.
    pub(super) fn follow_peer<P: Provider>(&mut self, context: &mut Context<'_, P>, opened: &Opened<'_>, over: Over) {
        match over {
            Over::InUse => {
                if let Some(other) = self.other_mut(&mut context.shared.memory).filter(|other| !other.chosen) {
                    other.wanted = false;
                }
            }
            Over::Neither => {
                if let Some(other) = self.open_path(context, opened) {
                    other.wanted = true;
                }
            }
            Over::Other => {
                if let Some(other) = self.other_mut(&mut context.shared.memory) {
                    other.wanted = true;
                }
            }
        }
        self.move_if_ready(context);
    }

    pub(super) fn on_challenge<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        opened: &Opened<'_>,
        challenge: Challenge,
    ) {
        let link = &opened.arrival.link;
        if is_same_way(link, &self.path.link) {
            let room = u16::try_from(opened.length.saturating_mul(3)).unwrap_or(u16::MAX);
            if let Some(others) = self.others_mut(&mut context.shared.memory) {
                others.answer = Some((challenge, room));
            }
            return;
        }
        let is_other = self.other(&context.shared.memory).is_some_and(|other| is_same_way(link, &other.link));
        let other = if is_other { self.other_mut(&mut context.shared.memory) } else { self.open_path(context, opened) };
        if let Some(other) = other {
            other.answer = Some(challenge);
        }
    }

    /// The peer asks over the path in use whether this end is there: it saw it come from elsewhere, if it has not moved itself.
    pub(super) fn is_asked_for_its_path(&self, memory: &Memory) -> bool {
        memory.others.get(self.others).is_some_and(|others| others.answer.is_some())
    }

    /// Counts over whichever path it comes: else who copies the answer from elsewhere would keep a peer out that has moved (RFC 9000 §8.2.2).
    pub(super) fn on_response(&mut self, memory: &mut Memory, response: Challenge) {
        if let Some(others) = memory.others.get_mut(self.others) {
            others.on_response(&response);
        }
    }

    /// Goes on over `link`.
    pub(crate) fn migrate<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        link: Link,
        how: Migration,
    ) -> Result<(), MigrateError> {
        if !self.phase.exchanges_data() {
            return Err(MigrateError::NotEstablished);
        }
        if context.settings.config.carriers.get(usize::from(link.carrier.0)).is_none() {
            return Err(MigrateError::Carrier);
        }
        match how {
            Migration::AtOnce if !is_same_way(&link, &self.path.link) => Err(MigrateError::Unproven),
            Migration::AtOnce => {
                self.end_other(context);
                self.name_afresh(&mut context.shared.memory);
                self.go_over(context, link);
                self.call(context);
                Ok(())
            }
            Migration::Probing => {
                self.others_mut(&mut context.shared.memory).ok_or(MigrateError::NoMemory)?;
                self.end_other(context);
                let named = self.own_ids.named();
                if let Some(path) = self.look_at(context, link, named) {
                    path.choose();
                }
                self.name_afresh(&mut context.shared.memory);
                self.move_if_ready(context);
                Ok(())
            }
        }
    }

    /// Our end of the carrier has another address: says at once from where it comes now.
    pub(crate) fn rebind<P: Provider>(&mut self, context: &mut Context<'_, P>, local: Address) {
        let link = Link { local, ..self.path.link };
        if self.migrate(context, link, Migration::AtOnce).is_err() {
            self.path.link = link;
        }
    }

    /// Whether datagrams of `bytes` may leave over `link`, where it is in use.
    pub(crate) fn may_use(&self, link: &Link, bytes: u16) -> bool {
        is_same_way(link, &self.path.link) && self.path.mtu.may_use(bytes)
    }

    /// Our system takes no datagrams of `bytes` over the path in use.
    pub(crate) fn on_refused(&mut self, bytes: u16, now: Instant) {
        self.path.on_refused(bytes, now);
    }

    /// When there is something to do about another path.
    #[inline]
    pub(super) fn path_deadline(&self, memory: &Memory) -> Option<Instant> {
        if self.others == SlabKey::NOWHERE {
            return None;
        }
        self.other(memory).map(OtherPath::deadline)
    }

    pub(super) fn serve_path<P: Provider>(&mut self, context: &mut Context<'_, P>) {
        let now = context.now;
        if self.other_mut(&mut context.shared.memory).is_some_and(|other| !other.on_deadline(now)) {
            self.end_other(context);
        }
    }

    /// The other path is given up; whoever chose it is told.
    pub(super) fn end_other<P: Provider>(&mut self, context: &mut Context<'_, P>) {
        let memory = &mut context.shared.memory;
        let Some(other) = memory.others.get_mut(self.others).and_then(|others| others.path.take()) else { return };
        if other.chosen {
            self.events.raise(SessionEvent::PathChanged);
        }
        self.name_as_before(memory);
        self.free_others(memory);
    }

    /// Nothing of other paths is needed any more.
    pub(super) fn release_others(&mut self, memory: &mut Memory) {
        memory.others.discard(core::mem::take(&mut self.others));
    }

    // --- sending ---

    /// A datagram for the other path, or an answer over this one, can leave.
    pub(super) fn probe_due(&self, memory: &Memory) -> bool {
        memory.others.get(self.others).is_some_and(|others| {
            let other = others.path.as_ref();
            others.answer.is_some() || other.is_some_and(|other| other.is_due() && other.room() >= LEAST_PROBE)
        })
    }

    /// Writes a datagram that only asks or answers whether a path leads to the peer. Not counted as in flight: its loss says nothing about the path in use.
    pub(super) fn transmit_probe<P: Provider>(&mut self, context: &mut Context<'_, P>, out: &mut [u8]) -> Outcome {
        let memory = &context.shared.memory;
        let Some(others) = memory.others.get(self.others).filter(|_| self.has_numbers()) else {
            return Outcome::Nothing;
        };
        let over_this = others.answer;
        let (link, room, answer, challenge) = match (over_this, others.path.as_ref()) {
            (Some((answer, room)), _) => (self.path.link, room, Some(answer), None),
            (None, Some(other)) if self.probe_due(memory) => {
                (other.link, other.room(), other.answer, other.challenge_due())
            }
            _ => return Outcome::Nothing,
        };
        let elsewhere = memory.peer_ids.get(self.peer_ids).and_then(|peer_ids| peer_ids.elsewhere());
        let id = if over_this.is_some() { self.remote_id } else { elsewhere.or(self.remote_id) };
        let carrier = context.settings.config.carriers.get(usize::from(link.carrier.0));
        let expands = carrier.is_none_or(|carrier| carrier.padding);
        let largest = carrier.map_or(u16::MAX, |carrier| carrier.max_datagram).min(self.peer.largest_datagram);
        let size = usize::from(MIN_UDP_DATAGRAM.min(room).min(largest).max(LEAST_PROBE));
        let Some(out) = out.get_mut(..size) else { return Outcome::NeedsRoom(size) };
        let Some((number, header_length)) = id.and_then(|id| self.write_header(out, id)) else {
            return Outcome::Nothing;
        };
        let mut writer = Writer::new(&mut out[header_length..size - TAG]);
        let answered = answer.is_none_or(|answer| Frame::PathResponse(answer).encode(&mut writer).is_ok());
        let asked = challenge.is_none_or(|challenge| Frame::PathChallenge(challenge).encode(&mut writer).is_ok());
        debug_assert!(answered && asked, "both fit the least datagram");
        if over_this.is_some() {
            // Over the path in use it is more than a probe: a peer that was led astray by a copy comes back (RFC 9000 §9.3.3).
            let said = Frame::Ping.encode(&mut writer);
            debug_assert!(said.is_ok(), "there is room for a byte");
        }
        let written = header_length + writer.position();
        let end = if expands { size - TAG } else { written };
        out[written..end].fill(0);
        let length = self.seal(context.shared, number, out, header_length, end);
        let timeout = self.path.base_pto();
        let memory = &mut context.shared.memory;
        if let Some(others) = memory.others.get_mut(self.others) {
            match others.path.as_mut() {
                _ if over_this.is_some() => others.answer = None,
                Some(other) => other.on_sent(length, timeout, context.now),
                None => {}
            }
        }
        self.free_others(memory);
        Outcome::Probed(length, link)
    }

    // --- inside ---

    fn other<'m>(&self, memory: &'m Memory) -> Option<&'m OtherPath> {
        memory.others.get(self.others)?.path.as_ref()
    }

    fn other_mut<'m>(&self, memory: &'m mut Memory) -> Option<&'m mut OtherPath> {
        memory.others.get_mut(self.others)?.path.as_mut()
    }

    /// The record of other paths, made if there is none.
    fn others_mut<'m>(&mut self, memory: &'m mut Memory) -> Option<&'m mut Others> {
        if memory.others.get(self.others).is_none() {
            self.others = memory.others.insert(Others::default()).ok()?;
        }
        memory.others.get_mut(self.others)
    }

    fn free_others(&mut self, memory: &mut Memory) {
        if memory.others.get(self.others).is_some_and(Others::is_empty) {
            self.release_others(memory);
        }
    }

    /// Begins to look at a path by which packets name our id of the mark `named`.
    fn look_at<'m, P: Provider>(
        &mut self,
        context: &'m mut Context<'_, P>,
        link: Link,
        named: u8,
    ) -> Option<&'m mut OtherPath> {
        let (timeout, now) = (self.path.base_pto(), context.now);
        let Shared { memory, generator, .. } = &mut *context.shared;
        let others = self.others_mut(memory)?;
        let (challenge, answered) = others.challenge(&link, || generator.draw_secret(), timeout, now);
        let proven = answered || proves_addresses(context.settings, &link);
        Some(others.path.insert(OtherPath::new(link, named, (challenge, proven), timeout, now)))
    }

    /// Begins to look at the path a packet came over, in place of another that is looked at; not of one this end chose.
    fn open_path<'m, P: Provider>(
        &mut self,
        context: &'m mut Context<'_, P>,
        opened: &Opened<'_>,
    ) -> Option<&'m mut OtherPath> {
        if context.settings.config.strict_address || !self.phase.exchanges_data() {
            return None;
        }
        if self.other(&context.shared.memory).is_some_and(|other| other.chosen) {
            return None;
        }
        let ours = self.path.link.local;
        let local = if is_unspecified(&ours) { ours } else { opened.arrival.link.local };
        let link = Link { local, ..opened.arrival.link };
        let named = mark_of(&opened.receiver_id);
        let memory = &mut context.shared.memory;
        let before = memory.others.get_mut(self.others).and_then(Others::displace);
        // A copy from elsewhere takes no id: it names the one that packets of the peer named before (RFC 9000 §9.5).
        if named == self.own_ids.named() {
            self.name_as_before(memory);
        } else if before.is_none_or(|before| before.named != named) {
            self.name_afresh(memory);
        }
        let path = self.look_at(context, link, named)?;
        path.on_received(opened.length, named);
        Some(path)
    }

    /// Over another path the session goes by the id in use.
    fn name_as_before(&mut self, memory: &mut Memory) {
        if let Some(peer_ids) = memory.peer_ids.get_mut(self.peer_ids) {
            peer_ids.leave_elsewhere(false);
        }
    }

    /// Over another path the session goes by another id, if the peer gave one (D37).
    fn name_afresh(&mut self, memory: &mut Memory) {
        if let Some(peer_ids) = memory.peer_ids.get_mut(self.peer_ids) {
            peer_ids.go_elsewhere();
        }
    }

    /// Goes on over the other path once it is known that the peer is there, and wants to be.
    pub(super) fn move_if_ready<P: Provider>(&mut self, context: &mut Context<'_, P>) {
        let memory = &mut context.shared.memory;
        let Some(others) = memory.others.get_mut(self.others) else { return };
        let Some(OtherPath { link, chosen, named, .. }) = others.path.take_if(|other| other.is_ready()) else { return };
        self.free_others(memory);
        self.own_ids.set_named(named);
        self.go_over(context, link);
        if chosen {
            self.call(context);
        }
    }

    /// The path in use is `link` from now on. What was measured stays where the peer has only another port (RFC 9000 §9.4).
    fn go_over<P: Provider>(&mut self, context: &mut Context<'_, P>, link: Link) {
        let stays = is_same_host(&link, &self.path.link) && is_same_local_host(&link, &self.path.link);
        let memory = &mut context.shared.memory;
        if let Some(id) = memory.peer_ids.get_mut(self.peer_ids).and_then(|ids| ids.leave_elsewhere(true)) {
            self.remote_id = Some(id);
        }
        if stays {
            self.path.link = link;
        } else {
            let carrier = context.settings.config.carriers.get(usize::from(link.carrier.0));
            let (least, most) = carrier
                .map_or((MIN_UDP_DATAGRAM, MIN_UDP_DATAGRAM), |carrier| (carrier.min_datagram, carrier.max_datagram));
            let mtu = PathMtu::new(least, most.min(self.peer.largest_datagram), context.now);
            self.forget_losses(memory);
            let control = context.settings.config.congestion_control;
            self.path.begin_anew(link, control, mtu, context.now);
            self.packets.log.begin_path(self.packets.next_number);
        }
        self.path_changes = self.path_changes.saturating_add(1);
        self.events.raise(SessionEvent::PathChanged);
        // What was under way went to where the peer is not any more.
        if !self.packets.log.is_empty() {
            self.probe(context);
        }
        self.path.probe_anew();
    }

    /// Says at once where this end is now. What is on the way from there is not known.
    fn call<P: Provider>(&mut self, context: &Context<'_, P>) {
        self.change_keepalive(context.now, |keepalive| keepalive.begin_anew(&context.settings.config.timeouts));
        self.packets.ping_due = true;
        self.path.probes_due = self.path.probes_due.max(1);
    }
}

/// Our own address may be a wildcard and tells nothing: the peer's does.
#[inline]
fn is_same_way(one: &Link, other: &Link) -> bool {
    one.carrier == other.carrier && one.remote == other.remote
}

fn is_same_host(one: &Link, other: &Link) -> bool {
    one.carrier == other.carrier && host(&one.remote) == host(&other.remote)
}

fn is_same_local_host(one: &Link, other: &Link) -> bool {
    is_unspecified(&one.local) || is_unspecified(&other.local) || host(&one.local) == host(&other.local)
}

/// A wildcard: the system chooses.
fn is_unspecified(address: &Address) -> bool {
    matches!(address, Address::Ip(address) if address.ip().is_unspecified())
}

/// An address without its port.
fn host(address: &Address) -> Address {
    match *address {
        Address::Ip(mut address) => {
            address.set_port(0);
            Address::Ip(address)
        }
        Address::Opaque(_) => *address,
    }
}

fn proves_addresses(settings: &Settings, link: &Link) -> bool {
    settings.config.carriers.get(usize::from(link.carrier.0)).is_some_and(|carrier| !carrier.padding)
}
