//! What a link does, in words.

use std::fmt;
use std::num::NonZeroU64;

use session_sim::{LinkConfig, Probability};

use crate::progress::Bytes;

/// What a link does to datagrams: `2 % lost, delay 20ms`, or `no fault`.
#[derive(Clone, Copy, Debug)]
pub struct Description<'a>(pub &'a LinkConfig);

/// Bytes per second as the bits per second that people call a link by: `10 Mbit/s`.
#[derive(Clone, Copy, Debug)]
pub struct Rate(pub NonZeroU64);

impl fmt::Display for Description<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LinkConfig { loss, bursts, duplication, reordering, corruption, delay, jitter, .. } = *self.0;
        let LinkConfig { bandwidth, queue, codel, policer, mtu, .. } = *self.0;
        let mut parts = Vec::new();
        let mut share = |probability: Probability, what: &str| {
            if probability > Probability::NEVER {
                parts.push(format!("{} % {what}", f64::from(probability.ppm()) / 10_000.0));
            }
        };
        share(loss, "lost");
        share(bursts.map_or(Probability::NEVER, |bursts| bursts.to_bad), "begin a burst of loss");
        share(duplication, "twice");
        share(reordering.probability(), &format!("up to {} places late", reordering.max_displacement()));
        share(corruption, "with a bit changed");
        if !delay.is_zero() {
            parts.push(format!("delay {delay:?}"));
        }
        if !jitter.is_zero() {
            parts.push(format!("jitter {jitter:?}"));
        }
        if let Some(bandwidth) = bandwidth {
            parts.push(Rate(bandwidth).to_string());
        }
        if let Some(queue) = queue.filter(|_| bandwidth.is_some()) {
            parts.push(format!("queue {}", Bytes(queue as u64)));
        }
        if codel.is_some() && bandwidth.is_some() {
            parts.push("CoDel".to_owned());
        }
        if let Some(policer) = policer {
            parts.push(format!("policed to {}", Rate(policer.rate)));
        }
        if let Some(mtu) = mtu {
            parts.push(format!("at most {mtu} bytes"));
        }
        formatter.write_str(if parts.is_empty() { "no fault" } else { "" })?;
        formatter.write_str(&parts.join(", "))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0.get() as f64 * 8.0;
        let (unit, name) = match bits {
            bits if bits >= 1e9 => (1e9, "Gbit/s"),
            bits if bits >= 1e6 => (1e6, "Mbit/s"),
            bits if bits >= 1e3 => (1e3, "kbit/s"),
            _ => (1.0, "bit/s"),
        };
        write!(formatter, "{} {name}", bits / unit)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use session_sim::{Bursts, CoDel, Policer, Reordering};

    use super::*;

    #[test]
    fn every_fault_has_its_words() {
        assert_eq!(Description(&LinkConfig::default()).to_string(), "no fault");
        let config = LinkConfig {
            loss: Probability::from_ppm(5_000),
            duplication: Probability::from_percent(1),
            reordering: Reordering::mild(),
            corruption: Probability::from_ppm(1),
            delay: Duration::from_millis(20),
            jitter: Duration::from_micros(500),
            bandwidth: NonZeroU64::new(1_250_000),
            queue: Some(65_536),
            mtu: Some(1_200),
            bursts: Some(Bursts::of(Probability::from_percent(50), 10)),
            codel: Some(CoDel::default()),
            policer: NonZeroU64::new(2_500_000).map(|rate| Policer { rate, burst: 10_000 }),
        };
        let words = "0.5 % lost, 10 % begin a burst of loss, 1 % twice, 1 % up to 3 places late, 0.0001 % with a bit changed, delay 20ms, \
            jitter 500µs, 10 Mbit/s, queue 64.0 KiB, CoDel, policed to 20 Mbit/s, at most 1200 bytes";
        assert_eq!(Description(&config).to_string(), words);
    }

    #[test]
    fn rates_are_in_bits() {
        let rates = [1, 125, 16_000, 187_500_000].map(|bytes| Rate(NonZeroU64::new(bytes).unwrap()).to_string());
        assert_eq!(rates, ["8 bit/s", "1 kbit/s", "128 kbit/s", "1.5 Gbit/s"]);
    }
}
