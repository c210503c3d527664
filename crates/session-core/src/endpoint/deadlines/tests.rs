use proptest::prelude::*;

use super::*;

proptest! {
    /// Against a plain list: the first is the earliest, and every slot knows its position.
    #[test]
    fn the_heap_agrees_with_a_list(operations in prop::collection::vec((0u32..40, 0u8..3, 0u64..50), 1..300)) {
        let mut slots = Slots::new(40);
        let mut heap = Deadlines::new(40);
        let mut list: std::collections::BTreeMap<u32, u64> = std::collections::BTreeMap::new();
        for (slot, operation, at) in operations {
            let instant = Instant::from_micros(at);
            match operation {
                0 => {
                    heap.file(&mut slots, slot, instant);
                    let filed = list.entry(slot).or_insert(at);
                    *filed = (*filed).min(at);
                }
                1 => {
                    heap.settle(&mut slots, slot, Some(instant));
                    list.insert(slot, at);
                }
                _ => {
                    heap.remove(&mut slots, slot);
                    list.remove(&slot);
                }
            }
            prop_assert_eq!(heap.first().map(|(at, _)| at.as_micros()), list.values().min().copied());
            for (position, entry) in heap.heap.iter().enumerate() {
                prop_assert_eq!(slots.heap_position(entry.slot) as usize, position);
            }
            prop_assert_eq!(heap.heap.len(), list.len());
        }
    }
}
