//! Nodes that do not know each other meet over bad networks, and everything arrives all the same.

use std::num::NonZeroU64;
use std::time::Duration;

use session_core::{ChannelId, Instant};
use session_sim::{Faults, Generator, LinkConfig, Probability, Reordering};
use session_tests::{Campaign, Contact, Flow, Flows, Message, Recording, Setup, World};

const CASES: u64 = 32;
/// Virtual time within which the worst case has to end.
const TIME: Duration = Duration::from_secs(120);

/// Loss 0–25 %, duplication 0–10 %, reordering, delay 0–100 ms: Finish and the packets behind it overtake each other.
fn draw_link(random: &mut Generator) -> LinkConfig {
    let percent = |random: &mut Generator, most: u64| Probability::from_percent(random.below(most + 1) as u32);
    LinkConfig {
        loss: percent(random, 25),
        duplication: percent(random, 10),
        reordering: Reordering::new(percent(random, 40), 1 + random.below(8) as u8, Duration::from_millis(20)),
        delay: Duration::from_micros(random.below(100_000)),
        jitter: Duration::from_micros(random.below(5_000)),
        bandwidth: NonZeroU64::new(100_000 + random.below(1_000_000)),
        queue: Some(20_000),
        ..LinkConfig::default()
    }
}

fn run_case(seed: u64) -> Faults {
    let mut random = Generator::new(seed);
    let mut world = World::new(seed);
    let ledger = Recording::new();
    let with_psk = seed.is_multiple_of(2);
    let setup = Setup { psk: with_psk.then_some([7; 32]), ..Setup::default() };
    let (alice, bob) = (world.add(&setup, ledger.clone()), world.add(&setup, ledger.clone()));
    world.set_link(alice, bob, draw_link(&mut random));
    world.set_pairing(bob, Some(Instant::MAX));
    let contact = if with_psk { Contact::FirstWithPsk } else { Contact::First };
    let (at_alice, at_bob) = world.establish_by(contact, alice, bob);
    world.set_pairing(bob, None);

    let keys = [alice, bob].map(|node| world.endpoint(node).public_key());
    for (node, id, peer) in [(alice, at_alice, keys[1]), (bob, at_bob, keys[0])] {
        let session = world.session(node, id);
        assert!(session.is_first_contact());
        assert_eq!((session.peer_key(), session.peer_id()), (Some(peer), Some(peer.peer_id())));
    }
    assert_eq!(world.session(alice, at_alice).uid(), world.session(bob, at_bob).uid());
    let messages = |random: &mut Generator| {
        let middle = 1 + random.below(20_000) as usize;
        vec![Message::whole(0), Message::whole(middle), Message::streamed(50_000, 4_000), Message::whole(1)]
    };
    let ends = [(alice, at_alice), (bob, at_bob)];
    let flows = [(0, 1), (1, 0)]
        .map(|(from, to)| Flow::new(ends[from], ends[to], ChannelId(16), 10 + from as u64, messages(&mut random)));
    let mut flows = Flows { flows: flows.into() };
    assert!(flows.run(&mut world, TIME), "not done in time");
    assert!(ledger.arrived() <= ledger.sealed() && ledger.arrived() > 0);
    world.faults()
}

//= docs/protocol.md P-4.2-11 P-9-1
#[test]
fn strangers_meet_over_bad_links_and_everything_arrives() {
    let campaign = Campaign::new(CASES);
    let mut faults = Faults::NONE;
    campaign.run("first_contact", |seed| faults += run_case(seed));
    if campaign.is_whole() {
        let Faults { lost, duplicated, reordered, .. } = faults;
        assert!([lost, duplicated, reordered].iter().all(|&count| count > 0), "{faults}");
    }
}

#[test]
fn a_pre_shared_key_that_differs_keeps_strangers_apart() {
    let mut world = World::new(1);
    let ledger = Recording::new();
    let [alice, bob] =
        [7, 8].map(|secret| world.add(&Setup { psk: Some([secret; 32]), ..Setup::default() }, ledger.clone()));
    world.set_pairing(bob, Some(Instant::MAX));
    let id = world.connect_by(Contact::FirstWithPsk, alice, bob).unwrap();
    world.run_for(Duration::from_secs(30));
    assert_eq!(world.take_events(bob), []);
    assert_eq!(world.endpoint(bob).session_count(), 0, "its slot is gone");
    assert_eq!(world.take_events(alice), [session_core::Event::Closed(id)]);
}
