//! `docs/bounds.md` is made from [`Limits`]: this test fails when it is out of date, and `just bounds` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use session_core::request::MAX_IN_FLIGHT;
use session_core::{
    ChannelLimits, ChannelMode, ChannelOptions, Config, Endpoint, Limits, MAX_CARRIERS, MAX_CHANNELS,
    MAX_COSTLY_FRAMES, MAX_DYNAMIC_CHANNELS, MAX_EXPIRING, MAX_SPARE_IDS, MAX_TENTATIVE_PER_PEER, MAX_TEXT,
    MAX_USER_DATA, MIN_UDP_DATAGRAM, RustCrypto, Secret, StaticKey, TIMEOUTS_PER_CALL,
};

type Row = (&'static str, u64, &'static str, &'static str);

/// The tests that drive the core to each bound, as cargo names them: in `tests/tests`, or in the core.
const SHOWN_BY: &[(&str, &[&str])] = &[
    ("sessions", &["sessions_at_the_bound::sessions"]),
    ("pending", &["sessions_at_the_bound::pending"]),
    (
        "pool_blocks",
        &[
            "channels_at_the_bound::pool_blocks_of_senders",
            "channels_at_the_bound::pool_blocks_of_many_senders",
            "channels_at_the_bound::pool_blocks_of_receivers",
        ],
    ),
    ("block_size", &["sessions_at_the_bound::configurations"]),
    ("hot_keys", &["sessions_at_the_bound::hot_keys"]),
    (
        "session_window",
        &[
            "channels_at_the_bound::session_window",
            "endpoint::tests::data::the_credit_of_a_session_binds_all_its_channels_together",
        ],
    ),
    (
        "channel_window",
        &["channels_at_the_bound::channel_window", "fuzz::tests::each_fault_closes_either_side_with_its_code"],
    ),
    ("send_blocks", &["channels_at_the_bound::send_blocks"]),
    ("mailbox_blocks", &["channels_at_the_bound::mailbox_blocks"]),
    ("session_mailbox_blocks", &["channels_at_the_bound::session_mailbox_blocks"]),
    ("record_blocks", &["channels_at_the_bound::record_blocks"]),
    ("opened_channels", &["channels_at_the_bound::opened_channels"]),
    (
        "key_packets",
        &[
            "endpoint::tests::rekey::who_sends_much_gets_new_keys_as_often_as_that_takes",
            "endpoint::tests::stranger::d6_a_session_ends_before_a_key_has_sealed_too_much",
        ],
    ),
    (
        "forged_packets",
        &[
            "endpoint::tests::rekey::d10_forged_packets_bring_new_keys",
            "endpoint::tests::rekey::d10_a_session_ends_before_a_key_has_met_too_many_forged_packets",
        ],
    ),
    (
        "spare_ids",
        &[
            "endpoint::tests::ids::each_end_gives_as_many_ids_as_both_keep",
            "endpoint::tests::ids::a_peer_that_gives_more_ids_than_are_kept_is_closed",
        ],
    ),
    (
        "Config::channel_limits",
        &["channels_at_the_bound::channel_limits", "endpoint::tests::channels::who_opens_more_than_allowed_is_closed"],
    ),
    ("ChannelOptions::budget", &["channels_at_the_bound::channel_budget"]),
    ("MAX_CHANNELS", &["sessions_at_the_bound::configurations"]),
    ("MAX_CARRIERS", &["sessions_at_the_bound::configurations"]),
    ("TIMEOUTS_PER_CALL", &["sessions_at_the_bound::timeouts_per_call"]),
    ("request::MAX_IN_FLIGHT", &["sessions_at_the_bound::requests_in_flight"]),
    ("MAX_TENTATIVE_PER_PEER", &["attempts::a_fifth_attempt_waits_for_one_of_four_tentative_slots"]),
    (
        "MAX_DYNAMIC_CHANNELS",
        &["endpoint::tests::channels::more_dynamic_channels_than_there_may_be_are_no_configuration"],
    ),
    ("MAX_SPARE_IDS", &["sessions_at_the_bound::configurations"]),
    ("MAX_EXPIRING", &["channels_at_the_bound::expiring"]),
    (
        "MAX_COSTLY_FRAMES",
        &[
            "endpoint::tests::data::d17_a_packet_holds_at_most_64_frames_that_name_a_channel_whatever_they_are",
            "endpoint::tests::floods::d15_a_packet_holds_at_most_64_acknowledgements",
        ],
    ),
    ("MAX_USER_DATA", &["sessions_at_the_bound::user_data", "wire::control::tests::bounds_are_kept"]),
    ("MAX_TEXT", &["sessions_at_the_bound::texts", "wire::text::tests::a_text_is_at_most_128_bytes_of_utf_8"]),
    (
        "MIN_UDP_DATAGRAM",
        &["endpoint::tests::stranger::h10_a_hello_of_1199_bytes_is_answered_only_where_addresses_are_proven"],
    ),
];

/// Every limit, what it bounds, and what happens there.
fn limits() -> [Row; 15] {
    let Limits {
        sessions,
        pending,
        pool_blocks,
        block_size,
        hot_keys,
        session_window,
        channel_window,
        send_blocks,
        mailbox_blocks,
        session_mailbox_blocks,
        record_blocks,
        opened_channels,
        key_packets,
        forged_packets,
        spare_ids,
        ..
    } = Limits::default();
    [
        (
            "sessions",
            sessions.into(),
            "sessions in any state",
            "`connect` says `TooManySessions`; a Hello is discarded: `SessionsFull`",
        ),
        (
            "pending",
            pending.into(),
            "responder slots that have not proved themselves",
            "a Hello is discarded: `PendingFull`",
        ),
        (
            "pool_blocks",
            pool_blocks.into(),
            "blocks for payload, records and handshakes",
            "`send` says `Blocked`; received data is not acknowledged",
        ),
        ("block_size", block_size.into(), "bytes of a block, 256 or 1024", "–"),
        (
            "hot_keys",
            hot_keys.into(),
            "sessions whose expanded keys are kept",
            "the coldest are expanded again when needed",
        ),
        (
            "session_window",
            session_window,
            "received, unread positions of a session",
            "the peer's credit ends; more closes the session: `FLOW_CONTROL`",
        ),
        ("channel_window", channel_window, "received, unread positions of a channel", "the same"),
        ("send_blocks", send_blocks.into(), "blocks of unacknowledged data of a channel", "`send` says `Blocked`"),
        (
            "mailbox_blocks",
            mailbox_blocks.into(),
            "blocks of unread messages of an unreliable or latest-value channel",
            "unreliable: dropped and counted; latest-value: the older goes, else not acknowledged",
        ),
        (
            "session_mailbox_blocks",
            session_mailbox_blocks.into(),
            "the same of all these channels of a session together",
            "the same",
        ),
        (
            "record_blocks",
            record_blocks.into(),
            "blocks of records of packets on their way",
            "no more data until an acknowledgement",
        ),
        (
            "opened_channels",
            opened_channels.into(),
            "dynamic channels of a session that we opened and that are not gone",
            "`open_channel` says `Full`",
        ),
        (
            "key_packets",
            key_packets.into(),
            "packets sealed under one key, and never more than 8,323,072",
            "new keys are agreed on; without an answer the session closes: `KEY_LIMIT`",
        ),
        (
            "forged_packets",
            forged_packets.into(),
            "forged packets that name a session, until new keys are asked for",
            "new keys are agreed on; at 32,767 times as many under one key the session closes: `KEY_LIMIT`",
        ),
        (
            "spare_ids",
            spare_ids.into(),
            "ids of each end beside the one in use",
            "no more are given; more from a peer closes the session: `PROTOCOL`",
        ),
    ]
}

/// The same of what is chosen elsewhere.
fn options() -> [Row; 2] {
    let allowed = ChannelLimits::default();
    [
        (
            "Config::channel_limits",
            ChannelMode::ALL.iter().map(|mode| u64::from(allowed.of(*mode))).sum(),
            "dynamic channels of a session, by mode, that the peer opened and that are not gone",
            "the peer's limit ends; more closes the session: `CHANNEL_LIMIT`",
        ),
        (
            "ChannelOptions::budget",
            ChannelOptions::new().budget.into(),
            "blocks of unacknowledged data of this channel, where that is less than `send_blocks`",
            "`send` says `Blocked`",
        ),
    ]
}

/// The same of what cannot be chosen.
fn constants() -> [Row; 12] {
    [
        ("MAX_CHANNELS", MAX_CHANNELS as u64, "channels agreed beforehand", "`ConfigError::Channels`"),
        ("MAX_CARRIERS", MAX_CARRIERS as u64, "carriers of an endpoint", "`ConfigError::Carriers`"),
        (
            "TIMEOUTS_PER_CALL",
            TIMEOUTS_PER_CALL as u64,
            "sessions whose deadlines one `handle_timeout` serves",
            "`next_deadline` stays in the past: call again",
        ),
        (
            "request::MAX_IN_FLIGHT",
            MAX_IN_FLIGHT as u64,
            "requests in flight of a requester, and served by a responder",
            "`request` says `Full`; of a peer: answered with status Busy",
        ),
        (
            "MAX_TENTATIVE_PER_PEER",
            MAX_TENTATIVE_PER_PEER as u64,
            "responder slots of one peer that have not proved themselves",
            "a Hello is discarded: `PeerPending`",
        ),
        (
            "MAX_DYNAMIC_CHANNELS",
            MAX_DYNAMIC_CHANNELS.into(),
            "`opened_channels` and all of `Config::channel_limits` together",
            "`ConfigError::DynamicChannels`",
        ),
        ("MAX_SPARE_IDS", MAX_SPARE_IDS.into(), "`spare_ids`", "`ConfigError::Limits`"),
        (
            "MAX_EXPIRING",
            MAX_EXPIRING.into(),
            "messages of a channel that have a deadline, until they are acknowledged or named as expired",
            "`send_with` says `Blocked`; expired ones nobody asked for give way",
        ),
        (
            "MAX_COSTLY_FRAMES",
            MAX_COSTLY_FRAMES as u64,
            "frames of a packet that name a channel or acknowledge",
            "more closes the session: `PROTOCOL`",
        ),
        (
            "MAX_USER_DATA",
            MAX_USER_DATA as u64,
            "bytes of user data in CONNECT and ACCEPT",
            "`UserData`; from a peer: `FRAME_ENCODING`",
        ),
        ("MAX_TEXT", MAX_TEXT as u64, "bytes of text in CLOSE and REFUSE", "cut; from a peer: `FRAME_ENCODING`"),
        (
            "MIN_UDP_DATAGRAM",
            MIN_UDP_DATAGRAM.into(),
            "bytes of the first datagram over UDP, at least",
            "discarded: `Undersized`",
        ),
    ]
}

/// What the table cannot say.
const SENDING: &str = "
What a session holds to be sent is bounded by its channels: each holds up to its budget, so a session holds no more than the sum, and a pool from which all sessions with all their channels can be served has as many blocks.
There is no bound over the channels of one session: one channel of it could then stop another, for which a budget is the better tool. A peer that opens channels, asks for much on each and acknowledges nothing holds
`Config::channel_limits` times the budget of `Config::accepted_channels`; where sessions share the pool, the default budget (`send_blocks`) is too much for more than a few.
";

fn tests_of(name: &str) -> &'static [&'static str] {
    SHOWN_BY.iter().find(|(row, _)| *row == name).map_or(&[], |(_, tests)| tests)
}

fn table() -> String {
    let mut table = String::from(
        "# Bounds\n\nMade from `Limits` by `just bounds`; `cargo test` fails when it is out of date.\n\n\
         | limit | default | bounds | at the bound | shown by |\n|---|---|---|---|---|\n",
    );
    for (name, default, bounds, there) in limits().into_iter().chain(options()).chain(constants()) {
        let default = if default == u64::from(u32::MAX) { "–".into() } else { default.to_string() };
        let tests = tests_of(name).iter().map(|test| format!("`{test}`")).collect::<Vec<_>>().join(", ");
        writeln!(table, "| `{name}` | {default} | {bounds} | {there} | {tests} |").unwrap();
    }
    table.push_str(SENDING);
    table.push_str(&profiles());
    table
}

/// The profiles side by side, and what each takes.
fn profiles() -> String {
    let profiles = [Limits::tiny(), Limits::default(), Limits::server()];
    let mut table = String::from(
        "\n## Profiles\n\nHeap is what `Endpoint::memory_need` says of a 64-bit machine for one reliable channel and `RustCrypto`: with the endpoint, and once all \
         sessions were there at a time.\n\n| limit | `tiny` | `default` | `server` |\n|---|--:|--:|--:|\n",
    );
    let columns = profiles.each_ref().map(fields);
    for (row, (name, _)) in columns[0].iter().enumerate() {
        let [tiny, default, server] = columns.each_ref().map(|column| column[row].1.as_str());
        writeln!(table, "| `{name}` | {tiny} | {default} | {server} |").unwrap();
    }
    let config = Config::new(StaticKey::new(&RustCrypto, Secret::new([1; 32])), "bounds");
    let needs = profiles.map(|limits| Endpoint::<RustCrypto>::memory_need(&config, &limits).expect("a profile works"));
    let [tiny, default, server] = needs.map(|need| need.at_start);
    writeln!(table, "| bytes of heap at the start | {tiny} | {default} | {server} |").unwrap();
    let [tiny, default, server] = needs.map(|need| need.at_most);
    writeln!(table, "| bytes of heap at most | {tiny} | {default} | {server} |").unwrap();
    table
}

/// Names and values of all limits, by their own words.
fn fields(limits: &Limits) -> Vec<(String, String)> {
    let words = format!("{limits:?}");
    let fields = words.trim_start_matches("Limits { ").trim_end_matches(" }").split(", ");
    fields
        .map(|field| field.split_once(": ").expect("name: value"))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// Whether `text` has a test of this name.
fn has_test(text: &str, name: &str) -> bool {
    let attributes = text.split_once(&format!("fn {name}(")).map(|(before, _)| before);
    attributes.is_some_and(|before| before.trim_end().ends_with("#[test]"))
}

#[test]
fn every_row_has_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [root.join("tests"), root.join("../crates/session-core/src")];
    for (row, ..) in limits().into_iter().chain(options()).chain(constants()) {
        assert!(!tests_of(row).is_empty(), "nothing drives the core to the bound {row}");
        for test in tests_of(row) {
            let (module, name) = test.rsplit_once("::").expect("a module and a name");
            let file = format!("{}.rs", module.replace("::", "/"));
            let texts = folders.iter().filter_map(|folder| std::fs::read_to_string(folder.join(&file)).ok());
            assert!(texts.into_iter().any(|text| has_test(&text, name)), "{row}: there is no test {test}");
        }
    }
}

#[test]
fn a_test_that_is_none_is_noticed() {
    let text = "#[test]\nfn one() {}\n\nfn two() {}\n";
    assert_eq!(["one", "two", "three"].map(|name| has_test(text, name)), [true, false, false]);
}

/// `Limits` may grow: its own words say which there are.
#[test]
fn no_limit_is_left_out() {
    let rows = limits().map(|(name, default, ..)| (name.to_owned(), default.to_string()));
    assert_eq!(fields(&Limits::default()), rows);
}

#[test]
fn the_published_table_is_the_limits() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/bounds.md");
    if std::env::var_os("UPDATE_BOUNDS").is_some() {
        std::fs::write(&path, table()).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(published, table(), "run `just bounds`");
}
