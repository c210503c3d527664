//! One end: what a device of one peer and a few KiB is made with.

use alloc::boxed::Box;
use alloc::vec;

use session_core::{
    Address, Carrier, CarrierConfig, ChannelConfig, ChannelId, ChannelMode, Config, ConfigError, Limits, Link,
    RustCrypto, Secret, Seed, Session, StaticKey,
};

/// Messages that come whole and in order.
pub const RELIABLE: ChannelId = ChannelId(16);
/// Messages that come, or do not.
pub const UNRELIABLE: ChannelId = ChannelId(17);
/// Bytes of the largest datagram. A device has two such buffers, one each way.
pub const DATAGRAM: usize = 256;

/// One end of the wire.
pub type End = Box<Session>;

/// An end within `limits` whose key and whose chance come from `number`.
///
/// # Errors
/// [`ConfigError`] if the core does not take what this file says.
pub fn end(number: u8, limits: Limits) -> Result<End, ConfigError> {
    let key = StaticKey::new(&RustCrypto, Secret::new([number; 32]));
    let mut config = Config::new(key, "cortex-m");
    config.channels = vec![RELIABLE.into(), ChannelConfig::new(UNRELIABLE, ChannelMode::Unreliable)];
    let mut carrier = CarrierConfig::udp(DATAGRAM as u16);
    carrier.padding = false;
    config.carriers = vec![carrier];
    Session::new(config, limits, RustCrypto, Seed::new([number; 32])).map(Box::new)
}

/// The wire as `from` sees it.
#[must_use]
pub const fn link(from: usize) -> Link {
    const fn address(end: usize) -> Address {
        Address::Opaque([end as u8; 16])
    }
    Link { carrier: Carrier(0), local: address(from), remote: address(1 - from) }
}
