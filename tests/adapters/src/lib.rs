//! What the adapters of all runtimes are tested with, written once: scenarios over the loopback interface, and the examples that each of them has.
//!
//! An adapter says what its runtime is ([`Runtime`]) and has a test for each of these; what only it can do, as the traits of its runtime's byte streams, it brings along.

pub mod examples;
pub mod loopback;

use std::future::Future;
use std::net::SocketAddr;

use session_driver::{BindError, Endpoint, EndpointBuilder};

/// An adapter and its runtime.
pub trait Runtime: Copy {
    /// The adapter's `bind`.
    fn bind(
        self,
        builder: EndpointBuilder,
        address: SocketAddr,
    ) -> impl Future<Output = Result<Endpoint, BindError>> + Send;

    /// Runs `future` as a task of its own from now on; the result waits for it.
    fn spawn<T: Send + 'static>(
        self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send;
}
