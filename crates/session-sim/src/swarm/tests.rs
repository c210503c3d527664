use std::num::NonZeroU32;

use session_core::State;

use super::*;
use crate::Probability;
use crate::trace::buffer::Buffer;

#[test]
fn the_same_seed_is_the_same_run_bit_for_bit() {
    for seed in [3, 11] {
        let runs = [(); 2].map(|()| {
            let (text, events) = (Buffer::default(), Buffer::default());
            let report = run_traced(&Options::expand(seed, 600), None, text.clone(), events.clone());
            (report.fingerprint, report.totals, report.coverage, text.take(), events.take())
        });
        assert!(runs[0] == runs[1], "seed {seed}");
        let untraced = run(&Options::expand(seed, 600), None);
        assert_eq!(untraced.fingerprint, runs[0].0, "writing it down changes nothing");
    }
}

#[test]
fn seeds_differ_in_what_they_mean_and_in_what_they_do() {
    let options: Vec<_> = (0..50).map(|seed| Options::expand(seed, 500)).collect();
    for (index, one) in options.iter().enumerate() {
        assert!(options[..index].iter().all(|other| Options { seed: one.seed, ..other.clone() } != *one));
        assert!(one.to_string().starts_with(&format!("seed {}: ", one.seed)));
    }
    assert_ne!(run(&options[1], None).fingerprint, run(&options[2], None).fingerprint);
}

#[test]
fn some_seeds_break_nothing_and_go_the_ways_between_states() {
    let campaign = Campaign::new(0..24, 800);
    let summary = campaign.run(|_, _| {});
    assert_eq!(summary.violations.iter().next(), None);
    assert_eq!((summary.runs, summary.totals.silent_lost), (24, 0));
    assert!(summary.packets >= 24 * 800 && summary.totals.delivered > 1_000, "{}", summary.totals);
    let states = [State::Connecting, State::SynSent, State::Handshaking, State::Established, State::Closing];
    for pair in states.windows(2) {
        assert!(summary.coverage.leads(pair[0], pair[1]), "{pair:?}\n{}", summary.coverage);
    }
}

#[test]
fn threads_change_nothing() {
    let sums = [1, 3].map(|threads| {
        let mut campaign = Campaign::new(0..6, 400);
        campaign.threads = threads;
        let summary = campaign.run(|_, _| {});
        (summary.packets, summary.totals, summary.sealed, summary.fingerprint, summary.coverage)
    });
    assert!(sums[0] == sums[1]);
}

#[test]
fn keys_that_wear_out_are_replaced_though_nobody_asks() {
    const NEVER: u32 = 1 << 20;
    for (key_packets, forged_packets, is_replaced) in [(200, NEVER, true), (NEVER, 10, true), (NEVER, NEVER, false)] {
        let forged_packets = NonZeroU32::new(forged_packets).expect("more than none");
        let mut quiet = Options { key_packets, forged_packets, new_keys: None, ..Options::expand(1, 3_000) };
        (quiet.rotations, quiet.link.corruption) = (Probability::NEVER, Probability::from_percent(5));
        let actions = run(&quiet, None).actions;
        assert_eq!((actions.keys_wanted, actions.keys_replaced > 0), (0, is_replaced));
    }
}

#[test]
fn applications_ask_for_new_keys_and_go_elsewhere() {
    let summary = Campaign::new(0..24, 1_500).run(|_, _| {});
    let never: Vec<_> = summary.actions.kinds().into_iter().filter(|(_, count)| *count == 0).collect();
    assert_eq!((summary.violations.len(), never), (0, vec![]));
}
