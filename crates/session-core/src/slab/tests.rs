use std::cell::Cell;
use std::vec::Vec;

use super::*;

/// Bytes that the slab has of the allocator.
fn bytes<T>(slab: &Slab<T>) -> usize {
    let records: usize = slab.pages.iter().map(|page| size_of_val::<[Place<T>]>(page)).sum();
    records + slab.pages.capacity() * size_of::<Box<[Place<T>]>>()
}

#[test]
fn what_it_takes_empty_and_full_is_what_it_needs() {
    for capacity in [0, 1, 63, 64, 65, 127, 128, 129, 1000] {
        for ready in [1, 64, 65, 256] {
            let mut slab = Slab::<[u64; 3]>::with_ready(capacity, ready);
            let need = Slab::<[u64; 3]>::need(capacity, ready);
            assert_eq!(bytes(&slab), need.at_start, "{capacity} {ready}");
            let mut keys = Vec::new();
            while let Ok(key) = slab.insert([7; 3]) {
                keys.push(key);
            }
            assert_eq!((keys.len(), bytes(&slab)), (capacity as usize, need.at_most), "{capacity} {ready}");
            keys.into_iter().for_each(|key| slab.discard(key));
            while slab.insert([8; 3]).is_ok() {}
            assert_eq!(bytes(&slab), need.at_most, "{capacity} {ready}");
        }
    }
}

#[test]
fn holds_its_capacity_and_no_more() {
    let mut slab = Slab::new(130);
    let keys: Vec<_> = (0..130).map(|number| slab.insert(number).unwrap()).collect();
    assert_eq!(slab.insert(130), Err(130));
    assert_eq!(slab.vacant(), 0);
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(slab.get(*key), Some(&number));
    }
}

#[test]
fn a_removed_record_is_gone_and_its_place_is_used_again() {
    let mut slab = Slab::new(2);
    let first = slab.insert('a').unwrap();
    let second = slab.insert('b').unwrap();
    assert_eq!(slab.remove(first), Some('a'));
    assert_eq!(slab.remove(first), None);
    assert_eq!(slab.get(first), None);
    assert_eq!(slab.insert('c'), Ok(first));
    assert_eq!(slab.get(first), Some(&'c'));
    assert_eq!(slab.get_mut(second), Some(&mut 'b'));
}

#[test]
fn an_empty_slab_holds_nothing() {
    let mut slab = Slab::new(0);
    assert_eq!(slab.insert(1), Err(1));
    assert_eq!(slab.get(SlabKey::NOWHERE), None);
    assert_eq!(slab.remove(SlabKey::NOWHERE), None);
}

#[test]
fn pages_that_are_ready_come_first() {
    for (capacity, ready, pages) in [(0, 9, 0), (1, 0, 0), (130, 1, 1), (130, 64, 1), (130, 65, 2), (130, 999, 3)] {
        let mut slab = Slab::with_ready(capacity, ready);
        assert_eq!(slab.pages.len(), pages, "{capacity} {ready}");
        let keys: Vec<_> = (0..capacity).map(|_| slab.insert(()).unwrap()).collect();
        assert!(
            keys.iter()
                .enumerate()
                .all(|(place, key)| slab.get(*key).is_some() && keys[..place].iter().all(|other| other != key))
        );
        assert_eq!(slab.insert(()), Err(()));
    }
}

#[test]
fn a_discarded_record_is_dropped_once_and_its_place_is_used_again() {
    struct Counted<'a>(&'a Cell<u32>);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let dropped = Cell::new(0);
    let mut slab = Slab::new(2);
    let [first, second] = [(); 2].map(|()| slab.insert(Counted(&dropped)).ok().unwrap());
    slab.discard(first);
    slab.discard(first);
    slab.discard(SlabKey::NOWHERE);
    assert_eq!((dropped.get(), slab.vacant()), (1, 1));
    assert!(slab.get(first).is_none() && slab.get(second).is_some());
    assert_eq!(slab.insert(Counted(&dropped)).ok(), Some(first));
    drop(slab);
    assert_eq!(dropped.get(), 3);
}
