//! Applications: one sends messages whose bytes say where they belong, the other checks every byte and every boundary.

use std::sync::OnceLock;
use std::time::Duration;

use session_core::{ChannelId, Event, Provider, RecvError, SendError, SessionId};
use session_sim::Generator;

use crate::world::World;

/// A message to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its bytes.
    pub length: usize,
    /// Given to the core in pieces of this many bytes; whole if `None`.
    pub pieces_of: Option<usize>,
}

impl Message {
    /// A message sent by one call.
    #[must_use]
    pub fn whole(length: usize) -> Self {
        Self { length, pieces_of: None }
    }

    /// A message written in pieces.
    #[must_use]
    pub fn streamed(length: usize, pieces_of: usize) -> Self {
        Self { length, pieces_of: Some(pieces_of) }
    }
}

/// One direction of one channel of one session.
///
/// Sends when it begins and on `Writable`, reads on `Readable`: an event that does not come stops it for ever.
#[derive(Debug)]
pub struct Flow {
    /// Node and session that send.
    pub from: (usize, SessionId),
    /// Node and session that receive.
    pub to: (usize, SessionId),
    /// The channel.
    pub channel: ChannelId,
    /// Distinguishes the bytes of this flow from all others'.
    pub tag: u64,
    /// What is sent.
    pub messages: Vec<Message>,
    /// The receiver reads in chunks of this size, or whole messages if `None`.
    pub chunks_of: Option<usize>,
    sent: usize,
    written: usize,
    is_open: bool,
    received: usize,
    read: usize,
    blocked: u64,
}

impl Flow {
    /// A flow of which nothing has been sent.
    #[must_use]
    pub fn new(
        from: (usize, SessionId),
        to: (usize, SessionId),
        channel: ChannelId,
        tag: u64,
        messages: Vec<Message>,
    ) -> Self {
        Self {
            from,
            to,
            channel,
            tag,
            messages,
            chunks_of: None,
            sent: 0,
            written: 0,
            is_open: false,
            received: 0,
            read: 0,
            blocked: 0,
        }
    }

    /// The same flow, read in chunks.
    #[must_use]
    pub fn in_chunks_of(mut self, bytes: usize) -> Self {
        self.chunks_of = Some(bytes);
        self
    }

    /// Whether everything was received.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.received == self.messages.len()
    }

    /// Whether everything was given to the core.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.sent == self.messages.len()
    }

    /// Whole messages received.
    #[must_use]
    pub fn received(&self) -> usize {
        self.received
    }

    /// How often the core said `Blocked`.
    #[must_use]
    pub fn blocked(&self) -> u64 {
        self.blocked
    }

    /// Sends as much as the core takes.
    ///
    /// # Panics
    /// If the core refuses for any reason but `Blocked`.
    pub fn push<P: Provider>(&mut self, world: &mut World<P>) {
        while let Some(message) = self.messages.get(self.sent).copied() {
            let result = match message.pieces_of {
                None => {
                    let bytes = self.content(self.sent, 0, message.length);
                    world.command(self.from.0, self.from.1, |session| session.send(&bytes, self.channel)).map(|_| true)
                }
                Some(piece) => self.push_piece(world, message, piece),
            };
            match result {
                Ok(true) => {
                    self.sent += 1;
                    self.written = 0;
                    self.is_open = false;
                }
                Ok(false) => {}
                Err(SendError::Blocked) => {
                    self.blocked += 1;
                    return;
                }
                Err(error) => panic!("message {} of flow {}: {error}", self.sent, self.tag),
            }
        }
    }

    /// Writes one piece; `true` if the message is finished.
    fn push_piece<P: Provider>(
        &mut self,
        world: &mut World<P>,
        message: Message,
        piece: usize,
    ) -> Result<bool, SendError> {
        let (node, id) = self.from;
        if !self.is_open {
            world.command(node, id, |session| session.begin(self.channel))?;
            self.is_open = true;
        }
        if self.written == message.length {
            return world.command(node, id, |session| session.finish(self.channel)).map(|_| true);
        }
        let length = piece.min(message.length - self.written);
        let bytes = self.content(self.sent, self.written, length);
        self.written += world.command(node, id, |session| session.write(&bytes, self.channel))?;
        Ok(false)
    }

    /// Reads all there is and checks it.
    ///
    /// # Panics
    /// If a byte or a boundary is not where it was sent.
    pub fn pull<P: Provider>(&mut self, world: &mut World<P>) {
        let most = self.messages.iter().map(|message| message.length).max().unwrap_or(0);
        let mut buffer = vec![0; self.chunks_of.unwrap_or(most).max(1)];
        loop {
            let (node, id) = self.to;
            let chunk = match self.chunks_of {
                Some(_) => world.command(node, id, |session| session.read(&mut buffer, self.channel)).map(|chunk| {
                    chunk.map(|chunk| {
                        assert_eq!(chunk.begin, self.read == 0, "a message begins with its first chunk");
                        (chunk.length, chunk.end)
                    })
                }),
                None => world
                    .command(node, id, |session| session.recv(&mut buffer, self.channel))
                    .map(|length| length.map(|length| (length, true))),
            };
            match chunk {
                Ok(Some((length, end))) => self.check(&buffer[..length], end),
                Ok(None) | Err(RecvError::Closed) => return,
                Err(error) => panic!("message {} of flow {}: {error}", self.received, self.tag),
            }
        }
    }

    fn check(&mut self, bytes: &[u8], end: bool) {
        let message = self
            .messages
            .get(self.received)
            .copied()
            .unwrap_or_else(|| panic!("flow {}: a message nobody sent", self.tag));
        let expected = self.content(self.received, self.read, bytes.len());
        assert!(bytes == expected, "flow {}, message {}: bytes from {} on differ", self.tag, self.received, self.read);
        self.read += bytes.len();
        assert!(self.read <= message.length, "flow {}, message {} is too long", self.tag, self.received);
        if end {
            assert_eq!(self.read, message.length, "flow {}, message {} has its length", self.tag, self.received);
            self.received += 1;
            self.read = 0;
        }
    }

    fn content(&self, index: usize, from: usize, length: usize) -> Vec<u8> {
        let pattern = PATTERN.get_or_init(|| {
            let mut random = Generator::new(0);
            (0..PATTERN_LENGTH).map(|_| random.next_u64() as u8).collect()
        });
        // Each message begins elsewhere in the pattern, whose length is prime.
        let mut at = (self.tag as usize * 7919 + index * 104_729 + from) % PATTERN_LENGTH;
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let piece = (length - bytes.len()).min(PATTERN_LENGTH - at);
            bytes.extend_from_slice(&pattern[at..at + piece]);
            at = 0;
        }
        bytes
    }
}

const PATTERN_LENGTH: usize = 131_071;
static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();

/// Flows that run beside each other.
#[derive(Debug, Default)]
pub struct Flows {
    /// The flows.
    pub flows: Vec<Flow>,
}

impl Flows {
    /// Begins every flow and runs the world until all are done; tells whether they were within `time`. Events are fetched here;
    /// a session that ends is a panic.
    pub fn run<P: Provider>(&mut self, world: &mut World<P>, time: Duration) -> bool {
        for flow in &mut self.flows {
            flow.push(world);
        }
        self.resume(world, time)
    }

    /// As [`run`](Self::run), without sending anything before an event asks for it.
    pub fn resume<P: Provider>(&mut self, world: &mut World<P>, time: Duration) -> bool {
        let limit = world.now().saturating_add(time);
        world.run_until(limit, |world| {
            self.handle_events(world);
            self.flows.iter().all(Flow::is_done)
        })
    }

    /// Fetches all events and lets the flows act on them.
    ///
    /// # Panics
    /// If a session has ended.
    pub fn handle_events<P: Provider>(&mut self, world: &mut World<P>) {
        for node in 0..world.nodes() {
            while let Some(event) = world.next_event(node) {
                match event {
                    Event::Readable(id, channel) => {
                        for flow in
                            self.flows.iter_mut().filter(|flow| flow.to == (node, id) && flow.channel == channel)
                        {
                            flow.pull(world);
                        }
                    }
                    Event::Writable(id, channel) => {
                        for flow in
                            self.flows.iter_mut().filter(|flow| flow.from == (node, id) && flow.channel == channel)
                        {
                            flow.push(world);
                        }
                    }
                    Event::Closed(id) => panic!(
                        "{id:?} of node {node} has ended at {:?}: {:?}, {:?}, {:?}",
                        world.now(),
                        world.reason(node, id),
                        world.session(node, id).stats(),
                        self.flows
                            .iter()
                            .map(|flow| (flow.tag, flow.sent, flow.written, flow.received, flow.read))
                            .collect::<Vec<_>>()
                    ),
                    _ => {}
                }
            }
        }
    }
}
