//! Datagrams on their way in: batches of the system taken apart.

use std::io::{self, IoSliceMut};
use std::task::{Context, Poll};

use crate::socket::{AsyncUdpSocket, RecvMeta};
use crate::udp::RECEIVE_SLOTS;

/// Buffers where the system glues datagrams together: each holds up to 64. All of them together hold less than the 512 numbers that the core
/// remembers to acknowledge: what is in them is there already, whenever an acknowledgement leaves.
const GLUED_SLOTS: usize = 7;
/// The largest buffer a glued receive fills.
const MAX_GLUED: usize = 65_536;
/// The smallest buffer: a datagram larger than ours is cut and then discarded by the core.
const MIN_BUFFER: usize = 2048;

/// Receive buffers and what the last receive put into them.
pub(crate) struct Inbox {
    buffer: Box<[u8]>,
    size: usize,
    metas: [RecvMeta; RECEIVE_SLOTS],
    filled: usize,
    taken: usize,
}

impl Inbox {
    pub(crate) fn new(max_datagram: usize, gro_segments: usize) -> Self {
        let (slots, size) = if gro_segments > 1 {
            (GLUED_SLOTS, max_datagram.saturating_mul(gro_segments).clamp(MIN_BUFFER, MAX_GLUED))
        } else {
            (RECEIVE_SLOTS, max_datagram.max(MIN_BUFFER))
        };
        Self {
            buffer: vec![0; slots * size].into_boxed_slice(),
            size,
            metas: [RecvMeta::default(); RECEIVE_SLOTS],
            filled: 0,
            taken: 0,
        }
    }

    /// Fills the buffers with what has arrived.
    pub(crate) fn poll_receive<S: AsyncUdpSocket>(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut S,
    ) -> Poll<io::Result<()>> {
        (self.filled, self.taken) = (0, 0);
        if self.buffer.len() == GLUED_SLOTS * self.size {
            self.poll_slots::<GLUED_SLOTS, S>(context, socket)
        } else {
            self.poll_slots::<RECEIVE_SLOTS, S>(context, socket)
        }
    }

    fn poll_slots<const SLOTS: usize, S: AsyncUdpSocket>(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut S,
    ) -> Poll<io::Result<()>> {
        let mut chunks = self.buffer.chunks_exact_mut(self.size);
        let mut buffers: [IoSliceMut<'_>; SLOTS] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        socket.poll_recv(context, &mut buffers, &mut self.metas[..SLOTS]).map_ok(|filled| {
            self.filled = filled.min(SLOTS);
        })
    }

    /// How many buffers of the last receive have not been taken.
    pub(crate) fn left(&self) -> usize {
        self.filled - self.taken
    }

    /// The next of them, with its description.
    pub(crate) fn take(&mut self) -> Option<(&mut [u8], RecvMeta)> {
        let next = self.taken;
        if next == self.filled {
            return None;
        }
        self.taken += 1;
        let start = next * self.size;
        Some((&mut self.buffer[start..start + self.size], self.metas[next]))
    }
}

/// Calls `each` with every datagram of a buffer. The description comes from outside and may hold any numbers.
pub(crate) fn split(buffer: &mut [u8], meta: &RecvMeta, mut each: impl FnMut(&mut [u8])) {
    let len = meta.len.min(buffer.len());
    if len == 0 {
        // An empty datagram is one too: the core counts it.
        each(&mut []);
        return;
    }
    let stride = if meta.stride == 0 || meta.stride > len { len } else { meta.stride };
    buffer[..len].chunks_mut(stride).for_each(each);
}

#[cfg(test)]
mod tests;
