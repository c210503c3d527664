use super::*;

const ORDERED: (ChannelId, ChannelMode) = (ChannelId(16), ChannelMode::ReliableOrdered);
const LATEST: (ChannelId, ChannelMode) = (ChannelId(17), ChannelMode::LatestValue);
const UNORDERED: (ChannelId, ChannelMode) = (ChannelId(18), ChannelMode::ReliableUnordered);

/// Two ends of one session, and what the first has sent on a channel.
fn with_sent(count: u64, (channel, mode): (ChannelId, ChannelMode)) -> (Ledger, Vec<Vec<u8>>) {
    let mut ledger = Ledger::default();
    for _ in 0..2 {
        let session = ledger.begin_session();
        ledger.set_uid(session, Some(Uid([1; 16])));
    }
    let messages = (1..=count)
        .map(|end| {
            let message = ledger.next_message(20);
            ledger.sent(0, channel, mode, 20, end * 21);
            message
        })
        .collect();
    (ledger, messages)
}

fn report(acked: u64) -> CloseReport {
    let mut report = CloseReport::default();
    report.acked = acked;
    report
}

#[test]
fn each_message_has_one_fate() {
    let (mut ledger, messages) = with_sent(4, ORDERED);
    ledger.delivered(1, ORDERED.0, &messages[0]);
    ledger.expired(0, ORDERED.0, 42);
    assert!(!ledger.is_settled());
    ledger.delivered(1, ORDERED.0, &messages[2]);
    ledger.ended(0, ORDERED.0, report(63));
    assert!(ledger.is_settled());
    let totals = ledger.totals();
    assert_eq!((totals.sent, totals.delivered, totals.reported_lost, totals.silent_lost), (4, 2, 2, 0));
}

#[test]
fn what_is_lost_without_a_word_counts() {
    let (ledger, _) = with_sent(3, ORDERED);
    assert_eq!(ledger.totals().silent_lost, 3);
    let (ledger, _) = with_sent(3, LATEST);
    assert_eq!((ledger.totals().silent_lost, ledger.totals().vanished), (0, 3));
    let (mut ledger, _) = with_sent(3, ORDERED);
    ledger.died(0);
    assert_eq!((ledger.totals().silent_lost, ledger.totals().died_with_sender), (0, 3));
}

#[test]
#[should_panic(expected = "came twice")]
fn a_message_that_comes_twice_is_found() {
    let (mut ledger, messages) = with_sent(1, UNORDERED);
    ledger.delivered(1, UNORDERED.0, &messages[0]);
    ledger.delivered(1, UNORDERED.0, &messages[0]);
}

#[test]
#[should_panic(expected = "out of order")]
fn a_message_out_of_order_is_found() {
    let (mut ledger, messages) = with_sent(2, LATEST);
    ledger.delivered(1, LATEST.0, &messages[1]);
    ledger.delivered(1, LATEST.0, &messages[0]);
}

#[test]
#[should_panic(expected = "forged")]
fn a_message_of_nobody_is_found() {
    let (mut ledger, _) = with_sent(1, ORDERED);
    ledger.delivered(1, ORDERED.0, &[0xff; 20]);
}

#[test]
#[should_panic(expected = "not as it was sent")]
fn a_changed_message_is_found() {
    let (mut ledger, mut messages) = with_sent(1, ORDERED);
    messages[0][19] ^= 1;
    ledger.delivered(1, ORDERED.0, &messages[0]);
}

#[test]
#[should_panic(expected = "another session")]
fn a_message_of_another_session_is_found() {
    let (mut ledger, messages) = with_sent(1, ORDERED);
    ledger.set_uid(1, Some(Uid([2; 16])));
    ledger.delivered(1, ORDERED.0, &messages[0]);
}

#[test]
#[should_panic(expected = "came on")]
fn a_message_on_another_channel_is_found() {
    let (mut ledger, messages) = with_sent(1, ORDERED);
    ledger.delivered(1, UNORDERED.0, &messages[0]);
}

#[test]
#[should_panic(expected = "counts as arrived, and was lost")]
fn an_acknowledgement_of_what_did_not_arrive_is_found() {
    let (mut ledger, messages) = with_sent(2, ORDERED);
    ledger.delivered(1, ORDERED.0, &messages[0]);
    ledger.ended(0, ORDERED.0, report(42));
    ledger.finish();
}

#[test]
#[should_panic(expected = "counts as arrived, and was lost")]
fn a_channel_that_closes_with_a_gap_is_found() {
    let (mut ledger, _) = with_sent(1, UNORDERED);
    ledger.channel_closed(0, UNORDERED.0);
    ledger.finish();
}

#[test]
#[should_panic(expected = "expires twice")]
fn a_message_that_expires_twice_is_found() {
    let (mut ledger, _) = with_sent(1, ORDERED);
    ledger.expired(0, ORDERED.0, 21);
    ledger.expired(0, ORDERED.0, 21);
}

#[test]
fn what_an_application_left_unread_was_not_lost_on_the_way() {
    let (mut ledger, _) = with_sent(2, UNORDERED);
    ledger.left(1);
    ledger.ended(0, UNORDERED.0, report(21));
    ledger.finish();
    let totals = ledger.totals();
    assert_eq!((totals.unread, totals.reported_lost, totals.silent_lost), (1, 1, 0));
    let (mut ledger, _) = with_sent(2, ORDERED);
    ledger.expired(0, ORDERED.0, 21);
    ledger.ended(0, ORDERED.0, report(42));
    ledger.finish();
    assert_eq!((ledger.totals().unread, ledger.totals().reported_lost), (1, 1), "it stands behind a gap");
}
