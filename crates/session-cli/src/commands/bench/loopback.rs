//! Two endpoints of one process, over a UDP socket each.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use session_core::Instant;
use session_tokio::{ChannelId, Endpoint, RustCrypto, Secret, Session, StaticKey};

use super::processor_time;
use crate::clock::now;
use crate::commands::node::FAREWELL;
use crate::exit::{Exit, Failure};
use crate::runtime::Runtime;

const CHANNEL: ChannelId = ChannelId(16);
/// Bytes given to the session at a time.
const STEP: usize = 256 * 1024;

pub(super) struct Pair {
    server: Endpoint,
    client: Endpoint,
}

impl Pair {
    pub(super) async fn new(runtime: Runtime) -> Result<Self, Failure> {
        Ok(Self { server: bind(runtime, 1).await?, client: bind(runtime, 2).await? })
    }

    /// Ends both endpoints.
    pub(super) async fn close(&self, runtime: Runtime) {
        let both = smol::future::zip(self.client.close(0, ""), self.server.close(0, ""));
        let _ = runtime.within(FAREWELL, both).await;
    }

    async fn sessions(&self) -> Result<(Session, Session), Failure> {
        let connect = self.client.connect(self.server.public_key(), self.server.local_addr());
        let accept = async {
            let incoming = self.server.accept().await.ok_or_else(|| broken("the endpoint has stopped"))?;
            incoming.accept().await.map_err(broken)
        };
        let (client, server) = smol::future::zip(connect, accept).await;
        Ok((client.map_err(broken)?, server?))
    }

    /// Time and processor time to bring `bytes` across, both ends.
    pub(super) async fn stream(&self, bytes: usize) -> Result<(Duration, Duration), Failure> {
        let (client, server) = self.sessions().await?;
        let (start, processor) = (now(), processor_time());
        let send = async {
            let channel = client.channel(CHANNEL);
            channel.begin().await.map_err(broken)?;
            let piece = vec![7; STEP];
            for _ in 0..bytes / STEP {
                channel.write_all(&mut &piece[..]).await.map_err(broken)?;
            }
            channel.finish().await.map_err(broken)
        };
        let receive = async {
            let channel = server.channel(CHANNEL);
            let mut buffer = vec![0; STEP];
            loop {
                match channel.read(&mut buffer).await.map_err(broken)? {
                    Some(chunk) if !chunk.end => {}
                    Some(_) => return Ok(()),
                    None => return Err(broken("the session has ended")),
                }
            }
        };
        let (sent, received) = smol::future::zip(send, receive).await;
        sent?;
        received?;
        let figures = (since(start), processor_time().saturating_sub(processor));
        client.close(0, "").await;
        Ok(figures)
    }

    /// Microseconds from each of `count` messages to its answer.
    pub(super) async fn ping_pong(&self, count: usize) -> Result<Vec<f64>, Failure> {
        let (client, server) = self.sessions().await?;
        let answer = async {
            let channel = server.channel(CHANNEL);
            let mut message = Vec::new();
            while let Ok(Some(_)) = channel.recv(&mut message, 64).await {
                channel.send(&message).await.map_err(broken)?;
                message.clear();
            }
            Ok(())
        };
        let ask = async {
            let (channel, mut message, mut times) = (client.channel(CHANNEL), Vec::new(), Vec::new());
            for _ in 0..count {
                let start = now();
                channel.send(&[7; 64]).await.map_err(broken)?;
                message.clear();
                channel.recv(&mut message, 64).await.map_err(broken)?;
                times.push(since(start).as_secs_f64() * 1e6);
            }
            client.close(0, "").await;
            Ok(times)
        };
        let (times, answered) = smol::future::zip(ask, answer).await;
        answered?;
        times
    }

    /// Sessions opened, and aborted, per second.
    pub(super) async fn handshakes(&self, count: usize) -> Result<f64, Failure> {
        let start = now();
        for _ in 0..count {
            let (client, _server) = self.sessions().await?;
            client.abort(0, "");
        }
        Ok(count as f64 / since(start).as_secs_f64())
    }
}

async fn bind(runtime: Runtime, number: u8) -> Result<Endpoint, Failure> {
    let key = StaticKey::new(&RustCrypto, Secret::new([number; 32]));
    let mut limits = session_tokio::Limits::default();
    limits.sessions = 10_000;
    let builder = Endpoint::builder(key).application("session-bench").limits(limits);
    let builder = builder.second_session(session_tokio::SecondSession::KeepBoth);
    runtime.bind(builder, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.map_err(broken)
}

fn since(start: Instant) -> Duration {
    now().saturating_since(start)
}

fn broken(error: impl fmt::Display) -> Failure {
    Failure::new(Exit::Internal, format_args!("the measurement broke off ({error})"), "report this")
}
