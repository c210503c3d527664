//! The core in a loop of its own over a socket of tokio: no driver, no lock, and the application in the task of its endpoint.

use std::future::{Future as _, poll_fn};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use session_core::{
    Action, Address, Arrival, Carrier, CarrierConfig, ChannelConfig, ChannelId, ChannelMode, Config, ConnectOptions,
    Endpoint, Event, Instant, Limits, Link, Peer, Provider, Secret, Seed, SessionId, SessionMut, StaticKey,
};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tokio::time::Sleep;

use super::{PING, PingPong, Places, timed};
use crate::Failure;
use crate::clock;
use crate::report::About;

const PINGS: ChannelId = ChannelId(17);

/// Two cores and a session between them.
pub(super) struct CoreLoop<P: Provider> {
    places: Arc<Places>,
    about: About,
    near: End<P>,
    /// Away while its task runs.
    far: Option<End<P>>,
}

impl<P: Provider<Key: Send> + Copy + Send + 'static> CoreLoop<P> {
    pub(super) fn new(places: Arc<Places>, provider: P, about: About) -> Result<Self, Failure> {
        let (near, far) = places.block_on(async {
            let far = places.far().spawn(End::bind(2, provider));
            let (mut near, mut far) = (End::bind(1, provider).await?, far.await??);
            near.connect(&far)?;
            // Each waits for the other's part of the handshake.
            let answer = places.far().spawn(async move {
                far.establish().await?;
                Ok::<_, Failure>(far)
            });
            near.establish().await?;
            Ok::<_, Failure>((near, answer.await??))
        })?;
        Ok(Self { places, about, near, far: Some(far) })
    }
}

impl<P: Provider<Key: Send> + Copy + Send + 'static> PingPong for CoreLoop<P> {
    fn about(&self) -> About {
        self.about.clone()
    }

    fn round_trips(&mut self, count: usize) -> Result<Vec<Duration>, Failure> {
        let Self { places, near, far: away, .. } = self;
        let mut far = away.take().ok_or("the far end was lost")?;
        let (times, far) = places.block_on(async {
            let answer = places.far().spawn(async move {
                for _ in 0..count {
                    far.recv().await?;
                    far.send()?;
                }
                // The last answer is to leave.
                far.flush().await?;
                Ok::<_, Failure>(far)
            });
            let times = timed(count, async || {
                near.send()?;
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
struct End<P: Provider> {
    endpoint: Endpoint<P>,
    socket: UdpSocket,
    local: SocketAddr,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    session: Option<SessionId>,
    established: bool,
    /// When it woke: what follows takes microseconds, and the clock is read once for all of it.
    now: Instant,
    deadline: Option<Instant>,
    /// Set for a deadline that has not passed.
    alarm: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<P: Provider> End<P> {
    async fn bind(number: u8, provider: P) -> Result<Self, Failure> {
        let mut config = Config::new(StaticKey::new(&provider, Secret::new([number; 32])), "session-bench");
        config.carriers = vec![CarrierConfig::udp(1452)];
        config.channels = vec![ChannelConfig::new(PINGS, ChannelMode::ReliableOrdered)];
        let endpoint = Endpoint::new(config, Limits::default(), provider, Seed::new([number; 32]))?;
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
            now: now(),
            deadline: None,
            alarm: None,
        })
    }

    fn connect(&mut self, far: &Self) -> Result<(), Failure> {
        let peer = Peer::Known { key: far.endpoint.public_key(), psk: None };
        let link = self.link(far.local);
        self.session = Some(self.endpoint.connect(peer, link, ConnectOptions::default(), self.now)?);
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

    /// The message leaves with the next [`flush`](Self::flush), and the acknowledgement of what it answers with it.
    fn send(&mut self) -> Result<(), Failure> {
        self.session()?.send(&[7; PING], PINGS)?;
        Ok(())
    }

    async fn recv(&mut self) -> Result<(), Failure> {
        let mut message = [0; PING];
        loop {
            if self.session()?.recv(&mut message, PINGS)? == Some(PING) {
                return Ok(());
            }
            self.flush().await?;
            self.wait().await?;
        }
    }

    fn session(&mut self) -> Result<SessionMut<'_, P>, Failure> {
        let id = self.session.ok_or("there is no session")?;
        Ok(self.endpoint.session_mut(id, self.now).ok_or("the session is gone")?)
    }

    /// Sends what there is to send, and takes in what the core tells.
    async fn flush(&mut self) -> Result<(), Failure> {
        loop {
            match self.endpoint.poll_action(&mut self.outgoing, self.now) {
                Action::Transmit(datagram) => {
                    let Address::Ip(remote) = datagram.link.remote else { return Err("not an IP address".into()) };
                    while let Err(error) = self.socket.try_send_to(&self.outgoing[..datagram.len], remote) {
                        if error.kind() != io::ErrorKind::WouldBlock {
                            return Err(error.into());
                        }
                        self.socket.writable().await?;
                    }
                }
                Action::Event(event) => self.on_event(event)?,
                Action::Wait(deadline) => {
                    self.deadline = deadline.map(|deadline| deadline.at);
                    return Ok(());
                }
                _ => return Err("the largest datagram has no room".into()),
            }
        }
    }

    fn on_event(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Incoming(id) => {
                self.session = Some(id);
                self.session()?.accept(&[])?;
            }
            Event::Established(_) => self.established = true,
            Event::Closed(_) => return Err("the session has ended".into()),
            // Messages are asked for without being told of.
            _ => {}
        }
        Ok(())
    }

    /// Gives the core the next datagram, or tells it that its deadline has passed.
    async fn wait(&mut self) -> Result<(), Failure> {
        // An alarm that goes off early does no harm; to set it anew for each datagram would.
        let set = self.alarm.as_ref().map(|(at, _)| *at);
        if let Some(deadline) = self.deadline.filter(|deadline| set.is_none_or(|set| set > *deadline)) {
            self.alarm = Some((deadline, Box::pin(tokio::time::sleep(deadline.saturating_since(self.now)))));
        }
        let Self { socket, incoming, alarm, .. } = self;
        let mut buffer = ReadBuf::new(incoming);
        // The future of a receive would be filed with the socket and struck off again, each time.
        let received = poll_fn(|context| match (socket.poll_recv_from(context, &mut buffer), &mut *alarm) {
            (Poll::Ready(received), _) => Poll::Ready(Some(received)),
            (Poll::Pending, Some((_, sleep))) => sleep.as_mut().poll(context).map(|()| None),
            (Poll::Pending, None) => Poll::Pending,
        })
        .await;
        let length = buffer.filled().len();
        self.now = now();
        if let Some(remote) = received {
            let arrival = Arrival::new(self.link(remote?));
            let _ = self.endpoint.handle_datagram(&mut self.incoming[..length], arrival, self.now);
        } else {
            self.alarm = None;
            self.endpoint.handle_timeout(self.now);
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
