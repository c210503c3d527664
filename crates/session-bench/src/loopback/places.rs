//! Where the two ends run: on the same threads, or each on its own as two nodes do.

use std::future::Future;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

use crate::Failure;

/// The near end's runtime, whose tasks run while somebody waits in it, and the far end's.
pub(super) struct Places {
    near: Runtime,
    far: Option<Elsewhere>,
}

/// A thread whose runtime runs until it is dropped.
struct Elsewhere {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Places {
    /// What `#[tokio::main]` gives on a machine of two processors, for both.
    pub(super) fn pool() -> Result<Arc<Self>, Failure> {
        Self::together(Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
    }

    /// Everything on one thread: no wake-up crosses processors.
    pub(super) fn one_thread() -> Result<Arc<Self>, Failure> {
        Self::together(current_thread()?)
    }

    /// A thread for each end.
    pub(super) fn apart() -> Result<Arc<Self>, Failure> {
        Ok(Arc::new(Self { near: current_thread()?, far: Some(Elsewhere::new()?) }))
    }

    fn together(near: Runtime) -> Result<Arc<Self>, Failure> {
        Ok(Arc::new(Self { near, far: None }))
    }

    /// Waits at the near end.
    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.near.block_on(future)
    }

    pub(super) fn near(&self) -> &Handle {
        self.near.handle()
    }

    pub(super) fn far(&self) -> &Handle {
        self.far.as_ref().map_or(self.near.handle(), |elsewhere| &elsewhere.handle)
    }
}

impl Elsewhere {
    fn new() -> Result<Self, Failure> {
        let runtime = current_thread()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            // An error says that nobody holds the other end any more: stopped as well.
            let _ = runtime.block_on(stopped);
        });
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn current_thread() -> Result<Runtime, Failure> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}
