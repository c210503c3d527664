//! A session that has sent all it had is not asked for another packet, and nothing is otherwise than if it had been.

use super::pair::{Pair, TRIP};
use super::*;

/// The next datagram of an end.
fn transmit(pair: &mut Pair, side: usize) -> Vec<u8> {
    let mut out = vec![0; pair.ends[side].max_datagram()];
    loop {
        match pair.ends[side].poll_action(&mut out, pair.now) {
            Action::Transmit(transmit) => return out[..transmit.len].to_vec(),
            Action::Event(_) => {}
            action => panic!("nothing is sent: {action:?}"),
        }
    }
}

fn is_ready(pair: &mut Pair, side: usize) -> bool {
    pair.ends[side].file_touched();
    pair.ends[side].slots.is_queued(Queue::Ready, pair.ids[side].unwrap().slot)
}

/// Asks all the same, and demands that there is nothing and nothing changes.
fn ask(pair: &mut Pair, side: usize) {
    let slot = pair.ids[side].unwrap().slot;
    let before = pair.ends[side].digest();
    pair.ends[side].slots.push(Queue::Ready, slot);
    assert_eq!(pair.take(side), Vec::<Vec<u8>>::new());
    assert_eq!(pair.ends[side].digest(), before);
}

#[test]
fn who_has_sent_all_rests_as_if_asked_once_more() {
    let mut pair = Pair::established(&small_limits());
    for side in [0, 1, 0, 1] {
        pair.session(side).send(b"all there is", CHANNEL).unwrap();
        let packet = transmit(&mut pair, side);
        assert!(!is_ready(&mut pair, side), "it has nothing more");
        ask(&mut pair, side);
        pair.pass(TRIP);
        pair.deliver(1 - side, &[packet]);
        let read = pair.session(1 - side).recv(&mut [0; 64], CHANNEL);
        assert_eq!(read, Ok(Some(12)));
    }
}

#[test]
fn who_has_more_stays_ready_until_all_has_left() {
    let mut pair = Pair::established(&small_limits());
    pair.session(0).send(&[7; 2_500], CHANNEL).unwrap();
    let mut packets = Vec::new();
    while is_ready(&mut pair, 0) {
        packets.push(transmit(&mut pair, 0));
    }
    assert!(packets.len() > 1, "{} packets", packets.len());
    ask(&mut pair, 0);
    pair.pass(TRIP);
    pair.deliver(1, &packets);
    assert_eq!(pair.session(1).recv(&mut [0; 4_000], CHANNEL), Ok(Some(2_500)));
}
