use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn unpack(bits: &[u8]) -> Vec<bool> {
    (0..bits.len() * 8).map(|at| bits[at / 8] & (1 << (at % 8)) != 0).collect()
}

/// Bitmaps of the two block sizes, one of whole words, an empty one; mostly with long runs, where word steps matter.
fn bitmap() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => Just(0u8), 4 => Just(255u8), 1 => any::<u8>()];
    prop_oneof![Just(0usize), Just(16), Just(22), Just(92)]
        .prop_flat_map(move |length| proptest::collection::vec(byte.clone(), length))
}

proptest! {
    #[test]
    fn bitmaps_do_what_single_bits_would(
        bits in bitmap(), except in bitmap(), from in 0usize..800, to in 0usize..800,
    ) {
        let oracle = unpack(&bits);
        let range = || from..to.min(oracle.len());
        prop_assert_eq!(first_set(&bits, from, to), range().find(|at| oracle[*at]));
        prop_assert_eq!(last_set(&bits, from, to), range().rev().find(|at| oracle[*at]));
        prop_assert_eq!(first_clear(&bits, from, to), range().find(|at| !oracle[*at]));
        prop_assert_eq!(get(&bits, from), oracle.get(from).copied().unwrap_or(false));

        let mut changed = bits.clone();
        set_range(&mut changed, from, to);
        let mut expected = oracle.clone();
        range().for_each(|at| expected[at] = true);
        prop_assert_eq!(unpack(&changed), expected);

        let mut changed = bits.clone();
        let cleared = clear_range(&mut changed, from, to);
        let mut expected = oracle.clone();
        range().for_each(|at| expected[at] = false);
        prop_assert_eq!(unpack(&changed), expected);
        prop_assert_eq!(cleared, range().filter(|at| oracle[*at]).count() as u64);

        let mut changed = bits.clone();
        let added = set_range_except(&mut changed, &except, from, to);
        let mut expected = oracle.clone();
        range().for_each(|at| expected[at] |= !get(&except, at));
        prop_assert_eq!(&unpack(&changed), &expected);
        prop_assert_eq!(added, range().filter(|at| expected[*at] && !oracle[*at]).count() as u64);

        let mut changed = bits.clone();
        set(&mut changed, from);
        let mut expected = oracle.clone();
        if let Some(bit) = expected.get_mut(from) {
            *bit = true;
        }
        prop_assert_eq!(unpack(&changed), expected);
    }
}

#[test]
fn the_parts_of_a_block_fit_and_do_not_overlap() {
    for block_size in [256usize, 1024, 257, 4096] {
        let width = positions_per_block(block_size) as usize;
        assert_eq!(width % 8, 0);
        let used = HEADER + width + 3 * (width / 8);
        assert!(used <= block_size && used + 11 > block_size, "{width} of {block_size}");
        let mut pool = Pool::new(1, block_size, 1);
        let block = pool.take_open().unwrap();
        label(&mut pool, block, (1 << 62) / 8, true);
        let parts = view_mut(&mut pool, block);
        assert_eq!(parts.data.len(), width);
        parts.data.fill(1);
        for (map, value) in parts.maps.into_iter().zip(2..) {
            assert_eq!(map.len() * 8, width);
            map.fill(value);
        }
        assert_eq!((index(&pool, block), flag(&pool, block)), ((1 << 62) / 8, true));
        let parts = view(&pool, block);
        assert!(parts.data.iter().all(|&byte| byte == 1));
        for (map, value) in parts.maps.into_iter().zip(2..) {
            assert!(map.iter().all(|&byte| byte == value));
        }
        label(&mut pool, block, 7, false);
        assert_eq!((index(&pool, block), flag(&pool, block)), (7, false));
    }
    assert_eq!((positions_per_block(1024), positions_per_block(256)), (736, 176));
}
