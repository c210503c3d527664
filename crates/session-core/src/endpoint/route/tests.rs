use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::seed::Seed;

proptest! {
    /// Against a map, with names that collide on purpose.
    #[test]
    fn the_table_agrees_with_a_map(operations in prop::collection::vec((0u64..24, any::<bool>(), 0u32..100), 1..400)) {
        let mut routes = Routes::new(32, Secret::new([7; 32]));
        let mut map = BTreeMap::new();
        for (name, insert, slot) in operations {
            let name = name << 40;
            if insert {
                routes.insert(name, slot);
                map.entry(name).or_insert(slot);
            } else {
                routes.remove(name);
                map.remove(&name);
            }
            for name in (0u64..24).map(|name| name << 40) {
                prop_assert_eq!(routes.find(name), map.get(&name).copied());
            }
            prop_assert_eq!(routes.used, map.len());
        }
    }
}

#[test]
fn ids_are_eight_bytes_with_a_check_and_never_repeat() {
    let routes = Routes::new(8, Secret::new([9; 32]));
    let mut generator = Generator::new(Seed::new([1; 32]));
    let ids: BTreeSet<_> = (0..10_000).map(|_| routes.new_id(&mut generator)).collect();
    assert_eq!(ids.len(), 10_000);
    for id in ids {
        let bytes = id.as_bytes();
        assert_eq!(bytes[5..], hmac(&[9; 32], &[&bytes[..5]])[..3]);
    }
}
