use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

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
                prop_assert_eq!(routes.find(name).is_some(), !expected.is_empty());
                prop_assert_eq!(found, expected);
                prop_assert_eq!(routes.find_all(name).count(), set.range((name, 0)..=(name, u32::MAX)).count());
            }
            prop_assert_eq!(routes.used(), set.len());
        }
    }
}
