//! New keys while the session goes on (protocol §8.1), over bad networks, with clocks that drift, and under forged packets.

use std::time::Duration;

use session_core::{ChannelId, DiscardReason, SessionId};
use session_sim::{Generator, LinkConfig, Probability, Reordering};
use session_tests::two::{ALICE, BOB, CHANNEL, millis, seconds};
use session_tests::{Campaign, Flow, Flows, Message, Recording, Setup, World};

const CASES: u64 = 32;

/// Nobody is idle, and keys are replaced after few packets.
fn setup(key_packets: u32) -> Setup {
    let mut setup = Setup::default();
    setup.timeouts.idle = None;
    setup.limits.key_packets = key_packets;
    setup
}

fn begin(seed: u64, setup: &Setup) -> (World<Recording>, Recording, [SessionId; 2]) {
    let mut world = World::new(seed);
    let ledger = Recording::new();
    world.add(setup, ledger.clone());
    world.add(setup, ledger.clone());
    let (at_alice, at_bob) = world.establish(ALICE, BOB);
    world.settle(millis(500));
    (world, ledger, [at_alice, at_bob])
}

fn rotations(world: &World<Recording>, ids: [SessionId; 2]) -> [u32; 2] {
    [ALICE, BOB].map(|node| world.session(node, ids[node]).stats().key_rotations)
}

/// Nothing was of a wrong phase, and nothing that was opened did not fit.
fn assert_no_packet_was_dropped(world: &World<Recording>, ids: [SessionId; 2], what: &str) {
    for node in [ALICE, BOB] {
        let discards = world.session(node, ids[node]).discards();
        for reason in [DiscardReason::KeyPhase, DiscardReason::Authentication] {
            assert_eq!(discards.of(reason), 0, "{what}: node {node}, {reason:?}");
        }
    }
}

/// Loss of 5 %, duplication and reordering.
fn bad_link(random: &mut Generator) -> LinkConfig {
    LinkConfig {
        loss: Probability::from_percent(5),
        duplication: Probability::from_percent(2),
        reordering: Reordering::new(Probability::from_percent(10), random.below(20) as u8, millis(random.below(30))),
        delay: millis(random.below(60)),
        jitter: millis(random.below(4)),
        ..LinkConfig::default()
    }
}

fn flow(ends: [(usize, SessionId); 2], tag: u64, messages: usize) -> Flow {
    let [from, to] = ends;
    Flow::new(from, to, ChannelId(16), tag, (0..messages).map(|index| Message::whole(1 + index * 37 % 9000)).collect())
}

/// The ledger panics where a nonce comes twice under one key, of whatever generation, and where anything opens that nobody sealed.
//= docs/protocol.md P-8.1-5 P-8.1-6 P-5-1
#[test]
fn d6_new_keys_lose_nothing_over_bad_links_and_both_ends_count_alike() {
    let mut most = 0;
    let campaign = Campaign::new(CASES);
    campaign.run("rekey", |seed| {
        let mut random = Generator::new(seed);
        let (mut world, ledger, ids) = begin(seed, &setup(100 + random.below(400) as u32));
        world.set_link(ALICE, BOB, bad_link(&mut random));
        let ends = [(ALICE, ids[ALICE]), (BOB, ids[BOB])];
        let mut flows = Flows { flows: vec![flow(ends, 10, 400), flow([ends[1], ends[0]], 20, 200)] };
        assert!(flows.run(&mut world, seconds(900)), "not done: {:?}", rotations(&world, ids));
        world.settle(seconds(1));
        world.run_for(seconds(30));
        let [near, far] = rotations(&world, ids);
        assert_eq!(near, far);
        assert!(near > 0);
        assert_no_packet_was_dropped(&world, ids, "transfer");
        assert!(ledger.arrived() > 0);
        most = most.max(near);
        println!("seed {seed}: {near} generations after the first, {} packets", world.packets());
    });
    if campaign.is_whole() {
        assert!(most >= 3, "no case is long enough");
    }
}

//= docs/protocol.md P-8.1-4 P-8.1-7
#[test]
fn offers_that_cross_on_a_bad_link_come_to_one_exchange() {
    let mut crossed = 0;
    let campaign = Campaign::new(200);
    campaign.run("rekey", |seed| {
        let mut random = Generator::new(seed ^ 0x0FFE);
        let mut setup = setup(1 << 20);
        // Where a third of all gets lost, three keepalives in a row get lost now and then.
        setup.timeouts.keepalive = seconds(60);
        let (mut world, _, ids) = begin(seed, &setup);
        let link = LinkConfig { loss: Probability::from_percent(30), ..bad_link(&mut random) };
        world.set_link(ALICE, BOB, link);
        for round in 1..=3 {
            for node in [ALICE, BOB] {
                world.command(node, ids[node], |session| session.rotate_key()).expect("it is established");
                world.command(node, ids[node], |session| session.send(b"meanwhile", CHANNEL)).expect("there is room");
                world.run_for(millis(random.below(40)));
            }
            world.run_for(seconds(20));
            let [near, far] = rotations(&world, ids);
            assert_eq!(near, far, "round {round}");
            // One exchange, or another after it where they did not cross.
            crossed += u32::from(near == round);
        }
        assert_no_packet_was_dropped(&world, ids, "crossing");
    });
    if campaign.is_whole() {
        assert!(crossed > 0, "no offers crossed");
    }
}

/// A clock that runs a tenth too fast at one node, in steps of a second.
fn drift_for(world: &mut World<Recording>, node: usize, ahead: &mut i64, faster: bool, time: Duration) {
    for _ in 0..time.as_secs() {
        world.run_for(seconds(1));
        *ahead += if faster { 100_000 } else { -100_000 };
        world.set_clock_ahead(node, *ahead);
    }
}

//= docs/protocol.md P-8.1-7 P-8.1-8
#[test]
fn l15_clocks_that_drift_by_a_tenth_agree_on_new_keys() {
    for (seed, (node, faster)) in (1..).zip([(ALICE, true), (ALICE, false), (BOB, true), (BOB, false)]) {
        let (mut world, _, ids) = begin(seed, &setup(1 << 20));
        let mut ahead = 0;
        for _ in 0..400 {
            drift_for(&mut world, node, &mut ahead, faster, seconds(1));
            for node in [ALICE, BOB] {
                world.command(node, ids[node], |session| session.send(b"tick", CHANNEL)).expect("there is room");
                while world.command(node, ids[node], |session| session.recv(&mut [0; 9], CHANNEL)) == Ok(Some(4)) {}
            }
        }
        let [near, far] = rotations(&world, ids);
        assert!(near == far && (2..=4).contains(&near), "{near} and {far} in 400 s with node {node}, faster: {faster}");
        // Both ask, with clocks that tell different times since the last exchange.
        for _ in 0..40 {
            for node in [ALICE, BOB] {
                world.command(node, ids[node], |session| session.rotate_key()).expect("it is established");
            }
            drift_for(&mut world, node, &mut ahead, faster, seconds(1));
        }
        world.run_for(seconds(30));
        let [near, far] = rotations(&world, ids);
        assert!(near == far && near >= 5, "{near} and {far}");
        assert_no_packet_was_dropped(&world, ids, "drift");
    }
}

/// Whoever flips bits of recorded packets makes an end drop them, but not compute a key.
//= docs/protocol.md P-5-5
#[test]
fn d9_forged_key_phases_derive_no_key() {
    const FLIPS: u64 = 100_000;
    let mut random = Generator::new(9);
    let (mut world, ledger, ids) = begin(9, &setup(1 << 20));
    world.departures = Some(Vec::new());
    for _ in 0..20 {
        world.command(ALICE, ids[ALICE], |session| session.send(&[7; 500], CHANNEL)).expect("there is room");
        world.run_for(millis(100));
    }
    let recorded: Vec<Vec<u8>> = world
        .departures
        .take()
        .into_iter()
        .flatten()
        .filter(|sent| sent.from == ALICE)
        .map(|sent| sent.datagram)
        .collect();
    let (expanded, opened, sealed) = (ledger.expanded(), ledger.opened(), ledger.sealed());
    let (digest, derived) = (world.endpoint(BOB).digest(), rotations(&world, ids));
    let mut of_phase = 0;
    for _ in 0..FLIPS {
        let mut forged = recorded[random.below(recorded.len() as u64) as usize].clone();
        // The bit of the key phase is masked; what it becomes is the attacker's guess, so others are flipped with it.
        forged[0] ^= 0x04;
        if random.below(2) == 0 {
            let place = 1 + 8 + random.below(20) as usize;
            forged[place] ^= 1 << random.below(8);
        }
        if world.inject(ALICE, BOB, &forged) == session_core::Received::Discarded(DiscardReason::KeyPhase) {
            of_phase += 1;
        }
    }
    assert!(of_phase > FLIPS / 2, "{of_phase} were of the other phase");
    assert_eq!((ledger.expanded(), ledger.opened(), ledger.sealed()), (expanded, opened, sealed));
    assert_eq!((world.endpoint(BOB).digest(), rotations(&world, ids)), (digest, derived));
    world.command(ALICE, ids[ALICE], |session| session.rotate_key()).expect("it is established");
    world.run_for(seconds(1));
    assert_eq!(rotations(&world, ids), [1, 1], "honest ends get their new keys");
    assert!(ledger.expanded() > expanded, "and this ledger counts what that takes");
}
