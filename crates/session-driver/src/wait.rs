//! The one future of this crate: try, and wait for the topic that makes another try worthwhile.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use session_core::Instant;

use crate::shared::{Shared, State, Ticket, Topic};

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
    ticket: Option<Ticket>,
}

impl<'a, F> WaitFor<'a, F> {
    pub(crate) fn new<T>(shared: &'a Shared, attempt: F) -> Self
    where
        F: FnMut(&mut State, Instant) -> Step<T> + Unpin,
    {
        Self { shared, attempt, ticket: None }
    }
}

impl<T, F> Future for WaitFor<'_, F>
where
    F: FnMut(&mut State, Instant) -> Step<T> + Unpin,
{
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Self { shared, attempt, ticket } = self.get_mut();
        shared.with(|state, now| match attempt(state, now) {
            Step::Done(value) => {
                state.leave(ticket);
                Poll::Ready(value)
            }
            Step::Wait(topic) => {
                state.wait(ticket, topic, context.waker());
                Poll::Pending
            }
        })
    }
}

impl<F> Drop for WaitFor<'_, F> {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            self.shared.with(|state, _| state.leave(&mut self.ticket));
        }
    }
}

#[cfg(test)]
mod tests;
