//! A world in a box: nodes, bad networks between them, and the time, all from one seed. `docs/simulator.md` is the guide.
//!
//! A [`Network`] runs any state machine that is a [`Node`]: an endpoint of the core, or a protocol of yours. [`checker`] and [`ledger`] find what
//! must not be, [`swarm`] puts the core under everything at once, and [`conformance`] holds a crypto provider against the core's own.
//!
//! At the bottom of it a [`Link`] is one direction of a datagram link. It never reads a clock and owns no thread: the caller hands it
//! datagrams with the time they were sent and asks when the next one comes out. The same seed and the same calls give
//! the same bytes at the same instants, on any machine.
//!
//! ```
//! use std::time::Duration;
//! use session_core::Instant;
//! use session_sim::{Link, LinkConfig, Probability, Reordering};
//!
//! let config = LinkConfig {
//!     loss: Probability::from_ppm(5_000), // 0.5 %
//!     reordering: Reordering::mild(),
//!     delay: Duration::from_millis(5),
//!     ..LinkConfig::default()
//! };
//! let mut link = Link::new(config, 42);
//! for number in 0..100_u8 {
//!     link.send(Instant::from_micros(u64::from(number) * 100), &[number]);
//! }
//!
//! let mut received = Vec::new();
//! while let Some(now) = link.next_delivery() {
//!     received.extend(link.receive(now));
//! }
//! assert_eq!(link.in_flight(), 0);
//! assert_eq!(link.faults().delivered, received.len() as u64);
//! println!("{}", link.faults());
//! ```
#![forbid(unsafe_code)]

/// Compiles and runs the example of the page.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/simulator.md")]
struct Simulator;

mod attacker;
pub mod checker;
mod clock;
pub mod conformance;
mod generator;
mod inside;
pub mod ledger;
mod link;
mod nat;
mod network;
mod node;
mod recording;
pub mod swarm;
pub mod trace;
pub mod world;

pub use attacker::{Attacker, AttackerConfig, Attacks, Injection};
pub use clock::Clock;
pub use generator::Generator;
pub use inside::{inside, is_inside, outside};
pub use link::{Bursts, CoDel, Faults, Link, LinkConfig, MAX_DISPLACEMENT, Policer, Probability, Reordering};
pub use nat::{Nat, NatConfig};
pub use network::{Departure, Gate, Incidents, Network, Observer, Origin, Passage};
pub use node::{Node, Notice, Output};
pub use recording::{KeyName, RecordedKey, Recording, Usage};
pub use world::{Contact, PSK, Setup, World};
