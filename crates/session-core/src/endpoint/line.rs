//! A session in one line, for people (S0-29).

use core::fmt;

use super::SessionRef;
use crate::action::Address;

/// Name, state, remote address, round-trip time, packets in and out, loss. The form may change.
impl fmt::Display for SessionRef<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.uid() {
            Some(uid) => write!(formatter, "{uid} ")?,
            None => formatter.write_str("- ")?,
        }
        write!(formatter, "{:?} with ", self.state())?;
        match self.link().remote {
            Address::Ip(address) => write!(formatter, "{address}")?,
            Address::Opaque(bytes) => bytes.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))?,
        }
        let stats = self.stats();
        if stats.packets_received == 0 {
            formatter.write_str(", round trip unknown")?;
        } else {
            write!(formatter, ", round trip {:.1} ms", stats.smoothed_rtt.as_secs_f64() * 1000.0)?;
        }
        write!(
            formatter,
            ", packets {} in, {} out, loss {:.1} %",
            stats.packets_received,
            stats.packets_sent,
            stats.loss_percent()
        )
    }
}
