//! NEW_ID and RETIRE_ID (protocol §6.1).

use super::close::Fault;
use super::transmit::{FLAG_NEW_ID, FLAG_RETIRE_ID};
use super::{Phase, SessionCore};
use crate::crypto::{IdKey, Provider};
use crate::memory::Memory;
use crate::path::{IdFault, OwnIds, PacketRecord, PeerIds};
use crate::reason::CloseCode;
use crate::shared::{Context, Shared};
use crate::wire::{Frame, NewIdFrame, ReceiverId, Writer};

const NEW_ID: u64 = 0x18;
const RETIRE_ID: u64 = 0x19;

impl SessionCore {
    pub(crate) fn own_ids(&self) -> OwnIds {
        self.own_ids
    }

    /// The number of an id that the peer is to be given.
    pub(crate) fn wanted_id(&self) -> Option<u32> {
        self.own_ids.wanted().filter(|_| self.phase == Phase::Established)
    }

    /// The next id is the peer's to use or, where it is `taken`, nobody's.
    pub(crate) fn give_id(&mut self, taken: bool) {
        self.own_ids.give(taken);
    }

    pub(super) fn has_ids_due(&self, memory: &Memory) -> bool {
        self.own_ids.has_due()
            || memory.peer_ids.get(self.peer_ids).is_some_and(|peer_ids| peer_ids.retire_due().is_some())
    }

    /// Writes the NEW_ID and RETIRE_ID that are due into packet `number`, as far as they fit; returns what was written as flags.
    pub(super) fn write_ids(&mut self, memory: &mut Memory, ids: &IdKey, writer: &mut Writer<'_>, number: u64) -> u16 {
        let mut flags = 0;
        if let Some(peer_ids) = memory.peer_ids.get_mut(self.peer_ids) {
            while let Some(sequence) = peer_ids.retire_due() {
                if Frame::RetireId(sequence).encode(writer).is_err() {
                    break;
                }
                peer_ids.on_retire_said(sequence, number);
                flags |= FLAG_RETIRE_ID;
            }
        }
        let Some(secrets) = self.keys.secrets.as_ref() else { return flags };
        for sequence in self.own_ids.due() {
            let id = ids.further(&self.local_id, sequence);
            let retire_prior_to = self.own_ids.retire_prior_to().min(sequence);
            let frame = NewIdFrame { sequence, retire_prior_to, id, token: secrets.reset_token(&id) };
            if Frame::NewId(frame).encode(writer).is_err() {
                break;
            }
            self.own_ids.on_said(sequence);
            flags |= FLAG_NEW_ID;
        }
        flags
    }

    /// What became of a packet, as far as ids are concerned.
    pub(super) fn on_ids_packet(&mut self, memory: &mut Memory, record: &PacketRecord, acked: bool) {
        let flags = record.flags.bits();
        if flags & FLAG_NEW_ID != 0 && !acked {
            self.own_ids.on_lost();
        }
        if flags & FLAG_RETIRE_ID != 0
            && let Some(peer_ids) = memory.peer_ids.get_mut(self.peer_ids)
        {
            peer_ids.on_retire_packet(record.number, acked);
        }
    }

    pub(super) fn on_new_id<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        frame: &NewIdFrame,
    ) -> Result<(), Fault> {
        let memory = &mut context.shared.memory;
        if memory.peer_ids.get(self.peer_ids).is_none() {
            // No room is for an end that said it keeps only one.
            self.peer_ids = memory.peer_ids.insert(PeerIds::new()).map_err(|_| Fault::from(IdFault::TooMany))?;
        }
        let most = u32::from(context.settings.limits.kept_ids());
        let (Some(peer_ids), Some(current)) = (memory.peer_ids.get_mut(self.peer_ids), self.remote_id) else {
            return Ok(());
        };
        if let Some(next) = peer_ids.on_new_id(frame, current, most)? {
            self.remote_id = Some(next);
        }
        Ok(())
    }

    /// The peer does not use one of our ids any more. `by` is the id its packet names, which it cannot mean.
    pub(super) fn on_retire_id<P: Provider>(
        &mut self,
        shared: &Shared<P>,
        by: &ReceiverId,
        sequence: u32,
    ) -> Result<(), Fault> {
        let fault = |text| Err(Fault::new(CloseCode::PROTOCOL, RETIRE_ID, text));
        if self.own_ids.is_active(sequence) && shared.ids.further(&self.local_id, sequence) == *by {
            return fault("the id that its own packet names was retired");
        }
        if self.own_ids.retire(sequence) { Ok(()) } else { fault("an id that was never given was retired") }
    }
}

impl From<IdFault> for Fault {
    fn from(fault: IdFault) -> Self {
        let text = match fault {
            IdFault::Contradiction => "two ids of one number, or one of two",
            IdFault::Length => "an id of another length",
            IdFault::TooMany => "more ids than are kept",
        };
        Self::new(CloseCode::PROTOCOL, NEW_ID, text)
    }
}
