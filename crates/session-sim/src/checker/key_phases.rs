//! I11: new keys lose no packet.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use session_core::{DiscardReason, Instant, Received};

use super::fingerprint::fingerprint;
use super::is_data;
use crate::{KeyName, Observer, Origin, Passage, Recording};

/// Probe timeouts for which old keys are kept (protocol, P-8.1-6).
const LATE_PROBE_TIMEOUTS: u32 = 3;
/// The probe timeout of a path of which nothing is known: what is measured may be forgotten at any time.
const UNMEASURED: Duration = Duration::from_millis(999);

/// What [`KeyPhases`] asks of a node.
pub trait KeyHolder {
    /// What its clock showed when it was last given anything.
    fn clock(&self) -> Instant;

    /// Tells of each session that is Established.
    fn tell_keys(&self, tell: &mut dyn FnMut(KeyState));
}

/// How far a session is with its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// Its name at its node.
    pub session: u64,
    /// Times it went over to new keys.
    pub rotations: u32,
    /// Packets it has discarded for their key phase.
    pub discarded: u64,
    /// Its probe timeout is not shorter.
    pub probe_timeout: Duration,
}

/// Demands that nothing honest is discarded for its keys: neither what came as soon after new ones as the old are kept, nor what was sealed under keys
/// that its receiver has not used yet (P-8.1-5, P-8.1-6).
///
/// What is honest is known by its bytes: whatever left a node and comes off a link undamaged.
#[derive(Clone, Debug)]
pub struct KeyPhases {
    provider: Recording,
    /// Under which key each datagram was sealed.
    sealed: HashMap<u64, KeyName>,
    sessions: BTreeMap<(usize, u64), Seen>,
    /// The key of the honest datagram that is arriving.
    arriving: Option<KeyName>,
}

/// What is known of a session.
#[derive(Clone, Copy, Debug)]
struct Seen {
    state: KeyState,
    /// By the clock of its node.
    rotated_at: Option<Instant>,
    /// The shortest probe timeout since shortly before.
    least_timeout: Duration,
}

impl KeyPhases {
    /// Watches nodes that share `provider`.
    #[must_use]
    pub fn new(provider: Recording) -> Self {
        Self { provider, sealed: HashMap::new(), sessions: BTreeMap::new(), arriving: None }
    }

    fn learn<N: KeyHolder>(&mut self, number: usize, node: &N) {
        let now = node.clock();
        node.tell_keys(&mut |state| {
            let fresh = Seen { state, rotated_at: None, least_timeout: state.probe_timeout };
            let seen = self.sessions.entry((number, state.session)).or_insert(fresh);
            if state.rotations > seen.state.rotations {
                seen.rotated_at = Some(now);
                // The keys may have been replaced before what has just come was measured.
                seen.least_timeout = seen.state.probe_timeout;
            }
            seen.least_timeout = seen.least_timeout.min(state.probe_timeout);
            seen.state = state;
        });
    }

    /// The session that has just discarded a packet for its key phase, as it was seen last.
    fn discarder<N: KeyHolder>(&mut self, number: usize, node: &N) -> Option<Seen> {
        let mut found = None;
        node.tell_keys(&mut |state| {
            if let Some(seen) = self.sessions.get_mut(&(number, state.session))
                && state.discarded > seen.state.discarded
            {
                seen.state.discarded = state.discarded;
                found = Some(*seen);
            }
        });
        found
    }
}

impl<N: KeyHolder> Observer<N> for KeyPhases {
    fn departed(&mut self, _: &Passage, datagram: &[u8]) {
        if let Some(name) = self.provider.last_sealed().filter(|_| is_data(datagram)) {
            self.sealed.insert(fingerprint(datagram), name);
        }
    }

    fn arriving(&mut self, _: &N, passage: &Passage, datagram: &[u8]) {
        let comes_off_a_link = passage.origin == Origin::Network && is_data(datagram);
        self.arriving = comes_off_a_link.then(|| self.sealed.get(&fingerprint(datagram)).copied()).flatten();
    }

    fn arrived(&mut self, node: &N, passage: &Passage, received: Received) {
        let reason = match received {
            Received::Discarded(reason) => reason,
            _ => return self.learn(passage.node, node),
        };
        if !matches!(reason, DiscardReason::KeyPhase | DiscardReason::Authentication) {
            return;
        }
        let is_premature = self.arriving.is_some_and(|name| !self.provider.has_opened(name));
        assert!(!is_premature, "I11: a packet is sealed under keys that its receiver has not yet: {reason:?}");
        let Some(Seen { rotated_at: Some(at), least_timeout, .. }) = self.discarder(passage.node, node) else { return };
        let late = node.clock().saturating_since(at);
        let promised = least_timeout.min(UNMEASURED).saturating_mul(LATE_PROBE_TIMEOUTS);
        assert!(
            self.arriving.is_none() || late >= promised,
            "I11: an honest packet is discarded for its key phase {late:?} after new keys, {promised:?} are promised"
        );
    }

    fn started(&mut self, number: usize) {
        self.sessions.retain(|(node, _), _| *node != number);
    }
}
