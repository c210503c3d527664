use clap::Parser as _;

use super::*;
use crate::args::{Arguments, Command};

/// What a command line that ends with `options` does, and when.
fn phases(options: &[&str]) -> Result<Vec<Phase>, String> {
    let line = ["session", "impair", "--listen", "127.0.0.1:0", "--to", "192.0.2.1:7000"];
    let arguments = Arguments::try_parse_from([&line[..], options].concat()).map_err(|error| error.to_string())?;
    let Command::Impair(impair) = arguments.command else { panic!("another command") };
    impair.phases().map_err(|failure| failure.to_string())
}

/// The links of one that changes nothing later.
fn links(options: &[&str]) -> Result<[LinkConfig; 2], String> {
    let phases = phases(options)?;
    assert_eq!(phases.len(), 1);
    Ok([phases[0].up, phases[0].down])
}

/// What is said about `value` of `option`.
#[track_caller]
fn assert_refused(option: &str, value: &str, sentence: &str) {
    // In one word, as a value such as -1% would be another option otherwise.
    let refusal = links(&["--rate", "8bit", &format!("{option}={value}")]).unwrap_err();
    assert!(refusal.contains(&format!("invalid value '{value}' for '{option} <")), "{refusal}");
    assert!(refusal.lines().next().unwrap().ends_with(sentence), "{refusal}");
}

#[test]
fn nothing_given_is_a_perfect_link() {
    assert_eq!(links(&[]), Ok([LinkConfig::default(); 2]));
}

#[test]
fn each_option_holds_both_ways() {
    let options = "--loss 2% --burst 1% --burst-length 8 --delay 20ms --jitter 500us --duplicate 0.5% --reorder 1% --places 5 \
        --corrupt 0.0001% --rate 10mbit --queue 64KiB --codel 10ms --police 20mbit --police-burst 3000 --mtu 1200";
    let config = LinkConfig {
        loss: Probability::from_percent(2),
        bursts: Some(Bursts::of(Probability::from_percent(1), 8)),
        duplication: Probability::from_ppm(5_000),
        reordering: Reordering::new(Probability::from_percent(1), 5, MAX_HOLD),
        corruption: Probability::from_ppm(1),
        delay: Duration::from_millis(20),
        jitter: Duration::from_micros(500),
        bandwidth: NonZeroU64::new(1_250_000),
        queue: Some(65_536),
        codel: Some(CoDel { target: Duration::from_millis(10), interval: Duration::from_millis(200) }),
        policer: NonZeroU64::new(2_500_000).map(|rate| Policer { rate, burst: 3_000 }),
        mtu: Some(1_200),
    };
    assert_eq!(links(&options.split_whitespace().collect::<Vec<_>>()), Ok([config, config]));
}

#[test]
fn one_way_is_set_apart_and_the_last_counts() {
    let loss = |options: &[&str]| links(options).unwrap().map(|link| link.loss.ppm() / 10_000);
    assert_eq!(loss(&["--loss", "up:5%"]), [5, 0]);
    assert_eq!(loss(&["--loss", "down:5%"]), [0, 5]);
    assert_eq!(loss(&["--loss", "1%", "--loss", "up:5%"]), [5, 1]);
    assert_eq!(loss(&["--loss", "up:5%", "--loss", "1%"]), [1, 1]);
    assert_eq!(loss(&["--loss", "up:5%", "--loss", "down:7%", "--loss", "up:6%"]), [6, 7]);
}

#[test]
fn rate_has_a_queue_of_a_tenth_of_a_second_unless_told_otherwise() {
    let queues = |options: &[&str]| links(options).unwrap().map(|link| link.queue);
    assert_eq!(queues(&["--rate", "10mbit", "--rate", "down:64kbit"]), [Some(125_000), Some(15_000)]);
    assert_eq!(queues(&["--rate", "up:8mbit"]), [Some(100_000), None]);
    assert_eq!(queues(&["--rate", "1gbit", "--queue", "down:1MB"]), [Some(12_500_000), Some(1_000_000)]);
}

#[test]
fn queue_needs_a_rate_its_way() {
    assert!(links(&["--queue", "1000"]).unwrap_err().contains("--rate <RATE>"));
    let sentence = "there is a queue down, and no rate that anything would wait for; give --rate down:RATE too";
    assert_eq!(links(&["--rate", "up:1mbit", "--queue", "1000"]), Err(sentence.to_owned()));
    assert!(links(&["--rate", "up:1mbit", "--queue", "up:1000"]).is_ok());
    assert!(links(&["--places", "5"]).unwrap_err().contains("--reorder <PERCENT>"));
}

#[test]
fn bursts_codel_and_police_hold_one_way_and_from_a_time_on() {
    let options =
        "--rate 1mbit --codel up:5ms --codel up:0ms@2s --burst down:3% --burst down:0%@1s --police up:8mbit@1s";
    let phases = phases(&options.split_whitespace().collect::<Vec<_>>()).unwrap();
    let has = |link: LinkConfig| [link.codel.is_some(), link.bursts.is_some(), link.policer.is_some()];
    let told: Vec<_> = phases.iter().map(|phase| (phase.from.as_secs(), has(phase.up), has(phase.down))).collect();
    let [nothing, queue, burst] = [[false; 3], [true, false, false], [false, true, false]];
    let expected = [(0, queue, burst), (1, [true, false, true], nothing), (2, [false, false, true], nothing)];
    assert_eq!(told, expected);
    // Unless told otherwise, as much at once as a queue would hold.
    assert_eq!(phases[1].up.policer.map(|policer| policer.burst), Some(100_000));
}

#[test]
fn what_needs_a_rate_says_so() {
    assert!(links(&["--codel", "5ms"]).unwrap_err().contains("--rate <RATE>"));
    assert!(links(&["--police-burst", "1000"]).unwrap_err().contains("--police <RATE>"));
    assert!(links(&["--burst-length", "5"]).unwrap_err().contains("--burst <PERCENT>"));
    let sentence = "there is CoDel down, and no rate that anything would wait for; give --rate down:RATE too";
    assert_eq!(links(&["--rate", "up:1mbit", "--codel", "5ms"]), Err(sentence.to_owned()));
    let sentence = "there is an allowance down, and no rate above which it would count; give --police down:RATE too";
    assert_eq!(links(&["--police", "up:1mbit", "--police-burst", "1000"]), Err(sentence.to_owned()));
}

#[test]
fn shares() {
    for value in ["", "%", "2", "120%", "100.00001%", "-1%", "+1%", "1e1%", "nan%", "0.00001%", "2 %", ".5%", "1.2.3%"]
    {
        assert_refused("--loss", value, "from 0.0001% to 100%, or 0%");
    }
    let share = |text| percent(text).unwrap().value.ppm();
    assert_eq!(["0%", "100%", "0.0001%", "33.3333%", "5.%"].map(share), [0, 1_000_000, 1, 333_333, 50_000]);
}

#[test]
fn times() {
    for value in ["", "20", "ms", "20 ms", "-1ms", "61s", "1m", "infs", "1e3s"] {
        assert_refused("--delay", value, "write a time with its unit such as 20ms, 1.5s or 500us, 60s at most");
    }
    let micros = |text| short_time(text).unwrap().value.as_micros();
    assert_eq!(["0ms", "1.5s", "60s", "0.5ms", "7us"].map(micros), [0, 1_500_000, 60_000_000, 500, 7]);
}

#[test]
fn rates() {
    for value in ["", "10", "10mbps", "0bit", "7bit", "101gbit", "-1mbit", "mbit"] {
        assert_refused("--rate", value, "write bits a second such as 10mbit or 128kbit, from 8bit to 100gbit");
    }
    let bytes_per_second = |text| rate(text).unwrap().value.get();
    assert_eq!(["8bit", "64kbit", "10Mbit", "1.5gbit"].map(bytes_per_second), [1, 8_000, 1_250_000, 187_500_000]);
}

#[test]
fn sizes() {
    for value in ["", "0", "64K", "2000MB", "-5", "KiB"] {
        assert_refused("--queue", value, "write bytes such as 64KiB, 100kB or 30000, 1000MB at most");
    }
    assert_eq!(
        ["1", "30000B", "2kB", "1.5KiB", "1MiB"].map(|text| bytes(text).unwrap().value),
        [1, 30_000, 2_000, 1_536, 1 << 20]
    );
    for value in ["", "0", "65508", "1200.5", "+1200", "99999999999999999999"] {
        assert_refused("--mtu", value, "write the bytes in a datagram such as 1200, from 1 to 65507");
    }
}

#[test]
fn no_other_way_than_up_and_down() {
    for value in ["left:2%", ":2%", "UP:2%", "2%:up"] {
        assert_refused("--loss", value, "write 'up:' or 'down:' before the value, or nothing for both ways");
    }
}

#[test]
fn what_has_a_time_behind_it_holds_from_then_on() {
    let options = "--mtu 1452 --mtu 1280@3s --mtu up:1200@500ms --loss 100%@1m --loss 1%@1h";
    let phases = phases(&options.split_whitespace().collect::<Vec<_>>()).unwrap();
    let told = phases.iter().map(|phase| {
        let way = |link: LinkConfig| (link.mtu.unwrap(), link.loss.ppm() / 10_000);
        (phase.from.as_millis(), way(phase.up), way(phase.down))
    });
    let expected = [
        (0, (1452, 0), (1452, 0)),
        (500, (1200, 0), (1452, 0)),
        (3_000, (1280, 0), (1280, 0)),
        (60_000, (1280, 100), (1280, 100)),
        (3_600_000, (1280, 1), (1280, 1)),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    for value in ["2%@", "2%@5", "2%@-1s", "2%@25h", "2%@soon"] {
        assert_refused(
            "--loss",
            value,
            "write after '@' from when on it holds, such as 2%@10s or 2%@500ms, 24h at most",
        );
    }
}

#[test]
fn a_queue_needs_a_rate_at_every_time() {
    let sentence = "there is a queue up, and no rate that anything would wait for; give --rate up:RATE too";
    assert_eq!(phases(&["--rate", "1mbit@2s", "--queue", "1000"]), Err(sentence.to_owned()));
    assert_eq!(phases(&["--rate", "1mbit", "--queue", "1000@2s"]).map(|phases| phases.len()), Ok(2));
}

#[test]
fn ports_change_at_an_interval() {
    for value in ["", "5", "0s", "25h", "-1s"] {
        assert_refused("--rebind", value, "write a time such as 5s, 500ms or 10m, from 1ms to 24h");
    }
    assert_eq!(["5s", "500ms", "10m"].map(|text| interval(text).unwrap().as_millis()), [5_000, 500, 600_000]);
}
