use super::*;

const fn at(seconds: u64) -> Instant {
    Instant::from_micros(seconds * 1_000_000)
}

/// When the packets of RFC 9002 §7.6.3 left, by number.
const SENT: [(u64, u64); 9] = [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (6, 5), (7, 6), (8, 8), (9, 12)];

/// Whether persistent congestion is established where packets `lost` of the example are, by an acknowledgement of `acked`.
fn established(acked: &[(u64, u64)], lost: impl IntoIterator<Item = u64>, sampled_at: u64, timeout: u64) -> bool {
    let mut congestion = PersistentCongestion::new(acked, Some(1), at(sampled_at), Duration::from_secs(timeout));
    for number in lost {
        let (_, sent_at) = SENT[number as usize - 1];
        congestion.on_lost(number, at(sent_at + 100));
    }
    congestion.is_established()
}

//= docs/protocol.md P-10-10
#[test]
fn the_example_of_rfc_9002_is_persistent_congestion() {
    // Packets 2 to 8 are lost when 9 is acknowledged: 8 - 1 = 7 s, and three probe timeouts are 6 s.
    assert!(established(&[(9, 9)], 2..=8, 0, 2));
    assert!(established(&[(9, 9)], (2..=8).rev(), 0, 2), "in whatever order they are found");
    assert!(!established(&[(9, 9)], 2..=7, 0, 2), "5 s");
    assert!(!established(&[(9, 9)], 3..=8, 0, 2), "6 s do not exceed 6 s");
    assert!(established(&[(9, 9)], [2, 8], 0, 2), "what carries no data is not looked at");
}

//= docs/protocol.md P-10-10
#[test]
fn an_acknowledged_packet_between_them_ends_a_run() {
    for acked in 3..=7 {
        let lost = (2..=8).filter(|number| *number != acked);
        assert!(!established(&[(9, 9), (acked, acked)], lost, 0, 2), "{acked}");
    }
    assert!(established(&[(9, 9), (1, 1)], 2..=8, 0, 2));
}

//= docs/protocol.md P-10-10
#[test]
fn what_was_sent_before_the_first_sample_does_not_count() {
    assert!(established(&[(9, 9)], 2..=8, 100, 2));
    assert!(!established(&[(9, 9)], 2..=8, 101, 2));
    assert!(!established(&[(9, 9)], 2..=8, u64::MAX / 1_000_000, 2), "no sample yet");
}

#[test]
fn what_lies_below_the_last_acknowledgement_does_not_count() {
    let mut congestion = PersistentCongestion::new(&[(9, 9)], Some(5), at(0), Duration::from_secs(1));
    congestion.on_lost(2, at(10));
    congestion.on_lost(8, at(100));
    assert!(!congestion.is_established());
}
