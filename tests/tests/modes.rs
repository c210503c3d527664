//! Every channel mode keeps its promise over bad networks, in both directions at once, whatever the handshake was; and no nonce serves twice.

use session_core::{ChannelConfig, ChannelId, ChannelMode, Event, Instant, Limits};
use session_sim::{Faults, Generator};
use session_tests::traffic::{self, MODES, Plan, Traffic};
use session_tests::{Campaign, Contact, Recording, Setup, World};

const CASES: u64 = 24;
/// Messages on each channel, each way.
const MESSAGES: usize = 300;

fn run_case(seed: u64) -> (Faults, [usize; 2]) {
    let mut random = Generator::new(seed);
    let mut world = World::new(seed);
    let channels = MODES.map(|(id, mode)| ChannelConfig::new(id, mode).with_priority(random.below(8) as u8)).to_vec();
    // Four seeds in a row have the handshakes of all patterns.
    let contact = Contact::ALL[(seed % 4) as usize];
    let psk = contact.with_psk().then_some([7; 32]);
    let setup = Setup { channels, limits: Limits::default(), psk, ..Setup::default() };
    let ledger = Recording::new();
    let nodes = [world.add(&setup, ledger.clone()), world.add(&setup, ledger.clone())];
    world.set_link(nodes[0], nodes[1], traffic::draw_link(&mut random));
    if contact.is_first() {
        world.set_pairing(nodes[1], Some(Instant::MAX));
    }
    let (here, there) = world.establish_by(contact, nodes[0], nodes[1]);
    assert_eq!(world.session(nodes[1], there).is_first_contact(), contact.is_first());
    let ends = [(nodes[0], here), (nodes[1], there)];
    let mut traffic = Traffic::both_ways(ends, || {
        let mut plan = |_| {
            let most = if random.below(10) == 0 { 9000 } else { 200 };
            Plan { length: random.below(most) as usize, patience: None }
        };
        (0..MESSAGES).map(&mut plan).collect()
    });
    traffic::run(&mut world, &mut random, &mut traffic);
    let lost_was_told =
        ends.iter().any(|(node, id)| world.take_events(*node).contains(&Event::Lost(*id, ChannelId(22))));
    let lost: u64 = ends
        .iter()
        .map(|(node, id)| world.session(*node, *id).channel_stats(ChannelId(22)).unwrap().lost_messages)
        .sum();
    assert_eq!(lost_was_told, lost > 0, "loss is told exactly where there was some");
    assert!(ledger.arrived() <= ledger.sealed() && ledger.arrived() > 100);
    let arrived = |mode| traffic.iter().filter(|flow| flow.mode == mode).map(|flow| flow.arrived.len()).sum();
    (world.faults(), [arrived(ChannelMode::Unreliable), arrived(ChannelMode::LatestValue)])
}

#[test]
fn every_mode_keeps_its_promise() {
    let campaign = Campaign::new(CASES);
    let mut faults = Faults::NONE;
    let mut arrived = [0, 0];
    campaign.run("modes", |seed| {
        let (some, [unreliable, latest]) = run_case(seed);
        faults += some;
        arrived = [arrived[0] + unreliable, arrived[1] + latest];
    });
    println!("{faults:?}, arrived: {arrived:?} unreliable and latest-value messages");
    if campaign.is_whole() {
        let all = CASES as usize * 2 * MESSAGES;
        assert!(faults.lost > 0 && faults.duplicated > 0 && faults.reordered > 0, "{faults:?}");
        assert!((all / 2..all).contains(&arrived[0]), "{arrived:?} of {all}: some are lost, most are not");
        assert!(arrived[1] < all, "values are overtaken");
    }
}
