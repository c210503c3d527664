use super::*;
use crate::Generator;

fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

#[test]
fn when_is_the_first_instant_that_shows_it() {
    let mut random = Generator::new(1);
    for _ in 0..20_000 {
        let mut clock = Clock::default();
        let now = at(1_000_000_000 + random.below(1_000_000_000));
        clock.jump(random.below(2_000_000_000) as i64 - 1_000_000_000);
        clock.set_drift(random.below(400_000) as i32 - 200_000, at(random.below(now.as_micros())));
        let shown = at(random.below(4_000_000_000));
        let when = clock.when(shown).expect("it goes");
        assert!(clock.at(when) >= shown || when == Instant::MAX, "{clock:?} {shown:?} {when:?}");
        if when > Instant::EPOCH {
            assert!(clock.at(at(when.as_micros() - 1)) < shown, "{clock:?} {shown:?} {when:?}");
        }
    }
}

#[test]
fn drift_begins_where_the_clock_is_and_adds_up() {
    let mut clock = Clock::default();
    clock.jump(5);
    clock.set_drift(100_000, at(1_000));
    assert_eq!((clock.at(at(1_000)), clock.at(at(2_000))), (at(1_005), at(2_105)));
    clock.set_drift(-100_000, at(2_000));
    assert_eq!((clock.at(at(2_000)), clock.at(at(3_000))), (at(2_105), at(3_005)));
}

#[test]
fn a_clock_that_stands_shows_nothing_new_and_goes_on_as_if_it_had_not() {
    let mut clock = Clock::default();
    clock.stop(true, at(10));
    assert_eq!((clock.at(at(500)), clock.when(at(11))), (at(10), None));
    clock.stop(false, at(600));
    assert_eq!((clock.at(at(700)), clock.when(at(800))), (at(700), Some(at(800))));
}

#[test]
fn the_ends_of_time_are_survived() {
    let mut clock = Clock::default();
    for (jump, drift) in [(i64::MIN, -999_999), (i64::MAX, 999_999), (0, i32::MIN), (0, i32::MAX)] {
        clock.jump(jump);
        clock.set_drift(drift, at(u64::MAX));
        let _ = (clock.at(at(0)), clock.at(Instant::MAX));
    }
    let mut behind = Clock::default();
    behind.set_ahead(-1_000);
    assert_eq!(behind.at(at(10)), at(0), "a clock shows nothing before its epoch");
}
