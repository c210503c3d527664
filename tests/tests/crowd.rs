//! Many senders that use one static key at the same time.

use std::time::Duration;

use session_core::{Event, Limits, RustCrypto};
use session_sim::{LinkConfig, Probability};
use session_tests::{Campaign, Setup, World};

const SENDERS: usize = 50;
const SERVER: usize = 0;
/// An attempt may take ten seconds.
const TIME: Duration = Duration::from_millis(8500);

/// Every Hello, Reply and first packet may be lost; a lost one holds a tentative slot until it is repeated.
fn run_case(seed: u64) -> Duration {
    let mut world = World::new(seed);
    world.default_link = LinkConfig {
        loss: Probability::from_percent(3),
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(2),
        ..LinkConfig::default()
    };
    let mut server = Setup::default();
    server.limits.sessions = 64;
    server.limits.pending = Limits::default().pending;
    server.limits.pool_blocks = 8192;
    world.add(&server, RustCrypto);
    let setup = Setup { key_of: Some(1), ..Setup::default() };
    let attempts: Vec<_> = (0..SENDERS)
        .map(|_| {
            let sender = world.add(&setup, RustCrypto);
            (sender, world.connect(sender, SERVER).unwrap())
        })
        .collect();
    assert_eq!(world.endpoint(1).public_key(), world.endpoint(SENDERS).public_key());

    let began = world.now();
    let mut established = 0;
    world.run_until(began.saturating_add(Duration::from_secs(10)), |world| {
        for (sender, id) in &attempts {
            for event in world.take_events(*sender) {
                assert_eq!(event, Event::Established(*id), "seed {seed}: {:?}", world.reason(*sender, *id));
                established += 1;
            }
        }
        established == SENDERS
    });
    let took = world.now().saturating_since(began);
    assert_eq!(established, SENDERS, "seed {seed}: established after {took:?}");
    assert_eq!(world.endpoint(SERVER).session_count() as usize, SENDERS, "seed {seed}");
    took
}

//= docs/protocol.md P-4.2-4 P-4.2-8
#[test]
fn fifty_senders_of_one_key_that_begin_at_once_are_all_established_in_time() {
    let campaign = Campaign::new(24);
    let mut longest = Duration::ZERO;
    campaign.run("crowd", |seed| {
        let took = run_case(seed);
        println!("seed {seed}: {took:?}");
        assert!(took <= TIME, "seed {seed}: {took:?}");
        longest = longest.max(took);
    });
    println!("the longest took {longest:?}");
}
