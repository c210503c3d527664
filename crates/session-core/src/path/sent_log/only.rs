//! The log where one packet is outstanding, as between two that ask and answer: found and taken out without a walk.

use super::entry::{self, HEAD_SIZE, Header};
use super::{DataRecord, PacketRecord, SentLog, offset_of};
use crate::pool::{BlockId, Pool};

/// The only packet outstanding, what it carried, and what is freed with it.
#[derive(Clone, Copy)]
pub(crate) struct OnlyPacket {
    pub(crate) packet: PacketRecord,
    pub(crate) data: Option<DataRecord>,
    block: BlockId,
    written: usize,
}

impl SentLog {
    /// The only packet outstanding, if its number is in `low..=high`, and what it carried. `None` also where that is more than one piece of data, where it needed no
    /// block, and where blocks are left that only a walk would free.
    #[inline]
    pub(crate) fn only(&self, pool: &Pool, low: u64, high: u64) -> Option<OnlyPacket> {
        let block = self.head.filter(|_| self.packets == 1 && self.blocks == 1)?;
        let bytes = pool.bytes(block);
        let Header { live: 1, first_live, used, .. } = entry::read_header(bytes) else { return None };
        let at = offset_of(first_live);
        let head = entry::read_head(bytes, at)?;
        debug_assert!(head.live, "the first that is live is");
        let data = match head.data_records {
            0 => None,
            1 => Some(entry::read_data(bytes, at + HEAD_SIZE)),
            _ => return None,
        };
        // Nothing was ever written behind the slots in use.
        let written = offset_of(used);
        (low..=high).contains(&head.packet.number).then_some(OnlyPacket { packet: head.packet, data, block, written })
    }

    /// Takes out the packet that [`SentLog::only`] has just given, with the block it lies in.
    #[inline]
    pub(crate) fn forget_only(&mut self, pool: &mut Pool, only: &OnlyPacket) {
        debug_assert_eq!(self.head, Some(only.block), "nothing has changed since");
        pool.free_open_written(only.block, only.written);
        (self.head, self.tail, self.hint, self.blocks) = (None, None, None, 0);
        self.frees = self.frees.wrapping_add(1);
        self.uncount(&only.packet);
    }
}
