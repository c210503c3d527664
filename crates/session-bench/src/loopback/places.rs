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

/// While it lives, this thread and those it begins share one processor, so that waking another thread is a switch to it. To wake another processor costs
/// several times as much, which is the machine's matter, and where threads wander from one to another every figure is two.
pub(super) struct OneProcessor {
    before: Vec<usize>,
}

impl OneProcessor {
    pub(super) fn take() -> Result<Self, Failure> {
        let before = affinity::processors()?;
        affinity::stay_on(before.get(..1).unwrap_or_default())?;
        Ok(Self { before })
    }
}

impl Drop for OneProcessor {
    fn drop(&mut self) {
        let _ = affinity::stay_on(&self.before);
    }
}

/// Which processors this thread may run on.
#[cfg(target_os = "linux")]
mod affinity {
    use rustix::io::Result;
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    pub(super) fn processors() -> Result<Vec<usize>> {
        let set = sched_getaffinity(None)?;
        Ok((0..CpuSet::MAX_CPU).filter(|processor| set.is_set(*processor)).collect())
    }

    pub(super) fn stay_on(processors: &[usize]) -> Result<()> {
        let mut set = CpuSet::new();
        processors.iter().for_each(|processor| set.set(*processor));
        sched_setaffinity(None, &set)
    }
}

/// Elsewhere threads go where the system wants them.
#[cfg(not(target_os = "linux"))]
mod affinity {
    use rustix::io::Result;

    pub(super) fn processors() -> Result<Vec<usize>> {
        Ok(Vec::new())
    }

    pub(super) fn stay_on(_: &[usize]) -> Result<()> {
        Ok(())
    }
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

    /// A thread for each end, and a runtime on each, as two nodes have.
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
