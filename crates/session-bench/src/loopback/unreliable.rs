//! Messages that nobody sends again: how many arrive, and what they cost.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::Places;
use crate::Failure;
use crate::clock::{now, processor_time};

/// How often is looked whether any have come.
const LOOK: Duration = Duration::from_millis(1);
/// Looks without one more, after which those that are missing are lost.
const LOOKS: usize = 100;

/// Of `count` messages, what `receive` had counted when no more came: microseconds of processor time of each that came, how many came in a second,
/// and the part that came.
pub(super) fn figures<Receive>(
    places: &Places,
    count: usize,
    receive: impl FnOnce(Arc<AtomicUsize>) -> Receive,
    send: impl Future<Output = Result<(), Failure>>,
) -> Result<Vec<f64>, Failure>
where
    Receive: Future<Output = Result<(), Failure>> + Send + 'static,
{
    places.block_on(async {
        let counted = Arc::new(AtomicUsize::new(0));
        let (start, processor) = (now(), processor_time());
        let receive = places.far().spawn(receive(Arc::clone(&counted)));
        send.await?;
        let (mut arrived, mut end, mut looks) = (0, now(), 0);
        while arrived < count && looks < LOOKS && !receive.is_finished() {
            let more = counted.load(Ordering::Relaxed);
            if more > arrived {
                (arrived, end, looks) = (more, now(), 0);
            } else {
                looks += 1;
            }
            tokio::time::sleep(LOOK).await;
        }
        let processor = processor_time() - processor;
        if receive.is_finished() {
            receive.await??;
        } else {
            receive.abort();
        }
        let arrived = counted.load(Ordering::Relaxed);
        if arrived == 0 {
            return Err("no message came".into());
        }
        let (came, time) = (arrived as f64, (end - start).as_secs_f64());
        Ok(vec![processor.as_secs_f64() * 1e6 / came, came / time, came / count as f64])
    })
}
