//! Requests and responses over a plain endpoint and a bad network: every request ends once, in one of the ways it can end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use session_core::request::{Answer, Arrived, Prefix, RequestId, Requester, Responder, Status};
use session_core::{ChannelId, Event, Instant, SendError, SessionId};
use session_sim::{Generator, LinkConfig, Probability, Reordering};
use session_tests::{Campaign, Recording, Setup, World};

const ASK: ChannelId = ChannelId(16);
const ANSWER: ChannelId = ChannelId(17);
const REQUESTS: usize = 400;
const IN_FLIGHT: usize = 64;
/// Fewer than the other side asks at once, so that some are refused.
const SERVED: usize = 48;

/// How requests ended, and what else was seen.
#[derive(Clone, Copy, Debug, Default)]
struct Outcomes {
    done: u64,
    busy: u64,
    expired: u64,
    cancelled: u64,
    late: u64,
    malformed: u64,
    unknown: u64,
    blocked: u64,
    most_in_flight: usize,
}

struct Asker {
    side: (usize, SessionId),
    requests: Requester,
    /// Those that have not ended, with what was asked.
    open: BTreeMap<RequestId, Vec<u8>>,
    made: usize,
    outcomes: Outcomes,
}

struct Server {
    side: (usize, SessionId),
    requests: Responder,
    /// When it will have the answer, to which request, and what was asked.
    work: BTreeMap<(Instant, RequestId), Vec<u8>>,
    answered: BTreeSet<RequestId>,
    /// What a broken peer says besides.
    garbage: u64,
}

fn send(
    world: &mut World<Recording>,
    side: (usize, SessionId),
    channel: ChannelId,
    prefix: &Prefix,
    body: &[u8],
) -> Result<(), SendError> {
    let message = [prefix.as_bytes(), body].concat();
    world.command(side.0, side.1, |session| session.send(&message, channel)).map(|_| ())
}

fn receive(world: &mut World<Recording>, side: (usize, SessionId), channel: ChannelId) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 16_384];
    let length =
        world.command(side.0, side.1, |session| session.recv(&mut buffer, channel)).expect("the session lives")?;
    buffer.truncate(length);
    Some(buffer)
}

/// The answer to a question: longer than it, and another for each.
fn answer_to(question: &[u8]) -> Vec<u8> {
    question.iter().rev().chain(question).map(|byte| byte ^ 0x5A).collect()
}

impl Asker {
    /// Asks for as long as there is room, and cancels now and then.
    fn act(&mut self, world: &mut World<Recording>, random: &mut Generator) {
        if random.below(20) == 0
            && let Some(id) = self.open.keys().nth(random.below(64) as usize % self.open.len().max(1)).copied()
        {
            assert!(self.requests.cancel(id));
            self.open.remove(&id);
            self.outcomes.cancelled += 1;
        }
        let Self { side, requests, outcomes, .. } = self;
        let _ = requests.flush(|prefix| send(world, *side, ASK, prefix, &[]));
        while self.made < REQUESTS && !self.requests.is_full() {
            let now = world.now();
            let question: Vec<u8> = (0..random.below(4_000)).map(|_| random.next_u64() as u8).collect();
            let deadline =
                (random.below(4) > 0).then(|| now.saturating_add(Duration::from_millis(random.below(3_000) + 1)));
            let side = self.side;
            match self.requests.request(deadline, now, |prefix| send(world, side, ASK, prefix, &question)) {
                Ok(id) => {
                    self.made += 1;
                    self.open.insert(id, question);
                }
                Err(_) => {
                    outcomes.blocked += 1;
                    break;
                }
            }
        }
        outcomes.most_in_flight = outcomes.most_in_flight.max(self.requests.in_flight());
    }

    fn read(&mut self, world: &mut World<Recording>) {
        while let Some(message) = receive(world, self.side, ANSWER) {
            match self.requests.handle_message(&message) {
                Answer::Response { id, status, body } => {
                    let question = self.open.remove(&id).expect("a request ends once");
                    match status {
                        Status::DONE => {
                            assert_eq!(body, answer_to(&question), "the answer to another question");
                            self.outcomes.done += 1;
                        }
                        Status::BUSY => self.outcomes.busy += 1,
                        other => panic!("{id:?}: {other}"),
                    }
                }
                Answer::Late(id) => assert!(!self.open.contains_key(&id)),
                _ => {}
            }
        }
    }

    fn serve_deadlines(&mut self, now: Instant) {
        while let Some(id) = self.requests.handle_timeout(now) {
            self.open.remove(&id).expect("a request ends once");
            self.outcomes.expired += 1;
        }
    }
}

impl Server {
    fn read(&mut self, world: &mut World<Recording>, random: &mut Generator) {
        let side = self.side;
        while let Some(message) = receive(world, side, ASK) {
            if let Arrived::Request { id, body, .. } = self.requests.handle_message(&message, world.now()) {
                let ready = world.now().saturating_add(Duration::from_millis(random.below(1_500)));
                self.work.insert((ready, id), body.to_vec());
            }
            assert!(self.requests.in_flight() <= SERVED);
        }
        let _ = self.requests.flush(|prefix| send(world, side, ANSWER, prefix, &[]));
    }

    /// Sends the answers that are ready. Now and then it says what nobody asked for.
    fn act(&mut self, world: &mut World<Recording>, random: &mut Generator) {
        let (side, now) = (self.side, world.now());
        while let Some((&(ready, id), question)) = self.work.first_key_value()
            && ready <= now
        {
            let body = answer_to(question);
            match self.requests.respond(id, Status::DONE, now, |prefix| send(world, side, ANSWER, prefix, &body)) {
                Err(session_core::request::RespondError::Send(_)) => return,
                Ok(()) => assert!(self.answered.insert(id), "answered twice"),
                Err(_) => assert!(
                    !self.answered.contains(&id)
                        && self.requests.respond(id, Status::DONE, now, |_| Ok::<(), ()>(())).is_err()
                ),
            }
            self.work.pop_first();
            let again = [&[1, 0x40 | (id.as_u64() >> 8) as u8, id.as_u64() as u8, 0][..], b"again"].concat();
            let unknown = [1, 0x7F, 0xFF, 0];
            let says: Option<&[u8]> = match random.below(10) {
                0 if id.as_u64() >= 64 => Some(&again),
                1 => Some(&unknown),
                2 => Some(b"\x07nonsense"),
                3 => Some(b""),
                _ => None,
            };
            if let Some(message) = says
                && world.command(side.0, side.1, |session| session.send(message, ANSWER)).is_ok()
            {
                self.garbage += 1;
            }
        }
    }

    fn serve_deadlines(&mut self, now: Instant) {
        while let Some(id) = self.requests.handle_timeout(now) {
            assert!(!self.answered.contains(&id));
        }
    }
}

fn draw_link(random: &mut Generator) -> LinkConfig {
    let percent = |random: &mut Generator, most: u64| Probability::from_percent(random.below(most + 1) as u32);
    LinkConfig {
        loss: percent(random, 20),
        duplication: percent(random, 5),
        reordering: Reordering::new(
            percent(random, 20),
            random.below(33) as u8,
            Duration::from_millis(random.below(50)),
        ),
        delay: Duration::from_micros(random.below(40_000)),
        ..LinkConfig::default()
    }
}

fn run_case(seed: u64) -> Outcomes {
    let mut random = Generator::new(seed);
    let mut world = World::new(seed);
    let ledger = Recording::new();
    let (alice, bob) = (world.add(&Setup::default(), ledger.clone()), world.add(&Setup::default(), ledger));
    world.set_link(alice, bob, draw_link(&mut random));
    let (at_alice, at_bob) = world.establish(alice, bob);
    let mut asker = Asker {
        side: (alice, at_alice),
        requests: Requester::new(IN_FLIGHT),
        open: BTreeMap::new(),
        made: 0,
        outcomes: Outcomes::default(),
    };
    let mut server = Server {
        side: (bob, at_bob),
        requests: Responder::new(SERVED),
        work: BTreeMap::new(),
        answered: BTreeSet::new(),
        garbage: 0,
    };
    let limit = world.now().saturating_add(Duration::from_secs(300));
    while asker.made < REQUESTS || asker.requests.in_flight() > 0 || !server.work.is_empty() {
        assert!(world.now() < limit, "{:?}, open {:?}", asker.outcomes, asker.open.keys());
        asker.act(&mut world, &mut random);
        server.act(&mut world, &mut random);
        let ready = server.work.first_key_value().map(|((ready, _), _)| *ready).filter(|ready| *ready > world.now());
        let due = [asker.requests.next_deadline(), server.requests.next_deadline(), ready, Some(limit)];
        let due = due.into_iter().flatten().min().expect("there is a limit");
        world.run_until(due, |world| world.has_events());
        for (node, id) in [asker.side, server.side] {
            assert!(!world.take_events(node).contains(&Event::Closed(id)), "{:?}", world.reason(node, id));
        }
        asker.read(&mut world);
        server.read(&mut world, &mut random);
        asker.serve_deadlines(world.now());
        server.serve_deadlines(world.now());
    }
    world.settle(Duration::from_secs(2));
    server.read(&mut world, &mut random);
    asker.read(&mut world);
    assert!(asker.open.is_empty());
    assert_eq!((asker.requests.in_flight(), server.requests.in_flight()), (0, 0));
    let (asked, served) = (asker.requests.stats(), server.requests.stats());
    assert_eq!(asked.requests, REQUESTS as u64);
    assert_eq!(asked.requests, asked.responses + asked.expired + asked.cancelled);
    assert_eq!(asked.requests, served.requests + served.refused, "{served:?}");
    assert_eq!((served.repeated, served.malformed), (0, 0));
    assert!(asked.late + asked.unknown + asked.malformed >= server.garbage, "all of the garbage was noticed");
    Outcomes { late: asked.late, malformed: asked.malformed, unknown: asked.unknown, ..asker.outcomes }
}

//= docs/protocol.md P-14-2 P-14-4 P-14-5
//= docs/protocol.md P-14-6 P-14-7 P-14-8
#[test]
fn every_request_ends_once_over_a_bad_network() {
    let campaign = Campaign::new(16);
    let mut sum = Outcomes::default();
    campaign.run("request", |seed| {
        let outcomes = run_case(seed);
        println!("seed {seed}: {outcomes:?}");
        sum.done += outcomes.done;
        sum.busy += outcomes.busy;
        sum.expired += outcomes.expired;
        sum.cancelled += outcomes.cancelled;
        sum.late += outcomes.late;
        sum.malformed += outcomes.malformed;
        sum.unknown += outcomes.unknown;
        sum.blocked += outcomes.blocked;
        sum.most_in_flight = sum.most_in_flight.max(outcomes.most_in_flight);
    });
    if campaign.is_whole() {
        let Outcomes { done, busy, expired, cancelled, late, malformed, unknown, blocked, most_in_flight } = sum;
        let all = [done, busy, expired, cancelled, late, malformed, unknown, blocked];
        assert!(all.iter().all(|&count| count > 0), "{sum:?}");
        assert_eq!(most_in_flight, IN_FLIGHT);
    }
}
