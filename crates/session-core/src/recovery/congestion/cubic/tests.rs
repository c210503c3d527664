use core::time::Duration;

use proptest::prelude::*;

use super::super::Congestion;
use super::super::tests::{acked, at};
use super::*;
use crate::congestion_control::CongestionControl;

#[test]
fn a_cube_root_is_the_largest_number_whose_cube_fits() {
    for root in [0, 1, 2, 3, 10, 1_000, 46_340, 2_642_244, 2_642_245_u64] {
        let cube = root.pow(3);
        assert_eq!(u64::from(cube_root(cube)), root);
        assert_eq!(u64::from(cube_root(cube.saturating_add(1))), root.max(u64::from(root == 0)));
        if root > 1 {
            assert_eq!(u64::from(cube_root(cube - 1)), root - 1);
        }
    }
    assert_eq!(cube_root(u64::MAX), 2_642_245);
}

/// RFC 9438 in floating point: datagrams, seconds, and no line of the code under test.
struct Model {
    cwnd: f64,
    ssthresh: f64,
    w_max: Option<f64>,
    k: f64,
    w_est: f64,
    cwnd_prior: f64,
    /// Seconds of congestion avoidance in which the window grew, and when that was last counted.
    t_epoch: Option<f64>,
}

const C: f64 = 0.4;
const BETA_CUBIC: f64 = 0.7;

impl Model {
    fn new() -> Self {
        Self { cwnd: 10.0, ssthresh: f64::INFINITY, w_max: None, k: 0.0, w_est: 0.0, cwnd_prior: 0.0, t_epoch: None }
    }

    fn w_cubic(&self, t: f64) -> f64 {
        C * (t - self.k).powi(3) + self.w_max.unwrap()
    }

    /// One segment is acknowledged at `now` seconds (§4.2 to §4.5).
    fn ack(&mut self, now: f64, rtt: f64) {
        if self.cwnd < self.ssthresh {
            self.cwnd += 1.0;
            return;
        }
        let t = now - *self.t_epoch.get_or_insert(now);
        let alpha = if self.w_est >= self.cwnd_prior { 1.0 } else { 3.0 * (1.0 - BETA_CUBIC) / (1.0 + BETA_CUBIC) };
        self.w_est += alpha / self.cwnd;
        if self.w_cubic(t) < self.w_est {
            self.cwnd = self.w_est.max(self.cwnd);
            return;
        }
        let target = self.w_cubic(t + rtt).clamp(self.cwnd, 1.5 * self.cwnd);
        self.cwnd += (target - self.cwnd) / self.cwnd;
    }

    /// §4.6 and §4.7.
    fn loss(&mut self) {
        self.cwnd_prior = self.cwnd;
        let w_max = match self.w_max {
            Some(w_max) if self.cwnd < w_max => self.cwnd * (1.0 + BETA_CUBIC) / 2.0,
            _ => self.cwnd,
        };
        self.w_max = Some(w_max);
        self.ssthresh = (self.cwnd * BETA_CUBIC).max(3.0);
        self.cwnd = self.ssthresh;
        self.k = ((w_max - self.cwnd) / C).max(0.0).cbrt();
        self.w_est = self.cwnd;
        self.t_epoch = None;
    }
}

/// Plays the same losses and acknowledgements to both: a window is acknowledged in each round trip, spread over it.
///
/// A loss on the plateau waits until the window has left it: fast convergence asks whether the window is below its old maximum, and there the answer,
/// with all that follows from it, hangs on a byte that division cut off.
fn compare(rtt_millis: u64, rounds: u64, mut is_lost: impl FnMut(u64, u64) -> bool) -> u64 {
    let mut congestion = Congestion::new(CongestionControl::Cubic, 1200);
    let mut model = Model::new();
    let rtt = Duration::from_millis(rtt_millis);
    let mut now = 1_000_000;
    let mut is_due = false;
    for round in 0..rounds {
        let began = Instant::from_micros(now);
        is_due |= is_lost(round, congestion.window() / 1200);
        if is_due && model.w_max.is_none_or(|w_max| (model.cwnd - w_max).abs() > 0.5) {
            is_due = false;
            congestion.on_congestion(began, began, false, 1200);
            model.loss();
        }
        let datagrams = congestion.window() / 1200;
        for datagram in 1..=datagrams {
            let at = now + datagram * rtt_millis * 1_000 / datagrams;
            congestion.on_acked(&Acked {
                bytes: 1200,
                sent_at: began.saturating_add(Duration::from_micros(1)),
                now: Instant::from_micros(at),
                app_limited: false,
                smoothed_rtt: rtt,
                max_datagram: 1200,
            });
            model.ack(at as f64 / 1e6, rtt_millis as f64 / 1e3);
            let difference = (congestion.window() as f64 / 1200.0 - model.cwnd).abs();
            assert!(difference < 1.0, "round {round}: {} and {} datagrams", congestion.window() / 1200, model.cwnd);
        }
        now += rtt_millis * 1_000 + 2;
    }
    congestion.window() / 1200
}

/// What a path of so many datagrams does: a loss whenever more are in flight.
#[test]
fn the_window_is_that_of_the_formulas_to_a_datagram() {
    for rtt in [5, 20, 50, 100, 300, 600] {
        for capacity in [15, 40, 150, 700] {
            compare(rtt, 60_000 / rtt, |_, window| window > capacity);
        }
    }
}

/// Fast convergence: the second loss comes below the maximum of the first.
#[test]
fn losses_before_the_old_maximum_is_reached_lower_it() {
    let end = compare(50, 400, |round, _| [7, 20, 40, 44, 120, 130].contains(&round));
    assert!(end > 10);
}

/// RFC 9438 §4.2: the window is back at what it was after K = ∛(W_max (1 − β) / C) seconds, and stays near it for long.
#[test]
fn the_plateau_is_where_the_window_was_before_it_fell() {
    let mut congestion = Congestion::new(CongestionControl::Cubic, 1200);
    for _ in 0..990 {
        congestion.on_acked(&acked(at(1), at(100)));
    }
    assert_eq!(congestion.window(), 1_000 * 1200);
    congestion.on_congestion(at(101), at(200), false, 1200);
    assert_eq!(congestion.window(), 700 * 1200);
    // K is 9.08 s.
    let mut windows = std::vec::Vec::new();
    for tenth in 0..140 {
        for datagram in 0..congestion.window() / 1200 {
            let now = 300 + tenth * 100 + datagram * 100 / 1_000;
            congestion.on_acked(&Acked { smoothed_rtt: Duration::from_millis(100), ..acked(at(201), at(now)) });
        }
        windows.push(congestion.window() / 1200);
    }
    assert!((860..=885).contains(&windows[20]), "two seconds: {}", windows[20]);
    assert!((995..=1_000).contains(&windows[90]), "{}", windows[90]);
    assert!((995..=1_010).contains(&windows[105]), "{}", windows[105]);
    assert!(windows[139] > 1_030, "then it looks for more: {}", windows[139]);
}

/// Two flows at one bottleneck, losses at the same time: the shares become equal (RFC 9438 §4.7).
#[test]
fn the_smaller_of_two_flows_catches_up() {
    let mut flows = [9_u64, 90].map(|window| {
        let mut congestion = Congestion::new(CongestionControl::Cubic, 1200);
        for _ in 10..window {
            congestion.on_acked(&acked(at(1), at(10)));
        }
        congestion
    });
    let mut now = 100;
    for _ in 0..4_000 {
        if flows.iter().map(Congestion::window).sum::<u64>() > 150 * 1200 {
            for flow in &mut flows {
                flow.on_congestion(at(now), at(now), false, 1200);
            }
        }
        for flow in &mut flows {
            for datagram in 0..flow.window() / 1200 {
                flow.on_acked(&acked(at(now + 1), at(now + 2 + datagram / 8)));
            }
        }
        now += 50;
    }
    let [first, second] = flows.map(|flow| flow.window() as f64);
    assert!((0.8..1.25).contains(&(first / second)), "{first} and {second}");
}

proptest! {
    #[test]
    fn any_losses_off_the_plateau_give_the_window_of_the_formulas(rtt in 1..800u64, losses in prop::collection::vec(1..60u64, 1..12)) {
        let mut at_rounds = losses.iter().scan(5, |round, gap| { *round += gap; Some(*round) }).collect::<std::vec::Vec<_>>();
        at_rounds.push(8);
        // No more than a few thousand datagrams, or the test takes for ever.
        compare(rtt, 200, |round, window| at_rounds.contains(&round) || window > 2_000);
    }
}
