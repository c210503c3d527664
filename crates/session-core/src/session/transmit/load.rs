//! What of channels one packet holds.

use super::{MAX_DATA_FRAMES, MAX_RUNS};
use crate::channel::{Fragment, Signal};
use crate::path::DataRecord;

/// What a packet brings of channels, as the log is to keep it.
#[derive(Default)]
pub(super) struct Load {
    runs: [DataRecord; MAX_RUNS],
    pub(super) count: usize,
    /// Runs it may have.
    pub(super) most: usize,
    pub(super) frames: usize,
    /// User data that was never sent before is among it.
    pub(super) is_new: bool,
    /// There is more to send that is not to be cut, so that the packet is full.
    pub(super) holds_back: bool,
}

impl Load {
    pub(super) fn of(most: usize) -> Self {
        Self { most: most.min(MAX_RUNS), ..Self::default() }
    }

    pub(super) fn runs(&self) -> &[DataRecord] {
        &self.runs[..self.count]
    }

    /// Whether `fragment` of the channel at `index` may go along.
    pub(super) fn takes(&self, index: usize, fragment: &Fragment) -> bool {
        self.frames < MAX_DATA_FRAMES && (self.count < self.most || self.goes_on(index, fragment))
    }

    /// What was sent first is what comes first: a run is sent again as one, and freed as one.
    fn goes_on(&self, index: usize, fragment: &Fragment) -> bool {
        self.runs().last().is_some_and(|last| {
            let end = last.offset.saturating_add(u64::from(last.positions));
            last.positions > 0 && last.index() == index && end == fragment.offset
        })
    }

    pub(super) fn add(&mut self, index: usize, fragment: &Fragment) {
        // No packet holds as many.
        let positions = fragment.positions() as u32;
        if self.goes_on(index, fragment)
            && let Some(last) = self.count.checked_sub(1).and_then(|last| self.runs.get_mut(last))
        {
            last.positions = last.positions.saturating_add(positions);
            self.frames += 1;
        } else {
            self.push(DataRecord { channel_index: index as u32, offset: fragment.offset, positions });
        }
    }

    /// A frame without data, which the log keeps as no positions at the number of the signal.
    pub(super) fn add_signal(&mut self, index: usize, signal: Signal) {
        self.push(DataRecord { channel_index: index as u32, offset: signal.number(), positions: 0 });
    }

    fn push(&mut self, run: DataRecord) {
        if let Some(place) = self.runs.get_mut(self.count) {
            *place = run;
            self.count += 1;
            self.frames += 1;
        }
    }
}

impl DataRecord {
    /// The place of its channel.
    pub(in crate::session) fn index(&self) -> usize {
        self.channel_index as usize
    }

    /// What it is about, if not about data.
    pub(in crate::session) fn signal(&self) -> Option<Signal> {
        (self.positions == 0).then(|| Signal::of_number(self.offset))
    }
}
