//! What tests need of a session and nobody else may have.

use core::time::Duration;

use super::SessionCore;
use crate::crypto::Provider;
use crate::crypto::keys::PacketKeys;
use crate::memory::Memory;
use crate::recovery::RttEstimator;
use crate::wire::ReceiverId;

impl SessionCore {
    /// The expanded keys, to open what the peer sent and to seal what an honest side never would.
    pub(crate) fn packet_keys<P: Provider>(&self, provider: &P) -> Option<PacketKeys<P>> {
        Some(PacketKeys::new(provider, self.keys.secrets.as_ref()?, self.role))
    }

    /// Every secret it has.
    pub(crate) fn exposed_secrets(&self) -> impl Iterator<Item = [u8; 32]> {
        self.keys.secrets.iter().flat_map(crate::crypto::keys::SessionSecrets::exposed)
    }

    /// The phase of what it seals.
    pub(crate) fn key_phase(&self) -> bool {
        self.keys.key_phase()
    }

    pub(crate) fn remote_id(&self) -> Option<ReceiverId> {
        self.remote_id
    }

    pub(crate) fn reset_token(&self, id: &ReceiverId) -> Option<[u8; 16]> {
        self.keys.secrets.as_ref().map(|secrets| secrets.reset_token(id))
    }

    pub(crate) fn largest_received(&self) -> Option<u64> {
        self.packets.replay.largest()
    }

    /// There may be messages with a deadline, or some to be passed over.
    pub(crate) fn looks_for_deadlines(&self) -> bool {
        self.channels.expiring
    }

    /// Positions sent and received that count against session credit.
    pub(crate) fn credit_in_use(&self, memory: &Memory) -> (u64, u64) {
        self.channels.in_use(memory)
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.packets.next_number
    }

    /// Goes on as if all lower numbers had been used.
    pub(crate) fn continue_at(&mut self, number: u64) {
        self.packets.next_number = number;
    }

    /// Goes on as if so many packets had been sealed with these keys.
    pub(crate) fn wear_keys(&mut self, sealed: u32) {
        self.packets.sealed = sealed;
    }

    /// Goes on as if so many packets had been opened with these keys.
    pub(crate) fn count_opened(&mut self, opened: u16) {
        self.packets.opened = opened;
    }

    /// Chooses the next number to leave out.
    pub(crate) fn leave_out(&mut self, number: u64) {
        self.packets.skip = number;
        self.packets.skipped = [0; 4];
    }

    /// Begins measuring anew, with one round-trip time.
    pub(crate) fn set_round_trip(&mut self, time: Duration) {
        self.path.rtt = RttEstimator::new();
        self.path.rtt.update(time, Duration::ZERO, Duration::ZERO);
    }
}
