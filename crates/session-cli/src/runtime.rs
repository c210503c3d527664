//! The two runtimes a command can run on, behind the few things it needs of one.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use clap::ValueEnum;
use session_tokio::{BindError, Endpoint, EndpointBuilder};

use crate::exit::{Exit, Failure, reason};
use crate::interrupt;

/// What runs the tasks of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Runtime {
    /// tokio, with a thread for each processor.
    #[default]
    Tokio,
    /// smol, with one thread for the tasks and one for the command.
    Smol,
}

impl Runtime {
    /// The name, as on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tokio => "tokio",
            Self::Smol => "smol",
        }
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// If the runtime cannot start, or the command fails.
    pub fn run<T>(self, command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        match self {
            Self::Tokio => {
                let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
                let runtime = runtime.map_err(|error| not_started(&error))?;
                let result = runtime.block_on(command);
                // What still blocks, such as a look-up of a host name, must not hold up the end.
                runtime.shutdown_background();
                result
            }
            Self::Smol => smol::block_on(command),
        }
    }

    /// Binds a configured endpoint to `address`. From then on SIGUSR1 makes it write out what it is doing.
    ///
    /// # Errors
    /// As the adapters' `bind`.
    pub async fn bind(self, builder: EndpointBuilder, address: SocketAddr) -> Result<Endpoint, BindError> {
        let endpoint = match self {
            Self::Tokio => session_tokio::Bind::bind(builder, address).await,
            Self::Smol => session_smol::Bind::bind(builder, address).await,
        }?;
        if let Some(dumps) = interrupt::dumps(endpoint.clone()) {
            self.spawn(dumps);
        }
        Ok(endpoint)
    }

    /// Starts a task of its own.
    pub fn spawn(self, task: impl Future<Output = ()> + Send + 'static) {
        match self {
            Self::Tokio => drop(tokio::spawn(task)),
            Self::Smol => smol::spawn(task).detach(),
        }
    }

    /// Waits.
    pub async fn sleep(self, duration: Duration) {
        match self {
            Self::Tokio => tokio::time::sleep(duration).await,
            Self::Smol => drop(smol::Timer::after(duration).await),
        }
    }

    /// Runs `future` for at most `limit`; `None` if that was too short.
    pub async fn within<T>(self, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        let late = async {
            self.sleep(limit).await;
            None
        };
        smol::future::or(async { Some(future.await) }, late).await
    }
}

fn not_started(error: &io::Error) -> Failure {
    let problem = format!("the runtime cannot start ({})", reason(error));
    Failure::new(Exit::Internal, problem, "free threads and file descriptors, or try --runtime smol")
}
