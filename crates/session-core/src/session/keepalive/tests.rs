use std::vec::Vec;

use super::*;

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn timeouts(least: u64, agreed: u64) -> Timeouts {
    Timeouts { least_keepalive: Some(seconds(least)), keepalive: seconds(agreed), ..Timeouts::default() }
}

/// The intervals after so many answers, where none above `bears` seconds holds.
fn search(timeouts: &Timeouts, bears: u64, answers: usize) -> Vec<u64> {
    let mut keepalive = Keepalive::agree(Role::Initiator, timeouts, seconds(1), 1000);
    let mut intervals = Vec::new();
    for _ in 0..answers {
        intervals.push(keepalive.interval().as_secs());
        let held = keepalive.interval() <= seconds(bears);
        keepalive.on_answered(timeouts, held);
    }
    intervals
}

//= docs/protocol.md P-13-7
#[test]
fn the_interval_grows_until_one_is_too_long_and_stays_at_the_one_before() {
    let timeouts = timeouts(15, 900);
    assert_eq!(search(&timeouts, 130, 10), [15, 21, 30, 42, 60, 84, 120, 169, 120, 120]);
    assert_eq!(search(&timeouts, 30, 7), [15, 21, 30, 42, 30, 30, 30]);
    assert_eq!(search(&timeouts, 3600, 15)[11..], [678, 900, 900, 900], "no more than agreed");
    assert_eq!(search(&timeouts, 10, 4), [15, 15, 15, 15], "no less than the least");
    // What held once may be too long later.
    let mut keepalive = Keepalive::agree(Role::Initiator, &timeouts, seconds(1), 1000);
    for held in [true, true, true, true, false, false, false, true, true] {
        keepalive.on_answered(&timeouts, held);
    }
    assert_eq!(keepalive.interval().as_secs(), 21);
    keepalive.begin_anew(&timeouts);
    keepalive.on_answered(&timeouts, true);
    assert_eq!(
        keepalive.interval().as_secs(),
        15,
        "the first answer may be to a question from before, which measured nothing here"
    );
    keepalive.on_answered(&timeouts, true);
    keepalive.on_answered(&timeouts, true);
    assert_eq!(keepalive.interval().as_secs(), 30, "elsewhere all may be otherwise");
}

#[test]
fn every_row_of_answers_stays_between_the_least_and_the_top_of_the_ladder() {
    let timeouts = timeouts(1, 3600);
    for answers in 0..1_u32 << 16 {
        let mut keepalive = Keepalive::agree(Role::Initiator, &timeouts, seconds(1), 1000);
        for bit in 0..16 {
            keepalive.on_answered(&timeouts, answers >> bit & 1 == 1);
            assert!(keepalive.ladder.rung() < keepalive.ladder.too_long(), "{answers:x}");
            assert!((seconds(1)..=seconds(128)).contains(&keepalive.interval()), "{answers:x}");
        }
    }
}

#[test]
fn nothing_is_searched_unless_it_is_wanted_by_who_asks() {
    let wanted = timeouts(15, 900);
    let unwanted = Timeouts { least_keepalive: None, ..wanted.clone() };
    for (role, timeouts, interval) in
        [(Role::Initiator, &wanted, 15), (Role::Initiator, &unwanted, 900), (Role::Responder, &wanted, 900)]
    {
        let mut keepalive = Keepalive::agree(role, timeouts, seconds(1), 1000);
        assert_eq!(keepalive.interval(), seconds(interval));
        if interval == 900 {
            keepalive.on_answered(timeouts, false);
            assert_eq!(keepalive.interval(), seconds(900));
        }
    }
    // An interval of the application's choice stays.
    let mut keepalive = Keepalive::agree(Role::Initiator, &wanted, seconds(1), 1000);
    keepalive.set(seconds(100)).unwrap();
    keepalive.on_answered(&wanted, true);
    keepalive.begin_anew(&wanted);
    assert_eq!(keepalive.interval(), seconds(100));
}
