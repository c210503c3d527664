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
            // The kind follows from the instant, so that a wrong one shows.
            let timer = |at: u64| TimerKind::ALL[at as usize % TimerKind::ALL.len()];
            let deadline = Deadline { at: Instant::from_micros(at), timer: timer(at) };
            match operation {
                0 => {
                    heap.file(&mut slots, slot, deadline);
                    let filed = list.entry(slot).or_insert(at);
                    *filed = (*filed).min(at);
                }
                1 => {
                    heap.settle(&mut slots, slot, Some(deadline));
                    list.insert(slot, at);
                }
                _ => {
                    heap.remove(&mut slots, slot);
                    list.remove(&slot);
                }
            }
            let first = heap.first().map(|(deadline, _)| (deadline.at.as_micros(), deadline.timer));
            prop_assert_eq!(first, list.values().min().map(|at| (*at, timer(*at))));
            for (position, entry) in heap.heap.iter().enumerate() {
                prop_assert_eq!(slots.heap_position(entry.slot) as usize, position);
            }
            prop_assert_eq!(heap.heap.len(), list.len());
        }
    }
}

#[test]
fn a_slot_is_noted_once_and_no_more_than_there_is_room_for() {
    let mut deadlines = Deadlines::new(40);
    for slot in 0..NOTED as u32 {
        assert!(deadlines.note(slot) && deadlines.note(0));
    }
    assert!(!deadlines.note(NOTED as u32), "no room");
    let mut noted: Vec<_> = core::iter::from_fn(|| deadlines.take_noted()).collect();
    noted.sort_unstable();
    assert!(noted.into_iter().eq(0..NOTED as u32));
    assert!(deadlines.note(NOTED as u32));
}
