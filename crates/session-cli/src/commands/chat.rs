//! `session chat`: lines of standard input go to the peer, the peer's lines to standard output.

use std::io::{self, BufRead as _, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::thread;

use session_tokio::{CloseCode, CloseSpace, Endpoint, RecvError, Session};
use smol::channel::{self, Receiver};

use super::admit::{admit, empty_list};
use super::node::{Dialer, FAREWELL, builder, close_after, load_key, not_bound, or_interrupted};
use crate::args::Chat;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::keys::AuthorizedPeers;
use crate::output::{Event, Output};
use crate::purpose::Purpose;
use crate::transfer::{self, CHANNEL, close_code};

/// Bytes of the longest line; a longer one becomes several.
const MAX_LINE: usize = 16 * 1024;

pub(super) fn run(arguments: &Chat, output: Output) -> Result<(), Failure> {
    let runtime = arguments.node.runtime;
    runtime.run(async {
        let interrupt = Interrupt::catch()?;
        let interruption = Failure::new(Exit::Interrupted, "interrupted before anybody was there", "run it again");
        match (&arguments.to, arguments.bind, &arguments.authorized) {
            (Some(to), _, _) => {
                let dialer = Dialer::new(&arguments.node, to, false, output)?;
                let connection = dialer.connect(Purpose::Chat, &interrupt, &interruption).await?;
                let result = talk(&connection.session, &connection.place, &interrupt, output).await;
                connection.close(&arguments.node).await;
                result
            }
            (None, Some(bind), Some(list)) => {
                let host = Host::open(arguments, bind, list, output).await?;
                let met = or_interrupted(&interrupt, &interruption, host.first_guest()).await;
                if let Err(failure) = &met {
                    close_after(&host.endpoint, failure, &arguments.node).await;
                }
                let (session, name) = met?;
                let talking = talk(&session, &name, &interrupt, output);
                let result = smol::future::or(talking, host.turn_others_away()).await;
                let _ = runtime.within(FAREWELL, session.close(close_code::DONE, "")).await;
                let _ = runtime.within(FAREWELL, host.endpoint.close(close_code::DONE, "")).await;
                result
            }
            _ => Err(Failure::new(Exit::Usage, "nobody to chat with", "give --to, or --bind and --authorized")),
        }
    })
}

/// The side that waits for the other.
struct Host {
    endpoint: Endpoint,
    authorized: AuthorizedPeers,
    output: Output,
}

impl Host {
    async fn open(arguments: &Chat, bind: SocketAddr, list: &Path, output: Output) -> Result<Self, Failure> {
        let key = load_key(&arguments.node.key)?;
        let authorized = AuthorizedPeers::load(list)?;
        let bound = arguments.node.runtime.bind(builder(&key, &arguments.node), bind).await;
        let endpoint = bound.map_err(|error| not_bound(&error, bind))?;
        let (address, key) = (endpoint.local_addr().to_string(), key.public_key().to_base64());
        let event = Event::new("listening").text("address", &address).text("public_key", &key);
        output.remark(format_args!("listening on {address}, key {key}"), event);
        empty_list(list, &authorized, output);
        Ok(Self { endpoint, authorized, output })
    }

    async fn first_guest(&self) -> Result<(Session, String), Failure> {
        while let Some(incoming) = self.endpoint.accept().await {
            if let Some(guest) = admit(incoming, &self.authorized, &[Purpose::Chat], self.output)
                && let Ok(session) = guest.incoming.accept().await
            {
                let event = Event::new("joined").text("peer", &guest.name);
                self.output.remark(format_args!("{} is here", guest.name), event);
                return Ok((session, guest.name));
            }
        }
        Err(Failure::new(Exit::Internal, "the endpoint has stopped", "report this"))
    }

    async fn turn_others_away<T>(&self) -> T {
        while let Some(incoming) = self.endpoint.accept().await {
            if let Some(guest) = admit(incoming, &self.authorized, &[Purpose::Chat], self.output) {
                guest.incoming.refuse(CloseCode::BUSY, "it chats with somebody else");
            }
        }
        smol::future::pending().await
    }
}

/// Talks until one side has nothing more to say.
async fn talk(session: &Session, peer: &str, interrupt: &Interrupt, output: Output) -> Result<(), Failure> {
    let lines = standard_input();
    let channel = session.channel(CHANNEL);
    let speak = async {
        while let Ok(line) = lines.recv().await {
            if channel.send(&line).await.is_err() {
                // The listening half says why.
                return smol::future::pending().await;
            }
        }
        Ok(())
    };
    let hear = async {
        let mut message = Vec::new();
        loop {
            message.clear();
            match channel.recv(&mut message, MAX_LINE).await {
                Ok(Some(_)) => {
                    let text = String::from_utf8_lossy(&message);
                    output.say(&text, Event::new("message").text("peer", peer).text("text", &text));
                }
                Ok(None) | Err(RecvError::Closed(_)) => return left(session, peer, output).await,
                Err(_) => {
                    session.abort(close_code::UNEXPECTED, "a line is longer than 16 KiB");
                    return Err(transfer::unexpected(peer));
                }
            }
        }
    };
    // Ctrl-C is as good an end as the end of the input.
    let stopped = async {
        interrupt.raised().await;
        Ok(())
    };
    smol::future::or(hear, smol::future::or(speak, stopped)).await
}

/// The other side has ended the session.
async fn left(session: &Session, peer: &str, output: Output) -> Result<(), Failure> {
    let reason = session.closed().await;
    if (reason.space, reason.code) != (CloseSpace::Application, CloseCode(close_code::DONE)) {
        return Err(transfer::ended(&reason, peer));
    }
    output.remark(format_args!("{peer} has left"), Event::new("left").text("peer", peer));
    Ok(())
}

/// The lines of standard input, read by a thread of its own: a terminal cannot be waited for in any other way that works everywhere.
fn standard_input() -> Receiver<Vec<u8>> {
    let (sender, lines) = channel::bounded(16);
    thread::spawn(move || {
        loop {
            let mut line = Vec::new();
            match io::stdin().lock().take(MAX_LINE as u64).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            if sender.send_blocking(line).is_err() {
                return;
            }
        }
    });
    lines
}
