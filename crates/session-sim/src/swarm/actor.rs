//! A node of the swarm: an endpoint and the application that uses it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use session_core::{
    Address, Arrival, Carrier, ChannelId, ChannelMode, ChannelOptions, CloseCode, CloseSpace, ConnectOptions, Endpoint,
    Event, Instant, Link, Migration, PskName, PublicKey, Received, Seed, SendOptions, SessionId, SessionMut, State,
    TimerKind,
};

use super::actions::Actions;
use super::coverage::Coverage;
use super::options::{Options, one_in, pick};
use super::talk::{LONGEST, Talk, Talks, Use, mode_of};
use crate::ledger::Ledger;
use crate::world::PSK;
use crate::{Generator, Node, Output, Recording, inside, outside};

/// Codes that say of the other end that it broke a rule, or of this one that it failed.
const ACCUSATIONS: [CloseCode; 11] = [
    CloseCode::INTERNAL,
    CloseCode::PROTOCOL,
    CloseCode::FRAME_ENCODING,
    CloseCode::FRAME_NOT_ALLOWED,
    CloseCode::UNKNOWN_CRITICAL,
    CloseCode::FLOW_CONTROL,
    CloseCode::CHANNEL_UNKNOWN,
    CloseCode::TRANSPORT_PARAMETERS,
    CloseCode::ACK_OF_UNSENT,
    CloseCode::CHANNEL_LIMIT,
    CloseCode::FINAL_SIZE,
];

/// Messages of an application in each session before it falls silent.
const LAST_MESSAGES: u32 = 8;

/// What applications do at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Everything.
    Busy,
    /// They keep their sessions, and send nothing new.
    Quiet,
    /// They close their sessions and begin none.
    Closing,
}

/// What all nodes of a run share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) phase: Cell<Phase>,
    pub(super) ledger: RefCell<Ledger>,
    pub(super) coverage: RefCell<Coverage>,
    pub(super) actions: RefCell<Actions>,
    pub(super) provider: Recording,
    /// What is being read.
    pub(super) buffer: RefCell<Box<[u8; LONGEST]>>,
}

/// A peer to have a session with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) node: usize,
    pub(super) address: Address,
    pub(super) key: PublicKey,
}

/// What was done to an endpoint.
#[derive(Clone, Copy, Debug)]
enum Trigger {
    Start,
    Command,
    Datagram,
    Timer(TimerKind),
}

impl fmt::Display for Trigger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => formatter.write_str("start"),
            Self::Command => formatter.write_str("command"),
            Self::Datagram => formatter.write_str("datagram"),
            Self::Timer(timer) => write!(formatter, "{timer:?}"),
        }
    }
}

/// Where a node is: an address, and the carrier that serves it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) carrier: Carrier,
    pub(super) address: Address,
}

impl Way {
    /// One of the first carrier.
    pub(super) fn first(address: Address) -> Self {
        Self { carrier: Carrier(0), address }
    }
}

/// An endpoint and its application.
pub(super) struct Actor {
    pub(super) endpoint: Endpoint<Recording>,
    shared: Rc<Shared>,
    pub(super) talks: Talks,
    pub(super) targets: Vec<Target>,
    /// Where it is. Never empty; the first is of the first carrier.
    pub(super) ways: Vec<Way>,
    random: Generator,
    next_turn: Instant,
    /// What was last done to the endpoint.
    trigger: Trigger,
    /// When anything was last done to it.
    pub(super) seen_at: Instant,
}

impl Actor {
    /// Node `number` of a run, for the `life`-th time, begun at `now`.
    pub(super) fn new(shared: &Rc<Shared>, number: usize, life: u64, ways: Vec<Way>, now: Instant) -> Self {
        let options = &shared.options;
        let seed = Seed::new(options.material(number, 1 + life));
        let provider = shared.provider.clone();
        let config = options.config(number, &provider);
        let limits = options.limits();
        let endpoint = inside(|| Endpoint::new(config, limits, provider, seed)).expect("options that can work");
        let mut actor = Self {
            endpoint,
            shared: Rc::clone(shared),
            talks: Talks::new(),
            targets: Vec::new(),
            ways,
            random: Generator::new(options.seed.wrapping_mul(97).wrapping_add(number as u64 * 31 + life)),
            next_turn: now,
            trigger: Trigger::Start,
            seen_at: now,
        };
        if options.contact.is_first() {
            actor.endpoint.set_pairing(Some(Instant::MAX), now);
        }
        actor
    }

    /// Its node is killed: says which messages die with it.
    pub(super) fn die(self) {
        let mut ledger = self.shared.ledger.borrow_mut();
        for talk in self.talks.values() {
            ledger.died(talk.number);
        }
    }

    /// Its established sessions, and with whom.
    pub(super) fn established(&self) -> impl Iterator<Item = (SessionId, &Talk)> {
        self.talks.iter().filter(|(_, talk)| talk.is_established).map(|(id, talk)| (*id, talk))
    }

    fn on_event(&mut self, event: Event, now: Instant) {
        let shared = Rc::clone(&self.shared);
        let mut ledger = shared.ledger.borrow_mut();
        match event {
            Event::Incoming(id) => self.on_incoming(id, now, &mut ledger),
            Event::StateChanged(id) => self.note_state(id, &mut ledger),
            Event::Established(id) => {
                let uid = self.endpoint.session(id).and_then(|session| session.uid());
                if let Some(talk) = self.talks.get_mut(&id) {
                    talk.is_established = true;
                    ledger.set_uid(talk.number, uid);
                }
            }
            Event::Readable(id, channel) => {
                self.on_session(id, now, |talk, session| {
                    talk.read(session, channel, &mut shared.buffer.borrow_mut(), &mut ledger);
                });
            }
            Event::Expired(id, channel) => {
                self.on_session(id, now, |talk, session| talk.take_expired(session, channel, &mut ledger));
            }
            Event::ChannelOpened(id, channel) => {
                if let Some(talk) = self.talks.get_mut(&id) {
                    talk.channels.insert(channel.0, Use { mode: mode_of(channel), has_ended: false });
                }
            }
            Event::ChannelStopped(id, channel, _) => {
                if let Some(talk) = self.talks.get_mut(&id) {
                    ledger.given_up(talk.number, channel);
                    talk.channels.entry(channel.0).and_modify(|channel| channel.has_ended = true);
                }
            }
            Event::PathChanged(_) => shared.actions.borrow_mut().paths_changed += 1,
            Event::ChannelClosed(id, channel) => {
                if let Some(talk) = self.talks.get_mut(&id) {
                    ledger.channel_closed(talk.number, channel);
                    talk.channels.remove(&channel.0);
                }
            }
            Event::Closed(id) => {
                self.demand_no_accusation(id);
                self.count_keys(id);
                if let Some(talk) = self.talks.get(&id).filter(|talk| !talk.is_established) {
                    // Nobody accepted: whatever the peer's stack held, its application never had it.
                    ledger.left(talk.number);
                    talk.channels.keys().for_each(|channel| ledger.given_up(talk.number, ChannelId(*channel)));
                }
                self.on_session(id, now, |talk, session| {
                    talk.end(session, &mut shared.buffer.borrow_mut(), &mut ledger);
                });
                self.talks.remove(&id);
                inside(|| self.endpoint.forget(id));
            }
            _ => {}
        }
    }

    fn on_incoming(&mut self, id: SessionId, now: Instant, ledger: &mut Ledger) {
        let Some(session) = self.endpoint.session(id) else { return };
        let (state, uid) = (session.state(), session.uid());
        // An attempt that crossed ours lives on under our handle.
        let talk = self.talks.entry(id).or_insert_with(|| Talk::new(ledger.begin_session(), None, state));
        ledger.set_uid(talk.number, uid);
        let refuses = self.random.chance(self.shared.options.endings) && self.shared.phase.get() == Phase::Busy;
        if refuses {
            ledger.left(talk.number);
        }
        let Some(mut session) = self.endpoint.session_mut(id, now) else { return };
        let _answered_already = inside(|| match refuses {
            true => session.refuse(CloseCode::REFUSED, "not now", Some(Duration::from_millis(50))),
            false => session.accept(b"welcome"),
        });
    }

    /// Everybody here runs the core: none breaks a rule of the protocol.
    fn demand_no_accusation(&self, id: SessionId) {
        let reason = self.endpoint.session(id).and_then(|session| session.close_reason());
        let Some(reason) = reason.filter(|reason| reason.space == CloseSpace::Protocol) else { return };
        assert!(!ACCUSATIONS.contains(&reason.code), "I8: an honest node is said to have broken a rule: {reason:?}");
    }

    fn count_keys(&self, id: SessionId) {
        let rotations = self.endpoint.session(id).map_or(0, |session| session.stats().key_rotations);
        self.shared.actions.borrow_mut().keys_replaced += u64::from(rotations);
    }

    fn note_state(&mut self, id: SessionId, ledger: &mut Ledger) {
        let (Some(session), Some(talk)) = (self.endpoint.session(id), self.talks.get_mut(&id)) else { return };
        let state = session.state();
        self.shared.coverage.borrow_mut().note(talk.state, &self.trigger.to_string(), state);
        talk.state = state;
        // What is sent before the other side accepts bears its name already.
        ledger.set_uid(talk.number, session.uid());
    }

    fn on_session(&mut self, id: SessionId, now: Instant, action: impl FnOnce(&Talk, &mut SessionMut<'_, Recording>)) {
        if let (Some(talk), Some(mut session)) = (self.talks.get(&id), self.endpoint.session_mut(id, now)) {
            action(talk, &mut session);
        }
    }

    /// One turn of the application.
    fn turn(&mut self, now: Instant) {
        self.trigger = Trigger::Command;
        match self.shared.phase.get() {
            Phase::Busy => {
                self.connect_where_wanted(now);
                for id in self.talks.keys().copied().collect::<Vec<_>>() {
                    self.use_session(id, now);
                }
            }
            Phase::Quiet => self.connect_where_wanted(now),
            Phase::Closing => {
                for id in self.talks.keys() {
                    if let Some(mut session) = self.endpoint.session_mut(*id, now) {
                        inside(|| session.close(0, "the end"));
                    }
                }
            }
        }
        let jitter = self.random.below(self.shared.options.turn.as_micros() as u64 / 4 + 1);
        self.next_turn = now.saturating_add(self.shared.options.turn).saturating_add(Duration::from_micros(jitter));
    }

    fn connect_where_wanted(&mut self, now: Instant) {
        for target in self.targets.clone() {
            let has_one = self.talks.values().any(|talk| talk.target == Some(target.node))
                || self.endpoint.sessions_of(target.key.peer_id()).next().is_some();
            // Not at once, and not all at the same time.
            if has_one || !one_in(&mut self.random, 10) {
                continue;
            }
            let name = PskName::new(PSK).expect("a name");
            let peer = self.shared.options.contact.peer(target.key, &name);
            let link = Link { carrier: Carrier(0), local: self.ways[0].address, remote: target.address };
            let Ok(id) = inside(|| self.endpoint.connect(peer, link, ConnectOptions::default(), now)) else { continue };
            let number = self.shared.ledger.borrow_mut().begin_session();
            self.talks.insert(id, Talk::new(number, Some(target.node), State::Connecting));
        }
    }

    /// Sends, opens and ends channels, and now and then the session.
    fn use_session(&mut self, id: SessionId, now: Instant) {
        let shared = Rc::clone(&self.shared);
        let options = &shared.options;
        let (Some(talk), Some(mut session)) = (self.talks.get_mut(&id), self.endpoint.session_mut(id, now)) else {
            return;
        };
        let random = &mut self.random;
        if talk.is_established && random.chance(options.endings) {
            shared.ledger.borrow_mut().left(talk.number);
            inside(|| if one_in(random, 2) { session.close(7, "enough") } else { session.abort(8, "now") });
            return;
        }
        if talk.is_established && random.chance(options.rotations) && inside(|| session.rotate_key()).is_ok() {
            shared.actions.borrow_mut().keys_wanted += 1;
        }
        for _ in 0..random.below(options.burst + 1) {
            let most = if one_in(random, 10) { options.longest } else { 200 };
            send(talk, &mut session, random, most, &shared, now);
        }
        if options.dynamic == 0 || !talk.is_established || !one_in(random, 4) {
            return;
        }
        let mode = ChannelMode::ALL[random.below(4) as usize];
        if let Ok(channel) = inside(|| session.open_channel(mode, ChannelOptions::default())) {
            talk.channels.insert(channel.0, Use { mode, has_ended: false });
        }
        end_channel(talk, &mut session, random, &shared);
    }

    /// The last messages, long ones: whatever the links have become, they come to their end.
    pub(super) fn say_last(&mut self, now: Instant) {
        let shared = Rc::clone(&self.shared);
        for (id, talk) in self.talks.iter().filter(|(_, talk)| talk.is_established) {
            let Some(mut session) = self.endpoint.session_mut(*id, now) else { continue };
            for _ in 0..LAST_MESSAGES {
                send(talk, &mut session, &mut self.random, shared.options.longest, &shared, now);
            }
        }
    }

    /// The socket was bound anew: everything goes on from the first address.
    pub(super) fn rebind(&mut self, now: Instant) {
        self.endpoint.rebind(Carrier(0), self.ways[0].address, now);
        self.shared.actions.borrow_mut().rebound += 1;
    }

    /// Goes elsewhere with each established session: from any address of its own, to any that `peers`, by their number, have.
    pub(super) fn migrate(&mut self, peers: &[Vec<Address>], now: Instant) {
        for (id, talk) in self.talks.iter().filter(|(_, talk)| talk.is_established) {
            let Some(mut session) = self.endpoint.session_mut(*id, now) else { continue };
            let way = *pick(&mut self.random, &self.ways);
            let link = session.as_ref().map(|session| session.link());
            let Some(Link { carrier, remote, .. }) = link else { continue };
            let known = talk.target.map_or(&[][..], |peer| &peers[peer]);
            let goes_at_once = carrier == way.carrier && one_in(&mut self.random, 3);
            let remote = if known.is_empty() || goes_at_once { remote } else { *pick(&mut self.random, known) };
            let link = Link { carrier: way.carrier, local: way.address, remote };
            let how = if goes_at_once { Migration::AtOnce } else { Migration::Probing };
            if session.migrate(link, how).is_ok() {
                let mut actions = self.shared.actions.borrow_mut();
                match how {
                    Migration::AtOnce => actions.migrations_at_once += 1,
                    _ => actions.migrations_probing += 1,
                }
            }
        }
    }
}

/// Sends a message of less than `most` bytes on one of the channels, if it takes one.
fn send(
    talk: &Talk,
    session: &mut SessionMut<'_, Recording>,
    random: &mut Generator,
    most: u64,
    shared: &Shared,
    now: Instant,
) {
    let options = &shared.options;
    let place = random.below(talk.channels.len() as u64) as usize;
    let Some((channel, Use { mode, has_ended: false })) = talk.channels.iter().nth(place) else { return };
    let channel = ChannelId(*channel);
    let length = random.below(most) as usize;
    let patience = Duration::from_micros(random.below(300_000));
    let send_options = match random.chance(options.deadlines) {
        true => SendOptions::by(now.saturating_add(patience)),
        false => SendOptions::default(),
    };
    let mut ledger = shared.ledger.borrow_mut();
    let message = ledger.next_message(length);
    if let Ok(id) = inside(|| session.send_with(&message, channel, send_options)) {
        ledger.sent(talk.number, channel, *mode, message.len(), id.end_offset);
    }
}

/// Finishes, resets or stops one of the dynamic channels.
fn end_channel(talk: &mut Talk, session: &mut SessionMut<'_, Recording>, random: &mut Generator, shared: &Shared) {
    let dynamic: Vec<u64> = talk.channels.keys().copied().filter(|channel| *channel >= 256).collect();
    if dynamic.is_empty() {
        return;
    }
    let channel = ChannelId(dynamic[random.below(dynamic.len() as u64) as usize]);
    let kind = random.below(8);
    let ended = inside(|| match kind {
        0 => session.reset_channel(3, channel),
        1 => session.stop_channel(4, channel),
        _ => session.finish_channel(channel),
    });
    if ended.is_err() {
        return;
    }
    let mut ledger = shared.ledger.borrow_mut();
    match kind {
        0 => ledger.given_up(talk.number, channel),
        1 => ledger.stopped(talk.number, channel),
        _ => {}
    }
    if kind != 1 {
        talk.channels.entry(channel.0).and_modify(|channel| channel.has_ended = true);
    }
}

impl Node for Actor {
    type Event = Event;

    fn handle_datagram(&mut self, datagram: &mut [u8], arrival: Arrival, now: Instant) -> Received {
        self.trigger = Trigger::Datagram;
        self.seen_at = now;
        inside(|| self.endpoint.handle_datagram(datagram, arrival, now))
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.seen_at = now;
        if let Some(deadline) = self.endpoint.next_deadline().filter(|deadline| deadline.at <= now) {
            self.trigger = Trigger::Timer(deadline.timer);
            inside(|| self.endpoint.handle_timeout(now));
        }
        if self.next_turn <= now {
            outside(|| self.turn(now));
        }
    }

    /// Events are for the application, which is in here.
    fn poll(&mut self, out: &mut [u8], now: Instant) -> Output<Event> {
        loop {
            match inside(|| Node::poll(&mut self.endpoint, out, now)) {
                Output::Event(event) => outside(|| self.on_event(event, now)),
                output => return output,
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let deadline = self.endpoint.next_deadline().map(|deadline| deadline.at);
        Some(deadline.map_or(self.next_turn, |at| at.min(self.next_turn)))
    }

    fn max_datagram(&self) -> usize {
        self.endpoint.max_datagram()
    }
}
