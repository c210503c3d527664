//! How much of a path a session takes, on paths of every kind, and what it leaves to another (protocol §10).

use std::num::NonZeroU64;
use std::time::Duration;

use session_core::{CongestionControl, Limits, RustCrypto, SessionId, Stats};
use session_sim::{LinkConfig, Probability, Reordering};
use session_tests::two::{ALICE, BOB, CHANNEL, millis, seconds, two_nodes};
use session_tests::{Flow, Flows, Message, Setup, World};

const CONTROLS: [CongestionControl; 2] = [CongestionControl::Cubic, CongestionControl::NewReno];

/// Windows that no path here is limited by.
fn setup(congestion_control: CongestionControl) -> Setup {
    let mut limits = Limits::default();
    limits.sessions = 4;
    limits.pool_blocks = 24 * 1024;
    limits.session_window = 4 << 20;
    limits.channel_window = 4 << 20;
    limits.send_blocks = 4 * 1024;
    limits.record_blocks = 1024;
    // Nothing but the flow is on the link.
    limits.spare_ids = 0;
    Setup { limits, congestion_control, ..Setup::default() }
}

/// A path of so many kilobytes per second, with a queue of so many kilobytes.
fn path(rate: u64, delay: u64, queue: usize) -> LinkConfig {
    LinkConfig {
        bandwidth: NonZeroU64::new(rate * 1_000),
        delay: millis(delay),
        queue: Some(queue * 1_000),
        ..LinkConfig::default()
    }
}

fn flow(ends: (SessionId, SessionId), tag: u64) -> Flow {
    let endless = vec![Message::streamed(1 << 30, 50_000)];
    Flow::new((ALICE, ends.0), (BOB, ends.1), CHANNEL, tag, endless).in_chunks_of(50_000)
}

fn received(world: &World<RustCrypto>, id: SessionId) -> u64 {
    world.session(BOB, id).channel_stats(CHANNEL).expect("the channel is there").received
}

/// Kilobytes per second in which a session sends over `link` for a while, and its figures then.
fn goodput(control: CongestionControl, link: LinkConfig, time: Duration) -> (u64, Stats) {
    let mut world = two_nodes(&setup(control));
    world.departures = None;
    let ends = world.establish(ALICE, BOB);
    world.set_link(ALICE, BOB, link);
    let mut flows = Flows { flows: vec![flow(ends, 1)] };
    assert!(!flows.run(&mut world, time), "it never ends");
    let rate = received(&world, ends.1) * 1_000 / u64::try_from(time.as_millis()).expect("seconds") / 1_000;
    (rate, world.session(ALICE, ends.0).stats())
}

/// The rates of both rules in kilobytes per second, CUBIC first.
fn compare(name: &str, link: LinkConfig, time: Duration) -> [u64; 2] {
    let rates = CONTROLS.map(|control| {
        let (rate, stats) = goodput(control, link, time);
        println!(
            "{name}: {control:?} {rate} kB/s, {} of {} packets lost, window {}, round trip {:?}",
            stats.packets_lost, stats.ack_eliciting_sent, stats.congestion_window, stats.smoothed_rtt
        );
        rate
    });
    println!("{name}: ratio {:.2}", rates[0] as f64 / rates[1] as f64);
    rates
}

#[test]
fn usual_paths_are_filled() {
    // Kilobytes per second, one way, queue.
    for (name, link, least) in [
        ("DSL", path(2_000, 15, 60), 85),
        ("fibre", path(8_000, 5, 120), 85),
        ("LTE", LinkConfig { jitter: millis(8), ..path(3_000, 35, 300) }, 80),
    ] {
        let rate = link.bandwidth.expect("a path with a bottleneck").get() / 1_000;
        for got in compare(name, link, seconds(5)) {
            assert!(got * 100 >= rate * least, "{name}: {got} of {rate} kB/s");
        }
    }
}

/// More than a thousand datagrams are in flight: NewReno takes minutes to win back what it gives up for a loss that was no congestion.
#[test]
fn cubic_uses_a_satellite_link_that_new_reno_leaves_empty() {
    let link = LinkConfig { loss: Probability::from_ppm(200), ..path(2_500, 300, 400) };
    let [cubic, new_reno] = compare("satellite", link, seconds(60));
    assert!(cubic >= 600, "{cubic} of 2,500 kB/s");
    assert!(cubic * 10 >= new_reno * 12, "{cubic} and {new_reno} kB/s");
}

#[test]
fn losses_that_are_no_congestion_cost_cubic_no_more() {
    for (percent, least) in [(1, 250), (5, 90), (20, 20)] {
        let link = LinkConfig { loss: Probability::from_percent(percent), ..path(1_250, 20, 100) };
        let [cubic, new_reno] = compare(&format!("{percent} % loss"), link, seconds(20));
        assert!(cubic >= least, "{percent} %: {cubic} kB/s");
        assert!(cubic * 10 >= new_reno * 9, "{percent} %: {cubic} and {new_reno} kB/s");
    }
}

/// Where the window is wide, the peer is asked to acknowledge less often.
#[test]
fn few_packets_are_acknowledgements_where_much_is_in_flight() {
    for (link, most) in [(path(8_000, 5, 120), 9), (path(8_000, 25, 400), 5), (path(50, 50, 60), 65)] {
        let mut world = two_nodes(&setup(CongestionControl::Cubic));
        world.departures = None;
        let ends = world.establish(ALICE, BOB);
        world.set_link(ALICE, BOB, link);
        let mut flows = Flows { flows: vec![flow(ends, 1)] };
        flows.run(&mut world, seconds(5));
        let [data, acks] =
            [world.session(ALICE, ends.0), world.session(BOB, ends.1)].map(|end| end.stats().packets_sent);
        println!("{acks} packets answer {data}");
        assert!(acks * 100 <= data * most, "{acks} packets answer {data}");
    }
}

/// HyStart++ sees the queue grow and does not fill it before it looks for its end.
#[test]
fn a_queue_of_seconds_is_not_filled_at_the_beginning() {
    for control in CONTROLS {
        let (rate, stats) = goodput(control, path(1_000, 20, 3_000), seconds(4));
        println!(
            "bufferbloat: {control:?} {rate} kB/s, round trip {:?}, {} lost",
            stats.smoothed_rtt, stats.packets_lost
        );
        assert!(rate >= 750, "{rate} of 1,000 kB/s");
        assert!(stats.smoothed_rtt < millis(1_000), "{:?} of at most 3 s", stats.smoothed_rtt);
        assert_eq!(stats.packets_lost, 0);
    }
}

#[test]
fn reordering_by_a_few_places_costs_little() {
    let reordering = Reordering::new(Probability::from_percent(2), 8, millis(15));
    for got in compare("reordering", LinkConfig { reordering, ..path(1_250, 25, 120) }, seconds(20)) {
        assert!(got >= 900, "{got} of 1,250 kB/s");
    }
}

/// Jain's index of what two flows get of one bottleneck: 1 if both get the same, a half if one gets all.
fn fairness(first: CongestionControl, second: CongestionControl, head_start: Duration) -> f64 {
    let mut world = World::new(1);
    world.add(&setup(first), RustCrypto);
    world.add(&setup(second), RustCrypto);
    let one = world.establish(ALICE, BOB);
    // The other node is the sender of the second: data of each way meets acknowledgements of the other only.
    let two = world.establish(ALICE, BOB);
    world.set_link(ALICE, BOB, path(1_250, 25, 60));
    let mut flows = Flows { flows: vec![flow(one, 1)] };
    flows.run(&mut world, head_start);
    let begun = received(&world, one.1);
    flows.flows.push(flow(two, 2));
    flows.run(&mut world, seconds(40));
    let rates = [received(&world, one.1) - begun, received(&world, two.1)].map(|bytes| bytes as f64);
    println!("{first:?}: {rates:?} bytes after {head_start:?}");
    rates.iter().sum::<f64>().powi(2) / (2.0 * rates.iter().map(|rate| rate * rate).sum::<f64>())
}

#[test]
fn two_sessions_share_a_bottleneck() {
    for control in CONTROLS {
        for head_start in [0, 5] {
            let index = fairness(control, control, seconds(head_start));
            println!("{control:?}: index {index:.2}");
            assert!(index >= 0.7, "{control:?}: {index}");
        }
    }
}
