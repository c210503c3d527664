//! What became of every message: who sent it, who got it, who was told that it is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::AddAssign;

use session_core::{ChannelId, ChannelMode, CloseReport, Uid};

/// The account of a run. Whatever must not be is a panic that begins with `I4`.
///
/// Applications say what they do with messages; the ledger gives each its number and knows what its bytes have to be.
#[derive(Debug, Default)]
pub struct Ledger {
    sessions: Vec<SessionRecord>,
    messages: Vec<MessageRecord>,
}

/// One end of a session, by its number in the ledger.
pub type SessionNumber = usize;

#[derive(Debug, Default)]
struct SessionRecord {
    uid: Option<Uid>,
    /// Its node was killed: what it knew is gone.
    died: bool,
    ended: bool,
    /// Its own application ended it: what it had not read then is its own business.
    left: bool,
    /// Channels that its application reads no more.
    stopped: BTreeSet<u64>,
    /// What has arrived, by channel, as the core said in the end.
    acked: BTreeMap<u64, u64>,
    /// Numbers of the messages sent, by channel.
    sent: BTreeMap<u64, Vec<u64>>,
    /// One more than the place of the last message received, by channel; for channels that keep order.
    received: BTreeMap<u64, u64>,
}

#[derive(Clone, Copy, Debug)]
struct MessageRecord {
    session: SessionNumber,
    channel: ChannelId,
    mode: ChannelMode,
    length: usize,
    /// Its place among the messages of the channel.
    place: u64,
    end_offset: u64,
    delivered: bool,
    /// Reported: its deadline passed, its channel was given up, or its session ended first.
    reported: bool,
    /// It was the deadline.
    expired: bool,
    /// The peer's stack held it, and its application left before it could read it.
    unread: bool,
}

/// The sums of a ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Messages that a core has taken.
    pub sent: u64,
    /// Messages that an application got.
    pub delivered: u64,
    /// Messages that did not arrive and whose sender was told, or had given them up.
    pub reported_lost: u64,
    /// Messages that the peer's stack held when its application left, or that stood behind one given up there.
    pub unread: u64,
    /// Messages of unreliable and latest-value channels that did not arrive, which nobody promised.
    pub vanished: u64,
    /// Messages whose sender was killed.
    pub died_with_sender: u64,
    /// Messages that a reliable channel lost without a word.
    pub silent_lost: u64,
}

/// The least bytes of a message: its number.
pub const MINIMUM_MESSAGE: usize = 8;

impl Ledger {
    /// One more end of a session.
    pub fn begin_session(&mut self) -> SessionNumber {
        self.sessions.push(SessionRecord::default());
        self.sessions.len() - 1
    }

    /// The name that both ends give the session.
    pub fn set_uid(&mut self, session: SessionNumber, uid: Option<Uid>) {
        self.sessions[session].uid = uid.or(self.sessions[session].uid);
    }

    /// The bytes of the next message, of `length` or, if that is more, [`MINIMUM_MESSAGE`] bytes.
    #[must_use]
    pub fn next_message(&self, length: usize) -> Vec<u8> {
        content(self.messages.len() as u64, length.max(MINIMUM_MESSAGE))
    }

    /// The core has taken the [next message](Self::next_message) of that length.
    pub fn sent(&mut self, session: SessionNumber, channel: ChannelId, mode: ChannelMode, length: usize, end: u64) {
        let number = self.messages.len() as u64;
        let numbers = self.sessions[session].sent.entry(channel.0).or_default();
        let place = numbers.len() as u64;
        numbers.push(number);
        self.messages.push(MessageRecord {
            session,
            channel,
            mode,
            length: length.max(MINIMUM_MESSAGE),
            place,
            end_offset: end,
            delivered: false,
            reported: false,
            expired: false,
            unread: false,
        });
    }

    /// An application got these bytes.
    ///
    /// # Panics
    /// If nobody sent them so, on this channel of this session, or they came before, or out of the order the channel keeps.
    pub fn delivered(&mut self, session: SessionNumber, channel: ChannelId, bytes: &[u8]) {
        let number = bytes.first_chunk().map_or(u64::MAX, |bytes| u64::from_be_bytes(*bytes));
        let Some(message) = self.messages.get_mut(usize::try_from(number).unwrap_or(usize::MAX)) else {
            panic!("I4: forged: a message nobody sent, {} bytes on {channel:?}", bytes.len());
        };
        assert!(bytes == content(number, message.length), "I4: forged: message {number} is not as it was sent");
        assert!(message.channel == channel, "I4: message {number} came on {channel:?}, not {:?}", message.channel);
        let (uid, theirs) = (self.sessions[session].uid, self.sessions[message.session].uid);
        assert!(uid.is_some() && uid == theirs, "I4: message {number} came in another session");
        assert!(!message.delivered, "I4: message {number} came twice on {channel:?} ({:?})", message.mode);
        message.delivered = true;
        if matches!(message.mode, ChannelMode::ReliableOrdered | ChannelMode::LatestValue) {
            let next = self.sessions[session].received.entry(channel.0).or_default();
            assert!(message.place >= *next, "I4: message {number} came out of order on {:?}", message.mode);
            *next = message.place + 1;
        }
    }

    /// The core says that the message which ends there was too late.
    ///
    /// # Panics
    /// If there is none, or this was said before.
    pub fn expired(&mut self, session: SessionNumber, channel: ChannelId, end_offset: u64) {
        let numbers = self.sessions[session].sent.get(&channel.0).map_or(&[][..], Vec::as_slice);
        let messages = &mut self.messages;
        let found = numbers.binary_search_by_key(&end_offset, |number| messages[*number as usize].end_offset);
        let Ok(index) = found else { panic!("I4: no message on {channel:?} ends at {end_offset}, yet it expires") };
        let message = &mut messages[numbers[index] as usize];
        assert!(!message.expired, "I4: message {} expires twice", numbers[index]);
        (message.reported, message.expired) = (true, true);
    }

    /// What was sent on the channel and has not arrived is given up, by one side or the other, and the sender knows.
    pub fn given_up(&mut self, session: SessionNumber, channel: ChannelId) {
        self.report(session, channel, 0);
    }

    /// Both directions of the channel came to their end: all that was not given up has arrived, the core says.
    pub fn channel_closed(&mut self, session: SessionNumber, channel: ChannelId) {
        self.sessions[session].acked.insert(channel.0, u64::MAX);
    }

    /// The session ended, and its core reports on a channel: what ends up to there has arrived, it says, and of the rest it is not known.
    pub fn ended(&mut self, session: SessionNumber, channel: ChannelId, report: CloseReport) {
        self.sessions[session].acked.insert(channel.0, report.acked);
        self.report(session, channel, report.acked);
    }

    /// The session ended, and all reports are given.
    ///
    /// # Panics
    /// If it had ended.
    pub fn session_ended(&mut self, session: SessionNumber) {
        assert!(!std::mem::replace(&mut self.sessions[session].ended, true), "I4: a session ends twice");
    }

    /// The node of this end was killed.
    pub fn died(&mut self, session: SessionNumber) {
        (self.sessions[session].died, self.sessions[session].left) = (true, true);
    }

    /// The application of this end has ended the session, by whatever command.
    pub fn left(&mut self, session: SessionNumber) {
        self.sessions[session].left = true;
    }

    /// Nothing more will happen: compares what cores said with what applications got.
    ///
    /// # Panics
    /// If a core counted as arrived what was lost.
    pub fn finish(&mut self) {
        for session in 0..self.sessions.len() {
            for (channel, acked) in std::mem::take(&mut self.sessions[session].acked) {
                self.excuse(session, channel, acked);
                for number in self.sessions[session].sent.get(&channel).into_iter().flatten() {
                    let message = &self.messages[*number as usize];
                    let is_lost = message.end_offset <= acked && is_reliable(message.mode) && message.is_open();
                    assert!(!is_lost, "I4: message {number} counts as arrived, and was lost: {message:?}");
                }
            }
        }
    }

    /// Whether every message of a reliable channel in a session that lives has come to its end.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.messages.iter().all(|message| self.is_at_its_end(message))
    }

    fn is_at_its_end(&self, message: &MessageRecord) -> bool {
        if !is_reliable(message.mode) || !message.is_open() {
            return true;
        }
        let session = &self.sessions[message.session];
        let has_report = session.acked.contains_key(&message.channel.0);
        session.ended || session.died || has_report || self.peer_left(message.session, message.channel.0)
    }

    /// Some message that has not come to its end, for people.
    #[must_use]
    pub fn unsettled(&self) -> Option<String> {
        let message = self.messages.iter().enumerate().find(|(_, message)| !self.is_at_its_end(message));
        message.map(|(number, message)| format!("message {number}: {message:?}"))
    }

    /// The sums.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals { sent: self.messages.len() as u64, ..Totals::default() };
        for message in &self.messages {
            let fate = if message.delivered {
                &mut totals.delivered
            } else if message.reported {
                &mut totals.reported_lost
            } else if message.unread {
                &mut totals.unread
            } else if self.sessions[message.session].died {
                &mut totals.died_with_sender
            } else if is_reliable(message.mode) {
                &mut totals.silent_lost
            } else {
                &mut totals.vanished
            };
            *fate += 1;
        }
        totals
    }

    /// The application of this end reads the channel no more.
    pub fn stopped(&mut self, session: SessionNumber, channel: ChannelId) {
        self.sessions[session].stopped.insert(channel.0);
    }

    /// Whether the application of the other end reads the channel no more.
    fn peer_left(&self, session: SessionNumber, channel: u64) -> bool {
        let uid = self.sessions[session].uid;
        let mut others = self.sessions.iter().enumerate().filter(|(number, _)| *number != session);
        others.any(|(_, other)| other.uid == uid && (other.left || other.stopped.contains(&channel)))
    }

    /// An acknowledgement promises the peer's stack: notes what it held that its application could not read any more. That is so where the application
    /// left, and for what stands behind a message that was given up, on a channel that keeps order, when the session ends before that is known.
    fn excuse(&mut self, session: SessionNumber, channel: u64, acked: u64) {
        let peer_left = self.peer_left(session, channel);
        let mut has_gap = false;
        for number in self.sessions[session].sent.get(&channel).into_iter().flatten() {
            let message = &mut self.messages[*number as usize];
            has_gap |= message.reported && !message.delivered && message.mode == ChannelMode::ReliableOrdered;
            message.unread |=
                message.end_offset <= acked && !message.delivered && !message.reported && (peer_left || has_gap);
        }
    }

    fn report(&mut self, session: SessionNumber, channel: ChannelId, from: u64) {
        for number in self.sessions[session].sent.get(&channel.0).into_iter().flatten() {
            let message = &mut self.messages[*number as usize];
            message.reported |= !message.delivered && message.end_offset > from;
        }
    }
}

impl MessageRecord {
    fn is_open(&self) -> bool {
        !self.delivered && !self.reported && !self.unread
    }
}

fn is_reliable(mode: ChannelMode) -> bool {
    matches!(mode, ChannelMode::ReliableOrdered | ChannelMode::ReliableUnordered)
}

/// A message's bytes: its number, and bytes that follow from it.
fn content(number: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![(number as u8).wrapping_mul(31) ^ (number >> 8) as u8; length];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    if let Some(last) = bytes[8..].last_mut() {
        *last = !(number as u8);
    }
    bytes
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.delivered += other.delivered;
        self.reported_lost += other.reported_lost;
        self.unread += other.unread;
        self.vanished += other.vanished;
        self.died_with_sender += other.died_with_sender;
        self.silent_lost += other.silent_lost;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, delivered, reported_lost, unread, vanished, died_with_sender, silent_lost } = self;
        write!(
            formatter,
            "sent {sent}, delivered {delivered}, reported lost {reported_lost}, left unread {unread}, unreliable and gone {vanished}, \
             died with their sender {died_with_sender}, silent-lost {silent_lost}"
        )
    }
}

#[cfg(test)]
mod tests;
