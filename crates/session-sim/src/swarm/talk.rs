//! One end of a session, as its application sees it.

use std::collections::BTreeMap;

use session_core::{ChannelId, ChannelMode, SessionId, SessionMut, State};

use super::options::Options;
use crate::ledger::{Ledger, SessionNumber};
use crate::{Recording, inside, outside};

/// Bytes of the longest message an application takes.
pub(super) const LONGEST: usize = 32_768;

/// A session and its channels.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) number: SessionNumber,
    /// Which peer we meant, if we began it.
    pub(super) target: Option<usize>,
    pub(super) state: State,
    pub(super) is_established: bool,
    pub(super) channels: BTreeMap<u64, Use>,
}

/// A channel in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use {
    pub(super) mode: ChannelMode,
    /// Our direction was finished or given up.
    pub(super) has_ended: bool,
}

impl Talk {
    pub(super) fn new(number: SessionNumber, target: Option<usize>, state: State) -> Self {
        let channels = Options::channels().map(|(id, mode)| (id.0, Use { mode, has_ended: false })).collect();
        Self { number, target, state, is_established: false, channels }
    }

    /// Takes all messages there are of a channel.
    pub(super) fn read(
        &self,
        session: &mut SessionMut<'_, Recording>,
        channel: ChannelId,
        buffer: &mut [u8; LONGEST],
        ledger: &mut Ledger,
    ) {
        while let Ok(Some(length)) = inside(|| session.recv(buffer, channel)) {
            outside(|| ledger.delivered(self.number, channel, &buffer[..length]));
        }
    }

    /// Takes the reports of messages that were too late.
    pub(super) fn take_expired(
        &self,
        session: &mut SessionMut<'_, Recording>,
        channel: ChannelId,
        ledger: &mut Ledger,
    ) {
        while let Some(id) = inside(|| session.take_expired(channel)) {
            outside(|| ledger.expired(self.number, channel, id.end_offset));
        }
    }

    /// The session has ended: takes what there is still to be had, and the reports.
    pub(super) fn end(&self, session: &mut SessionMut<'_, Recording>, buffer: &mut [u8; LONGEST], ledger: &mut Ledger) {
        for channel in self.channels.keys().copied().map(ChannelId) {
            self.read(session, channel, buffer, ledger);
            self.take_expired(session, channel, ledger);
            let report = inside(|| session.as_ref().and_then(|session| session.close_report(channel)));
            if let Some(report) = report {
                outside(|| ledger.ended(self.number, channel, report));
            }
        }
        outside(|| ledger.session_ended(self.number));
    }
}

/// What the id of a dynamic channel says of its mode.
pub(super) fn mode_of(channel: ChannelId) -> ChannelMode {
    ChannelMode::ALL[(channel.0 >> 1 & 3) as usize]
}

/// The sessions of an application.
pub(super) type Talks = BTreeMap<SessionId, Talk>;
