//! What one end keeps of an exchange for new keys, and of the keys before them (protocol §8.1).

use super::keys::{Ephemeral, TrafficSecrets};
use super::public_key::PublicKey;
use super::secret::Secret;
use crate::ids::Role;
use crate::state_hash::StateHash;
use crate::time::Instant;

/// Kept from the wish for new keys until the old ones are wiped; most sessions have none.
pub(crate) struct Rekey {
    pub(crate) stage: Stage,
    /// The peer's offer of the next generation, which came too early to be answered.
    pub(crate) offered: Option<PublicKey>,
    /// This end wants the next generation too.
    pub(crate) asked: bool,
    /// The name in the key cache of what opens the other generation, and where it was there.
    pub(crate) owner: u64,
    pub(crate) hint: u32,
}

/// How far it has come.
pub(crate) enum Stage {
    /// To be offered, or answered, then.
    Waiting(Instant),
    /// Offered; nothing of the peer's has come.
    Offered {
        own: Ephemeral,
        /// The end of the offer on channel 0.
        told_to: u64,
    },
    /// Packets of two generations are opened. What is not the session's own lies here from then on and is changed in place, so that it is wiped whole.
    Two { other: TrafficSecrets, progress: Progress },
}

/// Which of two generations is in use.
#[derive(Clone, Copy)]
pub(crate) enum Progress {
    /// The next keys are derived; whether the peer has them is not known before channel 0 is acknowledged up to here.
    Ready { told_to: u64 },
    /// The new keys are in use, and packets under the old ones may be on their way; from the first packet under the new keys on, not for ever.
    Late { until: Option<Instant> },
}

impl Stage {
    /// The secret that opens packets of the other key phase; `None` where nobody has sealed under it.
    pub(crate) fn opening(&self, role: Role) -> Option<&Secret> {
        match self {
            Self::Waiting(_) | Self::Offered { .. } => None,
            Self::Two { other, .. } => Some(other.opening(role)),
        }
    }
}

impl Rekey {
    pub(crate) fn new(stage: Stage, owner: u64) -> Self {
        Self { stage, offered: None, asked: false, owner, hint: u32::MAX }
    }

    /// How far it has come, where packets of two generations are opened.
    pub(crate) fn progress(&self) -> Option<Progress> {
        match self.stage {
            Stage::Waiting(_) | Stage::Offered { .. } => None,
            Stage::Two { progress, .. } => Some(progress),
        }
    }

    /// Where the key was is left out, as in the session itself.
    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { stage, offered, asked, owner, hint: _ } = self;
        match stage {
            Stage::Waiting(at) => {
                hash.bytes(b"waiting");
                hash.u64(at.as_micros());
            }
            Stage::Offered { own, told_to } => {
                hash.bytes(b"offered");
                own.digest_into(hash);
                hash.u64(*told_to);
            }
            Stage::Two { other, progress } => {
                other.digest_into(hash);
                match progress {
                    Progress::Ready { told_to } => {
                        hash.bytes(b"ready");
                        hash.u64(*told_to);
                    }
                    Progress::Late { until } => {
                        hash.bytes(b"late");
                        hash.option(until.map(Instant::as_micros));
                    }
                }
            }
        }
        hash.bytes(offered.as_ref().map_or(&[], |key| key.as_bytes()));
        hash.flag(*asked);
        hash.u64(*owner);
    }
}
