//! What a program says when it is asked what it is doing.

use crate::support::{Outcome, Process, World};
use rustix::process::Signal;

#[test]
fn a_listener_that_is_asked_writes_out_what_it_is_doing_and_goes_on() {
    for runtime in ["tokio", "smol"] {
        let world = World::new();
        let mut listener = world.listen(&["--runtime", runtime]);
        let mut ping = Process::start(world.dial_command("ping", &listener.address, &["--interval", "0.01"]));
        ping.line();
        listener.process.signal(Signal::USR1);
        for start in [&format!("socket {}: ", listener.address), "endpoint: 1 of ", "  queues: "] {
            let line = listener.process.error_line();
            assert!(line.starts_with(start), "{line}");
        }
        let session = listener.process.error_line();
        assert!(session.starts_with("session ") && session.contains(" Established with "), "{session}");
        ping.signal(Signal::INT);
        ping.wait();
        assert!(listener.news().starts_with("pinged, "));
        // It serves on.
        let options = ["--count", "1"];
        let outcome = Outcome::of(&mut world.dial_command("ping", &listener.address, &options));
        assert_eq!((outcome.code, outcome.error.as_str()), (Some(0), ""));
    }
}
