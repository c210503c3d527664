use std::sync::{Arc, Mutex};

use indicatif::InMemoryTerm;

use super::*;

const MIB: u64 = 1024 * 1024;

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1_000)
}

fn snapshot(bytes: u64) -> Snapshot {
    let round_trip = Some(Duration::from_micros(10_240));
    Snapshot { bytes, round_trip, packets_sent: 10_000, packets_lost: 51 }
}

#[test]
fn plain_lines_come_once_a_second_and_at_the_end() {
    let output = Output::default();
    let mut progress = Progress::lines("f", 64 * MIB, Box::new(output.clone()), at(0));
    progress.update(Snapshot::default(), at(0));
    for millis in (100..=2_500).step_by(100) {
        progress.update(snapshot(millis * 4 * MIB / 1_000), at(millis));
    }
    progress.finish(snapshot(64 * MIB), at(16_000));
    let text = String::from_utf8(output.0.lock().unwrap().clone()).unwrap();
    let expected = "\
f: 0 B of 64.0 MiB (0 %)
f: 4.0 MiB of 64.0 MiB (6 %), 4.0 MiB/s, RTT 10.2 ms, loss 0.51 %, ETA 0:15
f: 8.0 MiB of 64.0 MiB (12 %), 4.0 MiB/s, RTT 10.2 ms, loss 0.51 %, ETA 0:14
f: 64.0 MiB in 16.0 s, 4.0 MiB/s, RTT 10.2 ms, loss 0.51 %
";
    assert_eq!(text, expected);
}

#[test]
fn bar_shows_the_same_text() {
    let terminal = InMemoryTerm::new(4, 120);
    let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
    let mut progress = Progress::bar("f", 64 * MIB, target, at(0));
    progress.update(snapshot(32 * MIB), at(8_000));
    progress.finish(snapshot(64 * MIB), at(16_000));
    assert_eq!(
        terminal.contents().trim_end(),
        "==================== f: 64.0 MiB in 16.0 s, 4.0 MiB/s, RTT 10.2 ms, loss 0.51 %"
    );
}

#[test]
fn status_claims_only_what_is_known() {
    let meter = Meter::new(0, at(0));
    assert_eq!(status("f", &meter, Snapshot::default()), "f: 0 B of 0 B (99 %), checking");
    assert_eq!(summary("f", &meter, Snapshot::default(), at(0)), "f: 0 B in 0.0 s");
}

#[test]
fn transfer_is_not_whole_before_it_is_checked() {
    let mut meter = Meter::new(64 * MIB, at(0));
    meter.update(64 * MIB - 1, at(1_000));
    assert!(status("f", &meter, snapshot(64 * MIB - 1)).starts_with("f: 64.0 MiB of 64.0 MiB (99 %), 64.0 MiB/s, "));
    meter.update(64 * MIB, at(2_000));
    let checking = "f: 64.0 MiB of 64.0 MiB (99 %), checking, RTT 10.2 ms, loss 0.51 %";
    assert_eq!(status("f", &meter, snapshot(64 * MIB)), checking);
    meter.update(64 * MIB, at(7_000));
    let still = "f: 64.0 MiB of 64.0 MiB (99 %), checking, no progress for 5 s, RTT 10.2 ms, loss 0.51 %";
    assert_eq!(status("f", &meter, snapshot(64 * MIB)), still);

    let terminal = InMemoryTerm::new(4, 120);
    let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
    let mut progress = Progress::bar("f", 64 * MIB, target, at(0));
    progress.update(snapshot(64 * MIB), at(8_000));
    assert!(terminal.contents().starts_with("===================> f: "), "{}", terminal.contents());
    assert_eq!([0, 1, 2, 100, 6_400].map(all_but_proof), [0, 0, 1, 99, 6_336]);
}

#[test]
fn stalled_transfer_promises_no_end() {
    let mut meter = Meter::new(64 * MIB, at(0));
    assert_eq!(meter.remaining(), None);
    meter.update(0, at(1_000));
    assert_eq!((meter.rate(), meter.remaining()), (Some(0), None));
    meter.update(1, at(2_000));
    assert_eq!(meter.remaining(), None, "years are no prediction");
}

#[test]
fn status_tells_that_nothing_crosses_any_more() {
    let mut meter = Meter::new(64 * MIB, at(0));
    meter.update(32 * MIB, at(1_000));
    meter.update(32 * MIB, at(3_999));
    assert_eq!(meter.standstill(), None);
    assert!(meter.remaining().is_some());
    meter.update(32 * MIB, at(6_000));
    let still = "f: 32.0 MiB of 64.0 MiB (50 %), no progress for 5 s, RTT 10.2 ms, loss 0.51 %";
    assert_eq!(status("f", &meter, snapshot(32 * MIB)), still);
    assert_eq!(meter.remaining(), None);
    meter.update(33 * MIB, at(7_000));
    assert_eq!(meter.standstill(), None);
}

#[test]
fn burst_at_the_start_does_not_pass_for_the_rate() {
    let mut meter = Meter::new(64 * MIB, at(0));
    meter.update(4_000, at(250));
    meter.update(4_000, at(500));
    meter.update(4_000, at(750));
    meter.update(4_000, at(1_000));
    assert!((3_000..4_500).contains(&meter.rate().unwrap()), "{:?}", meter.rate());
}

#[test]
fn rate_follows_a_path_that_changes() {
    let mut meter = Meter::new(u64::MAX, at(0));
    let mut bytes = 0;
    for second in 1..=40 {
        bytes += if second <= 20 { 1_000 } else { 9_000 };
        meter.update(bytes, at(second * 1_000));
    }
    assert!((8_900..=9_000).contains(&meter.rate().unwrap()), "{:?}", meter.rate());
    assert_eq!(meter.average(at(40_000)), Some(5_000));
}

#[test]
fn clock_and_counter_that_go_back_are_survived() {
    let mut meter = Meter::new(10, at(5_000));
    meter.update(8, at(6_000));
    meter.update(2, at(1_000));
    meter.update(1, at(7_000));
    meter.update(u64::MAX, at(8_000));
    assert_eq!(meter.remaining(), Some(Duration::ZERO));
    assert_eq!(meter.elapsed(at(0)), Duration::ZERO);
}

#[test]
fn bytes_have_one_digit_and_the_right_unit() {
    let cases = [
        (0, "0 B"),
        (1_023, "1023 B"),
        (1_024, "1.0 KiB"),
        (1_536, "1.5 KiB"),
        (1_048_524, "1023.9 KiB"),
        (1_048_525, "1.0 MiB"),
        (64 * MIB, "64.0 MiB"),
        (u64::MAX, "16.0 EiB"),
    ];
    for (bytes, text) in cases {
        assert_eq!(Bytes(bytes).to_string(), text);
    }
}

#[test]
fn percent_never_hides_what_happened() {
    let cases =
        [(0, 0, "0.00 %"), (0, 9, "0.00 %"), (1, 1_000_000, "< 0.01 %"), (51, 10_000, "0.51 %"), (3, 3, "100.00 %")];
    for (part, whole, text) in cases {
        assert_eq!(Percent { part, whole }.to_string(), text);
    }
}

#[test]
fn clock_is_zero_only_at_the_end() {
    let cases =
        [(0, "0:00"), (1, "0:01"), (59_499, "0:59"), (59_500, "1:00"), (754_000, "12:34"), (3_723_000, "1:02:03")];
    for (millis, text) in cases {
        assert_eq!(Clock(Duration::from_millis(millis)).to_string(), text);
    }
}
