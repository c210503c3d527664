use super::*;

fn message(channel: u64, end_offset: u64) -> MessageId {
    MessageId { channel: ChannelId(channel), end_offset }
}

#[test]
fn the_newest_are_kept_and_each_is_named_once() {
    let mut expired = Expired::default();
    let bound = u64::from(MAX_EXPIRING);
    for end in 1..=bound + 3 {
        expired.put(message(16, end));
    }
    expired.put(message(17, 1));
    let named: Vec<_> = std::iter::from_fn(|| expired.take(ChannelId(16))).collect();
    assert_eq!(named, (4..=bound + 3).map(|end| message(16, end)).collect::<Vec<_>>());
    assert_eq!(expired.take(ChannelId(17)), Some(message(17, 1)));
    assert!(expired.is_empty(), "a channel takes memory as long as there is something to name");
    expired.put(message(18, 1));
    expired.forget(ChannelId(18));
    assert!(expired.is_empty());
}
