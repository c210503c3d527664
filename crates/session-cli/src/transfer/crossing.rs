//! How much of the content has crossed.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use session_tokio::{MessageId, Session};

use super::CHANNEL;

/// Where content lies on the channel, among offers and digests: an acknowledgement says how far the channel has come, and a user wants to know how far the files are.
///
/// What is counted is held by the peer's stack. Neither what waits to be sent nor what is under way is; that a file stands in the inbox is a message of its own.
#[derive(Debug, Default)]
pub struct Crossing(Mutex<Ledger>);

#[derive(Debug, Default)]
struct Ledger {
    /// Content that is not known to have crossed wholly, in order.
    spans: VecDeque<Span>,
    /// Where the next byte goes.
    position: u64,
    /// Bytes of the spans that have crossed.
    crossed: u64,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u64,
    end: u64,
}

impl Crossing {
    /// Bytes of content that the peer of `session` has acknowledged.
    #[must_use]
    pub fn bytes(&self, session: &Session) -> u64 {
        let stats = session.channel_stats(CHANNEL);
        self.with(|ledger| ledger.acknowledged(stats.map_or(0, |stats| stats.acked)))
    }

    /// So many bytes of content were given to the session.
    pub(super) fn content(&self, bytes: usize) {
        self.with(|ledger| ledger.content(bytes as u64));
    }

    /// A message has ended, with content or without.
    pub(super) fn end(&self, message: MessageId) {
        self.with(|ledger| ledger.position = message.end_offset);
    }

    fn with<T>(&self, work: impl FnOnce(&mut Ledger) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ledger {
    fn content(&mut self, bytes: u64) {
        let start = self.position;
        self.position += bytes;
        match self.spans.back_mut().filter(|span| span.end == start) {
            Some(span) => span.end = self.position,
            None => self.spans.push_back(Span { start, end: self.position }),
        }
    }

    fn acknowledged(&mut self, to: u64) -> u64 {
        while let Some(span) = self.spans.front().filter(|span| span.end <= to) {
            self.crossed += span.end - span.start;
            self.spans.pop_front();
        }
        self.crossed + self.spans.front().map_or(0, |span| to.saturating_sub(span.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(ledger: &mut Ledger, content: u64) {
        ledger.position += content + 1;
    }

    #[test]
    fn only_content_counts_and_only_what_is_acknowledged() {
        let mut ledger = Ledger::default();
        // An offer of 99 bytes, a file of 1,000, its digest of 33, a file of 10.
        message(&mut ledger, 99);
        assert_eq!(ledger.acknowledged(100), 0);
        ledger.content(400);
        assert_eq!([100, 101, 499].map(|to| ledger.acknowledged(to)), [0, 1, 399]);
        ledger.content(600);
        message(&mut ledger, 0);
        message(&mut ledger, 33);
        ledger.content(10);
        message(&mut ledger, 0);
        // 1,100 is the end of the first file, 1,135 the beginning of the second.
        let acknowledged = [500, 1_099, 1_100, 1_101, 1_135, 1_136, 1_145, 1_146, u64::MAX];
        assert_eq!(
            acknowledged.map(|to| ledger.acknowledged(to)),
            [400, 999, 1_000, 1_000, 1_000, 1_001, 1_010, 1_010, 1_010]
        );
        assert!(ledger.spans.is_empty());
    }

    #[test]
    fn content_that_goes_on_after_its_beginning_has_crossed_is_counted_once() {
        let mut ledger = Ledger::default();
        ledger.content(5);
        assert_eq!(ledger.acknowledged(5), 5);
        ledger.content(5);
        assert_eq!([5, 7, 10].map(|to| ledger.acknowledged(to)), [5, 7, 10]);
        assert_eq!(ledger.acknowledged(0), 10, "what has crossed stays across");
    }
}
