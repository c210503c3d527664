use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use super::*;

fn of(key: u64, feed: impl Fn(&mut StateHash)) -> (u128, [u8; 32]) {
    let (mut keyed, mut digest) = (StateHash::keyed(key), StateHash::new());
    feed(&mut keyed);
    feed(&mut digest);
    (keyed.checksum(), digest.finish())
}

#[test]
fn checksums_tell_apart_what_digests_tell_apart() {
    let mut seen = BTreeSet::new();
    let mut fed = 0;
    for length in 0..70 {
        let zeros = vec![0; length];
        seen.insert(of(1, |hash| hash.bytes(&zeros)).0);
        fed += 1;
        for bit in 0..8 * length {
            let mut changed = zeros.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            seen.insert(of(1, |hash| hash.bytes(&changed)).0);
            fed += 1;
        }
    }
    assert_eq!(seen.len(), fed);
    (seen, fed) = (BTreeSet::new(), 0);
    let words: Vec<u64> = (0..64).map(|bit| 1 << bit).chain([0, u64::MAX]).collect();
    for one in &words {
        for other in &words {
            seen.insert(of(1, |hash| [*one, *other].into_iter().for_each(|word| hash.u64(word))).0);
            fed += 1;
        }
    }
    assert_eq!(seen.len(), fed);
    (seen, fed) = (BTreeSet::new(), 0);
    for (one, other) in [(None, Some(0)), (Some(0), None), (None, None), (Some(1), Some(0))] {
        seen.insert(of(1, |hash| [one, other, None].into_iter().for_each(|value| hash.option(value))).0);
        fed += 1;
    }
    assert_eq!(seen.len(), fed);
}

#[test]
fn checksums_depend_on_key_and_order_and_repeat() {
    let feed = |hash: &mut StateHash| (0..9).for_each(|word| hash.u64(word));
    assert_eq!(of(3, feed), of(3, feed));
    assert_ne!(of(3, feed).0, of(4, feed).0);
    assert_ne!(of(3, feed).0, of(3, |hash| (0..9).rev().for_each(|word| hash.u64(word))).0);
    // What comes early is not forgotten behind much that is the same.
    let after = |first: u64| of(3, move |hash| [first].into_iter().chain([7; 1_000]).for_each(|word| hash.u64(word))).0;
    assert_ne!(after(0), after(1));
}
