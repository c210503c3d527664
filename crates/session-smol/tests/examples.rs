//! Every example, run as its first lines say.

use session_adapter_tests::examples;

#[test]
fn echo() {
    examples::echo("smol");
}

#[test]
fn request() {
    examples::request("smol");
}

#[test]
fn bytes() {
    examples::bytes("smol");
}

#[test]
fn telemetry() {
    examples::telemetry("smol");
}

#[test]
fn alarm() {
    let said = examples::run("alarm_smol");
    assert!(said.starts_with("station: asleep\nstation: alarm, too hot\n"), "{said}");
    let [_, _, left, missed] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
    assert!(left.ends_with(" readings are left to look at; the last: out of scale"), "{said}");
    let words: Vec<_> = missed.split(' ').collect();
    let ["sensor:", "of", "100", "readings", late, "were", "given", "up,", "and", no_room, ..] = words[..] else {
        panic!("{said}")
    };
    // The station takes none until all are sent, and 2000 bytes of them at most wait for it.
    let number = |word: &str| word.parse::<u32>().expect("a number");
    assert!((80..=100).contains(&(number(late) + number(no_room))), "{said}");
}
