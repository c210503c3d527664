use proptest::prelude::*;

use super::*;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

/// Sends `count` numbered datagrams `gap_micros` apart, receiving whatever is due before each, then drains.
fn run(config: LinkConfig, seed: u64, count: u64, gap_micros: u64) -> (Vec<(Instant, u64)>, Faults) {
    let mut link = Link::new(config, seed);
    let mut received = Vec::new();
    let mut drain = |link: &mut Link, until: Instant| {
        while let Some(due) = link.next_delivery().filter(|due| *due <= until) {
            let Some(datagram) = link.receive(due) else {
                assert!(link.config.codel.is_some(), "a datagram at the time the link announced");
                continue;
            };
            received.push((due, u64::from_be_bytes(datagram[..8].try_into().expect("eight bytes"))));
            reconcile(link);
        }
    };
    for number in 0..count {
        let now = at(number * gap_micros);
        drain(&mut link, now);
        link.send(now, &number.to_be_bytes());
        reconcile(&link);
    }
    drain(&mut link, Instant::MAX);
    assert_eq!(link.in_flight(), 0);
    assert_eq!(link.in_flight_bytes, 0);
    (received, *link.faults())
}

fn reconcile(link: &Link) {
    let faults = link.faults();
    assert_eq!(
        faults.sent + faults.duplicated,
        faults.delivered
            + faults.lost
            + faults.queue_dropped
            + faults.codel_dropped
            + faults.policed
            + faults.too_big
            + link.in_flight() as u64,
        "{faults}, in flight {}",
        link.in_flight()
    );
}

/// How many later-sent datagrams came out before each one.
fn displacements(received: &[(Instant, u64)]) -> Vec<usize> {
    (0..received.len())
        .map(|index| {
            // Wide enough to show a bound that is broken: nothing moves by more than 64.
            let start = index.saturating_sub(500);
            received[start..index].iter().filter(|earlier| earlier.1 > received[index].1).count()
        })
        .collect()
}

#[test]
fn perfect_link_is_first_in_first_out_and_loses_nothing() {
    let (received, faults) = run(LinkConfig::default(), 1, 10_000, 3);
    let expected: Vec<_> = (0..10_000).map(|number| (at(number * 3), number)).collect();
    assert_eq!(received, expected);
    assert_eq!(faults, Faults { sent: 10_000, delivered: 10_000, ..Faults::NONE });
}

#[test]
fn rates_hold_over_a_hundred_thousand_datagrams() {
    let config = LinkConfig {
        loss: Probability::from_ppm(5_000),
        duplication: Probability::from_percent(2),
        reordering: Reordering::mild(),
        delay: millis(5),
        ..LinkConfig::default()
    };
    let (received, faults) = run(config, 3, 100_000, 100);
    // Bounds are five standard deviations of the binomial.
    assert!((388..=612).contains(&faults.lost), "{faults}");
    assert!((1_779..=2_221).contains(&faults.duplicated), "{faults}");
    assert!((850..=1_180).contains(&faults.reordered), "{faults}");
    assert_eq!(received.len() as u64, faults.delivered);
}

#[test]
fn people_read_probabilities_in_percent() {
    let words = [0, 1, 5_000, 50_000, 1_000_000].map(|ppm| format!("{:?}", Probability::from_ppm(ppm)));
    assert_eq!(words, ["0 %", "0.0001 %", "0.5 %", "5 %", "100 %"]);
}

#[test]
fn mild_reordering_lets_one_to_three_pass() {
    let config = LinkConfig { reordering: Reordering::mild(), delay: millis(5), ..LinkConfig::default() };
    let (received, faults) = run(config, 5, 100_000, 100);
    let displacements = displacements(&received);
    let count = |wanted| displacements.iter().filter(|overtaken| **overtaken == wanted).count();
    for displacement in 1..=3 {
        assert!((200..=470).contains(&count(displacement)), "{displacement}: {}", count(displacement));
    }
    assert_eq!((100_000 - count(0)) as u64, faults.reordered);
    assert_eq!(displacements.iter().max(), Some(&3));
}

#[test]
fn datagram_nobody_follows_comes_out_after_the_hold() {
    let reordering = Reordering::new(Probability::ALWAYS, 3, millis(10));
    let mut link = Link::new(LinkConfig { reordering, delay: millis(5), ..LinkConfig::default() }, 1);
    link.send(at(0), b"alone");
    assert_eq!(link.next_delivery(), Some(at(15_000)));
    assert_eq!(link.receive(at(14_999)), None);
    assert_eq!(link.receive(at(15_000)).as_deref(), Some(&b"alone"[..]));
    assert_eq!(link.faults().reordered, 0);
}

#[test]
fn always_reordering_still_reorders() {
    let reordering = Reordering::new(Probability::ALWAYS, 1, millis(10));
    let (received, faults) = run(LinkConfig { reordering, ..LinkConfig::default() }, 1, 8, 100);
    let numbers: Vec<_> = received.iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers, [1, 0, 3, 2, 5, 4, 7, 6]);
    assert_eq!(faults.reordered, 4);
}

#[test]
fn bandwidth_spaces_datagrams() {
    let config = LinkConfig { bandwidth: NonZeroU64::new(8_000), delay: millis(5), ..LinkConfig::default() };
    let (received, _) = run(config, 1, 3, 0);
    assert_eq!(received, [(at(6_000), 0), (at(7_000), 1), (at(8_000), 2)]);
}

#[test]
fn fast_link_is_not_slowed_by_rounding() {
    // Eight bytes take 8 ns; a thousand of them must not take a thousand microseconds.
    let config = LinkConfig { bandwidth: NonZeroU64::new(1_000_000_000), ..LinkConfig::default() };
    let (received, _) = run(config, 1, 1_000, 0);
    assert_eq!(received.last(), Some(&(at(8), 999)));
}

#[test]
fn full_queue_drops_and_drains_again() {
    let config = LinkConfig { bandwidth: NonZeroU64::new(8_000), queue: Some(16), ..LinkConfig::default() };
    let mut link = Link::new(config, 1);
    for _ in 0..5 {
        link.send(at(0), &[0; 8]);
    }
    assert_eq!((link.faults().queue_dropped, link.in_flight()), (3, 2));
    link.send(at(1_000), &[0; 8]);
    assert_eq!((link.faults().queue_dropped, link.in_flight()), (3, 3));
    link.send(at(60_000), &[0; 100]);
    assert_eq!(link.faults().queue_dropped, 3, "an idle bottleneck takes a datagram longer than its queue");
}

#[test]
fn mtu_is_the_largest_that_passes() {
    let mut link = Link::new(LinkConfig { mtu: Some(1_200), ..LinkConfig::default() }, 1);
    link.send(at(0), &[0; 1_200]);
    link.send(at(0), &[0; 1_201]);
    assert_eq!((link.faults().too_big, link.in_flight()), (1, 1));
}

#[test]
fn corruption_changes_one_bit_wherever_it_is_and_is_counted() {
    let config = LinkConfig { corruption: Probability::from_percent(10), ..LinkConfig::default() };
    let mut link = Link::new(config, 9);
    let mut changed = [0_u32; 24];
    for _ in 0..100_000 {
        link.send(at(0), &[0; 3]);
        let datagram = link.receive(at(0)).expect("nothing is lost or held");
        let bits: Vec<_> = (0..24).filter(|bit| datagram[bit / 8] >> (bit % 8) & 1 == 1).collect();
        assert!(bits.len() <= 1, "{datagram:?}");
        bits.iter().for_each(|bit| changed[*bit] += 1);
    }
    assert_eq!(u64::from(changed.iter().sum::<u32>()), link.faults().corrupted);
    // Five standard deviations of the binomial: all of them, and each bit.
    assert!((9_525..=10_475).contains(&link.faults().corrupted), "{}", link.faults());
    assert!(changed.iter().all(|count| (314..=519).contains(count)), "{changed:?}");
}

#[test]
fn corruption_leaves_the_other_faults_alone() {
    let clean = LinkConfig {
        loss: Probability::from_percent(10),
        duplication: Probability::from_percent(10),
        reordering: Reordering::mild(),
        jitter: millis(2),
        ..LinkConfig::default()
    };
    let run = |config| {
        let mut link = Link::new(config, 11);
        (0..1_000).for_each(|number| link.send(at(number * 100), &[0; 100]));
        let mut times = Vec::new();
        while let Some(due) = link.next_delivery() {
            times.extend(link.receive(due).map(|_| due));
        }
        (times, *link.faults())
    };
    let (times, faults) = run(LinkConfig { corruption: Probability::ALWAYS, ..clean });
    assert_eq!(faults.corrupted, faults.delivered);
    assert_eq!(run(clean), (times, Faults { corrupted: 0, ..faults }));
}

#[test]
fn empty_datagram_has_nothing_to_corrupt() {
    let mut link = Link::new(LinkConfig { corruption: Probability::ALWAYS, ..LinkConfig::default() }, 1);
    link.send(at(0), b"");
    assert_eq!((link.receive(at(0)).as_deref(), link.faults().corrupted), (Some(&b""[..]), 0));
}

#[test]
fn flow_comes_out_with_its_datagram_whatever_happens_to_it() {
    let config = LinkConfig {
        loss: Probability::from_percent(20),
        duplication: Probability::from_percent(20),
        reordering: Reordering::new(Probability::from_percent(30), 8, millis(5)),
        jitter: millis(2),
        ..LinkConfig::default()
    };
    let mut link = Link::new(config, 4);
    (0..500_u64).for_each(|number| link.send_from(number % 7, at(number * 100), &number.to_be_bytes()));
    let mut flows = [0; 7];
    while let Some((flow, datagram)) = link.receive_with_flow(Instant::MAX) {
        assert_eq!(u64::from_be_bytes(datagram.try_into().expect("eight bytes")) % 7, flow);
        flows[flow as usize] += 1;
    }
    assert!(flows.iter().all(|count| *count > 0), "{flows:?}");
    assert!(link.faults().lost > 0 && link.faults().duplicated > 0 && link.faults().reordered > 0);
}

#[test]
fn memory_is_bounded_when_nobody_receives() {
    let config = LinkConfig { duplication: Probability::ALWAYS, ..LinkConfig::default() };
    let mut link = Link::new(config, 1);
    for _ in 0..IN_FLIGHT_DATAGRAMS {
        link.send(at(0), &[]);
    }
    assert_eq!(link.in_flight(), IN_FLIGHT_DATAGRAMS);
    reconcile(&link);

    let mut link = Link::new(config, 1);
    for _ in 0..1_000 {
        link.send(at(0), &[0; 65_507]);
    }
    assert!(link.in_flight_bytes <= IN_FLIGHT_BYTES);
    assert!(link.faults().queue_dropped > 0);
    reconcile(&link);
}

#[test]
fn time_that_goes_back_delivers_nothing_early() {
    let mut link = Link::new(LinkConfig { delay: millis(1), ..LinkConfig::default() }, 1);
    link.send(at(5_000), b"first");
    link.send(at(0), b"second");
    assert_eq!(link.receive(at(5_999)), None);
    assert_eq!(link.receive(at(6_000)).as_deref(), Some(&b"first"[..]));
    assert_eq!(link.receive(at(0)).as_deref(), Some(&b"second"[..]), "the link has already seen 6,000 µs");
}

#[test]
fn end_of_time_is_survived() {
    let config = LinkConfig {
        delay: Duration::MAX,
        jitter: Duration::MAX,
        bandwidth: NonZeroU64::new(1),
        reordering: Reordering::new(Probability::ALWAYS, 200, Duration::MAX),
        ..LinkConfig::default()
    };
    assert_eq!(config.reordering.max_displacement(), MAX_DISPLACEMENT);
    let (received, _) = run(config, 1, 500, u64::MAX / 1_000);
    assert_eq!(received.len(), 500);
}

#[test]
fn shorter_hold_set_later_keeps_the_schedule_in_order() {
    let held = |hold| LinkConfig {
        reordering: Reordering::new(Probability::ALWAYS, 8, millis(hold)),
        ..LinkConfig::default()
    };
    let mut link = Link::new(held(100), 1);
    link.send(at(0), b"long");
    link.set_config(held(1));
    link.send(at(0), b"short");
    assert_eq!(link.next_delivery(), Some(at(1_000)));
    assert_eq!(link.receive(at(1_000)).as_deref(), Some(&b"short"[..]));
    link.receive(at(100_000)).expect("the long hold ends");
    assert_eq!(link.faults().delivered, 2);
}

#[test]
fn faults_print_by_kind_and_sum() {
    let mut sum = Faults {
        sent: 1,
        delivered: 2,
        lost: 3,
        duplicated: 4,
        reordered: 5,
        too_big: 6,
        queue_dropped: 7,
        corrupted: 8,
        codel_dropped: 9,
        policed: 10,
        lost_in_bursts: 1,
    };
    sum += sum;
    assert_eq!(
        sum.to_string(),
        "sent 2, delivered 4, lost 6, duplicated 8, reordered 10, corrupted 16, too big 12, dropped by the queue 14, \
         dropped by CoDel 18, policed 20"
    );
    assert_eq!((sum.lost_in_bursts, Faults::NONE.to_string().contains("CoDel")), (2, false));
}

prop_compose! {
    fn configs()(
        loss in 0..=30_u32,
        duplication in 0..=10_u32,
        reordering in 0..=100_u32,
        displacement in 0..=64_u8,
        delay in 0..50_u64,
        jitter in 0..20_u64,
        bandwidth in proptest::option::of(1_000..1_000_000_u64),
        queue in proptest::option::of(0..4_000_usize),
        managed: bool,
        policed: bool,
    ) -> LinkConfig {
        LinkConfig {
            loss: Probability::from_percent(loss),
            duplication: Probability::from_percent(duplication),
            reordering: Reordering::new(Probability::from_percent(reordering), displacement, millis(30)),
            delay: millis(delay),
            jitter: millis(jitter),
            bandwidth: bandwidth.and_then(NonZeroU64::new),
            queue,
            mtu: Some(1_200),
            // The runs tell datagrams apart by their bytes; corruption has tests of its own.
            corruption: Probability::NEVER,
            bursts: (loss % 2 == 0).then(|| Bursts::of(Probability::from_percent(loss), 5)),
            codel: managed.then(CoDel::default),
            policer: policed.then(|| Policer { rate: NonZeroU64::new(20_000).expect("not zero"), burst: 3_000 }),
        }
    }
}

proptest! {
    #[test]
    fn counters_reconcile_and_time_never_goes_back(config in configs(), seed: u64, gap in 0..2_000_u64) {
        let (received, faults) = run(config, seed, 500, gap);
        prop_assert!(received.is_sorted_by_key(|(at, _)| *at));
        prop_assert_eq!(received.len() as u64, faults.delivered);
        let earliest = |number: u64| at(number * gap).saturating_add(config.delay);
        prop_assert!(received.iter().all(|(at, number)| *at >= earliest(*number)));
    }

    #[test]
    fn displacement_stays_within_its_bound(config in configs(), seed: u64, gap in 0..2_000_u64) {
        // A copy would be counted as overtaking datagrams that it never passed.
        let config = LinkConfig { duplication: Probability::NEVER, ..config };
        let (received, faults) = run(config, seed, 500, gap);
        let displacements = displacements(&received);
        let bound = usize::from(config.reordering.max_displacement());
        prop_assert!(displacements.iter().all(|overtaken| *overtaken <= bound));
        prop_assert_eq!(displacements.iter().filter(|overtaken| **overtaken > 0).count() as u64, faults.reordered);
    }

    #[test]
    fn same_seed_gives_the_same_bytes(config in configs(), seed: u64, gap in 0..2_000_u64) {
        prop_assert_eq!(run(config, seed, 300, gap), run(config, seed, 300, gap));
    }

    #[test]
    fn how_often_the_caller_receives_changes_nothing(config in configs(), seed: u64) {
        let (prompt, _) = run(config, seed, 300, 100);
        let mut link = Link::new(config, seed);
        for number in 0..300_u64 {
            link.send(at(number * 100), &number.to_be_bytes());
        }
        let mut late = Vec::new();
        while let Some(due) = link.next_delivery() {
            let Some(datagram) = link.receive(due) else {
                prop_assert!(config.codel.is_some(), "due");
                continue;
            };
            late.push((due, u64::from_be_bytes(datagram[..8].try_into().expect("eight bytes"))));
        }
        prop_assert_eq!(prompt, late);
    }
}

#[test]
fn bursts_lose_the_share_and_the_length_of_the_closed_form() {
    let bursts = Bursts {
        to_bad: Probability::from_ppm(20_000),
        to_good: Probability::from_ppm(180_000),
        loss_when_good: Probability::from_ppm(10_000),
        loss_when_bad: Probability::from_ppm(700_000),
    };
    let count = 400_000;
    let (received, faults) = run(LinkConfig { bursts: Some(bursts), ..LinkConfig::default() }, 5, count, 1);
    // The bad state is met in 0.02 / (0.02 + 0.18) = 0.1 of all datagrams.
    let expected = 0.9 * 0.01 + 0.1 * 0.7;
    let share = faults.lost as f64 / count as f64;
    assert!((share - expected).abs() < 0.004, "{share} instead of {expected}");
    assert_eq!(faults.lost_in_bursts, faults.lost);
    assert_eq!(received.len() as u64 + faults.lost, count);
    // After a loss the state is bad with 0.07 / 0.079, and stays so with 0.82: loss follows loss.
    let bad = 0.07 / 0.079;
    let next_bad = bad * 0.82 + (1.0 - bad) * 0.02;
    let expected = next_bad * 0.7 + (1.0 - next_bad) * 0.01;
    let arrived: std::collections::BTreeSet<u64> = received.iter().map(|(_, number)| *number).collect();
    let lost: Vec<u64> = (0..count).filter(|number| !arrived.contains(number)).collect();
    let pairs = lost.windows(2).filter(|pair| pair[1] == pair[0] + 1).count();
    let share = pairs as f64 / lost.len() as f64;
    assert!((share - expected).abs() < 0.01, "{share} of the lost are followed by another, not {expected}");
}

#[test]
fn bursts_of_a_share_and_a_length_have_them() {
    let config = LinkConfig { bursts: Some(Bursts::of(Probability::from_percent(5), 8)), ..LinkConfig::default() };
    let (_, faults) = run(config, 9, 400_000, 1);
    let share = faults.lost as f64 / 400_000.0;
    assert!((share - 0.05).abs() < 0.005, "{share}");
}

#[test]
fn other_faults_do_not_notice_bursts() {
    let config = LinkConfig { loss: Probability::from_percent(5), ..LinkConfig::default() };
    let alone = run(config, 3, 20_000, 1).0;
    let both = run(LinkConfig { bursts: Some(Bursts::of(Probability::from_percent(5), 4)), ..config }, 3, 20_000, 1).0;
    let alone: std::collections::BTreeSet<u64> = alone.into_iter().map(|(_, number)| number).collect();
    assert!(both.iter().all(|(_, number)| alone.contains(number)), "what is lost without bursts is lost with them");
    assert!(both.len() < alone.len());
}

/// Through a bottleneck of 1 datagram of 1,000 bytes per millisecond: what came out and when, sent every `gap_micros`.
fn through_codel(config: LinkConfig, count: u64, gap_micros: impl Fn(u64) -> u64) -> (Vec<(u64, u64)>, Faults) {
    let mut link: Link = Link::new(config, 1);
    let mut received = Vec::new();
    let (mut now, mut sent_at) = (0, Vec::new());
    let mut drain = |link: &mut Link, until: Instant, sent_at: &[u64]| {
        while let Some(due) = link.next_delivery().filter(|due| *due <= until) {
            if let Some(datagram) = link.receive(due) {
                let number = u64::from_be_bytes(datagram[..8].try_into().expect("eight bytes"));
                received.push((due.as_micros(), due.as_micros() - sent_at[number as usize]));
            }
            reconcile(link);
        }
    };
    for number in 0..count {
        drain(&mut link, at(now), &sent_at);
        let mut datagram = vec![0; 1000];
        datagram[..8].copy_from_slice(&number.to_be_bytes());
        sent_at.push(now);
        link.send(at(now), &datagram);
        now += gap_micros(number);
    }
    drain(&mut link, Instant::MAX, &sent_at);
    assert_eq!((link.in_flight(), link.in_flight_bytes, link.waiting_bytes), (0, 0, 0));
    (received, *link.faults())
}

fn bottleneck() -> LinkConfig {
    LinkConfig { bandwidth: NonZeroU64::new(1_000_000), codel: Some(CoDel::default()), ..LinkConfig::default() }
}

#[test]
fn codel_leaves_alone_what_stays_below_the_target_and_short_bursts() {
    // Just below the rate; and bursts of 50 with rests, whose delay is above the target for less than an interval.
    let (received, faults) = through_codel(bottleneck(), 5_000, |_| 1_001);
    assert_eq!((received.len(), faults.codel_dropped), (5_000, 0));
    let (received, faults) = through_codel(bottleneck(), 5_000, |number| if number % 50 == 49 { 60_000 } else { 0 });
    assert_eq!((received.len(), faults.codel_dropped), (5_000, 0), "a good queue");
}

#[test]
fn codel_drops_first_after_an_interval_above_the_target_and_then_faster_and_faster() {
    // 1.25 of the rate. The n-th datagram stands 0.2 n ms too long: the 25th, after 25 ms, is the first to stand for 5 ms.
    let mut drops = Vec::new();
    let mut link: Link = Link::new(bottleneck(), 1);
    for number in 0..2_000_u64 {
        let now = at(number * 800);
        while let Some(due) = link.next_delivery().filter(|due| *due <= now) {
            let before = link.faults().codel_dropped;
            let _ = link.receive(due);
            drops.extend((before..link.faults().codel_dropped).map(|_| due.as_micros()));
        }
        let before = link.faults().codel_dropped;
        link.send(now, &[0; 1000]);
        drops.extend((before..link.faults().codel_dropped).map(|_| now.as_micros()));
    }
    let first = drops[0] as f64 / 1000.0;
    assert!((125.0..127.0).contains(&first), "first drop after {first} ms, not an interval after 25");
    // The gap after the n-th drop is interval / sqrt(n) (RFC 8289 §3.3), to the next dequeue of a millisecond.
    for n in 1..8_usize {
        let gap = (drops[n] - drops[n - 1]) as f64 / 1000.0;
        let law = 100.0 / (n as f64).sqrt();
        assert!((gap - law).abs() < 2.5, "gap {n} is {gap} ms, the law says {law}");
    }
}

#[test]
fn codel_brings_the_delay_of_a_standing_queue_down_where_a_tail_does_not() {
    let queue = Some(200_000);
    let gap = |number: u64| if number < 3_000 { 950 } else { 1_000 };
    let (managed, faults) = through_codel(LinkConfig { queue, ..bottleneck() }, 12_000, gap);
    assert!(faults.codel_dropped > 0 && faults.queue_dropped == 0, "{faults}");
    let (tail, _) = through_codel(LinkConfig { queue, codel: None, ..bottleneck() }, 12_000, gap);
    let last = |received: &[(u64, u64)]| received.last().expect("some arrived").1;
    assert!(last(&managed) < 10_000 && last(&tail) > 100_000, "{} and {} us", last(&managed), last(&tail));
}

#[test]
fn a_policer_lets_its_burst_and_its_rate_through_and_delays_nothing() {
    let policer = Policer { rate: NonZeroU64::new(100_000).expect("not zero"), burst: 5_000 };
    let mut link: Link = Link::new(LinkConfig { policer: Some(policer), ..LinkConfig::default() }, 1);
    // 1,000 bytes each millisecond for a second: ten times the rate.
    for number in 0..1_000 {
        link.send(at(number * 1_000), &[0; 1_000]);
        while let Some(due) = link.next_delivery() {
            assert_eq!(due, at(number * 1_000), "no delay");
            assert!(link.receive(due).is_some());
        }
    }
    // The burst, and 100 bytes for each of the 999 ms after it.
    assert_eq!(link.faults().delivered, (5_000 + 99_900) / 1_000);
    assert_eq!(link.faults().policed, 1_000 - link.faults().delivered);
}

#[test]
fn what_is_held_back_waits_for_the_medium() {
    for bandwidth in [None, NonZeroU64::new(1_000_000)] {
        let mut link: Link = Link::new(LinkConfig { bandwidth, ..LinkConfig::default() }, 1);
        link.hold_until(at(700));
        link.send(at(100), &[0; 100]);
        let sending = if bandwidth.is_some() { 100 } else { 0 };
        assert_eq!(link.next_delivery(), Some(at(700 + sending)));
        assert_eq!(link.busy_until(), at(700 + sending));
    }
}
