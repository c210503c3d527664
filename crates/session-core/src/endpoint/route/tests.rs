use std::collections::BTreeSet;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// The places that a search for each of `names` looks at, on average and at most.
fn places(key: u8, names: &[u64]) -> (f64, usize) {
    let mut routes = Routes::new(names.len() as u32, &Secret::new([key; 32]));
    names.iter().for_each(|name| routes.insert(*name, 1));
    let looked_at = |name: &u64| {
        let run = (routes.home(*name)..).map(|place| routes.entries[place % routes.entries.len()]);
        1 + run.take_while(|entry| entry.name() != *name).count()
    };
    let looked_at: Vec<_> = names.iter().map(looked_at).collect();
    (looked_at.iter().sum::<usize>() as f64 / names.len() as f64, looked_at.into_iter().max().unwrap())
}

/// Names that differ in a few bits only, wherever these are: whoever can choose some bits of a name makes none of the searches long.
#[test]
fn d23_names_that_differ_in_high_or_low_bits_only_are_spread_over_the_table() {
    for shift in [0, 8, 24, 32, 40, 52] {
        let names: Vec<_> = (0..4_096_u64).map(|number| 7 << 32 ^ number << shift).collect();
        for key in 0..32 {
            let (mean, most) = places(key, &names);
            assert!(mean <= 2.0 && most <= 64, "shifted by {shift} under key {key}: {mean} on average, {most} at most");
        }
    }
}

proptest! {
    /// Against a set, with names that collide on purpose, and several slots to a name.
    #[test]
    fn the_table_agrees_with_a_set(operations in prop::collection::vec((0u64..24, any::<bool>(), 0u32..6), 1..400)) {
        let mut routes = Routes::new(150, &Secret::new([7; 32]));
        let mut set = BTreeSet::new();
        for (name, insert, slot) in operations {
            let name = name << 40;
            if !insert {
                routes.remove(name, slot);
                set.remove(&(name, slot));
            } else if set.insert((name, slot)) {
                routes.insert(name, slot);
            }
            for name in (0u64..24).map(|name| name << 40) {
                let found: BTreeSet<_> = routes.find_all(name).map(|slot| (name, slot)).collect();
                let expected: BTreeSet<_> = set.range((name, 0)..=(name, u32::MAX)).copied().collect();
                prop_assert_eq!(routes.find(name), routes.find_all(name).next());
                prop_assert_eq!(routes.find(name).is_some(), !expected.is_empty());
                prop_assert_eq!(found, expected);
                prop_assert_eq!(routes.find_all(name).count(), set.range((name, 0)..=(name, u32::MAX)).count());
            }
            prop_assert_eq!(routes.used(), set.len());
        }
    }
}
