use std::hint::black_box;

use super::{Figure, Subject, measure};
use crate::args::Measure;
use crate::clock::processor_time;
use crate::report::{About, Better, OURS, Report};

/// Processor seconds of so many steps of arithmetic.
fn work(steps: u64) -> f64 {
    let start = processor_time();
    let mut value = 1_u64;
    for step in 0..steps {
        value = black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step));
    }
    black_box(value);
    processor_time().saturating_sub(start).as_secs_f64().max(1e-9)
}

fn about(name: &'static str) -> About {
    About { name, version: "1", cipher: "none" }
}

#[test]
fn a_peer_that_burns_ten_times_as_much_shows_on_the_right_side_of_one() {
    let steps = 400_000;
    let figures = [
        Figure { name: "cost", unit: "s", better: Better::Lower },
        Figure { name: "rate", unit: "1/s", better: Better::Higher },
    ];
    let turn = |steps| move || Ok(vec![work(steps), 1.0 / work(steps)]);
    let subjects = vec![
        Subject::new(about(OURS), turn(steps)),
        Subject::new(about("slow"), turn(steps * 10)),
        Subject::new(about("fast"), turn(steps / 10)),
    ];
    let mut report = Report::new();
    measure("planted", &figures, subjects, &Measure::default(), &mut report).expect("nothing fails");

    let file: serde_json::Value = serde_json::from_str(&report.to_json()).expect("a report is JSON");
    for row in file["rows"].as_array().expect("rows") {
        let ratio = |subject: usize| row["subjects"][subject]["session_ratio"]["median"].as_f64().expect("a ratio");
        assert!(ratio(1) > 2.0, "session is better than the slow peer: {}", ratio(1));
        assert!(ratio(2) < 0.5, "session is worse than the fast peer: {}", ratio(2));
    }
}

#[test]
fn subjects_take_turns_after_one_turn_that_does_not_count() {
    let order = std::cell::RefCell::new(String::new());
    let turn = |letter| {
        let order = &order;
        move || {
            order.borrow_mut().push(letter);
            Ok(vec![1.0])
        }
    };
    let figures = [Figure { name: "time", unit: "s", better: Better::Lower }];
    let subjects = vec![Subject::new(about(OURS), turn('a')), Subject::new(about("other"), turn('b'))];
    let asked = Measure { turns: Some(3), ..Measure::default() };
    measure("order", &figures, subjects, &asked, &mut Report::new()).expect("nothing fails");
    assert_eq!(*order.borrow(), "abababab");
}

#[test]
fn a_subject_that_fails_is_named() {
    let figures = [Figure { name: "time", unit: "s", better: Better::Lower }];
    let subjects = vec![Subject::new(about(OURS), || Err("broken".into()))];
    let failure = measure("row", &figures, subjects, &Measure::default(), &mut Report::new());
    assert_eq!(failure.expect_err("it fails").to_string(), "row, session: broken");
}
