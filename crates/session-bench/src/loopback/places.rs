//! Where the two ends run: on the same threads, or each on its own as two nodes do.

use std::future::Future;
use std::hint;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use rustix::process::nice;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

use crate::Failure;

const LEAST_PRIORITY: i32 = 19;

/// The near end's runtime, whose tasks run while somebody waits in it, and the far end's.
pub(super) struct Places {
    near: Runtime,
    far: Option<Elsewhere>,
}

/// While it lives, this thread has the first processor for its own, the far end's thread of [`Places::apart`] the second, and none sleeps: threads of the least priority do
/// nothing on each. What waking a processor costs is the machine's matter, and where threads wander from one to another every figure is two.
pub(super) struct Processors {
    before: Vec<usize>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Processors {
    pub(super) fn take() -> Result<Self, Failure> {
        let before = affinity::processors()?;
        let stop = Arc::new(AtomicBool::new(false));
        let watch = |processor: usize, stop: Arc<AtomicBool>| {
            move || {
                // Without both it would take turns with the ends.
                if affinity::stay_on(&[processor]).is_err() || nice(LEAST_PRIORITY).is_err() {
                    return;
                }
                while !stop.load(Ordering::Relaxed) {
                    hint::spin_loop();
                }
            }
        };
        let threads = before.iter().map(|processor| thread::spawn(watch(*processor, Arc::clone(&stop)))).collect();
        let taken = Self { before, stop, threads };
        affinity::stay_on(taken.before.get(..1).unwrap_or_default())?;
        Ok(taken)
    }

    /// Where the far end is to run: on the second, if there is one.
    fn second(&self) -> Vec<usize> {
        self.before.iter().take(2).next_back().copied().into_iter().collect()
    }
}

impl Drop for Processors {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
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

/// Elsewhere threads go where the system wants them, and no processor is kept awake.
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

    /// A thread for each end, and a processor for each.
    pub(super) fn apart(processors: &Processors) -> Result<Arc<Self>, Failure> {
        Ok(Arc::new(Self { near: current_thread()?, far: Some(Elsewhere::new(processors.second())?) }))
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
    fn new(processors: Vec<usize>) -> Result<Self, Failure> {
        let runtime = current_thread()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let _ = affinity::stay_on(&processors);
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
