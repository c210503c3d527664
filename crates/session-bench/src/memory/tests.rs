use session_core::Instant;

use super::sides::{self, Library, Side};
use super::{Pair, handshake, idle};
use crate::args::Measure;
use crate::report::{About, OURS, Report};
use crate::{Failure, allocator, simulated};

#[test]
fn bytes_go_from_one_core_to_the_other_in_full_datagrams() {
    for (about, make) in simulated::subjects() {
        let mut pair = Pair::new(make).expect("they find each other");
        let before = pair.datagrams;
        pair.transfer(1 << 20).expect("all of it");
        let datagrams = pair.datagrams - before;
        assert!(datagrams > (1 << 20) / 1452, "{}: {datagrams} datagrams are too few for the bytes", about.name);
        assert!(datagrams < (1 << 20) / 1452 * 3, "{}: {datagrams} datagrams, acknowledgements included", about.name);
    }
}

#[test]
fn the_allocator_counts_inside_cores_only_and_session_asks_it_for_nothing() {
    let (_, make) = simulated::subjects().remove(0);
    let mut pair = Pair::new(make).expect("they find each other");
    allocator::take();
    drop(std::hint::black_box(Box::new(1)));
    pair.transfer(1 << 20).expect("all of it");
    assert_eq!(allocator::take(), 0);
    session_sim::inside(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(allocator::take(), 1, "somebody counts");
}

#[test]
fn every_kind_of_handshake_comes_about() {
    let asked = Measure { quick: true, turns: Some(1), ..Measure::default() };
    handshake::run(&asked, &mut Report::new()).expect("they do");
}

/// What a server of this kind holds: `PART` bytes of each client, the number of each, and `SHARED` bytes.
const PART: usize = 1_000;
const SHARED: usize = 5_000;

/// Holds a known number of bytes, and as a client others, which are not to count.
struct Hoard {
    number: Option<u32>,
    parts: Vec<Vec<u8>>,
    _shared: Vec<u8>,
    outgoing: Vec<(u32, Vec<u8>)>,
    served: usize,
}

impl Hoard {
    fn new(number: Option<u32>, parts: Vec<Vec<u8>>, shared: usize) -> Self {
        let outgoing = number.map(|number| (number, vec![1])).into_iter().collect();
        Self { number, parts, _shared: vec![1; shared], outgoing, served: 0 }
    }
}

impl Side for Hoard {
    fn handle_datagram(&mut self, client: u32, datagram: Vec<u8>, _: Instant) {
        if self.number.is_none() && datagram.len() == 1 {
            self.parts.push(vec![1; PART]);
        } else {
            self.served += 1;
        }
        if self.number.is_none() {
            self.outgoing.push((client, datagram));
        }
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, _: Instant) -> Option<(u32, Vec<u8>)> {
        let datagram = self.outgoing.pop();
        self.outgoing.shrink_to_fit();
        datagram
    }

    fn ask(&mut self, _: Instant) {
        self.served = 0;
        self.outgoing.extend(self.number.map(|number| (number, vec![1; sides::ASK])));
    }

    fn established(&self) -> usize {
        if self.number.is_some() { self.served } else { self.parts.len() }
    }

    fn served(&self) -> usize {
        self.served
    }
}

struct Hoards;

impl Library for Hoards {
    fn about(&self) -> About {
        About { name: OURS, version: "", cipher: "" }
    }

    fn server(&self, clients: u32) -> Result<Box<dyn Side>, Failure> {
        Ok(Box::new(Hoard::new(None, Vec::with_capacity(clients as usize), SHARED)))
    }

    fn client(&self, number: u32, _: Instant) -> Result<Box<dyn Side>, Failure> {
        Ok(Box::new(Hoard::new(Some(number), vec![vec![1; 777]], 70_000)))
    }
}

#[test]
fn what_a_server_holds_counts_to_the_byte_and_nothing_else_does() {
    let figures = idle::heap(&Hoards, 1_000).expect("they are served");
    assert_eq!(figures, [(PART + size_of::<Vec<u8>>()) as f64, (SHARED + size_of::<Hoard>()) as f64]);
}

#[test]
fn every_library_keeps_its_sessions_while_they_rest() {
    for library in sides::libraries().expect("they are made") {
        let name = library.about().name;
        let [each, shared] = idle::heap(&*library, 200).expect("all are served")[..] else { panic!("two figures") };
        assert!((1_000.0..50_000.0).contains(&each), "{name}: {each} bytes each");
        assert!(shared >= 0.0, "{name}: {shared} bytes are shared");
    }
}
