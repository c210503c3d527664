use super::{Pair, handshake};
use crate::allocator;
use crate::args::Measure;
use crate::report::Report;
use crate::simulated;

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
