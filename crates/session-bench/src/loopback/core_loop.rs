//! The core in a loop of its own over a socket of tokio: no driver, no lock, and the application in the task of its endpoint.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use session_core::{
    Action, Address, Arrival, Carrier, CarrierConfig, ChannelConfig, ChannelId, ChannelMode, Config, ConnectOptions,
    Endpoint, Event, Instant, Limits, Link, Peer, RustCrypto, Secret, Seed, SessionId, StaticKey,
};
use tokio::net::UdpSocket;
use tokio::runtime::Runtime;
use tokio::time::Sleep;

use super::{PING, PingPong, timed};
use crate::Failure;
use crate::clock;
use crate::report::About;

const PINGS: ChannelId = ChannelId(17);

/// Two cores and a session between them.
pub(super) struct CoreLoop {
    runtime: Arc<Runtime>,
    near: End,
    /// Away while its task runs.
    far: Option<End>,
}

impl CoreLoop {
    pub(super) fn new(runtime: Arc<Runtime>) -> Result<Self, Failure> {
        let (near, far) = runtime.block_on(async {
            let (mut near, mut far) = (End::bind(1).await?, End::bind(2).await?);
            near.connect(&far)?;
            // Each waits for the other's part of the handshake.
            let answer = tokio::spawn(async move {
                far.establish().await?;
                Ok::<_, Failure>(far)
            });
            near.establish().await?;
            Ok::<_, Failure>((near, answer.await??))
        })?;
        Ok(Self { runtime, near, far: Some(far) })
    }
}

impl PingPong for CoreLoop {
    fn about(&self) -> About {
        About::package("session-core-loop", "session-core", "AES-256-GCM, RustCrypto")
    }

    fn round_trips(&mut self, count: usize) -> Result<Vec<Duration>, Failure> {
        let Self { runtime, near, far: away } = self;
        let mut far = away.take().ok_or("the far end was lost")?;
        let (times, far) = runtime.block_on(async {
            let answer = tokio::spawn(async move {
                for _ in 0..count {
                    far.recv().await?;
                    far.send().await?;
                }
                Ok::<_, Failure>(far)
            });
            let times = timed(count, async || {
                near.send().await?;
                near.recv().await
            })
            .await?;
            Ok::<_, Failure>((times, answer.await??))
        })?;
        *away = Some(far);
        Ok(times)
    }
}

/// An endpoint with one session.
struct End {
    endpoint: Endpoint,
    socket: UdpSocket,
    local: SocketAddr,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    session: Option<SessionId>,
    established: bool,
    /// A message may be there.
    readable: bool,
    deadline: Option<Instant>,
    /// Set for a deadline that has not passed.
    alarm: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl End {
    async fn bind(number: u8) -> Result<Self, Failure> {
        let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new([number; 32])), "session-bench");
        config.carriers = vec![CarrierConfig::udp(1452)];
        config.channels = vec![ChannelConfig::new(PINGS, ChannelMode::ReliableOrdered)];
        let endpoint = Endpoint::new(config, Limits::default(), RustCrypto, Seed::new([number; 32]))?;
        let buffer = vec![0; endpoint.max_datagram()];
        let socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        Ok(Self {
            endpoint,
            local: socket.local_addr()?,
            socket,
            outgoing: buffer.clone(),
            incoming: buffer,
            session: None,
            established: false,
            readable: false,
            deadline: None,
            alarm: None,
        })
    }

    fn connect(&mut self, far: &Self) -> Result<(), Failure> {
        let peer = Peer::Known { key: far.endpoint.public_key(), psk: None };
        self.session = Some(self.endpoint.connect(peer, self.link(far.local), ConnectOptions::default(), now())?);
        Ok(())
    }

    async fn establish(&mut self) -> Result<(), Failure> {
        self.flush().await?;
        while !self.established {
            self.wait().await?;
            self.flush().await?;
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), Failure> {
        let id = self.session.ok_or("there is no session")?;
        self.endpoint.session_mut(id, now()).ok_or("the session is gone")?.send(&[7; PING], PINGS)?;
        self.flush().await
    }

    async fn recv(&mut self) -> Result<(), Failure> {
        let id = self.session.ok_or("there is no session")?;
        loop {
            if std::mem::take(&mut self.readable) {
                let mut session = self.endpoint.session_mut(id, now()).ok_or("the session is gone")?;
                if session.recv(&mut [0; PING], PINGS)? == Some(PING) {
                    return Ok(());
                }
            }
            self.wait().await?;
            self.flush().await?;
        }
    }

    /// Sends what there is to send, and takes in what the core tells.
    async fn flush(&mut self) -> Result<(), Failure> {
        let now = now();
        loop {
            match self.endpoint.poll_action(&mut self.outgoing, now) {
                Action::Transmit(datagram) => {
                    let Address::Ip(remote) = datagram.link.remote else { return Err("not an IP address".into()) };
                    self.socket.send_to(&self.outgoing[..datagram.len], remote).await?;
                }
                Action::Event(event) => self.on_event(event, now)?,
                Action::Wait(deadline) => {
                    self.deadline = deadline.map(|deadline| deadline.at);
                    return Ok(());
                }
                _ => return Err("the largest datagram has no room".into()),
            }
        }
    }

    fn on_event(&mut self, event: Event, now: Instant) -> Result<(), Failure> {
        match event {
            Event::Incoming(id) => {
                self.session = Some(id);
                self.endpoint.session_mut(id, now).ok_or("the session is gone")?.accept(&[])?;
            }
            Event::Established(_) => self.established = true,
            Event::Readable(..) => self.readable = true,
            Event::Closed(_) => return Err("the session has ended".into()),
            _ => {}
        }
        Ok(())
    }

    /// Gives the core the next datagram, or tells it that its deadline has passed.
    async fn wait(&mut self) -> Result<(), Failure> {
        // An alarm that goes off early does no harm; to set it anew for each datagram would.
        let set = self.alarm.as_ref().map(|(at, _)| *at);
        if let Some(deadline) = self.deadline.filter(|deadline| set.is_none_or(|set| set > *deadline)) {
            self.alarm = Some((deadline, Box::pin(tokio::time::sleep(deadline.saturating_since(now())))));
        }
        let alarm = async {
            match &mut self.alarm {
                Some((_, sleep)) => sleep.as_mut().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            received = self.socket.recv_from(&mut self.incoming) => {
                let (length, remote) = received?;
                let arrival = Arrival::new(self.link(remote));
                let _ = self.endpoint.handle_datagram(&mut self.incoming[..length], arrival, now());
            }
            () = alarm => {
                self.alarm = None;
                self.endpoint.handle_timeout(now());
            }
        }
        Ok(())
    }

    fn link(&self, remote: SocketAddr) -> Link {
        Link { carrier: Carrier::default(), local: self.local.into(), remote: remote.into() }
    }
}

fn now() -> Instant {
    Instant::from_micros(u64::try_from(clock::now().as_micros()).unwrap_or(u64::MAX))
}
