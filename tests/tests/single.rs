//! Stand-alone sessions, without an endpoint in sight.

use session_core::{ChannelId, Limits, State};
use session_tests::{Duo, Setup};

/// What a microcontroller may spare: blocks of 256 bytes, a pool of 24 KiB.
fn small() -> Setup {
    let mut limits = Limits::default();
    limits.block_size = 256;
    limits.pool_blocks = 96;
    limits.session_window = 4096;
    limits.channel_window = 4096;
    limits.send_blocks = 24;
    limits.record_blocks = 8;
    Setup { limits, channels: vec![ChannelId(16).into()], ..Setup::default() }
}

/// Either end begins, either end closes, in order and at once; the next session begins the instant the last was told closed.
#[test]
fn two_stand_alone_sessions_connect_again_a_hundred_times() {
    let mut duo = Duo::new(&small());
    for round in 0..100 {
        duo.live(round % 2, round / 2 % 2, round / 4 % 2 == 0, &[0, 1, 1000, 3000]);
    }
    assert_ne!(duo.states(), [State::Established; 2]);
}
