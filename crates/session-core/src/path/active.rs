//! The path a session uses: what it measures about it, and how much it lets go.

use core::num::NonZeroU64;
use core::time::Duration;

use super::EcnPath;
use crate::action::Link;
use crate::congestion_control::CongestionControl;
use crate::recovery::{Acked, BlackHole, Congestion, Pacer, PathMtu, Patience, RttEstimator};
use crate::slab::SlabKey;
use crate::state_hash::StateHash;
use crate::time::{Instant, Span};

/// Largest ack delay assumed of a peer that names none (protocol §4.3).
const DEFAULT_MAX_ACK_DELAY: Duration = Duration::from_millis(25);

/// What a probe timeout allows for the peer's delay at least, however short a delay was asked for: its timers are not exact.
const LEAST_ACK_DELAY: Duration = Duration::from_millis(10);

/// Datagrams of urgent data that may exceed the window in one round trip.
const URGENT_DATAGRAMS: u8 = 2;

/// One link with its round-trip time, congestion window, pacer and datagram size.
pub(crate) struct Path {
    pub(crate) link: Link,
    pub(crate) mtu: PathMtu,
    black_hole: BlackHole,
    /// Authentic datagrams that came from elsewhere.
    pub(crate) elsewhere: u16,
    pub(crate) rtt: RttEstimator,
    pub(crate) congestion: Congestion,
    pacer: Pacer,
    peer_max_ack_delay: Span,
    /// Probe timeouts since the last acknowledgement.
    pub(crate) probe_count: u8,
    /// The last of them was served then.
    pub(crate) probed_at: Option<Instant>,
    /// Probes that may leave now, whatever the window says.
    pub(crate) probes_due: u8,
    /// When outstanding packets count as lost by time.
    pub(crate) loss_at: Option<Instant>,
    /// The pacer holds the next packet until then.
    pub(crate) paced_until: Option<Instant>,
    /// Datagrams sent in this round trip although window or pacer said no, and when it began.
    spared: u8,
    sparing_since: Instant,
    /// How far packets may fall behind before they count as lost.
    pub(crate) patience: Patience,
    /// Where the loss is kept that was answered last, as long as it may turn out to be none.
    pub(crate) episode: SlabKey,
    /// Packets declared lost that were acknowledged later.
    pub(crate) late: u16,
    /// The application, not the window, was what limited sending.
    pub(crate) app_limited: bool,
    /// The first round-trip time was measured then; never, at the end of time.
    pub(crate) sampled_at: Instant,
    pub(crate) ecn: EcnPath,
}

impl Path {
    pub(crate) fn new(link: Link, control: CongestionControl, mtu: PathMtu, now: Instant) -> Self {
        let max_datagram = mtu.size();
        Self {
            link,
            mtu,
            black_hole: BlackHole::default(),
            elsewhere: 0,
            rtt: RttEstimator::new(),
            congestion: Congestion::new(control, max_datagram),
            pacer: Pacer::new(now, max_datagram, None),
            peer_max_ack_delay: DEFAULT_MAX_ACK_DELAY.into(),
            probe_count: 0,
            probed_at: None,
            probes_due: 0,
            loss_at: None,
            paced_until: None,
            spared: 0,
            sparing_since: now,
            patience: Patience::new(),
            episode: SlabKey::NOWHERE,
            late: 0,
            app_limited: true,
            sampled_at: Instant::MAX,
            ecn: EcnPath::new(),
        }
    }

    /// The peer takes no longer datagrams.
    pub(crate) fn bound_datagrams(&mut self, largest: u16, now: Instant) {
        self.change_size(|mtu| mtu.bound(largest, now));
    }

    /// The size of the probe for a larger datagram that may leave now.
    pub(crate) fn search_size(&self) -> Option<u16> {
        self.mtu.probe(self.congestion.window())
    }

    /// A probe for a larger datagram of `bytes` arrived.
    pub(crate) fn on_search_acked(&mut self, bytes: u16, now: Instant) {
        self.change_size(|mtu| mtu.on_probe_acked(bytes, now));
    }

    /// The system refused a datagram of `bytes` as too long.
    pub(crate) fn on_refused(&mut self, bytes: u16, now: Instant) {
        self.change_size(|mtu| mtu.on_refused(bytes, now));
    }

    /// Whether a datagram of `bytes` is longer than what every path carries: the first to be lost when the path comes to take less.
    #[inline]
    pub(crate) fn is_large(&self, bytes: u16) -> bool {
        bytes > self.mtu.base()
    }

    /// A large datagram arrived.
    pub(crate) fn on_large_acked(&mut self) {
        self.black_hole.on_passed();
    }

    /// Large datagrams were lost, and of what was sent later only smaller ones arrived.
    pub(crate) fn on_large_lost(&mut self, now: Instant) {
        if self.black_hole.on_burst_lost() {
            self.change_size(|mtu| mtu.fall_back(now));
        }
    }

    /// Bytes per second that are not exceeded, whatever the window says.
    pub(crate) fn set_rate_cap(&mut self, rate_cap: Option<NonZeroU64>) {
        self.pacer.set_rate_cap(rate_cap);
        self.paced_until = None;
    }

    /// The cap that the application gave an attempt holds for the session that takes its place.
    pub(crate) fn take_over_rate_cap(&mut self, attempt: &Self) {
        if let Some(rate_cap) = attempt.pacer.rate_cap() {
            self.set_rate_cap(Some(rate_cap));
        }
    }

    /// Goes on over `link`, of which nothing is known: round-trip time, window, size of datagrams and marks are found anew.
    pub(crate) fn begin_anew(&mut self, link: Link, control: CongestionControl, mtu: PathMtu, now: Instant) {
        let pacer = Pacer::new(now, mtu.size(), self.pacer.rate_cap());
        self.ecn.begin_anew();
        *self = Self {
            elsewhere: self.elsewhere,
            peer_max_ack_delay: self.peer_max_ack_delay,
            pacer,
            ecn: core::mem::replace(&mut self.ecn, EcnPath::new()),
            late: self.late,
            ..Self::new(link, control, mtu, now)
        };
    }

    /// What the peer's transport parameters say.
    pub(crate) fn set_peer_max_ack_delay(&mut self, delay: Duration) {
        self.peer_max_ack_delay = delay.into();
    }

    /// The peer has been asked to acknowledge within `delay`, and that has arrived.
    pub(crate) fn expect_acks_within(&mut self, delay: Duration) {
        self.peer_max_ack_delay = delay.max(LEAST_ACK_DELAY).into();
    }

    /// The probe timeout without backoff: the unit of quiet times.
    pub(crate) fn base_pto(&self) -> Duration {
        self.rtt.pto(self.peer_max_ack_delay.into(), 0)
    }

    /// The probe timeout that is running, in microseconds.
    pub(crate) fn pto_micros(&self) -> u64 {
        self.rtt.pto_micros(self.peer_max_ack_delay.as_micros(), u32::from(self.probe_count))
    }

    /// Whether the window has room for one more datagram of `bytes`.
    pub(crate) fn has_window(&self, bytes_in_flight: u64, bytes: u16) -> bool {
        bytes_in_flight.saturating_add(u64::from(bytes)) <= self.congestion.window()
    }

    /// Whether the pacer lets a full datagram go; if not, remembers when it will.
    pub(crate) fn is_paced(&mut self, now: Instant) -> bool {
        let window = self.congestion.window();
        self.paced_until = self.pacer.delay(now, u64::from(self.mtu.size()), window, self.rtt.smoothed());
        self.paced_until.is_some()
    }

    /// Probes come as if the last packet had been acknowledged.
    #[inline]
    pub(crate) fn probe_anew(&mut self) {
        self.probe_count = 0;
        self.probed_at = None;
    }

    /// The largest packet newly acknowledged was sent at `sent_at`, and its acknowledgement was held back for so long.
    #[inline]
    pub(crate) fn measure(&mut self, sent_at: Instant, ack_delay_micros: u64, now: Instant) {
        let sample = now.as_micros().saturating_sub(sent_at.as_micros());
        self.rtt.update_micros(sample, ack_delay_micros, self.peer_max_ack_delay.as_micros());
        self.sampled_at = self.sampled_at.min(now);
        // Who sends little does not learn from slower round trips that the window is too wide.
        if !self.app_limited {
            self.congestion.on_round_trip(self.rtt.latest(), sent_at, now);
        }
    }

    /// A packet of `bytes`, sent at `sent_at`, was acknowledged.
    #[inline]
    pub(crate) fn on_acked(&mut self, bytes: u16, sent_at: Instant, now: Instant) {
        let (app_limited, smoothed_rtt, max_datagram) = (self.app_limited, self.rtt.smoothed(), self.mtu.size());
        self.congestion.on_acked(&Acked { bytes, sent_at, now, app_limited, smoothed_rtt, max_datagram });
    }

    /// Packets were lost, the newest of them sent at `sent_at`, or came through marked as congested.
    ///
    /// Returns the window as it was, if it fell.
    pub(crate) fn on_congestion(&mut self, sent_at: Instant, now: Instant, persistent: bool) -> Option<Congestion> {
        if persistent {
            self.rtt.forget_minimum();
        }
        self.congestion.on_congestion(sent_at, now, persistent, self.mtu.size())
    }

    /// Bytes that may leave in one turn: what the pacer lets go in `turn`, and a datagram at least.
    pub(crate) fn bytes_in(&self, turn: Duration) -> u64 {
        let paced = self.pacer.bytes_in(turn, self.congestion.window(), self.rtt.smoothed());
        paced.max(u64::from(self.mtu.size()))
    }

    /// Whether a datagram of urgent data may go although window or pacer say no: two in a round trip may (P-10-4).
    pub(crate) fn spares_urgent(&self, now: Instant) -> bool {
        self.spared < URGENT_DATAGRAMS || now.saturating_since(self.sparing_since) >= self.rtt.smoothed()
    }

    /// Such a datagram has left.
    pub(crate) fn on_urgent_sent(&mut self, now: Instant) {
        if now.saturating_since(self.sparing_since) >= self.rtt.smoothed() {
            self.sparing_since = now;
            self.spared = 0;
        }
        self.spared = self.spared.saturating_add(1);
    }

    pub(crate) fn on_sent(&mut self, now: Instant, bytes: u64) {
        let window = self.congestion.window();
        self.pacer.on_sent(now, bytes, window, self.rtt.smoothed());
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self {
            link: _,
            mtu,
            black_hole,
            elsewhere,
            rtt,
            congestion,
            pacer,
            peer_max_ack_delay,
            probe_count,
            probed_at,
            probes_due,
            loss_at,
            paced_until,
            spared,
            sparing_since,
            patience,
            episode: _,
            late,
            app_limited,
            sampled_at,
            ecn,
        } = self;
        hash.u64(u64::from(*spared));
        hash.u64(sparing_since.as_micros());
        mtu.digest_into(hash);
        black_hole.digest_into(hash);
        hash.u64(u64::from(*elsewhere));
        rtt.digest_into(hash);
        congestion.digest_into(hash);
        pacer.digest_into(hash);
        hash.u64(crate::time::micros((*peer_max_ack_delay).into()));
        hash.u64(u64::from(*probe_count));
        hash.option(probed_at.map(Instant::as_micros));
        hash.u64(u64::from(*probes_due));
        hash.option(loss_at.map(Instant::as_micros));
        hash.option(paced_until.map(Instant::as_micros));
        patience.digest_into(hash);
        hash.u64(u64::from(*late));
        hash.flag(*app_limited);
        hash.u64(sampled_at.as_micros());
        ecn.digest_into(hash);
    }

    /// Does what may change the size of datagrams, and lets window and pacer follow.
    fn change_size(&mut self, change: impl FnOnce(&mut PathMtu)) {
        let before = self.mtu.size();
        change(&mut self.mtu);
        if self.mtu.size() != before {
            self.congestion.set_max_datagram(before, self.mtu.size());
            self.pacer.set_max_datagram(self.mtu.size());
        }
    }
}
