//! The one future of this crate: try, and wait for the topic that makes another try worthwhile.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use session_core::Instant;

use crate::shared::{Shared, State};
use crate::waiters::{Ticket, Topic};

/// What an attempt came to.
pub(crate) enum Step<T> {
    Done(T),
    /// Nothing has changed; try again after this.
    Wait(Topic),
}

/// Attempts until done. Only the attempt that is done changes anything, and it completes the future: dropping one that is not
/// complete loses nothing.
pub(crate) struct WaitFor<'a, F> {
    shared: &'a Shared,
    attempt: F,
    seat: Seat,
}

/// A place among those who wait, for handles that are polled rather than awaited. Its owner leaves it when it is dropped.
#[derive(Default)]
pub(crate) struct Seat(Option<Ticket>);

impl Seat {
    /// Attempts once; where there is nothing to be had, the context's task is woken when another try is worthwhile.
    pub(crate) fn poll<T>(
        &mut self,
        shared: &Shared,
        context: &Context<'_>,
        attempt: impl FnOnce(&mut State, Instant) -> Step<T>,
    ) -> Poll<T> {
        shared.with(|state, now| match attempt(state, now) {
            Step::Done(value) => {
                state.leave(&mut self.0);
                Poll::Ready(value)
            }
            Step::Wait(topic) => {
                state.wait(&mut self.0, topic, context.waker());
                Poll::Pending
            }
        })
    }

    pub(crate) fn leave(&mut self, shared: &Shared) {
        if self.0.is_some() {
            shared.with(|state, _| state.leave(&mut self.0));
        }
    }
}

impl<'a, F> WaitFor<'a, F> {
    pub(crate) fn new<T>(shared: &'a Shared, attempt: F) -> Self
    where
        F: FnMut(&mut State, Instant) -> Step<T> + Unpin,
    {
        Self { shared, attempt, seat: Seat::default() }
    }
}

impl<T, F> Future for WaitFor<'_, F>
where
    F: FnMut(&mut State, Instant) -> Step<T> + Unpin,
{
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Self { shared, attempt, seat } = self.get_mut();
        seat.poll(shared, context, attempt)
    }
}

impl<F> Drop for WaitFor<'_, F> {
    fn drop(&mut self) {
        self.seat.leave(self.shared);
    }
}

#[cfg(test)]
mod tests;
