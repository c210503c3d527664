//! A session over a UDP socket of `embassy-net`, as one task: it serves whatever comes first, a datagram, a deadline or a command.
//!
//! The application's other tasks give commands and hear news over two channels of `embassy-sync`. None of them can hold this task up: news that finds no
//! room waits in the session, and so the peer's credit ends. What is drawn by chance comes from the caller, who has the generator of the chip.
#![no_std]
#![forbid(unsafe_code)]

mod clock;

use core::future::{pending, poll_fn};
use core::net::SocketAddr;

use embassy_futures::select::{Either5, select5};
use embassy_net::udp::{RecvError, UdpMetadata, UdpSocket};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::channel::{Receiver, Sender};
use embassy_time::{Duration, Timer};
use heapless::Vec;
use session_core::{
    Action, Address, Arrival, Carrier, ChannelId, CloseReason, ConnectError, ConnectOptions, Event, Link, Peer,
    PublicKey, RecvError as ReceiveError, SendError, Session,
};

use clock::now;

/// The channel that messages take.
pub const CHANNEL: ChannelId = ChannelId(16);
/// Bytes of the largest datagram either way; `Session::max_datagram` of a session with carriers of so many bytes is no more.
pub const DATAGRAM: usize = 1500;
/// Bytes of the largest message.
pub const MESSAGE: usize = 256;
/// Commands, or news, that wait at most.
pub const QUEUE: usize = 4;
/// No timer runs longer; it only wakes the task in vain.
const LONGEST_WAIT: core::time::Duration = core::time::Duration::from_secs(3600);

/// Some bytes.
pub type Message = Vec<u8, MESSAGE>;
/// Where the task takes commands from.
pub type Commands<'a> = Receiver<'a, CriticalSectionRawMutex, Command, QUEUE>;
/// Where it tells news.
pub type NewsSender<'a> = Sender<'a, CriticalSectionRawMutex, News, QUEUE>;

/// What the application wants.
#[derive(Clone, Debug)]
pub enum Command {
    /// A session with this peer.
    Connect(PublicKey, SocketAddr),
    /// A message to the peer.
    Send(Message),
    /// The end, when everything has arrived.
    Close,
}

/// What it hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// There is a session.
    Established,
    /// A message came.
    Message(Message),
    /// The command could not begin a session.
    NotBegun(ConnectError),
    /// There is no session to send it in.
    NotSent(Message),
    /// The session is over, and why.
    Closed(Option<CloseReason>),
}

/// Runs a session over a bound socket whose address is `local`; for ever, one peer after the other. Who asks for a session gets one.
///
/// # Panics
/// If the datagrams of `session` are larger than [`DATAGRAM`].
pub async fn run(
    session: Session,
    socket: &UdpSocket<'_>,
    local: SocketAddr,
    commands: Commands<'_>,
    news: NewsSender<'_>,
) -> ! {
    assert!(session.max_datagram() <= DATAGRAM, "the carrier's datagrams are too large");
    let mut task = Task { session, local, news, unsent: None, established: false, readable: false, closed: false };
    let (mut out, mut incoming) = ([0; DATAGRAM], [0; DATAGRAM]);
    let mut stuck: Option<(usize, SocketAddr)> = None;
    loop {
        let deadline = task.serve(&mut out, &mut stuck);
        let has_room = news.free_capacity() > 0;
        let takes_commands = has_room && task.unsent.is_none() && !task.closed;
        // Each of these may be dropped at any time and loses nothing.
        let first = select5(
            // The stack takes no more while it looks for the neighbour's address; that must not stop the clock.
            async {
                match stuck {
                    Some((length, remote)) => socket.send_to(&out[..length], remote).await,
                    None => pending().await,
                }
            },
            socket.recv_from(&mut incoming),
            async {
                match deadline {
                    Some(wait) => Timer::after(wait).await,
                    None => pending().await,
                }
            },
            async { if takes_commands { commands.receive().await } else { pending().await } },
            async {
                if has_room { pending().await } else { poll_fn(|context| news.poll_ready_to_send(context)).await }
            },
        );
        match first.await {
            // Sent; or there is no way there, and to the protocol it is lost as others are.
            Either5::First(Ok(()) | Err(_)) => stuck = None,
            Either5::Second(Ok((length, from))) => task.receive(&mut incoming[..length], from),
            // Longer than what this end takes: not for us.
            Either5::Second(Err(RecvError::Truncated)) => {}
            Either5::Third(()) => task.session.handle_timeout(now()),
            Either5::Fourth(command) => task.command(command),
            Either5::Fifth(()) => {}
        }
    }
}

struct Task<'a> {
    session: Session,
    local: SocketAddr,
    news: NewsSender<'a>,
    /// A message that found no room yet.
    unsent: Option<Message>,
    /// What is to be told, in this order.
    established: bool,
    readable: bool,
    closed: bool,
}

impl Task<'_> {
    /// Does what can be done now; how long there is nothing more to do.
    fn serve(&mut self, out: &mut [u8], stuck: &mut Option<(usize, SocketAddr)>) -> Option<Duration> {
        loop {
            self.tell();
            // Without a buffer there are events only: they need not wait for the socket.
            let room = if stuck.is_some() { &mut [][..] } else { &mut *out };
            match self.session.poll_action(room, now()) {
                Action::Transmit(transmit) => {
                    if let Address::Ip(remote) = transmit.link.remote {
                        *stuck = Some((transmit.len, remote));
                    }
                }
                Action::Event(event) => self.note(event),
                _ => {
                    let wait = self.session.next_deadline()?.at.saturating_since(now()).min(LONGEST_WAIT);
                    // Rounded up: a timer that is early would go off again and again.
                    return Some(Duration::from_micros(wait.as_micros() as u64));
                }
            }
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Incoming(_) => {
                // `session.as_ref()` tells the peer's key. Who has gone meanwhile needs no answer.
                let _ = self.session.commands(now()).map(|mut session| session.accept(b""));
            }
            Event::Established(_) => self.established = true,
            Event::Readable(..) => self.readable = true,
            Event::Writable(..) => {
                if let Some(message) = self.unsent.take() {
                    self.send(message);
                }
            }
            Event::Closed(_) => self.closed = true,
            _ => {}
        }
    }

    /// As much as there is room for. What is not read meanwhile is credit that the peer does not get back.
    fn tell(&mut self) {
        while self.news.free_capacity() > 0 {
            let Some(news) = self.next_news() else { return };
            let told = self.news.try_send(news);
            debug_assert!(told.is_ok(), "nobody else sends here");
        }
    }

    fn next_news(&mut self) -> Option<News> {
        if core::mem::take(&mut self.established) {
            return Some(News::Established);
        }
        if self.readable {
            if let Some(message) = self.next_message() {
                return Some(News::Message(message));
            }
            self.readable = false;
        }
        if self.closed
            && let Some(message) = self.unsent.take()
        {
            return Some(News::NotSent(message));
        }
        core::mem::take(&mut self.closed)
            .then(|| News::Closed(self.session.as_ref().and_then(|session| session.close_reason())))
    }

    fn next_message(&mut self) -> Option<Message> {
        let mut message = Message::new();
        message.resize_default(MESSAGE).ok()?;
        let mut session = self.session.commands(now())?;
        match session.recv(&mut message, CHANNEL) {
            Ok(length) => message.truncate(length?),
            Err(ReceiveError::TooSmall) => {
                session.abort(1, "messages are short here");
                return None;
            }
            Err(_) => return None,
        }
        Some(message)
    }

    fn receive(&mut self, datagram: &mut [u8], from: UdpMetadata) {
        let link = self.link(from.endpoint.into());
        // What is not authentic changes nothing but a counter.
        let _ = self.session.handle_datagram(datagram, Arrival::new(link), now());
    }

    /// Commands are taken only while there is room for news.
    fn command(&mut self, command: Command) {
        match command {
            Command::Connect(key, remote) => {
                let (peer, link) = (Peer::Known { key, psk: None }, self.link(remote));
                if let Err(error) = self.session.connect(peer, link, ConnectOptions::default(), now()) {
                    let _ = self.news.try_send(News::NotBegun(error));
                }
            }
            Command::Send(message) => self.send(message),
            Command::Close => {
                if let Some(mut session) = self.session.commands(now()) {
                    session.close(0, "done");
                }
            }
        }
    }

    fn send(&mut self, message: Message) {
        let sent = match self.session.commands(now()) {
            Some(mut session) => session.send(&message, CHANNEL),
            None => Err(SendError::Closed),
        };
        match sent {
            Ok(_) => {}
            // `Writable` tells when there is room. Until then no further command is taken.
            Err(SendError::Blocked) => self.unsent = Some(message),
            Err(_) => {
                let _ = self.news.try_send(News::NotSent(message));
            }
        }
    }

    fn link(&self, remote: SocketAddr) -> Link {
        Link { carrier: Carrier(0), local: self.local.into(), remote: remote.into() }
    }
}
