//! How an endpoint is configured.

use std::sync::Arc;

use session_core::{
    CarrierConfig, ChannelConfig, ChannelLimits, ChannelOptions, Config, Limits, Provider, PskName, SecondSession,
    Secret, Seed, StaticKey, Timeouts,
};

use crate::clock::Clock;
use crate::driver::Driver;
use crate::endpoint::Endpoint;
use crate::error::BindError;
use crate::provider::AnyProvider;
use crate::shared::{Core, Shared};
use crate::socket::{AsyncUdpSocket, Timer};

/// UDP payload of an IP packet of 1500 bytes, the MTU of Ethernet, over IPv6.
const MAX_DATAGRAM: u16 = 1452;

/// Configures an endpoint; made by [`Endpoint::builder`], consumed by the `bind` of a runtime's adapter.
#[must_use]
pub struct EndpointBuilder {
    config: Config,
    limits: Limits,
    provider: AnyProvider,
    own_channels: bool,
}

impl EndpointBuilder {
    pub(crate) fn new(static_key: StaticKey) -> Self {
        let mut config = Config::new(static_key, "");
        config.carriers = vec![CarrierConfig::udp(MAX_DATAGRAM)];
        // For whoever watches.
        config.directory_events = true;
        Self { config, limits: Limits::default(), provider: AnyProvider::RustCrypto, own_channels: false }
    }

    /// The application protocol, at most 64 bytes; both ends must name the same one. Default: empty.
    pub fn application(mut self, name: &str) -> Self {
        self.config.application = name.into();
        self
    }

    /// Adds a channel both applications agreed upon, at most fifteen: an id from 16 to 255 for one that is reliable and ordered, or a
    /// [`ChannelConfig`]. Default: channel 16 alone.
    ///
    /// A message on a channel of priority 0 goes with the first datagram that is made after it was sent. Before it, and behind what the system
    /// itself keeps, leaves at most the one batch that the driver holds: one datagram, or what the pacer allows at once where the system segments.
    pub fn channel(mut self, channel: impl Into<ChannelConfig>) -> Self {
        if !self.own_channels {
            self.config.channels.clear();
            self.own_channels = true;
        }
        self.config.channels.push(channel.into());
        self
    }

    /// How many channels of each mode a peer may have open at once that were not agreed beforehand. Default: none. How many this end may open is
    /// in [`Limits::opened_channels`].
    pub fn channel_limits(mut self, limits: ChannelLimits) -> Self {
        self.config.channel_limits = limits;
        self
    }

    /// Priority, weight, budget and receipts of this end on channels that the peer opens. Default: as of channels that name none.
    pub fn accepted_channels(mut self, options: ChannelOptions) -> Self {
        self.config.accepted_channels = options;
        self
    }

    /// The bounds of the endpoint's memory.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The waiting times of its sessions.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.config.timeouts = timeouts;
        self
    }

    /// What becomes of a second session with one peer, where this end accepts it. Default: the newest wins.
    pub fn second_session(mut self, policy: SecondSession) -> Self {
        self.config.second_session = policy;
        self
    }

    /// Adds a pre-shared key under the name by which both ends know it.
    pub fn psk(mut self, name: PskName, secret: Secret) -> Self {
        self.config.psks.push((name, secret));
        self
    }

    /// The largest datagram, bytes of UDP payload, from 1200 to 65,507. Default: 1452, an Ethernet's over IPv6. Sessions begin with 1200, which every path
    /// carries, and search for more up to this. More pays on links with jumbo frames and on the loopback; peers have to take it too.
    pub fn max_datagram(mut self, bytes: u16) -> Self {
        self.config.carriers = vec![CarrierConfig::udp(bytes)];
        self
    }

    /// Sessions stay with the address at which their peer was when they began. Default: they follow a peer that moves.
    pub fn strict_address(mut self, strict: bool) -> Self {
        self.config.strict_address = strict;
        self
    }

    /// Who computes with keys: an implementation of [`Provider`] other than [`RustCrypto`](crate::RustCrypto), which is portable and needs no C compiler.
    /// All of them give the same bytes, so that a peer cannot tell which one it is, and handles are of the same types whichever it is.
    ///
    /// ```
    /// use session_driver::{Endpoint, EndpointBuilder, Provider, StaticKey};
    ///
    /// fn builder<P>(key: StaticKey, provider: P) -> EndpointBuilder
    /// where
    ///     P: Provider + Send + Sync + 'static,
    ///     P::Key: Send,
    /// {
    ///     Endpoint::builder(key).application("greeter").provider(provider)
    /// }
    /// # let key = StaticKey::new(&session_driver::RustCrypto, session_driver::Secret::new([1; 32]));
    /// # let _ = builder(key, session_driver::RustCrypto);
    /// ```
    pub fn provider<P>(mut self, provider: P) -> Self
    where
        P: Provider + Send + Sync + 'static,
        P::Key: Send,
    {
        self.provider = AnyProvider::chosen(provider);
        self
    }

    /// What kind of node this is; the meaning is the application's.
    pub fn node_type(mut self, node_type: u8) -> Self {
        self.config.node_type = node_type;
        self
    }

    /// What this node can do, one bit each; the meaning is the application's.
    pub fn capabilities(mut self, capabilities: u64) -> Self {
        self.config.capabilities = capabilities;
        self
    }

    /// For adapters: the endpoint's handle and the future that must be spawned.
    ///
    /// # Errors
    /// If the configuration is refused, the socket has no address, or the system gives no entropy.
    #[doc(hidden)]
    pub fn build<S: AsyncUdpSocket, T: Timer>(
        self,
        socket: S,
        timer: T,
        clock: Clock,
    ) -> Result<(Endpoint, Driver<S, T>), BindError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|_| BindError::Entropy)?;
        self.build_seeded(socket, timer, clock, Seed::new(seed))
    }

    pub(crate) fn build_seeded<S: AsyncUdpSocket, T: Timer>(
        self,
        socket: S,
        timer: T,
        clock: Clock,
        seed: Seed,
    ) -> Result<(Endpoint, Driver<S, T>), BindError> {
        let local = socket.local_addr()?;
        let core = Core::new(self.config, self.limits, self.provider, seed)?;
        let shared = Arc::new(Shared::new(core, clock, local));
        Ok((Endpoint::new(Arc::clone(&shared)), Driver::new(shared, socket, timer)))
    }
}
