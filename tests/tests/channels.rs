//! Dynamic channels over bad networks: both sides open them in every mode, use them and end them, and each message keeps its promise.

use std::collections::BTreeMap;
use std::time::Duration;

use session_core::{
    ChannelId, ChannelLimits, ChannelMode, ChannelOptions, Event, Limits, OpenChannelError, RustCrypto, SendError,
    SessionId,
};
use session_sim::{Faults, Generator, LinkConfig, Probability, Reordering};
use session_tests::counting::{self, Counting};
use session_tests::{Campaign, Setup, World};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CASES: u64 = 24;
/// Channels that each side opens in a case.
const CHANNELS: usize = 60;
/// Channels of each mode that may be open at once.
const AT_ONCE: u16 = 4;

/// How the opener ends a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Finish,
    Reset,
}

/// One channel of one side, with what is sent on it to the other.
struct Course {
    mode: ChannelMode,
    ending: Ending,
    messages: usize,
    sent: usize,
    ended: bool,
    /// Numbers of the messages that came, in order.
    arrived: Vec<usize>,
    /// The peer answered, and it came back.
    answered: bool,
    finished: bool,
    reset: bool,
    /// `Closed` was told at the opener and at the other side.
    closed: [u32; 2],
}

/// One side of a case.
struct Side {
    node: usize,
    session: SessionId,
    courses: BTreeMap<ChannelId, Course>,
    opened: usize,
    refused: u64,
}

fn message(channel: ChannelId, number: usize) -> Vec<u8> {
    let length = (number * 977 + channel.0 as usize) % 3000;
    let fill = (0..length).map(|at| (at ^ number) as u8);
    channel.0.to_be_bytes().into_iter().chain((number as u32).to_be_bytes()).chain(fill).collect()
}

impl Side {
    /// Opens the next channel if it may, and goes on with those that are open.
    fn act(&mut self, world: &mut World<RustCrypto>, random: &mut Generator) {
        let mode = ChannelMode::ALL[random.below(4) as usize];
        if self.opened < CHANNELS {
            let opened =
                world.command(self.node, self.session, |session| session.open_channel(mode, ChannelOptions::default()));
            match opened {
                Ok(id) => {
                    let ending = if random.below(5) == 0 { Ending::Reset } else { Ending::Finish };
                    let messages = random.below(8) as usize;
                    self.courses.insert(id, Course::new(mode, ending, messages));
                    self.opened += 1;
                }
                Err(OpenChannelError::Limit | OpenChannelError::Full) => self.refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        for (id, course) in self.courses.iter_mut().filter(|(_, course)| !course.ended) {
            world.command(self.node, self.session, |session| {
                if course.sent < course.messages {
                    match session.send(&message(*id, course.sent), *id) {
                        Ok(_) => course.sent += 1,
                        Err(SendError::Blocked) => {}
                        Err(error) => panic!("{:?}: {error}", course.mode),
                    }
                    return;
                }
                let ended = match course.ending {
                    Ending::Finish => session.finish_channel(*id),
                    Ending::Reset => session.reset_channel(7, *id),
                };
                ended.expect("it was open");
                course.ended = true;
            });
        }
    }
}

impl Course {
    fn new(mode: ChannelMode, ending: Ending, messages: usize) -> Self {
        Self {
            mode,
            ending,
            messages,
            sent: 0,
            ended: false,
            arrived: Vec::new(),
            answered: false,
            finished: false,
            reset: false,
            closed: [0; 2],
        }
    }

    /// What the mode promises about what was sent, once all is over.
    fn check(&self, id: ChannelId) {
        let Self { mode, ending, messages, arrived, finished, reset, closed, .. } = self;
        assert_eq!(*closed, [1, 1], "{id:?}: told once at each end that it is gone");
        assert_eq!((*finished, *reset), (*ending == Ending::Finish, *ending == Ending::Reset), "{id:?}");
        let mut unique = arrived.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), arrived.len(), "{id:?}: nothing comes twice");
        let all: Vec<usize> = (0..*messages).collect();
        match mode {
            ChannelMode::ReliableOrdered if *ending == Ending::Finish => assert_eq!(*arrived, all, "{id:?}"),
            ChannelMode::ReliableOrdered => assert_eq!(*arrived, all[..arrived.len()], "{id:?}"),
            ChannelMode::ReliableUnordered if *ending == Ending::Finish => assert_eq!(unique, all, "{id:?}"),
            ChannelMode::LatestValue => {
                assert!(arrived.is_sorted(), "{id:?}: {arrived:?}");
                let newest = all.last().filter(|_| *ending == Ending::Finish);
                assert!(newest.is_none() || arrived.last() == newest, "{id:?}: {arrived:?} of {messages}");
            }
            _ => assert!(arrived.len() <= *messages, "{id:?}"),
        }
        assert!(self.answered || *mode == ChannelMode::Unreliable || *ending == Ending::Reset, "{id:?}");
    }
}

/// Events of one side: `own` are the channels it opened, `others` those of the peer.
fn serve(world: &mut World<RustCrypto>, own: &mut Side, others: &mut Side) {
    let (node, session) = (own.node, own.session);
    let mut buffer = vec![0; 5000];
    for event in world.take_events(node) {
        match event {
            Event::ChannelOpened(_, id) => {
                world.command(node, session, |session| {
                    session.send(&id.0.to_be_bytes(), id).expect("there is room for an answer");
                    session.finish_channel(id).expect("it is open");
                });
            }
            Event::Readable(_, id) => {
                while let Ok(Some(length)) = world.command(node, session, |session| session.recv(&mut buffer, id)) {
                    if let Some(course) = own.courses.get_mut(&id) {
                        assert_eq!(buffer[..length], id.0.to_be_bytes());
                        course.answered = true;
                        continue;
                    }
                    let number = u32::from_be_bytes(buffer[8..12].try_into().expect("a number")) as usize;
                    assert_eq!(buffer[..length], message(id, number), "{id:?} {number}");
                    others.courses.get_mut(&id).expect("it was opened").arrived.push(number);
                }
            }
            Event::ChannelFinished(_, id) => {
                if let Some(course) = others.courses.get_mut(&id) {
                    course.finished = true;
                }
            }
            Event::ChannelReset(_, id, code) => {
                assert_eq!(code, 7);
                others.courses.get_mut(&id).expect("only openers reset").reset = true;
            }
            Event::ChannelClosed(_, id) => match own.courses.get_mut(&id) {
                Some(course) => course.closed[0] += 1,
                None => others.courses.get_mut(&id).expect("it was opened").closed[1] += 1,
            },
            Event::Closed(_) => panic!("{:?}", world.session(node, session).close_reason()),
            _ => {}
        }
    }
}

fn draw_link(random: &mut Generator) -> LinkConfig {
    let percent = |random: &mut Generator, most: u64| Probability::from_percent(random.below(most + 1) as u32);
    LinkConfig {
        loss: percent(random, 20),
        duplication: percent(random, 10),
        reordering: Reordering::new(percent(random, 30), random.below(65) as u8, Duration::from_millis(50)),
        delay: Duration::from_micros(random.below(50_000)),
        jitter: Duration::from_micros(random.below(5_000)),
        ..LinkConfig::default()
    }
}

fn setup(at_once: u16) -> Setup {
    let channel_limits = ChannelMode::ALL.iter().fold(ChannelLimits::NONE, |limits, mode| limits.with(*mode, at_once));
    let mut limits = Limits::default();
    limits.opened_channels = 4 * u32::from(at_once);
    Setup { channel_limits, limits, ..Setup::default() }
}

fn run_case(seed: u64) -> (Faults, u64) {
    let mut random = Generator::new(seed);
    let mut world = World::new(seed);
    let setup = setup(AT_ONCE);
    let nodes = [world.add(&setup, RustCrypto), world.add(&setup, RustCrypto)];
    world.set_link(nodes[0], nodes[1], draw_link(&mut random));
    let (here, there) = world.establish(nodes[0], nodes[1]);
    let [mut one, mut other] = [(nodes[0], here), (nodes[1], there)].map(|(node, session)| Side {
        node,
        session,
        courses: BTreeMap::new(),
        opened: 0,
        refused: 0,
    });
    let is_over = |side: &Side| side.opened == CHANNELS && side.courses.values().all(|course| course.closed == [1, 1]);
    for _ in 0..100_000 {
        one.act(&mut world, &mut random);
        other.act(&mut world, &mut random);
        world.run_for(Duration::from_millis(1 + random.below(10)));
        serve(&mut world, &mut one, &mut other);
        serve(&mut world, &mut other, &mut one);
        if is_over(&one) && is_over(&other) {
            break;
        }
    }
    for side in [&one, &other] {
        assert_eq!(side.opened, CHANNELS);
        side.courses.iter().for_each(|(id, course)| course.check(*id));
        assert!(world.session(side.node, side.session).channels().all(|id| !id.is_dynamic()), "all are gone");
    }
    (world.faults(), one.refused + other.refused)
}

#[test]
fn channels_opened_by_both_sides_keep_their_promises_and_go() {
    let campaign = Campaign::new(CASES);
    let mut faults = Faults::NONE;
    let mut refused = 0;
    campaign.run("channels", |seed| {
        let (some, limits) = run_case(seed);
        faults += some;
        refused += limits;
    });
    println!("{faults:?}, {refused} times a limit was met");
    if campaign.is_whole() {
        assert!(faults.lost > 0 && faults.duplicated > 0 && faults.reordered > 0, "{faults:?}");
        assert!(refused > 0, "nobody met a limit");
    }
}

/// Opens, uses and ends `count` channels on one session, and counts what is allocated meanwhile.
fn open_many(count: u64) {
    let setup = setup(16);
    let mut world = World::new(3);
    let nodes = [world.add(&setup, RustCrypto), world.add(&setup, RustCrypto)];
    world.set_link(nodes[0], nodes[1], LinkConfig { delay: Duration::from_micros(100), ..LinkConfig::default() });
    let (here, there) = world.establish(nodes[0], nodes[1]);
    let ends = [(nodes[0], here), (nodes[1], there)];
    let mut buffer = [0; 64];
    let (mut opened, mut closed, mut read) = (0_u64, 0_u64, 0_u64);
    let mut warm = false;
    while closed < count {
        while opened < count {
            let mode = ChannelMode::ALL[(opened % 4) as usize];
            let (node, id) = ends[(opened / 4 % 2) as usize];
            let Ok(channel) = world.command(node, id, |session| session.open_channel(mode, ChannelOptions::default()))
            else {
                break;
            };
            world.command(node, id, |session| {
                session.send(&channel.0.to_be_bytes(), channel).expect("an empty channel has room");
                session.finish_channel(channel).expect("it is open");
            });
            opened += 1;
        }
        world.run_for(Duration::from_millis(1));
        for (node, id) in ends {
            while let Some(event) = world.next_event(node) {
                match event {
                    Event::ChannelOpened(_, channel) => {
                        world.command(node, id, |session| session.finish_channel(channel)).expect("it is open");
                    }
                    Event::Readable(_, channel) => {
                        while let Ok(Some(8)) = world.command(node, id, |session| session.recv(&mut buffer, channel)) {
                            assert_eq!(buffer[..8], channel.0.to_be_bytes());
                            read += 1;
                        }
                    }
                    // Counted at the opener.
                    Event::ChannelClosed(_, channel) => {
                        let role = world.session(node, id).role();
                        closed += u64::from(channel.opener() == Some(role));
                    }
                    Event::Closed(_) => panic!("{:?}", world.session(node, id).close_reason()),
                    _ => {}
                }
            }
        }
        if !warm && closed > 1000 {
            // Every page of records has been taken once.
            counting::take();
            warm = true;
        }
    }
    assert_eq!(read, count, "nothing is lost on a good network");
    assert!(warm);
    counting::assert_none();
    world.run_for(Duration::from_secs(1));
    for (node, id) in ends {
        let _ = world.take_events(node);
        assert!(world.session(node, id).channels().all(|id| !id.is_dynamic()));
    }
}

/// 20,000, or as many as `SESSION_CHANNELS` says: `just channels` asks for a million.
#[test]
fn many_channels_come_and_go_without_the_allocator() {
    let count = std::env::var("SESSION_CHANNELS").map_or(20_000, |count| count.parse().expect("a number of channels"));
    open_many(count);
}
