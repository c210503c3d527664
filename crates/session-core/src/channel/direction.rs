//! How the two directions of a dynamic channel end, as tables: what this end sends, and what it receives (RFC 9000 §3.1, §3.2).

use crate::state_hash::StateHash;

/// What this end sends on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SendState {
    /// More may be given to be sent.
    Open,
    /// Nothing more is given; CHANNEL_END is due once everything has been sent.
    Ending,
    /// CHANNEL_END is on its way.
    EndSent,
    /// CHANNEL_END has arrived. Over once everything else has.
    Ended,
    /// Given up; CHANNEL_RESET is due.
    Resetting,
    /// CHANNEL_RESET is on its way.
    ResetSent,
    /// CHANNEL_RESET has arrived: over.
    Reset,
}

/// What moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SendingTrigger {
    /// The application has nothing more to send.
    Finish,
    /// The application gives up, or the peer reads no more.
    GiveUp,
    EndSent,
    EndAcked,
    /// A packet with CHANNEL_END was lost, or is to be repeated.
    EndLost,
    ResetSent,
    ResetAcked,
    /// A packet with CHANNEL_RESET was lost, or is to be repeated.
    ResetLost,
}

/// What this end receives on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ReceiveState {
    /// More may come.
    Open,
    /// CHANNEL_END has come; not everything is read.
    Ending,
    /// The application reads no more; CHANNEL_STOP is due.
    Stopping,
    /// CHANNEL_STOP is on its way.
    StopSent,
    /// CHANNEL_STOP has arrived; the peer says how far it had come.
    Stopped,
    /// Everything was read: over.
    Finished,
    /// The peer gave up: over.
    Reset,
    /// The application read no more, and nothing more comes: over.
    Discarded,
}

/// What moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ReceivingTrigger {
    /// CHANNEL_END has come.
    End,
    /// The application has read everything up to the end.
    AllRead,
    /// CHANNEL_RESET has come.
    Reset,
    /// The application reads no more.
    Stop,
    StopSent,
    StopAcked,
    /// A packet with CHANNEL_STOP was lost, or is to be repeated.
    StopLost,
}

impl SendState {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 7] =
        [Self::Open, Self::Ending, Self::EndSent, Self::Ended, Self::Resetting, Self::ResetSent, Self::Reset];

    /// The state after `trigger`; `None` where it means nothing.
    pub(crate) fn after(self, trigger: SendingTrigger) -> Option<Self> {
        SENDING.iter().find(|(from, on, _)| (*from, *on) == (self, trigger)).map(|(_, _, to)| *to)
    }

    /// Something has to arrive before it is over, beside the data.
    pub(crate) fn owes_signal(self) -> bool {
        matches!(self, Self::Ending | Self::EndSent | Self::Resetting | Self::ResetSent)
    }

    /// The data was given up.
    pub(crate) fn is_given_up(self) -> bool {
        matches!(self, Self::Resetting | Self::ResetSent | Self::Reset)
    }
}

impl SendingTrigger {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 8] = [
        Self::Finish,
        Self::GiveUp,
        Self::EndSent,
        Self::EndAcked,
        Self::EndLost,
        Self::ResetSent,
        Self::ResetAcked,
        Self::ResetLost,
    ];
}

impl ReceiveState {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 8] = [
        Self::Open,
        Self::Ending,
        Self::Stopping,
        Self::StopSent,
        Self::Stopped,
        Self::Finished,
        Self::Reset,
        Self::Discarded,
    ];

    /// The state after `trigger`; `None` where it means nothing.
    pub(crate) fn after(self, trigger: ReceivingTrigger) -> Option<Self> {
        RECEIVING.iter().find(|(from, on, _)| (*from, *on) == (self, trigger)).map(|(_, _, to)| *to)
    }

    /// What arrives is for the application.
    pub(crate) fn takes_data(self) -> bool {
        matches!(self, Self::Open | Self::Ending)
    }

    /// Nothing that arrives is of use to anybody, but it has to be accounted for.
    pub(crate) fn discards(self) -> bool {
        matches!(self, Self::Stopping | Self::StopSent | Self::Stopped)
    }

    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Reset | Self::Discarded)
    }
}

impl ReceivingTrigger {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 7] =
        [Self::End, Self::AllRead, Self::Reset, Self::Stop, Self::StopSent, Self::StopAcked, Self::StopLost];
}

/// Every transition of what is sent.
pub(crate) const SENDING: &[(SendState, SendingTrigger, SendState)] = &[
    (SendState::Open, SendingTrigger::Finish, SendState::Ending),
    (SendState::Open, SendingTrigger::GiveUp, SendState::Resetting),
    (SendState::Ending, SendingTrigger::GiveUp, SendState::Resetting),
    (SendState::Ending, SendingTrigger::EndSent, SendState::EndSent),
    // A copy that was sent before arrived after all.
    (SendState::Ending, SendingTrigger::EndAcked, SendState::Ended),
    (SendState::EndSent, SendingTrigger::GiveUp, SendState::Resetting),
    (SendState::EndSent, SendingTrigger::EndAcked, SendState::Ended),
    (SendState::EndSent, SendingTrigger::EndLost, SendState::Ending),
    // Not where everything has arrived: that is over.
    (SendState::Ended, SendingTrigger::GiveUp, SendState::Resetting),
    (SendState::Resetting, SendingTrigger::ResetSent, SendState::ResetSent),
    (SendState::Resetting, SendingTrigger::ResetAcked, SendState::Reset),
    (SendState::ResetSent, SendingTrigger::ResetAcked, SendState::Reset),
    (SendState::ResetSent, SendingTrigger::ResetLost, SendState::Resetting),
];

/// Every transition of what is received.
pub(crate) const RECEIVING: &[(ReceiveState, ReceivingTrigger, ReceiveState)] = &[
    (ReceiveState::Open, ReceivingTrigger::End, ReceiveState::Ending),
    (ReceiveState::Open, ReceivingTrigger::Reset, ReceiveState::Reset),
    (ReceiveState::Open, ReceivingTrigger::Stop, ReceiveState::Stopping),
    (ReceiveState::Ending, ReceivingTrigger::AllRead, ReceiveState::Finished),
    (ReceiveState::Ending, ReceivingTrigger::Reset, ReceiveState::Reset),
    // How far the peer has come is known, and that is all STOP would ask for.
    (ReceiveState::Ending, ReceivingTrigger::Stop, ReceiveState::Discarded),
    (ReceiveState::Stopping, ReceivingTrigger::End, ReceiveState::Discarded),
    (ReceiveState::Stopping, ReceivingTrigger::Reset, ReceiveState::Discarded),
    (ReceiveState::Stopping, ReceivingTrigger::StopSent, ReceiveState::StopSent),
    (ReceiveState::Stopping, ReceivingTrigger::StopAcked, ReceiveState::Stopped),
    (ReceiveState::StopSent, ReceivingTrigger::End, ReceiveState::Discarded),
    (ReceiveState::StopSent, ReceivingTrigger::Reset, ReceiveState::Discarded),
    (ReceiveState::StopSent, ReceivingTrigger::StopAcked, ReceiveState::Stopped),
    (ReceiveState::StopSent, ReceivingTrigger::StopLost, ReceiveState::Stopping),
    (ReceiveState::Stopped, ReceivingTrigger::End, ReceiveState::Discarded),
    (ReceiveState::Stopped, ReceivingTrigger::Reset, ReceiveState::Discarded),
];

/// The two directions of one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Directions {
    pub(crate) sending: SendState,
    pub(crate) receiving: ReceiveState,
}

impl Directions {
    pub(crate) const OPEN: Self = Self { sending: SendState::Open, receiving: ReceiveState::Open };

    /// Moves along the table; `false` and no change where the trigger means nothing.
    pub(crate) fn send(&mut self, trigger: SendingTrigger) -> bool {
        let next = self.sending.after(trigger);
        self.sending = next.unwrap_or(self.sending);
        next.is_some()
    }

    /// The same of what is received.
    pub(crate) fn receive(&mut self, trigger: ReceivingTrigger) -> bool {
        let next = self.receiving.after(trigger);
        self.receiving = next.unwrap_or(self.receiving);
        next.is_some()
    }

    pub(crate) fn digest_into(self, hash: &mut StateHash) {
        let Self { sending, receiving } = self;
        hash.u64(sending as u64);
        hash.u64(receiving as u64);
    }
}

#[cfg(test)]
mod tests;
