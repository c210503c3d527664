//! What applications have done to their sessions beside sending, and with what sort of endpoints.

use std::ops::AddAssign;

use super::Options;

/// Counters of a run, beside its [`Faults`](crate::Faults) and [`Incidents`](crate::Incidents).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Actions {
    /// Sessions told to agree on new keys.
    pub keys_wanted: u64,
    /// Times that one end of a session went over to new keys, whatever for.
    pub keys_replaced: u64,
    /// Migrations that probe the other path first.
    pub migrations_probing: u64,
    /// Migrations at once.
    pub migrations_at_once: u64,
    /// Endpoints told that their socket was bound anew.
    pub rebound: u64,
    /// Times that one end of a session was told that it goes over another path, or that none answered.
    pub paths_changed: u64,
    /// Runs in which windows grow as NewReno has it.
    pub new_reno: u64,
    /// The same by CUBIC.
    pub cubic: u64,
    /// Runs whose sessions stay with the address of their peer.
    pub strict: u64,
    /// Runs whose nodes have a second carrier.
    pub two_carriers: u64,
    /// Runs whose keys wear out early.
    pub worn_keys: u64,
    /// Runs in which few forged packets bring new keys.
    pub forgeries_minded: u64,
    /// Runs at whose end links take no larger datagrams than every path does.
    pub narrow: u64,
    /// Runs in which keepalives find out how long a NAT remembers.
    pub learning_keepalives: u64,
    /// Runs in which a peer that answers nothing is lost early.
    pub impatient: u64,
    /// Runs in which keys are agreed on by X25519.
    pub curve: u64,
    /// Runs by the ids in reserve, 0 to 3.
    pub spare_ids: [u64; 4],
}

impl Actions {
    /// A run of these options, of which nothing is done yet.
    pub(super) fn begin(options: &Options) -> Self {
        let mut spare_ids = [0; 4];
        spare_ids[options.spare_ids as usize] = 1;
        Self {
            new_reno: u64::from(options.is_new_reno()),
            cubic: u64::from(!options.is_new_reno()),
            strict: u64::from(options.strict_address),
            two_carriers: u64::from(options.second_carrier.is_some()),
            worn_keys: u64::from(options.wears_keys()),
            forgeries_minded: u64::from(options.minds_forgeries()),
            narrow: u64::from(options.ends_narrow),
            learning_keepalives: u64::from(options.least_keepalive.is_some()),
            impatient: u64::from(options.silence.is_some()),
            curve: u64::from(options.curve),
            spare_ids,
            ..Self::default()
        }
    }

    /// Every kind with its number.
    #[must_use]
    pub fn kinds(&self) -> [(&'static str, u64); 20] {
        let Self {
            keys_wanted,
            keys_replaced,
            migrations_probing,
            migrations_at_once,
            rebound,
            paths_changed,
            new_reno,
            cubic,
            strict,
            two_carriers,
            worn_keys,
            forgeries_minded,
            narrow,
            learning_keepalives,
            impatient,
            curve,
            spare_ids,
        } = *self;
        [
            ("new keys wanted", keys_wanted),
            ("new keys used", keys_replaced),
            ("migrations by probing", migrations_probing),
            ("migrations at once", migrations_at_once),
            ("sockets bound anew", rebound),
            ("paths changed", paths_changed),
            ("runs by NewReno", new_reno),
            ("runs by CUBIC", cubic),
            ("runs with strict addresses", strict),
            ("runs with two carriers", two_carriers),
            ("runs with keys that wear out", worn_keys),
            ("runs in which few forged packets bring new keys", forgeries_minded),
            ("runs that end narrow", narrow),
            ("runs whose keepalives learn", learning_keepalives),
            ("runs without patience", impatient),
            ("runs by X25519", curve),
            ("runs without spare ids", spare_ids[0]),
            ("runs with one spare id", spare_ids[1]),
            ("runs with two spare ids", spare_ids[2]),
            ("runs with three spare ids", spare_ids[3]),
        ]
    }
}

impl AddAssign for Actions {
    fn add_assign(&mut self, other: Self) {
        let Self {
            keys_wanted,
            keys_replaced,
            migrations_probing,
            migrations_at_once,
            rebound,
            paths_changed,
            new_reno,
            cubic,
            strict,
            two_carriers,
            worn_keys,
            forgeries_minded,
            narrow,
            learning_keepalives,
            impatient,
            curve,
            spare_ids,
        } = other;
        self.keys_wanted += keys_wanted;
        self.keys_replaced += keys_replaced;
        self.migrations_probing += migrations_probing;
        self.migrations_at_once += migrations_at_once;
        self.rebound += rebound;
        self.paths_changed += paths_changed;
        self.new_reno += new_reno;
        self.cubic += cubic;
        self.strict += strict;
        self.two_carriers += two_carriers;
        self.worn_keys += worn_keys;
        self.forgeries_minded += forgeries_minded;
        self.narrow += narrow;
        self.learning_keepalives += learning_keepalives;
        self.impatient += impatient;
        self.curve += curve;
        self.spare_ids.iter_mut().zip(spare_ids).for_each(|(sum, more)| *sum += more);
    }
}
