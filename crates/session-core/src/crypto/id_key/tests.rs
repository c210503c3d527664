use std::collections::BTreeSet;

use super::*;
use crate::seed::Seed;

#[test]
fn ids_are_eight_bytes_with_a_check_and_never_repeat() {
    let key = IdKey::new(Secret::new([9; 32]));
    let mut generator = Generator::new(Seed::new([1; 32]));
    let first: BTreeSet<_> = (0..5_000).map(|_| key.draw(&mut generator)).collect();
    let further: BTreeSet<_> = first.iter().flat_map(|first| (0..4).map(|n| key.further(first, n))).collect();
    assert_eq!((first.len(), further.len()), (5_000, 20_000));
    for id in further {
        let (free, check) = id.as_bytes().split_at(5);
        assert_eq!(*check, hmac(&[9; 32], &[free])[..3]);
    }
}

#[test]
fn who_lacks_the_key_cannot_make_the_next_id_of_a_session() {
    let [one, other] = [9, 10].map(|byte| IdKey::new(Secret::new([byte; 32])));
    let first = ReceiverId::of([1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(one.further(&first, 0), first);
    assert_eq!(one.further(&first, 1), one.further(&first, 1));
    assert_ne!(one.further(&first, 1), other.further(&first, 1));
}
