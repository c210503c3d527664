use super::*;

const fn counts(ect0: u64, ect1: u64, ce: u64) -> Option<EcnCounts> {
    Some(EcnCounts { ect0, ect1, ce })
}

/// A path that has sent `count` marked packets.
fn sent(count: u64) -> EcnPath {
    let mut ecn = EcnPath::new();
    for _ in 0..count {
        ecn.on_marked_sent();
    }
    ecn
}

//= docs/protocol.md P-10-8
#[test]
fn ten_packets_test_the_path_and_then_it_waits_for_counts() {
    let mut ecn = sent(9);
    assert_eq!(ecn.mark(0), Some(Ecn::Ect0));
    ecn.on_marked_sent();
    assert_eq!(ecn.mark(0), None);
    assert!(!ecn.on_ack(0, counts(0, 0, 0)), "nothing told");
    assert_eq!(ecn.mark(0), None);
    assert!(!ecn.on_ack(10, counts(10, 0, 0)));
    assert_eq!((ecn.mark(0), ecn.validation), (Some(Ecn::Ect0), Validation::Capable));
}

//= docs/protocol.md P-10-8
#[test]
fn counts_that_cannot_be_true_end_marking() {
    for (acked, told, why) in [
        (1, None, "none"),
        (2, counts(1, 0, 0), "fewer than acknowledged"),
        (1, counts(0, 1, 0), "marks never sent"),
        (1, counts(6, 0, 0), "more than sent"),
        (1, counts(3, 0, 3), "more than sent, together"),
        (1, counts(u64::MAX, 0, 1), "beyond all numbers"),
    ] {
        let mut ecn = sent(5);
        assert!(!ecn.on_ack(acked, told), "{why}");
        assert_eq!((ecn.mark(0), ecn.validation), (None, Validation::Failed), "{why}");
        assert!(!ecn.on_ack(1, counts(0, 0, 2)), "nor is it believed again: {why}");
    }
    for told in [counts(1, 0, 3), counts(3, 0, 0)] {
        let mut ecn = sent(5);
        assert!(ecn.on_ack(3, counts(2, 0, 1)));
        assert!(!ecn.on_ack(0, told));
        assert_eq!(ecn.validation, Validation::Failed, "counts do not shrink");
    }
}

//= docs/protocol.md P-10-8
#[test]
fn a_path_that_drops_what_is_marked_gets_it_no_more() {
    let mut ecn = sent(3);
    ecn.on_marked_lost();
    ecn.on_probe_timeout(1);
    assert_eq!((ecn.mark(1), ecn.mark(2)), (Some(Ecn::Ect0), None), "the second probe asks without");
    ecn.on_probe_timeout(2);
    ecn.on_marked_lost();
    assert_eq!((ecn.mark(0), ecn.validation), (None, Validation::Unknown));
    ecn.on_marked_lost();
    assert_eq!(ecn.validation, Validation::Failed);

    let mut ecn = sent(3);
    assert!(!ecn.on_ack(3, counts(3, 0, 0)));
    for _ in 0..3 {
        ecn.on_marked_lost();
    }
    assert_eq!((ecn.mark(0), ecn.mark(2)), (Some(Ecn::Ect0), None), "one that carried them may lose packets");
}

//= docs/protocol.md P-10-9
#[test]
fn only_a_growing_count_of_ce_is_congestion() {
    let mut ecn = sent(8);
    assert!(!ecn.on_ack(2, counts(2, 0, 0)));
    assert!(ecn.on_ack(2, counts(3, 0, 1)));
    assert!(!ecn.on_ack(1, counts(4, 0, 1)));
    assert!(ecn.on_ack(0, counts(4, 0, 4)), "acknowledged twice over, but sent");
    assert_eq!(ecn.validation, Validation::Capable);
}

//= docs/protocol.md P-10-7
#[test]
fn what_came_is_reported_once_anything_came_marked() {
    let mut ecn = EcnPath::new();
    ecn.on_received(None);
    assert_eq!(ecn.report(), None);
    for mark in [Ecn::Ect0, Ecn::Ce, Ecn::Ect0, Ecn::Ect1] {
        ecn.on_received(Some(mark));
    }
    assert_eq!(ecn.report(), counts(2, 1, 1));
}
