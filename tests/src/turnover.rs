//! Dynamic channels that both sides open, use and end in every way, with messages that may be late.

use std::time::Duration;

use session_core::{ChannelId, ChannelMode, ChannelOptions, Event, Provider, SendOptions, SessionId};

use crate::world::World;

/// What came of the channels of a session. What it does follows from the number of the round alone.
#[derive(Debug)]
pub struct Turnover {
    ends: [(usize, SessionId); 2],
    /// Channels that are not gone, and the side that opened each.
    open: Vec<(usize, ChannelId)>,
    rounds: usize,
    /// Channels opened.
    pub opened: u64,
    /// Messages received.
    pub received: u64,
    /// Messages given up at their deadline.
    pub expired: u64,
    /// Channels that one end heard the other finish.
    pub finished: u64,
    /// The same of resets; one that was asked for by stopping counts too.
    pub reset: u64,
    /// Channels gone, at each end.
    pub closed: u64,
}

impl Turnover {
    /// Nothing has been opened yet.
    #[must_use]
    pub fn new(ends: [(usize, SessionId); 2]) -> Self {
        Self { ends, open: Vec::new(), rounds: 0, opened: 0, received: 0, expired: 0, finished: 0, reset: 0, closed: 0 }
    }

    /// Each side opens a channel if it may; on each that is open a message is sent, and some are ended. Then `time` passes.
    pub fn act<P: Provider>(&mut self, world: &mut World<P>, time: Duration) {
        self.rounds += 1;
        for (side, (node, id)) in self.ends.into_iter().enumerate() {
            let mode = ChannelMode::ALL[self.rounds % 4];
            let opened = world.command(node, id, |session| session.open_channel(mode, ChannelOptions::default()));
            if let Ok(channel) = opened {
                self.open.push((side, channel));
                self.opened += 1;
            }
        }
        for (side, channel) in self.open.clone() {
            self.use_channel(world, side, channel);
        }
        world.run_for(time);
        for (node, id) in self.ends {
            while let Some(event) = world.next_event(node) {
                match event {
                    Event::ChannelFinished(..) => self.finished += 1,
                    Event::ChannelReset(..) => self.reset += 1,
                    Event::ChannelClosed(_, channel) => {
                        self.closed += 1;
                        self.open.retain(|(_, open)| *open != channel);
                    }
                    Event::Closed(_) => panic!("{:?}", world.session(node, id).close_reason()),
                    _ => {}
                }
            }
        }
    }

    /// Commands to what has ended already are refused, and change nothing.
    fn use_channel<P: Provider>(&mut self, world: &mut World<P>, side: usize, channel: ChannelId) {
        let turn = self.rounds + channel.0 as usize;
        let late = SendOptions::by(world.now().saturating_add(Duration::from_millis(20)));
        let options = if turn.is_multiple_of(2) { late } else { SendOptions::default() };
        let message = [turn as u8; 900];
        let (node, id) = self.ends[side];
        self.expired += world.command(node, id, |session| {
            let _ended = session.send_with(&message, channel, options);
            let _ended = match turn % 12 {
                9 => session.finish_channel(channel),
                10 => session.reset_channel(7, channel),
                _ => Ok(()),
            };
            std::iter::from_fn(|| session.take_expired(channel)).count() as u64
        });
        let (node, id) = self.ends[1 - side];
        let mut buffer = [0; 900];
        self.received += world.command(node, id, |session| {
            let _unknown_yet = session.finish_channel(channel);
            if turn % 12 == 11 {
                let _ended = session.stop_channel(8, channel);
            }
            std::iter::from_fn(|| session.recv(&mut buffer, channel).ok().flatten()).count() as u64
        });
    }
}
