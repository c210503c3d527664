//! What stands under the lock: the tables of one pair of channels, and what waits to be fetched.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use session_core::request::{self as core, Answer, Arrived, RequestId, Status};
use session_core::{ChannelId, Instant, SendError, SessionId};

use super::{ChannelTaken, RequestOptions};
use crate::record::Record;
use crate::shared::{Core, State};
use crate::waiters::Topic;

/// Bytes asked of the core at a time.
const READ_STEP: usize = 16 * 1024;
/// As long as any prefix: what is kept of a message beyond the longest body.
const PREFIX: usize = 32;

/// A session and the channel it receives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) session: SessionId,
    pub(crate) receive: ChannelId,
}

/// What may happen to an exchange that somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matter {
    /// A request may be begun, or its deadline has passed.
    Room,
    /// A request came.
    Arrival,
    /// A request of ours is over.
    Answer(RequestId),
    /// A request of the peer's takes no answer any more.
    Over(RequestId),
}

/// All exchanges of an endpoint, and their deadlines.
#[derive(Default)]
pub(crate) struct Exchanges {
    list: BTreeMap<Key, Exchange>,
    alarms: BTreeSet<(Instant, Key)>,
}

/// Both roles over one pair of channels. It lives as long as its session: ids must not begin anew.
pub(crate) struct Exchange {
    pub(super) options: RequestOptions,
    pub(super) requester: core::Requester,
    pub(super) responder: core::Responder,
    /// What became of requests, until it is fetched; the requests' futures bound it.
    answers: HashMap<RequestId, Outcome>,
    /// Deadlines of requests that wait to be made.
    starting: Vec<Instant>,
    /// Requests that nobody took yet; the responder's table bounds them.
    arrived: VecDeque<Request>,
    /// Requests that will get no answer from the application.
    declined: VecDeque<(RequestId, Status)>,
    /// Handles that take requests.
    takers: usize,
    /// What has come of a message.
    partial: Vec<u8>,
    /// Where its deadline is filed.
    alarm: Option<Instant>,
    news: Vec<Topic>,
}

pub(super) struct Request {
    pub(super) id: RequestId,
    pub(super) body: Vec<u8>,
}

/// How a request of ours ended.
pub(super) enum Outcome {
    Response(Status, Vec<u8>),
    TooLong,
    TimedOut,
}

/// The session below, for the time of one lock.
pub(super) struct Wire<'a> {
    core: &'a mut Core,
    record: &'a mut Record,
    key: Key,
    pub(super) now: Instant,
}

impl Wire<'_> {
    pub(super) fn send(&mut self, message: &[u8], channel: ChannelId) -> Result<(), SendError> {
        let mut session = self.core.session_mut(self.key.session, self.now).ok_or(SendError::Closed)?;
        let sent = session.send(message, channel)?;
        self.record.note_sent(channel, sent.end_offset);
        Ok(())
    }

    /// Appends what has come to `message`, of which no more than `limit` bytes are kept; `Some(true)` at a message's end.
    fn read(&mut self, message: &mut Vec<u8>, limit: usize) -> Option<bool> {
        let whole = self.core.session(self.key.session)?.message_length(self.key.receive);
        let mut session = self.core.session_mut(self.key.session, self.now)?;
        let kept = message.len();
        // Not every mode gives pieces. What is there is bounded by the credit that was given.
        if let Some(left) = whole.and_then(|left| usize::try_from(left).ok()) {
            message.resize(kept + left, 0);
            let length = session.recv(&mut message[kept..], self.key.receive).ok().flatten();
            message.truncate((kept + length.unwrap_or(0)).min(limit));
            return length.map(|_| true);
        }
        message.resize(kept + READ_STEP, 0);
        let chunk = session.read(&mut message[kept..], self.key.receive).ok().flatten();
        message.truncate((kept + chunk.as_ref().map_or(0, |chunk| chunk.length)).min(limit.max(kept)));
        chunk.map(|chunk| chunk.end)
    }
}

impl Exchanges {
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty() && self.alarms.is_empty()
    }

    /// When the next request expires.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// No deadlines any more: the session has ended.
    pub(crate) fn silence(&mut self, session: SessionId) {
        for exchange in self.list.range_mut(keys_of(session)).map(|(_, exchange)| exchange) {
            exchange.starting.clear();
        }
        self.alarms.retain(|(_, key)| key.session != session);
    }

    /// The session is forgotten.
    pub(crate) fn forget(&mut self, session: SessionId) {
        self.silence(session);
        let keys: Vec<Key> = self.list.range(keys_of(session)).map(|(key, _)| *key).collect();
        for key in keys {
            self.list.remove(&key);
        }
    }

    /// Files the deadline of an exchange where it belongs.
    fn refile(&mut self, key: Key) {
        let Some(exchange) = self.list.get_mut(&key) else { return };
        let next = exchange.next_deadline();
        if next == exchange.alarm {
            return;
        }
        if let Some(former) = std::mem::replace(&mut exchange.alarm, next) {
            self.alarms.remove(&(former, key));
        }
        if let Some(next) = next {
            self.alarms.insert((next, key));
        }
    }
}

impl State {
    /// Opens the exchange, or finds the one that exists, and adds `takers` to those who take requests. Nothing happens if the session is
    /// forgotten: what is done next says so.
    pub(super) fn open_exchange(
        &mut self,
        session: SessionId,
        options: RequestOptions,
        takers: usize,
        now: Instant,
    ) -> Result<Key, ChannelTaken> {
        let key = Key { session, receive: options.receive };
        if !self.sessions.contains_key(&session) {
            return Ok(key);
        }
        let exchange = self.exchanges.list.entry(key).or_insert_with(|| Exchange::new(options));
        if exchange.options.send != options.send {
            return Err(ChannelTaken);
        }
        exchange.takers += takers;
        self.pump_exchange(key, now);
        Ok(key)
    }

    /// Works on an exchange, and afterwards tells those who wait. `None` if it is gone.
    pub(super) fn with_exchange<T>(
        &mut self,
        key: Key,
        now: Instant,
        work: impl FnOnce(&mut Exchange, &mut Wire<'_>) -> T,
    ) -> Option<T> {
        let Self { core, sessions, exchanges, .. } = self;
        let record = sessions.get_mut(&key.session)?;
        let exchange = exchanges.list.get_mut(&key)?;
        let result = work(exchange, &mut Wire { core, record, key, now });
        let mut news = std::mem::take(&mut exchange.news);
        if record.ended.is_none() {
            exchanges.refile(key);
        }
        for topic in news.drain(..) {
            self.notify(topic);
        }
        if let Some(exchange) = self.exchanges.list.get_mut(&key) {
            exchange.news = news;
        }
        self.touched = true;
        Some(result)
    }

    pub(super) fn exchange(&self, key: Key) -> Option<&Exchange> {
        self.exchanges.list.get(&key)
    }

    pub(super) fn exchange_mut(&mut self, key: Key) -> Option<&mut Exchange> {
        self.exchanges.list.get_mut(&key)
    }

    /// Something can be read on a channel.
    pub(crate) fn pump_exchange(&mut self, key: Key, now: Instant) {
        self.with_exchange(key, now, |exchange, wire| {
            exchange.read(wire);
            exchange.flush(wire);
        });
    }

    /// Something can be written on a channel.
    pub(crate) fn flush_exchanges(&mut self, session: SessionId, send: ChannelId, now: Instant) {
        let keys = self.exchanges.list.range(keys_of(session)).filter(|(_, exchange)| exchange.options.send == send);
        let keys: Vec<Key> = keys.map(|(key, _)| *key).collect();
        for key in keys {
            self.with_exchange(key, now, Exchange::flush);
        }
    }

    /// Ends requests whose deadline has passed.
    pub(crate) fn serve_exchanges(&mut self, now: Instant) {
        while let Some((_, key)) = self.exchanges.alarms.first().copied().filter(|(at, _)| *at <= now) {
            if self.with_exchange(key, now, Exchange::serve_deadlines).is_none() {
                self.exchanges.alarms.pop_first();
            }
        }
    }
}

impl Exchange {
    fn new(options: RequestOptions) -> Self {
        Self {
            options,
            requester: core::Requester::new(options.in_flight),
            responder: core::Responder::new(options.in_flight),
            answers: HashMap::new(),
            starting: Vec::new(),
            arrived: VecDeque::new(),
            declined: VecDeque::new(),
            takers: 0,
            partial: Vec::new(),
            alarm: None,
            news: Vec::new(),
        }
    }

    pub(super) fn take_answer(&mut self, id: RequestId) -> Option<Outcome> {
        self.answers.remove(&id)
    }

    pub(super) fn take_request(&mut self) -> Option<Request> {
        self.arrived.pop_front()
    }

    /// A request waits to be made, until `deadline` at the latest.
    pub(super) fn await_room(&mut self, deadline: Instant) {
        self.starting.push(deadline);
    }

    pub(super) fn leave_room(&mut self, deadline: Instant) {
        if let Some(index) = self.starting.iter().position(|other| *other == deadline) {
            self.starting.swap_remove(index);
        }
    }

    /// Gives a request of ours up, or its outcome.
    pub(super) fn give_up(&mut self, id: RequestId, wire: &mut Wire<'_>) {
        if self.answers.remove(&id).is_none() && self.requester.cancel(id) {
            self.flush(wire);
        }
    }

    /// Gives a request of the peer's no answer but `status`.
    pub(super) fn decline(&mut self, id: RequestId, status: Status, wire: &mut Wire<'_>) {
        if self.responder.is_serving(id) {
            self.declined.push_back((id, status));
            self.flush(wire);
        }
    }

    /// One less takes requests.
    pub(super) fn leave(&mut self, wire: &mut Wire<'_>) {
        self.takers = self.takers.saturating_sub(1);
        if self.takers > 0 {
            return;
        }
        self.declined.extend(self.arrived.drain(..).map(|request| (request.id, Status::DECLINED)));
        self.flush(wire);
    }

    /// Sends what the tables want to say, as much as there is room for.
    pub(super) fn flush(&mut self, wire: &mut Wire<'_>) {
        let send = self.options.send;
        let in_flight = self.requester.in_flight();
        let _ = self.requester.flush(|prefix| wire.send(prefix.as_bytes(), send));
        let _ = self.responder.flush(|prefix| wire.send(prefix.as_bytes(), send));
        while let Some((id, status)) = self.declined.front().copied() {
            let now = wire.now;
            match self.responder.respond(id, status, now, |prefix| wire.send(prefix.as_bytes(), send)) {
                Err(core::RespondError::Send(_)) => break,
                _ => self.declined.pop_front(),
            };
        }
        if self.requester.in_flight() < in_flight {
            self.tell(wire.key, Matter::Room);
        }
    }

    fn read(&mut self, wire: &mut Wire<'_>) {
        let limit = self.options.largest.saturating_add(PREFIX);
        let mut message = std::mem::take(&mut self.partial);
        while let Some(end) = wire.read(&mut message, limit) {
            if end {
                self.dispatch(&message, wire);
                message.clear();
            }
        }
        self.partial = message;
    }

    fn dispatch(&mut self, message: &[u8], wire: &Wire<'_>) {
        if core::is_response(message) {
            self.on_response(message, wire.key);
        } else {
            self.on_request(message, wire);
        }
    }

    fn on_response(&mut self, message: &[u8], key: Key) {
        match self.requester.handle_message(message) {
            Answer::Response { id, status, body } => {
                let fits = body.len() <= self.options.largest;
                let outcome = if fits { Outcome::Response(status, body.to_vec()) } else { Outcome::TooLong };
                self.answers.insert(id, outcome);
                self.tell(key, Matter::Answer(id));
                self.tell(key, Matter::Room);
            }
            // It may have made a CANCEL needless.
            Answer::Late(_) => self.tell(key, Matter::Room),
            _ => {}
        }
    }

    fn on_request(&mut self, message: &[u8], wire: &Wire<'_>) {
        match self.responder.handle_message(message, wire.now) {
            Arrived::Request { id, body, .. } if body.len() > self.options.largest => {
                self.declined.push_back((id, Status::TOO_LONG));
            }
            Arrived::Request { id, .. } if self.takers == 0 => self.declined.push_back((id, Status::DECLINED)),
            Arrived::Request { id, body, .. } => {
                self.arrived.push_back(Request { id, body: body.to_vec() });
                self.tell(wire.key, Matter::Arrival);
            }
            Arrived::Cancelled(id) => self.end(id, wire.key),
            _ => {}
        }
    }

    /// A request of the peer's is over.
    fn end(&mut self, id: RequestId, key: Key) {
        self.arrived.retain(|request| request.id != id);
        self.declined.retain(|(declined, _)| *declined != id);
        self.tell(key, Matter::Over(id));
    }

    fn serve_deadlines(&mut self, wire: &mut Wire<'_>) {
        let (key, now) = (wire.key, wire.now);
        while let Some(id) = self.requester.handle_timeout(now) {
            self.answers.insert(id, Outcome::TimedOut);
            self.tell(key, Matter::Answer(id));
        }
        while let Some(id) = self.responder.handle_timeout(now) {
            self.end(id, key);
        }
        let waiting = self.starting.len();
        self.starting.retain(|deadline| *deadline > now);
        if self.starting.len() < waiting {
            // They wait for one or the other.
            self.tell(key, Matter::Room);
            self.news.push(Topic::Writable(key.session, self.options.send));
        }
        self.flush(wire);
    }

    fn next_deadline(&self) -> Option<Instant> {
        let starting = self.starting.iter().min().copied();
        [self.requester.next_deadline(), self.responder.next_deadline(), starting].into_iter().flatten().min()
    }

    fn tell(&mut self, key: Key, matter: Matter) {
        self.news.push(Topic::Exchange(key, matter));
    }
}

impl RequestOptions {
    pub(super) fn send_channel(&self) -> ChannelId {
        self.send
    }
}

fn keys_of(session: SessionId) -> std::ops::RangeInclusive<Key> {
    Key { session, receive: ChannelId(0) }..=Key { session, receive: ChannelId(u64::MAX) }
}
