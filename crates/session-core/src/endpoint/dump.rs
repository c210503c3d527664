//! Everything an endpoint would tell somebody who wonders what it is doing (S0-29): lines for people, without a secret or a user's byte.

use core::fmt::{self, Display, Formatter};
use core::time::Duration;

use super::slots::Queue;
use super::{Endpoint, SessionRef};
use crate::crypto::Provider;
use crate::reason::{CloseReason, DiscardReason, Discards};
use crate::session::{ChannelStats, SessionCore, Stats};
use crate::time::Instant;

/// An endpoint as lines for people; see [`Endpoint::dump`].
pub struct Dump<'a, P: Provider>(&'a Endpoint<P>);

impl<P: Provider> Endpoint<P> {
    /// Writes out all sessions with their states, timers, channels and figures, the queues they stand in, and what was discarded and why.
    ///
    /// It is for people and may change with any release. No key, no message and no user data is in it; names of peers and their addresses are.
    /// It allocates nothing: `write!(console, "{}", endpoint.dump())`.
    #[must_use]
    pub fn dump(&self) -> Dump<'_, P> {
        Dump(self)
    }
}

impl<P: Provider> Display for Dump<'_, P> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self(endpoint) = self;
        let (limits, memory) = (&endpoint.settings.limits, &endpoint.shared.memory);
        writeln!(
            out,
            "endpoint: {} of {} sessions, {} of {} pending, {} of {} blocks open to senders, {}",
            endpoint.slots.used(),
            limits.sessions,
            endpoint.pending,
            limits.pending,
            memory.pool.open_available(),
            limits.pool_blocks,
            if endpoint.pairing_until.is_some_and(|until| until > endpoint.now) { "pairing" } else { "not pairing" },
        )?;
        out.write_str("  queues:")?;
        for queue in Queue::ALL {
            write!(out, " {} {},", endpoint.queued(queue), queue.label())?;
        }
        match endpoint.next_deadline() {
            Some(deadline) => {
                writeln!(out, " next deadline {:?} {}", deadline.timer, In(deadline.at, endpoint.now))?;
            }
            None => out.write_str(" no deadline\n")?,
        }
        discarded(out, &endpoint.discards)?;
        endpoint.slots.iter().try_for_each(|(_, core)| self.session(out, core))
    }
}

impl<P: Provider> Dump<'_, P> {
    fn session(&self, out: &mut Formatter<'_>, core: &SessionCore) -> fmt::Result {
        let Self(endpoint) = self;
        let memory = &endpoint.shared.memory;
        let line = SessionRef::new(&endpoint.settings, core, memory);
        writeln!(out, "session {}: {line}", core.id().as_u64())?;
        write!(out, "  {:?}, phase {:?}, carrier {}, peer ", core.role(), core.phase(), core.link().carrier.0)?;
        match core.peer() {
            Some(peer) => write!(out, "{}", peer.peer_id())?,
            None => out.write_str("not known yet")?,
        }
        if core.is_first_contact() {
            out.write_str(", first contact")?;
        }
        writeln!(out, ", heard {:?}", core.heard())?;
        figures(out, &core.stats())?;
        for channel in core.application_channels(memory) {
            if let Some(stats) = core.channel_stats(memory, channel) {
                write!(out, "  channel {}: ", channel.0)?;
                progress(out, &stats)?;
            }
        }
        for deadline in core.deadlines(&endpoint.settings, memory) {
            writeln!(out, "  timer {:?} {}", deadline.timer, In(deadline.at, endpoint.now))?;
        }
        discarded(out, &core.discards())?;
        core.close_reason(memory).map_or(Ok(()), |reason| ended(out, &reason))
    }
}

fn figures(out: &mut Formatter<'_>, stats: &Stats) -> fmt::Result {
    let millis = |time: Duration| time.as_secs_f32() * 1000.0;
    writeln!(
        out,
        "  RTT {:.1} ms, minimum {:.1}, variance {:.1}; packets lost {}, sent again {}; bytes {} out, {} in; window {}, in flight {}, \
         datagrams to {}; new keys {}; packets from elsewhere {}, paths before {}",
        millis(stats.latest_rtt),
        millis(stats.minimum_rtt),
        millis(stats.rtt_variance),
        stats.packets_lost,
        stats.packets_retransmitted,
        stats.bytes_sent,
        stats.bytes_received,
        stats.congestion_window,
        stats.bytes_in_flight,
        stats.max_datagram,
        stats.key_rotations,
        stats.packets_elsewhere,
        stats.path_changes,
    )
}

fn progress(out: &mut Formatter<'_>, stats: &ChannelStats) -> fmt::Result {
    writeln!(
        out,
        "queued {}, sent {}, acked {}, delivered {}; received {}, read {}; messages lost {}, dropped {}",
        stats.queued,
        stats.sent,
        stats.acked,
        stats.delivered,
        stats.received,
        stats.read,
        stats.lost_messages,
        stats.dropped_messages,
    )
}

fn discarded(out: &mut Formatter<'_>, discards: &Discards) -> fmt::Result {
    if discards.total() == 0 {
        return Ok(());
    }
    write!(out, "  discarded {}:", discards.total())?;
    for reason in DiscardReason::ALL.iter().filter(|reason| discards.of(**reason) > 0) {
        write!(out, " {reason:?} {}", discards.of(*reason))?;
    }
    out.write_str("\n")
}

/// A peer's text is shown with every character that could move a terminal escaped.
fn ended(out: &mut Formatter<'_>, reason: &CloseReason) -> fmt::Result {
    let CloseReason { by, space, code, frame_type, text, .. } = reason;
    writeln!(out, "  ended by {by:?}, {space:?} code {:#x}, frame {frame_type:#x}, {text:?}", code.0)
}

/// When, seen from now.
struct In(Instant, Instant);

impl Display for In {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self(at, now) = self;
        match at.saturating_since(*now) {
            Duration::ZERO => write!(out, "due for {:.3} s", now.saturating_since(*at).as_secs_f32()),
            left => write!(out, "in {:.3} s", left.as_secs_f32()),
        }
    }
}
