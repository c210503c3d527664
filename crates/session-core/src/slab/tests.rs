use std::vec::Vec;

use super::*;

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
