//! One end of a conversation over a serial line: a file goes each way, and whoever began ends it when both have arrived.
//!
//! Bytes of the line and time go in, frames come out: a microcontroller puts its UART around it, a host its socket.

use alloc::boxed::Box;

use session_core::{Action, Arrival, ConnectOptions, Event, Instant, Peer, PublicKey, Session, SessionMut};
use session_serial::{CHECK, Decoder, encode, max_frame};
use sha2::{Digest as _, Sha256};

use crate::end::{DATAGRAM, End, RELIABLE, link};

/// Bytes of the file that each end sends.
pub const FILE: usize = 64 * 1024;
/// Bytes of the longest frame.
pub const FRAME: usize = max_frame(DATAGRAM);
const PIECE: usize = 128;

/// What an end wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// So many bytes of a frame are to go down the line.
    Send(usize),
    /// Nothing until then, or until bytes come.
    Wait(Option<Instant>),
    /// The session has ended.
    Over,
}

/// What came of it at one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// SHA-256 of the file that was sent.
    pub sent: [u8; 32],
    /// SHA-256 of what arrived.
    pub received: [u8; 32],
    /// How much that was.
    pub received_bytes: usize,
    /// Packets that were sent again.
    pub retransmitted: u64,
    /// Frames that arrived damaged.
    pub damaged: u64,
}

/// One end, its file and what it has of the other's.
pub struct Talk {
    session: End,
    decoder: Decoder<[u8; DATAGRAM + CHECK]>,
    datagram: [u8; DATAGRAM],
    begins: bool,
    outgoing: Outgoing,
    received: Sha256,
    received_bytes: usize,
    has_all: bool,
    is_over: bool,
}

impl Talk {
    /// An end that waits for the other to begin.
    #[must_use]
    pub fn listen(session: End, file: u32) -> Box<Self> {
        Box::new(Self {
            session,
            decoder: Decoder::new([0; DATAGRAM + CHECK]),
            datagram: [0; DATAGRAM],
            begins: false,
            outgoing: Outgoing::new(file),
            received: Sha256::new(),
            received_bytes: 0,
            has_all: false,
            is_over: false,
        })
    }

    /// An end that begins.
    ///
    /// # Panics
    /// If the core does not begin.
    #[must_use]
    pub fn call(session: End, file: u32, peer: PublicKey, now: Instant) -> Box<Self> {
        let mut talk = Self::listen(session, file);
        let peer = Peer::Known { key: peer, psk: None };
        talk.session.connect(peer, link(0), ConnectOptions::default(), now).expect("the place is free");
        talk.begins = true;
        talk
    }

    /// Takes what came down the line.
    pub fn hear(&mut self, bytes: &[u8], now: Instant) {
        let arrival = Arrival::new(link(usize::from(!self.begins)));
        for byte in bytes {
            if let Some(datagram) = self.decoder.push(*byte) {
                let _ = self.session.handle_datagram(datagram, arrival, now);
            }
        }
    }

    /// What to do next; a frame is written into `frame`.
    ///
    /// # Panics
    /// If the session does what it must not.
    pub fn turn(&mut self, frame: &mut [u8; FRAME], now: Instant) -> Turn {
        self.session.handle_timeout(now);
        loop {
            match self.session.poll_action(&mut self.datagram, now) {
                Action::Transmit(transmit) => {
                    let length = encode(&self.datagram[..transmit.len], frame);
                    return Turn::Send(length.expect("the longest frame fits"));
                }
                Action::Event(event) => self.on_event(event, now),
                Action::NeedsRoom(bytes) => panic!("a datagram of {bytes} bytes"),
                Action::Wait(_) if self.is_over => return Turn::Over,
                Action::Wait(deadline) => return Turn::Wait(deadline.map(|deadline| deadline.at)),
                _ => {}
            }
        }
    }

    /// What came of it so far.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Outcome {
            sent: self.outgoing.hash.clone().finalize().into(),
            received: self.received.clone().finalize().into(),
            received_bytes: self.received_bytes,
            retransmitted: Session::as_ref(&self.session).map_or(0, |session| session.stats().packets_retransmitted),
            damaged: self.decoder.counts().damaged,
        }
    }

    fn on_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Closed(_) => {
                self.is_over = true;
                return;
            }
            Event::Incoming(_) => self.commands(now).accept(b"").expect("it waits for an answer"),
            Event::Established(_) => self.commands(now).begin(RELIABLE).expect("nothing is under way"),
            Event::Readable(_, RELIABLE) => self.read(now),
            _ => {}
        }
        self.write(now);
        if self.begins && self.has_all && self.outgoing.is_finished {
            self.commands(now).close(0, "both files are there");
        }
    }

    fn write(&mut self, now: Instant) {
        if let Some(mut session) = self.session.commands(now) {
            self.outgoing.write(&mut session);
        }
    }

    fn read(&mut self, now: Instant) {
        let mut piece = [0; PIECE];
        while let Ok(Some(chunk)) = self.commands(now).read(&mut piece, RELIABLE) {
            self.received.update(&piece[..chunk.length]);
            self.received_bytes += chunk.length;
            self.has_all |= chunk.end;
        }
    }

    fn commands(&mut self, now: Instant) -> SessionMut<'_> {
        self.session.commands(now).expect("there is a session")
    }
}

/// A file made on the way, as the session takes it.
struct Outgoing {
    generator: u32,
    /// Pieces made so far.
    pieces: usize,
    piece: [u8; PIECE],
    /// Bytes of the last one that the session took.
    taken: usize,
    hash: Sha256,
    is_finished: bool,
}

impl Outgoing {
    fn new(seed: u32) -> Self {
        assert!(seed != 0, "zeros only");
        Self { generator: seed, pieces: 0, piece: [0; PIECE], taken: PIECE, hash: Sha256::new(), is_finished: false }
    }

    /// As much as there is room for: none before the session stands, and none after it.
    fn write(&mut self, session: &mut SessionMut<'_>) {
        while !self.is_finished {
            if self.taken < PIECE {
                match session.write(&self.piece[self.taken..], RELIABLE) {
                    Ok(0) | Err(_) => return,
                    Ok(taken) => self.taken += taken,
                }
            } else if self.pieces * PIECE < FILE {
                self.next_piece();
            } else {
                self.is_finished = session.finish(RELIABLE).is_ok();
                return;
            }
        }
    }

    /// The next of Marsaglia's xorshift generator: nothing that repeats within the file.
    fn next_piece(&mut self) {
        for byte in &mut self.piece {
            self.generator ^= self.generator << 13;
            self.generator ^= self.generator >> 17;
            self.generator ^= self.generator << 5;
            *byte = (self.generator >> 24) as u8;
        }
        self.hash.update(self.piece);
        self.pieces += 1;
        self.taken = 0;
    }
}
