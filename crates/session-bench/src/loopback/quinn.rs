//! quinn, with the defaults of its crate: rustls on ring.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    ClientConfig, Connection, Endpoint, EndpointConfig, MtuDiscoveryConfig, RecvStream, ServerConfig, TokioRuntime,
    TransportConfig,
};
use tokio::runtime::Runtime;

use super::certificate::{Certificate, NAME};
use super::{Bulk, Datagram, PIECE, PING, PingPong, both, timed};
use crate::Failure;
use crate::report::About;

/// The largest datagram it takes.
const LARGEST_DATAGRAM: u16 = 65_507;
/// The datagram with which it is best: it sends ten to a call, and a call takes 65,507 bytes. With more, it costs twice as much.
const BEST_DATAGRAM: u16 = 6_500;

/// Two endpoints and a connection between them.
pub(super) struct Quinn {
    runtime: Arc<Runtime>,
    sender: Connection,
    receiver: Connection,
    _endpoints: [Endpoint; 2],
}

impl Quinn {
    pub(super) fn new(runtime: Arc<Runtime>, datagram: Datagram) -> Result<Self, Failure> {
        let (server_config, client_config) = configs(datagram)?;
        let (sender, receiver, endpoints) = runtime.block_on(async {
            let server = bind(Some(server_config))?;
            let mut client = bind(None)?;
            client.set_default_client_config(client_config);
            let connect = client.connect(server.local_addr()?, NAME)?;
            let accept = async { Ok::<_, Failure>(server.accept().await.ok_or("the endpoint has stopped")?.await?) };
            let (sender, receiver) = tokio::join!(connect, accept);
            Ok::<_, Failure>((sender?, receiver?, [client, server]))
        })?;
        Ok(Self { runtime, sender, receiver, _endpoints: endpoints })
    }
}

fn about() -> About {
    About::package("quinn", "quinn", "AES-256-GCM, rustls on ring")
}

impl Bulk for Quinn {
    fn about(&self) -> About {
        about()
    }

    fn transfer(&mut self, bytes: usize) -> Result<(), Failure> {
        let (sender, receiver) = (self.sender.clone(), self.receiver.clone());
        let receive = async move { receive(receiver.accept_uni().await?, bytes).await };
        self.runtime.block_on(both(receive, async move {
            let mut stream = sender.open_uni().await?;
            let piece = vec![7; PIECE];
            for _ in 0..bytes / PIECE {
                stream.write_all(&piece).await?;
            }
            stream.finish()?;
            Ok(())
        }))
    }
}

async fn receive(mut stream: RecvStream, bytes: usize) -> Result<(), Failure> {
    let mut buffer = vec![0; PIECE];
    let mut received = 0;
    while let Some(length) = stream.read(&mut buffer).await? {
        received += length;
    }
    if received == bytes { Ok(()) } else { Err("the stream has another length".into()) }
}

impl PingPong for Quinn {
    fn about(&self) -> About {
        about()
    }

    fn round_trips(&mut self, count: usize) -> Result<Vec<Duration>, Failure> {
        let (sender, receiver) = (self.sender.clone(), self.receiver.clone());
        self.runtime.block_on(async {
            let answer = tokio::spawn(async move {
                let (mut send, mut receive) = receiver.accept_bi().await?;
                let mut message = [0; PING];
                for _ in 0..count {
                    receive.read_exact(&mut message).await?;
                    send.write_all(&message).await?;
                }
                Ok::<_, Failure>(())
            });
            let (mut send, mut receive) = sender.open_bi().await?;
            let mut message = [0; PING];
            let times = timed(count, async || {
                send.write_all(&[7; PING]).await?;
                receive.read_exact(&mut message).await?;
                Ok(())
            })
            .await?;
            answer.await??;
            Ok(times)
        })
    }
}

fn configs(datagram: Datagram) -> Result<(ServerConfig, ClientConfig), Failure> {
    let certificate = Certificate::new()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(certificate.chain.clone(), certificate.key())?;
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(certificate.roots()?)
        .with_no_client_auth();
    let mut transport = TransportConfig::default();
    if datagram == Datagram::Best {
        let mut discovery = MtuDiscoveryConfig::default();
        discovery.upper_bound(BEST_DATAGRAM);
        transport.mtu_discovery_config(Some(discovery)).initial_mtu(BEST_DATAGRAM);
    }
    let transport = Arc::new(transport);
    let mut server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(server)?));
    server.transport_config(Arc::clone(&transport));
    let mut client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(client)?));
    client.transport_config(transport);
    Ok((server, client))
}

/// An endpoint that takes the largest datagrams; how large they are, the sender's discovery decides.
fn bind(server: Option<ServerConfig>) -> Result<Endpoint, Failure> {
    let mut config = EndpointConfig::default();
    config.max_udp_payload_size(LARGEST_DATAGRAM)?;
    let socket = std::net::UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    Ok(Endpoint::new(config, server, socket, Arc::new(TokioRuntime))?)
}
