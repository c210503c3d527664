//! Everything arrives exactly once, in order and whole, over bad networks, within a stated time.

use std::num::NonZeroU64;
use std::time::Duration;

use session_core::{ChannelId, CloseCode, CloseSpace, ClosedBy, Event, SessionId};
use session_sim::{Faults, Generator, LinkConfig, Probability, Reordering};
use session_tests::{Campaign, Flow, Flows, Message, Recording, Setup, World};

const CASES: u64 = 32;
/// Virtual time within which the worst case has to end.
const TIME: Duration = Duration::from_secs(300);

/// Loss 0–30 %, duplication 0–10 %, reordering by 0–64 places, delay 0–50 ms, jitter, and now and then a bottleneck.
fn draw_link(random: &mut Generator) -> LinkConfig {
    let percent = |random: &mut Generator, most: u64| Probability::from_percent(random.below(most + 1) as u32);
    let has_bottleneck = random.below(3) == 0;
    LinkConfig {
        loss: percent(random, 30),
        duplication: percent(random, 10),
        reordering: Reordering::new(
            percent(random, 30),
            random.below(65) as u8,
            Duration::from_millis(random.below(100)),
        ),
        delay: Duration::from_micros(random.below(50_000)),
        jitter: Duration::from_micros(random.below(5_000)),
        bandwidth: has_bottleneck.then(|| NonZeroU64::new(50_000 + random.below(1_000_000)).expect("not zero")),
        queue: Some(3_000 + random.below(20_000) as usize),
        mtu: None,
        corruption: Probability::NEVER,
        ..LinkConfig::default()
    }
}

/// Channel 16 carries whole messages of all sizes, 17 streams, 18 small ones.
fn draw_flows(random: &mut Generator, ends: [(usize, SessionId); 2], tag: u64, streamed: usize) -> Vec<Flow> {
    let [from, to] = ends;
    let whole = [0, 1, 65_536, 1023, 1024, 1025, 0, random.below(30_000) as usize].map(Message::whole).to_vec();
    let stream = vec![
        Message::streamed(streamed, 1 + random.below(20_000) as usize),
        Message::streamed(0, 1),
        Message::whole(5),
    ];
    let small = (0..50).map(|_| Message::whole(random.below(100) as usize)).collect();
    vec![
        Flow::new(from, to, ChannelId(16), tag, whole),
        Flow::new(from, to, ChannelId(17), tag + 1, stream).in_chunks_of(1 + random.below(9000) as usize),
        Flow::new(from, to, ChannelId(18), tag + 2, small),
    ]
}

fn run_case(seed: u64) -> (Faults, Duration) {
    let mut random = Generator::new(seed);
    let mut world = World::new(seed);
    let ledger = Recording::new();
    let (alice, bob) = (world.add(&Setup::default(), ledger.clone()), world.add(&Setup::default(), ledger.clone()));
    let link = draw_link(&mut random);
    world.set_link(alice, bob, link);
    let (at_alice, at_bob) = world.establish(alice, bob);
    let began = world.now();

    let ends = [(alice, at_alice), (bob, at_bob)];
    let streamed = if seed.is_multiple_of(8) { 1 << 20 } else { random.below(200_000) as usize };
    let mut flows = Flows { flows: draw_flows(&mut random, ends, 10, streamed) };
    flows.flows.extend(draw_flows(&mut random, [ends[1], ends[0]], 20, streamed / 4));
    let done = flows.run(&mut world, TIME);
    let took = world.now().saturating_since(began);
    assert!(
        done,
        "{link:?}: not done after {took:?}: {:?}",
        flows.flows.iter().map(Flow::received).collect::<Vec<_>>()
    );

    close_and_check(&mut world, ends, seed);
    assert!(ledger.arrived() <= ledger.sealed() && ledger.arrived() > 0);
    println!("seed {seed}: {took:?}, {} packets", world.packets());
    (world.faults(), took)
}

/// One side closes; both learn why; afterwards the slots are free, and nothing more arrives on any channel.
fn close_and_check(world: &mut World<Recording>, ends: [(usize, SessionId); 2], seed: u64) {
    let closer = (seed % 2) as usize;
    let text = format!("case {seed} is over");
    let (node, id) = ends[closer];
    world.command(node, id, |session| session.close(seed, &text));
    world.run_for(Duration::from_secs(60));
    for (side, (node, id)) in ends.into_iter().enumerate() {
        let events = world.take_events(node);
        assert_eq!(events.last(), Some(&Event::Closed(id)), "side {side}");
        assert!(!events.iter().any(|event| matches!(event, Event::Readable(..))), "side {side}: {events:?}");
        // After the quiet time and the time to ask, a session is gone without being forgotten.
        if let Some(session) = world.endpoint(node).session(id) {
            panic!("side {side} is still there: {:?}", session.state());
        }
        assert_eq!(world.endpoint(node).session_count(), 0);
    }
}

//= docs/protocol.md P-9-1 P-5-1 P-3-5
//= docs/protocol.md P-9-8 P-11-1
#[test]
fn everything_arrives_once_in_order_and_whole() {
    let campaign = Campaign::new(CASES);
    let mut faults = Faults::NONE;
    let mut longest = Duration::ZERO;
    campaign.run("delivery", |seed| {
        let (of_case, took) = run_case(seed);
        faults += of_case;
        longest = longest.max(took);
    });
    println!("{faults}; longest {longest:?}");
    if campaign.is_whole() {
        let Faults { lost, duplicated, reordered, queue_dropped, .. } = faults;
        assert!([lost, duplicated, reordered, queue_dropped].iter().all(|&count| count > 0), "{faults}");
    }
}

/// Both learn code and text, however bad the network; asked right after `Closed`.
//= docs/protocol.md P-12-1
#[test]
fn both_sides_learn_code_and_text_of_a_close() {
    Campaign::new(20).run("delivery", |seed| {
        let mut world = World::new(seed);
        let ledger = Recording::new();
        let (alice, bob) = (world.add(&Setup::default(), ledger.clone()), world.add(&Setup::default(), ledger));
        let (at_alice, at_bob) = world.establish(alice, bob);
        world.set_link(alice, bob, LinkConfig { delay: Duration::from_millis(20), ..LinkConfig::default() });
        let mut flows = Flows::default();
        flows.flows.push(Flow::new(
            (alice, at_alice),
            (bob, at_bob),
            ChannelId(16),
            seed,
            vec![Message::whole(40_000)],
        ));
        flows.flows[0].push(&mut world);
        world.command(alice, at_alice, |session| session.close(seed + 100, "schluß"));
        let limit = world.now().saturating_add(Duration::from_secs(5));
        let mut told = [false; 2];
        world.run_until(limit, |world| {
            for (node, id) in [(alice, at_alice), (bob, at_bob)] {
                while let Some(event) = world.next_event(node) {
                    match event {
                        Event::Readable(..) => flows.flows[0].pull(world),
                        Event::Closed(_) => {
                            let reason = world.reason(node, id).expect("a closed session has a reason");
                            assert_eq!((reason.space, reason.code), (CloseSpace::Application, CloseCode(seed + 100)));
                            assert_eq!(reason.text.as_str(), "schluß");
                            assert_eq!(reason.by, if node == alice { ClosedBy::Local } else { ClosedBy::Peer });
                            told[node] = true;
                        }
                        _ => {}
                    }
                }
            }
            told == [true; 2]
        });
        assert_eq!(told, [true; 2]);
        assert!(flows.flows[0].is_done(), "close flushes");
    });
}
