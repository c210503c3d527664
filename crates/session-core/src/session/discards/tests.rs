use super::*;

#[test]
fn each_reason_is_counted_under_its_own_name() {
    let mut own = OwnDiscards::default();
    assert!(!own.is_any());
    for (more, reason) in REASONS.into_iter().enumerate() {
        for _ in 0..=more {
            let _ = own.count(reason);
        }
    }
    let discards = own.all();
    for (more, reason) in REASONS.into_iter().enumerate() {
        assert_eq!(discards.of(reason), more as u64 + 1, "{reason:?}");
    }
    assert_eq!((own.is_any(), discards.total()), (true, 1 + 2 + 3 + 4 + 5 + 6 + 7));
}

#[test]
fn counters_stay_at_their_end() {
    let mut own = OwnDiscards([u32::MAX; REASONS.len()]);
    let _ = own.count(DiscardReason::Replayed);
    assert_eq!(own.all().of(DiscardReason::Replayed), u64::from(u32::MAX));
    assert_eq!(own.count(DiscardReason::Authentication), 0);
    assert_eq!(own.count(DiscardReason::Authentication), 1, "it begins anew");
}
