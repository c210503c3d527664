//! Questions to the person at the terminal, one at a time.

use std::io::{self, IsTerminal as _};

use rustix::termios::{QueueSelector, tcflush};

/// The person who types.
#[derive(Default)]
pub struct Console {
    turn: smol::lock::Mutex<()>,
}

impl Console {
    /// Nobody has been asked anything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks by `question` when it is this one's turn, and waits for a line; only "yes" means yes. The end of the input means no.
    pub async fn confirm(&self, question: impl FnOnce()) -> bool {
        let _turn = self.turn.lock().await;
        let input = io::stdin();
        if input.is_terminal() {
            // What was typed before the question is no answer to it. Where that cannot be dropped, it has been read as a line.
            let _ = tcflush(&input, QueueSelector::IFlush);
        }
        question();
        let line = smol::unblock(|| {
            let mut line = String::new();
            io::stdin().read_line(&mut line).map(|_| line)
        });
        line.await.is_ok_and(|line| line.trim() == "yes")
    }
}
