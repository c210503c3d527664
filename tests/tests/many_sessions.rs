//! Many sessions in one endpoint: what each costs while it rests, that nothing is left of them afterwards, and that the memory
//! an endpoint takes is the memory it named.
//!
//! `SESSION_MANY` says how many; `just scale` takes 100,000, `just million` as many for an hour of virtual time.

use std::time::Duration;

use session_core::{
    Address, ChannelConfig, ChannelId, ChannelLimits, ChannelMode, ChannelOptions, Config, Endpoint, Instant, Limits,
    Link, Migration, RustCrypto, Secret, Seed, SendOptions, Session, State, StaticKey,
};
use session_tests::counting::{self, Counting, inside};
use session_tests::pair::CHANNEL;
use session_tests::{Null, Pair};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes of heap that an idle session may take: slot, channels, ids, timer, directory.
const MOST_OF_A_SESSION: usize = 2_048;
/// Sessions that begin in the same second.
const AT_A_TIME: u32 = 500;
const START: Instant = Instant::from_micros(1);

/// How many sessions: `SESSION_MANY`, or so many.
fn many(otherwise: u32) -> u32 {
    match std::env::var("SESSION_MANY") {
        Ok(number) => number.parse().expect("SESSION_MANY is a number"),
        Err(_) => otherwise,
    }
}

/// Room for so many sessions. What they share is the same however many they are.
fn limits(sessions: u32) -> Limits {
    let mut limits = Limits::default();
    limits.sessions = sessions;
    limits.pool_blocks = 8_192;
    limits
}

/// As a server with many sessions would have it: a quarter of an hour between two keepalives, and somebody watches the directory.
fn rests(config: &mut Config) {
    config.directory_events = true;
    config.timeouts.keepalive = Duration::from_secs(15 * 60);
}

/// Heap that both endpoints of a pair take, and the pair.
fn measured(sessions: u32, adapt: impl Fn(&mut Config)) -> (Pair, usize) {
    measured_with(&limits(sessions), adapt)
}

fn measured_with(limits: &Limits, adapt: impl Fn(&mut Config)) -> (Pair, usize) {
    let before = counting::live();
    let pair = Pair::new(limits, adapt);
    (pair, bytes_since(before))
}

fn bytes_since(before: i64) -> usize {
    usize::try_from(counting::live() - before).expect("nothing was freed")
}

fn after(start: Instant, seconds: u64) -> Instant {
    start.saturating_add(Duration::from_secs(seconds))
}

/// Opens `count` sessions, some at a time, and moves data both ways on each; time goes on until all is acknowledged.
fn open_and_use(pair: &mut Pair, count: u32, mut at: Instant) -> Instant {
    let mut left = count;
    while left > 0 {
        let batch = left.min(AT_A_TIME);
        let first = pair.connected.len();
        pair.connect(batch, at);
        for number in first..first + batch as usize {
            pair.exchange(number, &[7; 100], at);
        }
        at = after(at, 1);
        pair.run_until(at);
        left -= batch;
    }
    at
}

fn all_established(pair: &Pair) -> bool {
    let ends = [(&pair.client, &pair.connected), (&pair.server, &pair.accepted)];
    let state = |endpoint: &Endpoint<Null>, id| endpoint.session(id).map(|session| session.state());
    ends.iter().all(|(endpoint, ids)| ids.iter().all(|id| state(endpoint, *id) == Some(State::Established)))
}

#[test]
fn an_idle_session_takes_two_kib_at_most() {
    let count = many(30_000);
    // As `Limits::server` has it: ids in reserve are memory that every session holds.
    let bare = |sessions: u32| {
        let mut limits = limits(sessions);
        limits.spare_ids = 0;
        limits
    };
    let (_few, shared) = measured_with(&bare(1), rests);
    let before = counting::live();
    let (mut pair, _) = measured_with(&bare(count), rests);
    open_and_use(&mut pair, count, START);
    assert!(all_established(&pair), "{count} sessions live");
    let each = (bytes_since(before) - shared) / 2 / count as usize;
    println!("{count} sessions, idle after traffic: {each} bytes of heap each");
    assert!(each <= MOST_OF_A_SESSION, "an idle session takes {each} bytes");
}

#[test]
fn sessions_that_are_over_leave_nothing_behind() {
    let count = many(4_000);
    let (mut pair, _) = measured(count, |config| {
        rests(config);
        config.timeouts.forget = Duration::from_secs(1);
    });
    let mut now = START;
    let mut heights = Vec::new();
    for round in 0..3 {
        now = open_and_use(&mut pair, count, now);
        assert!(all_established(&pair), "round {round}: {count} sessions live");
        heights.push(counting::live());
        let closing = std::mem::take(&mut pair.connected);
        for id in closing {
            let mut session = pair.client.session_mut(id, now).expect("it lives");
            inside(|| session.close(0, "enough"));
        }
        pair.accepted.clear();
        now = after(now, 30);
        pair.run_until(now);
        assert_eq!((pair.client.session_count(), pair.server.session_count()), (0, 0), "round {round}: all forgotten");
        heights.push(counting::live());
    }
    // Slots and records stand from the first round; what was needed to end sessions from its end.
    println!("{count} sessions opened, used and closed, bytes: {heights:?}");
    assert!(heights[2..].iter().all(|height| *height == heights[1]), "memory grows: {heights:?}");
}

#[test]
fn idle_sessions_live_through_an_hour() {
    let count = many(1_000);
    let (mut pair, _) = measured(count, rests);
    let rested = open_and_use(&mut pair, count, START);
    let (height, opening) = (counting::live(), pair.datagrams);
    let calls = pair.run_until(after(rested, 3_600));
    let datagrams = pair.datagrams - opening;
    println!("{count} sessions, an hour: {datagrams} datagrams, {calls} calls of handle_timeout");
    assert!(all_established(&pair), "all {count} sessions outlive the hour");
    assert!(datagrams >= 6 * u64::from(count), "{datagrams} datagrams: everybody was asked, and answered, three times");
    assert_eq!(counting::live(), height, "an hour of rest takes no memory");
}

// --- what an endpoint names is what it takes ---

fn config(adapt: impl Fn(&mut Config)) -> Config {
    let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new([7; 32])), "session-memory");
    adapt(&mut config);
    config
}

fn directory(config: &mut Config) {
    config.directory_events = true;
}

fn dynamic(config: &mut Config) {
    config.channel_limits = ChannelLimits::NONE.with(ChannelMode::ReliableOrdered, 3).with(ChannelMode::Unreliable, 2);
}

#[test]
fn an_endpoint_takes_at_the_start_what_it_named() {
    for sessions in [1, 63, 64, 65, 100, 1_000] {
        for adapt in [|_: &mut Config| (), directory, dynamic] {
            let limits = limits(sessions);
            let need = Endpoint::<RustCrypto>::memory_need(&config(adapt), &limits).expect("it can work");
            let before = counting::live();
            let (config, seed) = (config(adapt), Seed::new([9; 32]));
            let endpoint = inside(|| Endpoint::new(config, limits, RustCrypto, seed)).expect("it can work");
            assert_eq!(bytes_since(before), need.at_start, "{sessions} sessions");
            inside(|| drop(endpoint));
        }
    }
}

/// Sends a message on every channel of every session, reliable ones with a deadline that passes before it can leave, agrees on new keys, and asks over
/// another path, at both ends: each has every record that there may be of it.
fn use_every_record(pair: &mut Pair, at: Instant) {
    for number in 0..pair.connected.len() {
        for (endpoint, id) in [(&mut pair.client, pair.connected[number]), (&mut pair.server, pair.accepted[number])] {
            let channels: Vec<_> = endpoint.session(id).expect("it lives").channels().collect();
            let mut session = endpoint.session_mut(id, at).expect("it lives");
            for channel in channels {
                let options = SendOptions::by(after(at, 1));
                inside(|| session.send_with(b"soon", channel, options)).expect("there is room");
            }
        }
    }
    // Nothing is carried before the deadlines have passed; what was given up is said then.
    let passed = after(at, 2);
    for endpoint in [&mut pair.client, &mut pair.server] {
        while endpoint.next_deadline().is_some_and(|deadline| deadline.at <= passed) {
            inside(|| endpoint.handle_timeout(passed));
        }
    }
    pair.settle(passed);
    pair.run_until(after(passed, 10));
    let passed = after(passed, 10);
    for number in 0..pair.connected.len() {
        let mut session = pair.client.session_mut(pair.connected[number], passed).expect("it lives");
        inside(|| session.rotate_key()).expect("it is up");
    }
    // Older keys are kept for a while, at both ends.
    pair.settle(passed);
    for number in 0..pair.connected.len() {
        for (endpoint, id) in [(&mut pair.client, pair.connected[number]), (&mut pair.server, pair.accepted[number])] {
            // A path that nobody answers over.
            let nowhere = Link { remote: Address::Opaque([3; 16]), ..endpoint.session(id).expect("it lives").link() };
            let mut session = endpoint.session_mut(id, passed).expect("it lives");
            inside(|| session.migrate(nowhere, Migration::Probing)).expect("there is a record");
        }
    }
    pair.run_until(after(passed, 10));
}

/// Not with 64: what is named has room for a session more, which is made before another goes, and that would have a page to itself.
#[test]
fn an_endpoint_that_is_full_takes_what_it_named() {
    for count in [63, 65, 200] {
        let before = counting::live();
        let (mut pair, _) = measured(count, every_mode);
        let mut config = Config::new(StaticKey::new(&Null, Secret::new([7; 32])), "session-memory");
        every_mode(&mut config);
        let need = Endpoint::<Null>::memory_need(&config, &limits(count)).expect("it can work");
        let at = open_and_use(&mut pair, count, START);
        assert!(bytes_since(before) < 2 * need.at_most, "{count} sessions: nobody has set a deadline");
        use_every_record(&mut pair, at);
        assert!(all_established(&pair), "{count} sessions");
        assert_eq!(bytes_since(before), 2 * need.at_most, "{count} sessions");
    }
}

/// The same with channels that come and go. All are unreliable here, so that all mailboxes are in use: what is missing is room for what was given up
/// on dynamic channels of the reliable modes, and no byte more.
#[test]
fn an_endpoint_with_all_its_dynamic_channels_takes_what_it_named() {
    // With the one that is made before another goes, three pages of every record a session has one of.
    let count = 191;
    let named = |opened: u32, adapt: &dyn Fn(&mut Config)| {
        let mut config = Config::new(StaticKey::new(&Null, Secret::new([7; 32])), "session-memory");
        unreliable_dynamic(&mut config);
        adapt(&mut config);
        let mut limits = limits(count);
        limits.opened_channels = opened;
        Endpoint::<Null>::memory_need(&config, &limits).expect("it can work").at_most
    };
    let agree = |mode| move |config: &mut Config| config.channels.push(ChannelConfig::new(ChannelId(17), mode));
    let accept = |config: &mut Config| config.channel_limits.reliable_ordered = 1;
    let mailboxes = named(3, &|_| ()) - named(2, &accept);
    let skips = mailboxes + named(2, &agree(ChannelMode::ReliableOrdered)) - named(2, &agree(ChannelMode::Unreliable));
    let unused = 4 * (skips - 3 * size_of::<&[u8]>());

    let before = counting::live();
    let mut limits = limits(count);
    limits.opened_channels = 2;
    let mut pair = Pair::new(&limits, unreliable_dynamic);
    let at = open_and_use(&mut pair, count, START);
    for number in 0..count as usize {
        for (endpoint, id) in [(&mut pair.client, pair.connected[number]), (&mut pair.server, pair.accepted[number])] {
            let mut session = endpoint.session_mut(id, at).expect("it lives");
            for _ in 0..2 {
                let options = ChannelOptions::default();
                let channel = inside(|| session.open_channel(ChannelMode::Unreliable, options)).expect("it may");
                inside(|| session.send(b"it is there", channel)).expect("there is room");
            }
        }
        pair.settle(at);
    }
    use_every_record(&mut pair, at);
    assert_eq!(bytes_since(before), 2 * (named(2, &|_| ()) - unused));
}

fn every_mode(config: &mut Config) {
    config.channels =
        ChannelMode::ALL.iter().zip(16..).map(|(mode, id)| ChannelConfig::new(ChannelId(id), *mode)).collect();
}

fn unreliable_dynamic(config: &mut Config) {
    config.channels = vec![CHANNEL.into()];
    config.channel_limits = ChannelLimits::NONE.with(ChannelMode::Unreliable, 2);
}

#[test]
fn a_stand_alone_session_takes_from_the_start_what_it_ever_takes() {
    let limits = limits(1);
    let need = Session::<RustCrypto>::memory_need(&config(|_| ()), &limits).expect("it can work");
    assert_eq!(need.at_start, need.at_most);
    let before = counting::live();
    let (config, seed) = (config(|_| ()), Seed::new([9; 32]));
    let session = inside(|| Session::new(config, limits, RustCrypto, seed)).expect("it can work");
    assert_eq!(bytes_since(before), need.at_start);
    inside(|| drop(session));
}
