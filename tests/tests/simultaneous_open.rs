//! Two nodes connect to each other at once, over links that lose, duplicate and reorder: one session, and nothing is lost or read twice.

use std::time::Duration;

use session_core::{ChannelConfig, ChannelId, ChannelMode, Event, SessionId};
use session_sim::{Faults, Generator, LinkConfig, Probability, Reordering};
use session_tests::{Campaign, Contact, Recording, Setup, World};

const CASES: u64 = 64;
/// Ordered and unordered; each carries as many messages each way, sent before anybody has answered.
const CHANNELS: [(ChannelId, ChannelMode); 2] =
    [(ChannelId(16), ChannelMode::ReliableOrdered), (ChannelId(17), ChannelMode::ReliableUnordered)];
const MESSAGES: u8 = 12;

fn draw_link(random: &mut Generator) -> LinkConfig {
    let percent = |random: &mut Generator, most: u64| Probability::from_percent(random.below(most + 1) as u32);
    LinkConfig {
        loss: percent(random, 25),
        duplication: percent(random, 10),
        reordering: Reordering::new(percent(random, 30), 1 + random.below(8) as u8, Duration::from_millis(20)),
        delay: Duration::from_micros(1000 + random.below(60_000)),
        jitter: Duration::from_micros(random.below(10_000)),
        ..LinkConfig::default()
    }
}

fn run_case(seed: u64) -> Faults {
    let mut random = Generator::new(seed);
    let with_psk = seed.is_multiple_of(2);
    let contact = if with_psk { Contact::KnownWithPsk } else { Contact::Known };
    let channels = CHANNELS.map(|(id, mode)| ChannelConfig::new(id, mode)).to_vec();
    let setup = Setup { psk: with_psk.then_some([7; 32]), channels, ..Setup::default() };
    let mut world = World::new(seed);
    let ledger = Recording::new();
    let nodes = [world.add(&setup, ledger.clone()), world.add(&setup, ledger.clone())];
    world.set_link(nodes[0], nodes[1], draw_link(&mut random));

    let mut ids = [None::<SessionId>; 2];
    let first = random.below(2) as usize;
    for side in [first, 1 - first] {
        let id = world.connect_by(contact, nodes[side], nodes[1 - side]).expect("there is a slot");
        ids[side] = Some(id);
        for (channel, _) in CHANNELS {
            for number in 0..MESSAGES {
                let message = vec![number; 1 + usize::from(number) * 150];
                world.command(nodes[side], id, |session| session.send(&message, channel)).expect("there is room");
            }
        }
        if side == first {
            // The second begins before anything of the first can have come, or soon after.
            world.run_for(Duration::from_micros(random.below(2000)));
        }
    }
    let ids = ids.map(|id| id.expect("both have connected"));
    world.run_for(Duration::from_secs(25));

    for side in [0, 1] {
        let (node, id) = (nodes[side], ids[side]);
        let events = world.take_events(node);
        assert!(events.contains(&Event::Established(id)), "end {side} knows its session by its own handle: {events:?}");
        assert!(!events.iter().any(|event| matches!(event, Event::Established(other) if *other != id)), "{events:?}");
        let sessions: Vec<_> = world.endpoint(node).sessions().collect();
        assert_eq!(sessions, [id], "end {side} has one session");
    }
    assert!(world.session(nodes[0], ids[0]).uid().is_some());
    assert_eq!(world.session(nodes[0], ids[0]).uid(), world.session(nodes[1], ids[1]).uid());
    for side in [0, 1] {
        for (channel, mode) in CHANNELS {
            let mut buffer = [0; 4000];
            let mut arrived = Vec::new();
            while let Ok(Some(length)) =
                world.command(nodes[side], ids[side], |session| session.recv(&mut buffer, channel))
            {
                assert_eq!(length, 1 + usize::from(buffer[0]) * 150);
                assert!(buffer[..length].iter().all(|byte| *byte == buffer[0]));
                arrived.push(buffer[0]);
            }
            if mode == ChannelMode::ReliableUnordered {
                arrived.sort_unstable();
            }
            assert_eq!(arrived, (0..MESSAGES).collect::<Vec<_>>(), "end {side}, {mode:?}");
        }
    }
    assert!(ledger.arrived() <= ledger.sealed());
    world.faults()
}

//= docs/protocol.md P-4.4-1
#[test]
fn h19_nodes_that_connect_to_each_other_at_once_have_one_session() {
    let campaign = Campaign::new(CASES);
    let mut faults = Faults::NONE;
    campaign.run("simultaneous_open", |seed| faults += run_case(seed));
    if campaign.is_whole() {
        let Faults { lost, duplicated, reordered, .. } = faults;
        assert!([lost, duplicated, reordered].iter().all(|&count| count > 0), "{faults}");
    }
}
