//! session itself, on tokio.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[cfg(feature = "peers")]
use session_aws_lc::AwsLc;
use session_tokio::{
    Bind, Channel, ChannelConfig, ChannelId, ChannelMode, Endpoint, Limits, RustCrypto, SecondSession, Secret,
    Session as Handle, StaticKey,
};

use super::{Bulk, Datagram, Handshakes, Messages, PIECE, PING, PingPong, Places, Unreliable, both, timed, unreliable};
use crate::Failure;
use crate::report::{About, OURS};

const BULK: ChannelId = ChannelId(16);
const PINGS: ChannelId = ChannelId(17);
const UNRELIABLE: ChannelId = ChannelId(18);
/// The largest datagram that fits into an IPv4 packet.
const LARGEST_DATAGRAM: u16 = 65_507;

/// Who computes with keys.
#[derive(Clone, Copy)]
pub(super) enum Ciphers {
    RustCrypto,
    #[cfg(feature = "peers")]
    AwsLc,
}

impl Ciphers {
    /// All of them; the default one is first.
    pub(super) const ALL: &[Self] = &[
        Self::RustCrypto,
        #[cfg(feature = "peers")]
        Self::AwsLc,
    ];

    pub(super) fn about(self) -> About {
        match self {
            Self::RustCrypto => About::package(OURS, "session-core", "AES-256-GCM, RustCrypto"),
            #[cfg(feature = "peers")]
            Self::AwsLc => About::package("session-aws-lc", "session-core", "AES-256-GCM, AWS-LC"),
        }
    }
}

/// Two endpoints and a session between them.
pub(super) struct Session {
    ciphers: Ciphers,
    places: Arc<Places>,
    sender: Handle,
    receiver: Handle,
    client: Endpoint,
    server: Endpoint,
}

impl Session {
    pub(super) fn new(places: Arc<Places>, datagram: Datagram, ciphers: Ciphers) -> Result<Self, Failure> {
        let (client, server) = places.block_on(async {
            let server = places.far().spawn(bind(2, datagram, ciphers));
            Ok::<_, Failure>((bind(1, datagram, ciphers).await?, server.await??))
        })?;
        let [sender, receiver] = places.block_on(sessions(&client, &server))?;
        Ok(Self { ciphers, places, sender, receiver, client, server })
    }
}

/// Begins a session.
async fn sessions(client: &Endpoint, server: &Endpoint) -> Result<[Handle; 2], Failure> {
    let connect = client.connect(server.public_key(), server.local_addr());
    let accept = async { Ok::<_, Failure>(server.accept().await.ok_or("the endpoint has stopped")?.accept().await?) };
    let (near, far) = tokio::join!(connect, accept);
    Ok([near?, far?])
}

impl Bulk for Session {
    fn about(&self) -> About {
        self.ciphers.about()
    }

    fn transfer(&mut self, bytes: usize) -> Result<(), Failure> {
        let (sender, receiver) = (self.sender.channel(BULK), self.receiver.channel(BULK));
        self.places.block_on(both(&self.places, receive(receiver, bytes), async move {
            let piece = vec![7; PIECE];
            sender.begin().await?;
            for _ in 0..bytes / PIECE {
                sender.write_all(&mut &piece[..]).await?;
            }
            sender.finish().await?;
            Ok(())
        }))
    }
}

async fn receive(channel: Channel, bytes: usize) -> Result<(), Failure> {
    let mut buffer = vec![0; PIECE];
    let mut received = 0;
    while let Some(chunk) = channel.read(&mut buffer).await? {
        received += chunk.length;
        if chunk.end {
            return if received == bytes { Ok(()) } else { Err("the message has another length".into()) };
        }
    }
    Err("the session has ended".into())
}

impl PingPong for Session {
    fn about(&self) -> About {
        self.ciphers.about()
    }

    fn round_trips(&mut self, count: usize) -> Result<Vec<Duration>, Failure> {
        let (asks, answers) = (self.sender.channel(PINGS), self.receiver.channel(PINGS));
        self.places.block_on(async {
            let answer = self.places.far().spawn(async move {
                let mut message = Vec::new();
                for _ in 0..count {
                    message.clear();
                    answers.recv(&mut message, PING).await?;
                    answers.send(&message).await?;
                }
                Ok::<_, Failure>(())
            });
            let times = timed(count, async || {
                asks.send(&[7; PING]).await?;
                let mut message = Vec::with_capacity(PING);
                asks.recv(&mut message, PING).await?;
                Ok(())
            })
            .await?;
            answer.await??;
            Ok(times)
        })
    }
}

impl Messages for Session {
    fn about(&self) -> About {
        self.ciphers.about()
    }

    fn send(&mut self, count: usize) -> Result<(), Failure> {
        let (near, far) = (self.sender.channel(PINGS), self.receiver.channel(PINGS));
        let receive = async move {
            let mut message = Vec::with_capacity(PING);
            for _ in 0..count {
                message.clear();
                far.recv(&mut message, PING).await?;
            }
            Ok(())
        };
        self.places.block_on(both(&self.places, receive, async move {
            for _ in 0..count {
                near.send(&[7; PING]).await?;
            }
            Ok(())
        }))
    }
}

impl Unreliable for Session {
    fn about(&self) -> About {
        self.ciphers.about()
    }

    fn send_unreliable(&mut self, count: usize) -> Result<Vec<f64>, Failure> {
        let (near, far) = (self.sender.channel(UNRELIABLE), self.receiver.channel(UNRELIABLE));
        let send = async move {
            for _ in 0..count {
                near.send(&[7; PING]).await?;
            }
            Ok(())
        };
        unreliable::figures(
            &self.places,
            count,
            |counted| async move {
                let mut message = Vec::with_capacity(PING);
                while far.recv(&mut message, PING).await?.is_some() {
                    message.clear();
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                Err("the session has ended".into())
            },
            send,
        )
    }
}

impl Handshakes for Session {
    fn about(&self) -> About {
        self.ciphers.about()
    }

    fn connect(&mut self, count: usize) -> Result<(), Failure> {
        self.places.block_on(async {
            for _ in 0..count {
                let [near, _far] = sessions(&self.client, &self.server).await?;
                near.abort(0, "");
            }
            Ok(())
        })
    }
}

async fn bind(number: u8, datagram: Datagram, ciphers: Ciphers) -> Result<Endpoint, Failure> {
    let mut limits = Limits::default();
    limits.sessions = 1_000;
    let endpoint = Endpoint::builder(StaticKey::new(&RustCrypto, Secret::new([number; 32])))
        .application("session-bench")
        .channel(BULK)
        .channel(PINGS)
        .channel(ChannelConfig::new(UNRELIABLE, ChannelMode::Unreliable))
        .limits(limits)
        .second_session(SecondSession::KeepBoth)
        .max_datagram(match datagram {
            Datagram::Ethernet => 1452,
            Datagram::Best => LARGEST_DATAGRAM,
        });
    let endpoint = match ciphers {
        Ciphers::RustCrypto => endpoint,
        #[cfg(feature = "peers")]
        Ciphers::AwsLc => endpoint.provider(AwsLc),
    };
    Ok(endpoint.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?)
}
