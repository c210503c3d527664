//! What the image of `tests/cortex-m` runs, on this machine. `just cortex-m` compares the hashes of both.

use std::fmt::Write as _;

use session_scenario::{Meter, RECONNECTS, Report, run};

/// This machine tells nothing: `tests/tests/allocation.rs` watches the heap, `just instructions` counts.
struct Silent;

impl Meter for Silent {
    fn instructions(&mut self) -> u64 {
        0
    }

    fn heap(&self) -> usize {
        0
    }
}

/// The hash is over every datagram: the same code sends the same bytes again. Another machine is asked by `just cortex-m`.
#[test]
fn two_small_ends_say_the_same_every_time() {
    let [first, second] = [(); 2].map(|()| run(&mut Silent, RECONNECTS));
    assert_eq!(first, second);
    let Report { digest, datagrams, .. } = first;
    // A handshake takes four datagrams at least, messages and the close the rest.
    assert!(datagrams > 10 * RECONNECTS as u64, "{datagrams} datagrams");
    let hex = digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    println!("\ndatagrams {datagrams}\ndigest {hex}");
}
