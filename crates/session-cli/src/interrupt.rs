//! Signals: Ctrl-C, told to whoever waits, and the one that asks what the program is doing.

use std::io;
use std::pin::pin;

use async_signal::{Signal, Signals};
use smol::stream::StreamExt as _;

use session_tokio::Endpoint;

use crate::exit::{Exit, Failure, reason};

/// Turns SIGINT and SIGTERM from the end of the process into something to wait for. It works on every runtime.
pub struct Interrupt {
    signals: Signals,
}

impl Interrupt {
    /// From here on the signals no longer end the process.
    ///
    /// # Errors
    /// A sentence, where the system has no handle left.
    pub fn catch() -> Result<Self, Failure> {
        let signals = Signals::new([Signal::Int, Signal::Term]).map_err(|error: io::Error| {
            let problem = format!("signals cannot be caught ({})", reason(&error));
            Failure::new(Exit::Internal, problem, "free file descriptors")
        })?;
        Ok(Self { signals })
    }

    /// Waits for the next signal.
    pub async fn raised(&self) {
        let mut signals = pin!(&self.signals);
        if signals.next().await.is_none() {
            smol::future::pending::<()>().await;
        }
    }
}

/// Answers SIGUSR1, while `endpoint` is open, by writing out on standard error what it is doing; `None` where there is no such signal.
pub fn dumps(endpoint: Endpoint) -> Option<impl Future<Output = ()> + Send + 'static> {
    #[cfg(unix)]
    let asked = Signals::new([Signal::Usr1]).ok();
    #[cfg(not(unix))]
    let asked: Option<Signals> = None;
    let mut asked = asked?;
    Some(async move {
        while asked.next().await.is_some() {
            // In one piece. That nobody reads it is no reason to stop.
            let _ = io::Write::write_all(&mut io::stderr(), endpoint.dump().as_bytes());
        }
    })
}
