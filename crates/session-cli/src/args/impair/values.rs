//! The values of a link's options: shares, times, rates and sizes, each with its unit, for one way or both, from the start or later.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::time::Duration;

use session_sim::Probability;

/// The longest time that a datagram may be under way. A link holds what is under way, and no more than fits in its memory.
const MAX_TIME: Duration = Duration::from_secs(60);
/// The slowest and the fastest link, in bits per second: one byte a second, and more than a relay can carry.
const RATES: std::ops::RangeInclusive<f64> = 8.0..=1e11;
/// The latest that something changes, and the longest from one rebinding to the next.
const MAX_LATER: Duration = Duration::from_secs(24 * 3600);
/// Bytes in the largest datagram.
const MAX_DATAGRAM: usize = 65_507;

/// A value, which ways it is for, and from when on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directed<T> {
    /// Which.
    pub way: Way,
    /// The value there.
    pub value: T,
    /// It holds from so long after the start on.
    pub from: Duration,
}

/// A way through the relay, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the server and back.
    Both,
    /// To the server.
    Up,
    /// Back from it.
    Down,
}

/// What holds on the way up and on the way down, `at` so long after the start: of several for one way the one that came into force last, and of
/// those that came at once the last.
#[must_use]
pub fn each_way<T: Copy>(values: &[Directed<T>], at: Duration) -> [Option<T>; 2] {
    let last = |other: Way| {
        let values = values.iter().filter(|value| value.way != other && value.from <= at);
        values.max_by_key(|value| value.from).map(|value| value.value)
    };
    [last(Way::Down), last(Way::Up)]
}

/// The times at which one of `values` comes into force.
pub fn changes<T>(values: &[Directed<T>]) -> impl Iterator<Item = Duration> {
    values.iter().map(|value| value.from)
}

/// A time from one rebinding to the next: `500ms`, `5s`, `10m`.
///
/// # Errors
/// How to write one.
pub fn interval(text: &str) -> Result<Duration, String> {
    let interval = later(text).filter(|interval| *interval >= Duration::from_millis(1));
    interval.ok_or_else(|| "write a time such as 5s, 500ms or 10m, from 1ms to 24h".to_owned())
}

/// A share of all datagrams: `2%`, `0.5%`, `up:2%`.
///
/// # Errors
/// How to write one.
pub fn percent(text: &str) -> Result<Directed<Probability>, String> {
    directed(text, |text| {
        let ppm =
            text.strip_suffix('%').and_then(decimal).filter(|percent| *percent <= 100.0).map(|percent| percent * 1e4);
        // What happens less often is not never.
        let ppm = ppm.filter(|ppm| *ppm == 0.0 || *ppm > 0.999).map(|ppm| ppm.round() as u32);
        ppm.map(Probability::from_ppm).ok_or("write a percentage such as 2% or 0.5%, from 0.0001% to 100%, or 0%")
    })
}

/// A time under way: `20ms`, `1.5s`, `500us`, `down:20ms`.
///
/// # Errors
/// How to write one.
pub fn short_time(text: &str) -> Result<Directed<Duration>, String> {
    directed(text, |text| {
        let time = with_unit(text, &[("us", 1e-6), ("ms", 1e-3), ("s", 1.0)]);
        let time = time.filter(|seconds| *seconds <= MAX_TIME.as_secs_f64());
        let micros = time.map(|seconds| (seconds * 1e6).round() as u64);
        micros.map(Duration::from_micros).ok_or("write a time with its unit such as 20ms, 1.5s or 500us, 60s at most")
    })
}

/// Bytes a second, given in bits: `10mbit`, `128kbit`, `up:1mbit`.
///
/// # Errors
/// How to write one.
pub fn rate(text: &str) -> Result<Directed<NonZeroU64>, String> {
    directed(text, |text| {
        let text = text.to_ascii_lowercase();
        let bits = with_unit(&text, &[("kbit", 1e3), ("mbit", 1e6), ("gbit", 1e9), ("bit", 1.0)]);
        let bytes = bits.filter(|bits| RATES.contains(bits)).map(|bits| (bits / 8.0).round() as u64);
        bytes.and_then(NonZeroU64::new).ok_or("write bits a second such as 10mbit or 128kbit, from 8bit to 100gbit")
    })
}

/// A number of bytes: `64KiB`, `100kB`, `65536`, `up:64KiB`.
///
/// # Errors
/// How to write one.
pub fn bytes(text: &str) -> Result<Directed<usize>, String> {
    directed(text, |text| {
        let units = [("KiB", 1024.0), ("MiB", 1_048_576.0), ("kB", 1e3), ("MB", 1e6), ("B", 1.0), ("", 1.0)];
        let bytes = with_unit(text, &units).filter(|bytes| (1.0..=1e9).contains(bytes));
        bytes.map(|bytes| bytes.round() as usize).ok_or("write bytes such as 64KiB, 100kB or 30000, 1000MB at most")
    })
}

/// The bytes in a datagram: `1200`, `down:1200`.
///
/// # Errors
/// How to write one.
pub fn size(text: &str) -> Result<Directed<usize>, String> {
    directed(text, |text| {
        let size = decimal(text).and(text.parse().ok()).filter(|size| (1..=MAX_DATAGRAM).contains(size));
        size.ok_or("write the bytes in a datagram such as 1200, from 1 to 65507")
    })
}

/// An address to listen on.
///
/// # Errors
/// How to write one.
pub fn listening(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP address and a port such as 127.0.0.1:7000 or [::1]:0".to_owned())
}

fn directed<T>(text: &str, value: impl FnOnce(&str) -> Result<T, &'static str>) -> Result<Directed<T>, String> {
    let (way, text) = match text.split_once(':') {
        None => (Way::Both, text),
        Some(("up", text)) => (Way::Up, text),
        Some(("down", text)) => (Way::Down, text),
        Some(_) => return Err("write 'up:' or 'down:' before the value, or nothing for both ways".to_owned()),
    };
    let (text, from) = match text.rsplit_once('@') {
        None => (text, Some(Duration::ZERO)),
        Some((text, time)) => (text, later(time)),
    };
    let from = from.ok_or("write after '@' from when on it holds, such as 2%@10s or 2%@500ms, 24h at most")?;
    Ok(Directed { way, value: value(text)?, from })
}

/// A time after the start.
fn later(text: &str) -> Option<Duration> {
    let seconds = with_unit(text, &[("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)])?;
    let micros = (seconds <= MAX_LATER.as_secs_f64()).then(|| (seconds * 1e6).round() as u64);
    micros.map(Duration::from_micros)
}

/// The number before the first of `units` that ends the text, times what the unit is.
fn with_unit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let (number, factor) = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    Some(decimal(number)? * factor)
}

/// Digits, and at most one point among them.
fn decimal(text: &str) -> Option<f64> {
    let is_number = text.starts_with(|first: char| first.is_ascii_digit());
    let has_nothing_else = text.chars().all(|character| character.is_ascii_digit() || character == '.');
    text.parse().ok().filter(|_| is_number && has_nothing_else)
}
