//! What a copied process does (threats H17, E7).

use super::pair::Pair;
use super::*;

#[test]
fn e7_h17_after_a_copy_no_packet_leaves_under_old_keys() {
    let mut pair = Pair::established(&Limits::default());
    pair.session(0).send(b"queued", CHANNEL).unwrap();
    let now = pair.now;
    pair.ends[0].entropy_changed(Seed::new([0xE7; 32]), now);
    assert_eq!(pair.take(0), Vec::<Vec<u8>>::new());
    let id = pair.ids[0].unwrap();
    assert_eq!(pair.events[0].last(), Some(&Event::Closed(id)));
    assert_eq!(pair.look(0).close_reason().unwrap().code, CloseCode::INTERNAL);
    assert_eq!(pair.session(0).send(b"more", CHANNEL), Err(crate::reason::SendError::Closed));
}

#[test]
fn h17_two_copies_go_different_ways() {
    let hello = |fresh: Option<u8>| {
        let mut pair = Pair::new([endpoint(1, Limits::default()), endpoint(2, Limits::default())]);
        if let Some(fresh) = fresh {
            let now = pair.now;
            pair.ends[0].entropy_changed(Seed::new([fresh; 32]), now);
        }
        pair.connect(b"");
        pair.take(0)
    };
    assert_eq!(hello(None), hello(None), "the danger: a copy repeats its original");
    assert_ne!(hello(Some(1)), hello(Some(2)));
    assert_ne!(hello(Some(1)), hello(None));
}
