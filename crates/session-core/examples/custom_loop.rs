//! Two peers over `std::net::UdpSocket`, no async: one thread each, the loop of the crate's documentation in both.
//!
//! Run it: `cargo run --release -p session-core --example custom_loop`

use std::net::UdpSocket;
use std::time::{Duration, Instant as Clock};

use session_core::{
    Action, Address, Arrival, Carrier, ChannelId, Config, ConnectOptions, Endpoint, Event, Instant, Limits, Link, Peer,
    RustCrypto, Secret, Seed, SendError, StaticKey,
};

const CHANNEL: ChannelId = ChannelId(16);
const MESSAGE_BYTES: usize = 4 << 20;

/// Runs `endpoint` over `socket` until `on_event` says false.
fn run(
    endpoint: &mut Endpoint,
    socket: &UdpSocket,
    now: impl Fn() -> Instant,
    mut on_event: impl FnMut(&mut Endpoint, Event, Instant) -> bool,
) -> std::io::Result<()> {
    let (mut out, mut buffer) = (vec![0; endpoint.max_datagram()], vec![0; 65_536]);
    let local = socket.local_addr()?.into();
    loop {
        let deadline = loop {
            match endpoint.poll_action(&mut out, now()) {
                Action::Transmit(transmit) => {
                    if let Address::Ip(remote) = transmit.link.remote {
                        let _ = socket.send_to(&out[..transmit.len], remote);
                    }
                }
                Action::Event(event) if !on_event(endpoint, event, now()) => return Ok(()),
                Action::Event(_) => {}
                Action::NeedsRoom(bytes) => out.resize(bytes, 0),
                Action::Wait(deadline) => break deadline,
                _ => {}
            }
        };
        let wait = deadline.map(|deadline| deadline.at.saturating_since(now()).max(Duration::from_millis(1)));
        socket.set_read_timeout(wait)?;
        if let Ok((length, remote)) = socket.recv_from(&mut buffer) {
            let link = Link { carrier: Carrier(0), local, remote: remote.into() };
            let _ = endpoint.handle_datagram(&mut buffer[..length], Arrival::new(link), now());
        }
        endpoint.handle_timeout(now());
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let started = clock();
    let now = move || Instant::from_micros(started.elapsed_micros());
    let (here, there) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    let (mut alice, mut bob) = (endpoint()?, endpoint()?);
    let peer = Peer::Known { key: bob.public_key(), psk: None };
    let link = Link { carrier: Carrier(0), local: here.local_addr()?.into(), remote: there.local_addr()?.into() };

    let receiver = std::thread::spawn(move || receive(&mut bob, &there, now).map_err(|error| error.to_string()));
    send(&mut alice, &here, peer, link, now)?;
    let received = receiver.join().map_err(|_| "the receiver panicked")??;
    println!("received {received} bytes in one message");
    Ok(())
}

fn send(
    endpoint: &mut Endpoint,
    socket: &UdpSocket,
    peer: Peer<'_>,
    link: Link,
    now: impl Fn() -> Instant,
) -> Result<(), Box<dyn std::error::Error>> {
    let message = vec![7; MESSAGE_BYTES];
    let mut written = 0;
    let id = endpoint.connect(peer, link, ConnectOptions::default(), now())?;
    if let Some(mut session) = endpoint.session_mut(id, now()) {
        session.begin(CHANNEL)?;
    }
    run(endpoint, socket, now, |endpoint, event, now| {
        if let Event::Closed(id) = event {
            println!("sender: closed, {:?}", endpoint.session(id).and_then(|session| session.close_reason()));
            return false;
        }
        let Some(mut session) = endpoint.session_mut(id, now) else { return false };
        while written < message.len() {
            match session.write(&message[written..], CHANNEL) {
                Ok(count) => written += count,
                Err(SendError::Blocked) => return true,
                Err(error) => {
                    println!("sender: {error}");
                    return false;
                }
            }
        }
        if session.finish(CHANNEL).is_ok() {
            println!("sender: all {written} bytes queued");
            session.close(0, "done");
        }
        true
    })?;
    Ok(())
}

fn receive(endpoint: &mut Endpoint, socket: &UdpSocket, now: impl Fn() -> Instant) -> Result<usize, std::io::Error> {
    let mut received = 0;
    let mut bytes = vec![0; 65_536];
    run(endpoint, socket, now, |endpoint, event, now| {
        match event {
            Event::Incoming(id) => {
                if let Some(mut session) = endpoint.session_mut(id, now) {
                    let _ = session.accept(b"");
                }
            }
            Event::Readable(id, channel) => {
                let Some(mut session) = endpoint.session_mut(id, now) else { return true };
                while let Ok(Some(chunk)) = session.read(&mut bytes, channel) {
                    received += chunk.length;
                }
            }
            Event::Closed(id) => {
                println!("receiver: closed, {:?}", endpoint.session(id).and_then(|session| session.close_reason()));
                return false;
            }
            _ => {}
        }
        true
    })?;
    Ok(received)
}

fn endpoint() -> Result<Endpoint, Box<dyn std::error::Error>> {
    let key = StaticKey::new(&RustCrypto, Secret::new(entropy()?));
    Ok(Endpoint::new(Config::new(key, "custom-loop/1"), Limits::default(), RustCrypto, Seed::new(entropy()?))?)
}

/// 32 bytes of the operating system's generator.
fn entropy() -> Result<[u8; 32], Box<dyn std::error::Error>> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// This program's clock: the only place that reads one.
#[derive(Clone, Copy)]
struct Started(Clock);

impl Started {
    #[expect(clippy::disallowed_methods, reason = "an example is its own adapter")]
    fn elapsed_micros(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

#[expect(clippy::disallowed_methods, reason = "an example is its own adapter")]
fn clock() -> Started {
    Started(Clock::now())
}
