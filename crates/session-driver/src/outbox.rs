//! Datagrams on their way out: gathered into batches, kept until the socket takes them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use session_core::{Address, Instant, Link, Transmit};

use crate::socket::{AsyncUdpSocket, Datagrams};
use crate::udp::Source as _;

/// The largest payload of one UDP send: above it the kernel says EMSGSIZE.
const MAX_BATCH: usize = 65_507;
/// First wait after the system had no buffers; doubles up to 64 ms.
const RETRY: Duration = Duration::from_millis(1);
/// Refusals for want of buffers after which a batch is given up, so that one interface does not hold up all others.
const MAX_RETRIES: u32 = 10;

/// What became of datagrams that were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) batches: u64,
    pub(crate) datagrams: u64,
    pub(crate) dropped: u64,
}

/// At most one batch ready to go and one datagram that did not fit into it.
pub(crate) struct Outbox {
    /// The batch at `start..end`, behind it the datagram carried over.
    buffer: Box<[u8]>,
    max_datagram: usize,
    batch: Option<Batch>,
    carry: Option<Transmit>,
    max_segments: usize,
    offload: bool,
    retry: Retry,
    /// A datagram that the system does not take so long.
    refused: Option<(Link, usize)>,
    sent: Sent,
}

struct Batch {
    first: Transmit,
    start: usize,
    end: usize,
    segments: usize,
    /// Takes no more: a send was tried, its last datagram is a short one, or its only one must be alone.
    sealed: bool,
}

#[derive(Default)]
struct Retry {
    refusals: u32,
    resets: u32,
    too_large: bool,
    at: Option<Instant>,
}

/// What an error means for the bytes that were to be sent.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Not now.
    Later,
    /// No buffers now; nobody tells when there are some.
    NoBuffers,
    /// News of an earlier datagram (ICMP): anybody can forge it, so it means nothing.
    Reset,
    /// The system cannot segment.
    NoOffload,
    /// Larger than the interface takes: smaller pieces of the same batch will not do better.
    TooLarge,
    /// Anything else.
    Refused,
}

impl Outbox {
    pub(crate) fn new(max_datagram: usize) -> Self {
        Self {
            buffer: vec![0; MAX_BATCH + max_datagram].into_boxed_slice(),
            max_datagram,
            batch: None,
            carry: None,
            max_segments: 1,
            offload: true,
            retry: Retry::default(),
            refused: None,
            sent: Sent::default(),
        }
    }

    pub(crate) fn max_datagram(&self) -> usize {
        self.max_datagram
    }

    /// Room for the next datagram, or `None` while what is there must go first.
    pub(crate) fn room(&mut self) -> Option<&mut [u8]> {
        if self.carry.is_some() {
            return None;
        }
        let end = self.batch.as_ref().map_or(0, |batch| batch.end);
        self.buffer.get_mut(end..end + self.max_datagram)
    }

    /// Whether sending now would send a batch that cannot grow.
    pub(crate) fn is_full(&self) -> bool {
        self.carry.is_some() || self.batch.as_ref().is_some_and(|batch| batch.sealed)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batch.is_none() && self.carry.is_none()
    }

    /// Takes the datagram that was just written to [`Outbox::room`].
    pub(crate) fn push(&mut self, datagram: Transmit, max_segments: usize) {
        self.max_segments = if self.offload { max_segments } else { 1 };
        if datagram.len == 0 || datagram.len > self.max_datagram || self.carry.is_some() {
            debug_assert!(false, "a datagram that was not asked for");
            return;
        }
        let Some(batch) = &mut self.batch else {
            self.batch = Some(Batch::of(datagram, self.max_segments));
            return;
        };
        let joins = !batch.sealed
            && !datagram.alone
            && batch.first.link == datagram.link
            && batch.first.ecn == datagram.ecn
            && datagram.len <= batch.first.len
            && batch.end + datagram.len <= MAX_BATCH;
        if joins {
            batch.end += datagram.len;
            batch.segments += 1;
            batch.sealed = datagram.len < batch.first.len || batch.segments >= self.max_segments;
        } else {
            self.carry = Some(datagram);
        }
    }

    /// Sends the batch. Pending when the socket takes nothing now; [`Outbox::retry_at`] says whether a timer is needed.
    pub(crate) fn poll_flush<S: AsyncUdpSocket>(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut S,
        now: Instant,
    ) -> Poll<()> {
        loop {
            if self.retry.at.is_some_and(|at| now < at) {
                return Poll::Pending;
            }
            self.retry.at = None;
            let Some(batch) = &mut self.batch else { return Poll::Ready(()) };
            batch.sealed = true;
            let segment = batch.first.len;
            let end = if self.offload { batch.end } else { batch.end.min(batch.start + segment) };
            let Some((local, remote)) = addresses(&batch.first) else {
                self.give_up(usize::MAX);
                return Poll::Ready(());
            };
            let datagrams = Datagrams {
                remote,
                local,
                ecn: batch.first.ecn,
                contents: &self.buffer[batch.start..end],
                segment: (end - batch.start > segment).then_some(segment),
            };
            match socket.poll_send(context, &datagrams) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => self.advance(end),
                Poll::Ready(Err(error)) => self.judge(&error, end, now),
            }
            if self.batch.as_ref().is_none_or(|batch| batch.start == 0 && !batch.sealed) {
                return Poll::Ready(());
            }
        }
    }

    /// When to try again although no waker will tell.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retry.at
    }

    pub(crate) fn sent(&self) -> Sent {
        self.sent
    }

    /// A datagram that was longer than what leads there takes, told once; `None` where ICMP has a say in what the system refuses.
    pub(crate) fn take_refused(&mut self) -> Option<(Link, usize)> {
        self.refused.take().filter(|_| raw::HEEDS_NO_ICMP)
    }

    /// Whether the system still segments for us.
    pub(crate) fn offload(&self) -> bool {
        self.offload
    }

    fn advance(&mut self, end: usize) {
        let Some(batch) = &mut self.batch else { return };
        self.sent.batches += 1;
        self.sent.datagrams += count(batch.start, end, batch.first.len);
        batch.start = end;
        self.retry = Retry::default();
        self.drop_if_done();
    }

    fn judge(&mut self, error: &io::Error, end: usize, now: Instant) {
        let Some(batch) = &self.batch else { return };
        let several = end - batch.start > batch.first.len;
        match Verdict::of(error) {
            Verdict::Later => self.back_off(now),
            Verdict::NoBuffers if self.retry.refusals < MAX_RETRIES => self.back_off(now),
            // The error was waiting in the socket and nothing was sent; it is gone now that it has been told.
            Verdict::Reset if self.retry.resets < 2 => self.retry.resets += 1,
            Verdict::NoOffload if several => self.offload = false,
            // One that was waiting in the socket, for which ICMP would do, is gone now. What the system finds out itself it finds again.
            Verdict::TooLarge if !self.retry.too_large => self.retry.too_large = true,
            Verdict::TooLarge => {
                self.refused = Some((batch.first.link, batch.first.len));
                self.give_up(usize::MAX);
            }
            Verdict::NoBuffers | Verdict::Reset | Verdict::NoOffload | Verdict::Refused => self.give_up(end),
        }
    }

    fn back_off(&mut self, now: Instant) {
        let wait = RETRY * (1 << self.retry.refusals.min(6));
        self.retry.refusals = self.retry.refusals.saturating_add(1);
        self.retry.at = Some(now.saturating_add(wait));
    }

    /// Drops the batch's bytes up to `end`. The core finds out as it finds out any loss.
    fn give_up(&mut self, end: usize) {
        let Some(batch) = &mut self.batch else { return };
        let end = end.min(batch.end);
        self.sent.dropped += count(batch.start, end, batch.first.len);
        batch.start = end;
        self.retry = Retry::default();
        self.drop_if_done();
    }

    /// Once a batch is gone, the datagram carried over begins the next.
    fn drop_if_done(&mut self) {
        let Some(batch) = &self.batch else { return };
        if batch.start < batch.end {
            return;
        }
        let end = batch.end;
        self.batch = self.carry.take().map(|carried| {
            self.buffer.copy_within(end..end + carried.len, 0);
            Batch::of(carried, self.max_segments)
        });
    }
}

impl Batch {
    fn of(first: Transmit, max_segments: usize) -> Self {
        Self { first, start: 0, end: first.len, segments: 1, sealed: max_segments <= 1 || first.alone }
    }
}

impl Verdict {
    fn of(error: &io::Error) -> Self {
        use io::ErrorKind::{
            ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, InvalidInput,
            NetworkUnreachable, WouldBlock,
        };
        if is_raw(error, raw::TOO_LARGE) {
            return Self::TooLarge;
        }
        if is_raw(error, raw::NO_BUFFERS) {
            return Self::NoBuffers;
        }
        if is_raw(error, raw::IO) {
            return Self::NoOffload;
        }
        match error.kind() {
            WouldBlock | Interrupted => Self::Later,
            ConnectionRefused | ConnectionReset | ConnectionAborted | HostUnreachable | NetworkUnreachable => {
                Self::Reset
            }
            InvalidInput => Self::NoOffload,
            _ => Self::Refused,
        }
    }
}

#[cfg(unix)]
mod raw {
    use rustix::io::Errno;

    pub(super) const TOO_LARGE: i32 = Errno::MSGSIZE.raw_os_error();
    pub(super) const NO_BUFFERS: i32 = Errno::NOBUFS.raw_os_error();
    pub(super) const IO: i32 = Errno::IO.raw_os_error();
    /// Linux refuses what is too long for the interface and, of a socket with `IP_PMTUDISC_PROBE` (quinn-udp sets it), nothing else. Others may heed what they learned
    /// from ICMP, which anybody can forge.
    pub(super) const HEEDS_NO_ICMP: bool = cfg!(any(target_os = "linux", target_os = "android"));
}

/// Winsock's numbers; it has no error of its own for a failed segmentation.
#[cfg(not(unix))]
mod raw {
    pub(super) const TOO_LARGE: i32 = 10040;
    pub(super) const NO_BUFFERS: i32 = 10055;
    pub(super) const IO: i32 = i32::MIN;
    pub(super) const HEEDS_NO_ICMP: bool = false;
}

fn is_raw(error: &io::Error, code: i32) -> bool {
    error.raw_os_error() == Some(code)
}

fn count(start: usize, end: usize, segment: usize) -> u64 {
    (end - start).div_ceil(segment) as u64
}

/// Where from and where to; `None` for a link that is not of this carrier.
fn addresses(datagram: &Transmit) -> Option<(Option<IpAddr>, SocketAddr)> {
    let Address::Ip(remote) = datagram.link.remote else { return None };
    let local = match datagram.link.local {
        Address::Ip(local) => Some(local.ip()).filter(|ip| ip.is_usable_source()),
        Address::Opaque(_) => None,
    };
    Some((local, remote))
}

#[cfg(test)]
mod tests;
