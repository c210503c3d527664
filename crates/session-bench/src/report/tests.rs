use serde_json::Value;

use super::{About, Better, Report, Row, Summary, check};
use crate::turns::Figure;

const TIME: Figure = Figure { name: "time", unit: "s", better: Better::Lower };
const RATE: Figure = Figure { name: "rate", unit: "MB/s", better: Better::Higher };

fn report() -> Report {
    let mut report = Report::new();
    for (figure, ours, theirs) in [(TIME, [1.0, 2.0, 4.0], [2.0, 6.0, 4.0]), (RATE, [8.0, 6.0, 3.0], [4.0, 2.0, 3.0])] {
        let mut row = Row::new("work", &figure);
        for (index, (name, samples)) in [("session", ours), ("other", theirs)].into_iter().enumerate() {
            row.add(About { name, version: "1", cipher: "none" });
            samples.into_iter().for_each(|sample| row.sample(index, sample));
        }
        report.add(row);
    }
    report
}

fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut file: Value = serde_json::from_str(&report().to_json()).expect("a report is JSON");
    change(&mut file);
    check(&file.to_string()).expect_err("a fault was planted").to_string()
}

#[test]
fn medians_of_odd_and_even_numbers_of_samples_lie_in_the_middle() {
    assert_eq!(Summary::of(&[3.0, 1.0, 2.0]), Summary { median: 2.0, least: 1.0, most: 3.0 });
    assert_eq!(Summary::of(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
    assert!(Summary::of(&[]).median.is_nan());
}

#[test]
fn a_ratio_above_one_says_that_session_is_better_whichever_way_is_better() {
    let file: Value = serde_json::from_str(&report().to_json()).expect("a report is JSON");
    for row in 0..2 {
        // Turn by turn 2, 3 and 1 times as good, in less time as in a higher rate.
        let ratio = &file["rows"][row]["subjects"][1]["session_ratio"];
        assert_eq!((ratio["least"].as_f64(), ratio["median"].as_f64()), (Some(1.0), Some(2.0)));
        assert_eq!(ratio["most"].as_f64(), Some(3.0));
        assert!(file["rows"][row]["subjects"][0]["session_ratio"].is_null());
    }
}

#[test]
fn a_report_agrees_with_its_samples() {
    assert_eq!(check(&report().to_json()).expect("nothing was planted"), 2);
}

#[test]
fn a_count_of_none_has_no_ratio_and_the_checker_does_not_ask_for_one() {
    let mut row = Row::new("work", &TIME);
    for (index, (name, sample)) in [("session", 0.0), ("other", 2.0)].into_iter().enumerate() {
        row.add(About { name, version: "1", cipher: "none" });
        row.sample(index, sample);
    }
    let mut report = Report::new();
    report.add(row);
    let file: Value = serde_json::from_str(&report.to_json()).expect("a report is JSON");
    assert!(file["rows"][0]["subjects"][1]["session_ratio"]["median"].is_null());
    assert_eq!(check(&report.to_json()).expect("nothing was planted"), 1);
}

#[test]
fn the_checker_finds_planted_faults() {
    let median = changed(|file| file["rows"][0]["subjects"][1]["summary"]["median"] = 5.0.into());
    assert!(median.contains("median is said to be 5"), "{median}");
    let upside_down = changed(|file| file["rows"][1]["better"] = "lower".into());
    assert!(upside_down.contains("ratio"), "{upside_down}");
    let lost = changed(|file| {
        file["rows"][0]["subjects"][0]["samples"].as_array_mut().expect("samples").pop();
    });
    assert!(lost.contains("another number of turns"), "{lost}");
    let negative = changed(|file| file["rows"][0]["subjects"][0]["samples"][0] = (-1.0).into());
    assert!(negative.contains("not a number from zero up"), "{negative}");
    let format = changed(|file| file["format"] = 2.into());
    assert!(format.contains("format"), "{format}");
}
