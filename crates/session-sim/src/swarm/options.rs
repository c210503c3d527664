//! What a seed expands to.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use session_core::{
    CarrierConfig, ChannelConfig, ChannelId, ChannelLimits, ChannelMode, Config, CongestionControl, Limits, PskName,
    SecondSession, Secret, StaticKey, Timeouts,
};
use sha2::{Digest, Sha256};

use crate::world::{Contact, PSK};
use crate::{
    AttackerConfig, Bursts, CoDel, Generator, LinkConfig, NatConfig, Policer, Probability, Recording, Reordering,
};

/// Sets the draws of options apart from those of the run.
const OPTIONS_STREAM: u64 = 0x6f70_7469_6f6e_7321;
/// More packets under one key, or forged ones, than a run has.
const NEVER_WORN: u32 = 1 << 20;

/// Everything a run does that is not the core's doing. Printed, it says what a seed means.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// Datagrams after which the faults end.
    pub packets: u64,
    /// Nodes; all but the first connect to the first.
    pub nodes: usize,
    /// The first two connect to each other.
    pub mutual: bool,
    /// How sessions begin.
    pub contact: Contact,
    /// Positions of credit of a session.
    pub session_window: u64,
    /// The same of a channel.
    pub channel_window: u64,
    /// Bytes of a block.
    pub block_size: u32,
    /// Blocks in the pool.
    pub pool_blocks: u32,
    /// Dynamic channels of each mode that a peer may have open.
    pub dynamic: u16,
    /// Messages with a deadline.
    pub deadlines: Probability,
    /// Bytes of the longest message.
    pub longest: u64,
    /// From one turn of an application to the next.
    pub turn: Duration,
    /// Messages an application sends in a turn, at most.
    pub burst: u64,
    /// Keepalive interval.
    pub keepalive: Duration,
    /// Idle timeout.
    pub idle: Option<Duration>,
    /// Applications that close, abort or refuse a session now and then, in each turn.
    pub endings: Probability,
    /// Bytes of the largest datagram.
    pub max_datagram: u16,
    /// ECN bits arrive.
    pub ecn: bool,
    /// What links do.
    pub link: LinkConfig,
    /// Both directions share one medium, which takes so long to turn.
    pub half_duplex: Option<Duration>,
    /// The path tells of datagrams above its MTU.
    pub notices: bool,
    /// What stands before the nodes that connect.
    pub nat: Option<NatConfig>,
    /// What the attacker does.
    pub attacker: AttackerConfig,
    /// From one further fault to the next.
    pub chaos_every: Duration,
    /// Which further faults there are, by their bit.
    pub chaos: u32,
    /// How windows grow.
    pub congestion_control: CongestionControl,
    /// Sessions stay with the address of their peer.
    pub strict_address: bool,
    /// Ids in reserve, 0 to 3.
    pub spare_ids: u32,
    /// Bytes of the largest datagram of a second carrier, if nodes have one.
    pub second_carrier: Option<u16>,
    /// Packets under one key before new ones are asked for.
    pub key_packets: u32,
    /// Forged packets that name a session before new keys are asked for, each time.
    pub forged_packets: NonZeroU32,
    /// How long keys are in use before new ones are asked for.
    pub new_keys: Option<Duration>,
    /// Sessions that are told to agree on new keys, in each turn.
    pub rotations: Probability,
    /// In the end links take what every path takes, and no more.
    pub ends_narrow: bool,
    /// What the search for a keepalive interval begins with, if there is one.
    pub least_keepalive: Option<Duration>,
    /// How long after its last packet a peer counts as lost that answers nothing.
    pub silence: Option<Duration>,
    /// Keys are agreed on by X25519, and not by hashes ([`Recording::without_curve`]).
    pub curve: bool,
}

impl Options {
    /// What `seed` means, for a run of so many datagrams.
    #[must_use]
    pub fn expand(seed: u64, packets: u64) -> Self {
        let mut random = Generator::new(seed ^ OPTIONS_STREAM);
        let channel_window = *pick(&mut random, &[3_000, 8_192, 65_536, 262_144]);
        let block_size = *pick(&mut random, &[256, 1024]);
        let session_window = channel_window * (1 + random.below(4));
        let nodes = 2 + random.below(3) as usize;
        let contact = *pick(
            &mut random,
            &[Contact::Known, Contact::Known, Contact::KnownWithPsk, Contact::First, Contact::FirstWithPsk],
        );
        Self {
            seed,
            packets,
            nodes,
            mutual: one_in(&mut random, 4) && !contact.is_first(),
            contact,
            session_window,
            channel_window,
            block_size,
            // Room for the windows of all sessions, or for one and a little: then they wait for each other.
            pool_blocks: blocks(&mut random, session_window, block_size, nodes as u64),
            dynamic: if one_in(&mut random, 2) { 1 + random.below(4) as u16 } else { 0 },
            deadlines: percent(&mut random, &[0, 20, 60]),
            longest: (channel_window / 4).min(20_000),
            turn: Duration::from_millis(*pick(&mut random, &[10, 20, 50, 100])),
            burst: 1 + random.below(6),
            keepalive: Duration::from_millis(*pick(&mut random, &[500, 1_000, 5_000])),
            idle: one_in(&mut random, 4).then(|| Duration::from_secs(3)),
            endings: Probability::from_ppm(*pick(&mut random, &[0, 500, 5_000])),
            max_datagram: *pick(&mut random, &[1200, 1452]),
            ecn: one_in(&mut random, 2),
            link: link(&mut random),
            half_duplex: one_in(&mut random, 6).then(|| Duration::from_micros(100 + random.below(5_000))),
            notices: one_in(&mut random, 2),
            nat: one_in(&mut random, 3).then(|| NatConfig {
                lifetime: Duration::from_secs(*pick(&mut random, &[1, 5, 30])),
                is_symmetric: one_in(&mut random, 2),
                filters: !one_in(&mut random, 3),
            }),
            attacker: attacker(&mut random),
            chaos_every: Duration::from_millis(*pick(&mut random, &[1_000, 5_000, 20_000])),
            chaos: random.next_u64() as u32,
            congestion_control: *pick(&mut random, &[CongestionControl::Cubic, CongestionControl::NewReno]),
            strict_address: one_in(&mut random, 8),
            spare_ids: random.below(4) as u32,
            second_carrier: one_in(&mut random, 2).then(|| *pick(&mut random, &[1200, 1452])),
            key_packets: *pick(&mut random, &[NEVER_WORN, NEVER_WORN, 2_000, 200]),
            new_keys: *pick(&mut random, &[None, Some(Duration::from_secs(120)), Some(Duration::from_secs(12))]),
            rotations: Probability::from_ppm(*pick(&mut random, &[0, 1_000, 20_000])),
            ends_narrow: !one_in(&mut random, 4),
            least_keepalive: one_in(&mut random, 3).then(|| Duration::from_millis(200)),
            silence: one_in(&mut random, 4).then(|| Duration::from_secs(2)),
            curve: one_in(&mut random, 8),
            forged_packets: NonZeroU32::new(*pick(&mut random, &[NEVER_WORN, NEVER_WORN, 100, 10]))
                .unwrap_or(NonZeroU32::MAX),
        }
    }

    pub(super) fn is_new_reno(&self) -> bool {
        self.congestion_control == CongestionControl::NewReno
    }

    pub(super) fn minds_forgeries(&self) -> bool {
        self.forged_packets.get() < NEVER_WORN
    }

    pub(super) fn wears_keys(&self) -> bool {
        self.key_packets < NEVER_WORN
    }

    /// The modes of the channels that are agreed beforehand, which are all there are.
    pub(super) fn channels() -> impl Iterator<Item = (ChannelId, ChannelMode)> {
        (16..).map(ChannelId).zip(ChannelMode::ALL)
    }

    pub(super) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.sessions = 12;
        limits.pending = 8;
        limits.pool_blocks = self.pool_blocks;
        limits.block_size = self.block_size;
        limits.hot_keys = 3;
        limits.session_window = self.session_window;
        limits.channel_window = self.channel_window;
        limits.send_blocks = 64;
        limits.mailbox_blocks = (self.longest / u64::from(self.block_size) + 8) as u32;
        limits.session_mailbox_blocks = 2 * limits.mailbox_blocks;
        limits.record_blocks = 32;
        limits.opened_channels = u32::from(self.dynamic) * 4;
        limits.key_packets = self.key_packets;
        limits.forged_packets = self.forged_packets.get();
        limits.spare_ids = self.spare_ids;
        limits
    }

    pub(super) fn config(&self, number: usize, provider: &Recording) -> Config {
        let mut config = Config::new(StaticKey::new(provider, Secret::new(self.material(number, 0))), "swarm");
        config.channels = Self::channels().map(|(id, mode)| ChannelConfig::new(id, mode)).collect();
        config.channel_limits =
            ChannelMode::ALL.into_iter().fold(ChannelLimits::NONE, |limits, mode| limits.with(mode, self.dynamic));
        config.carriers = [self.max_datagram].into_iter().chain(self.second_carrier).map(CarrierConfig::udp).collect();
        config.congestion_control = self.congestion_control;
        config.strict_address = self.strict_address;
        config.timeouts = Timeouts::default();
        (config.timeouts.keepalive, config.timeouts.idle) = (self.keepalive, self.idle);
        (config.timeouts.least_keepalive, config.timeouts.silence) = (self.least_keepalive, self.silence);
        config.timeouts.new_keys = self.new_keys;
        config.psks.push((PskName::new(PSK).expect("a name"), Secret::new([7; 32])));
        config.second_session = SecondSession::NewestWins;
        config.directory_events = true;
        config
    }

    /// Bytes that nothing else of any run has.
    pub(super) fn material(&self, number: usize, purpose: u64) -> [u8; 32] {
        let mut hash = Sha256::new();
        for word in [self.seed, number as u64, purpose] {
            hash.update(word.to_be_bytes());
        }
        hash.finalize().into()
    }
}

fn blocks(random: &mut Generator, session_window: u64, block_size: u32, sessions: u64) -> u32 {
    let window = session_window * 4 / 3 / u64::from(block_size) + 128;
    let windows = if one_in(random, 3) { 2 } else { sessions + 1 };
    (windows * window + 256 * 1024 / u64::from(block_size)) as u32
}

fn link(random: &mut Generator) -> LinkConfig {
    let loss = percent(random, &[0, 0, 1, 5, 20]);
    let bandwidth =
        one_in(random, 2).then(|| *pick(random, &[16_000, 125_000, 1_250_000, 12_500_000])).and_then(NonZeroU64::new);
    LinkConfig {
        loss,
        bursts: one_in(random, 4).then(|| Bursts::of(Probability::from_percent(3), 1 + random.below(12) as u32)),
        duplication: percent(random, &[0, 1, 10]),
        reordering: if one_in(random, 2) {
            Reordering::new(percent(random, &[1, 10, 30]), 1 + random.below(20) as u8, Duration::from_millis(20))
        } else {
            Reordering::NONE
        },
        corruption: percent(random, &[0, 0, 1, 5]),
        delay: Duration::from_micros(*pick(random, &[100, 5_000, 30_000, 300_000])),
        jitter: Duration::from_micros(random.below(10_000)),
        bandwidth,
        queue: bandwidth.map(|_| *pick(random, &[5_000, 40_000, 400_000])),
        codel: one_in(random, 3).then(CoDel::default),
        policer: one_in(random, 8)
            .then(|| Policer { rate: NonZeroU64::new(200_000).unwrap_or(NonZeroU64::MIN), burst: 20_000 }),
        mtu: None,
    }
}

fn attacker(random: &mut Generator) -> AttackerConfig {
    if one_in(random, 3) {
        return AttackerConfig::default();
    }
    let mut share = || Probability::from_ppm(random.below(20_000) as u32);
    AttackerConfig {
        replay: share(),
        mutation: share(),
        truncation: share(),
        spoofing: share(),
        injection: share(),
        delay: Duration::from_millis(random.below(200)),
    }
}

fn percent(random: &mut Generator, choices: &[u32]) -> Probability {
    Probability::from_percent(*pick(random, choices))
}

pub(super) fn one_in(random: &mut Generator, many: u64) -> bool {
    random.below(many) == 0
}

pub(super) fn pick<'a, T>(random: &mut Generator, choices: &'a [T]) -> &'a T {
    &choices[random.below(choices.len() as u64) as usize]
}

impl fmt::Display for Options {
    /// One line for each group of options.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, packets, nodes, mutual, contact, session_window, channel_window, .. } = self;
        let Self { block_size, pool_blocks, dynamic, deadlines, longest, turn, burst, keepalive, idle, .. } = self;
        let Self { endings, max_datagram, ecn, link, half_duplex, notices, nat, attacker, chaos_every, chaos, .. } =
            self;
        let Self {
            congestion_control,
            strict_address,
            spare_ids,
            second_carrier,
            key_packets,
            forged_packets,
            new_keys,
            rotations,
            ends_narrow,
            least_keepalive,
            silence,
            curve,
            ..
        } = self;
        writeln!(formatter, "seed {seed}: {packets} packets, {nodes} nodes, contact {contact:?}, mutual {mutual}")?;
        writeln!(
            formatter,
            "  windows {session_window}/{channel_window}, {pool_blocks} blocks of {block_size}, datagrams of {max_datagram}, \
             keepalive {least_keepalive:?} to {keepalive:?}, silence {silence:?}, idle {idle:?}"
        )?;
        writeln!(
            formatter,
            "  applications: {burst} messages up to {longest} bytes every {turn:?}, deadlines {deadlines:?}, {dynamic} dynamic \
             channels of each mode, endings {endings:?}"
        )?;
        writeln!(
            formatter,
            "  {congestion_control:?}, strict address {strict_address}, {spare_ids} spare ids, second carrier {second_carrier:?}; new keys \
             after {key_packets} packets, {forged_packets} forged ones or {new_keys:?}, asked for {rotations:?}, curve {curve}"
        )?;
        writeln!(
            formatter,
            "  link: {link:?}, ecn {ecn}, half duplex {half_duplex:?}, notices {notices}, ends narrow {ends_narrow}"
        )?;
        writeln!(formatter, "  nat: {nat:?}")?;
        writeln!(formatter, "  attacker: {attacker:?}")?;
        write!(formatter, "  further faults: {chaos:#010x} every {chaos_every:?}")
    }
}
