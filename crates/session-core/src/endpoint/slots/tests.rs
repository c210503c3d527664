use super::*;
use crate::channel::Channel;
use crate::slab::Slab;

#[test]
fn ids_are_named_before_they_are_used_and_pages_grow_to_the_cap() {
    let mut slots = Slots::new(130);
    assert_eq!(slots.next_id(), Some(SessionId { slot: 0, generation: 0 }));
    assert_eq!(slots.pages.len(), 1);
    slots.high = 64;
    slots.used = 64;
    assert_eq!(slots.next_id(), Some(SessionId { slot: 64, generation: 0 }));
    assert_eq!(slots.pages.len(), 2);
    slots.used = 130;
    assert_eq!(slots.next_id(), None);
}

#[test]
fn what_they_take_empty_and_full_is_what_they_need() {
    let bytes = |slots: &Slots| {
        let records: usize = slots.pages.iter().map(|page| size_of_val::<[Slot]>(page)).sum();
        records + slots.pages.capacity() * size_of::<Box<[Slot]>>()
    };
    for capacity in [1, 63, 64, 65, 128, 130] {
        let mut slots = Slots::new(capacity);
        let need = Slots::need(capacity);
        assert_eq!(bytes(&slots), need.at_start, "{capacity}");
        // A page is there as soon as an id of it is named.
        for used in 0..capacity {
            assert!(slots.next_id().is_some());
            (slots.used, slots.high) = (used + 1, used + 1);
        }
        assert_eq!((slots.next_id(), bytes(&slots)), (None, need.at_most), "{capacity}");
    }
}

#[test]
fn queues_keep_order_and_take_a_slot_once() {
    let mut slots = Slots::new(8);
    for index in [3, 1, 4, 1, 5] {
        slots.push(Queue::Ready, index);
    }
    slots.push(Queue::Events, 1);
    slots.unlink(Queue::Ready, 4);
    slots.unlink(Queue::Ready, 4);
    let mut order = Vec::new();
    while let Some(first) = slots.first(Queue::Ready) {
        order.push(first);
        slots.unlink(Queue::Ready, first);
    }
    assert_eq!(order, [3, 1, 5]);
    assert_eq!(slots.first(Queue::Events), Some(1));
    assert_eq!(slots.first(Queue::Closed), None);
}

/// What an idle session with one channel costs beside the pool and the key cache (ADR 0009): 2 KiB at most.
#[test]
fn a_slot_stays_within_its_budget() {
    let (slot, channel) = (size_of::<Slot>(), Slab::<Channel>::RECORD);
    assert!(slot + 2 * channel <= 2048, "{slot} bytes in its slot, {channel} in each of two channels");
}
