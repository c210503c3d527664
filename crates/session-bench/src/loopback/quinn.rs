//! quinn, with the defaults of its crate: rustls on ring.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    ClientConfig, Connection, Endpoint, EndpointConfig, MtuDiscoveryConfig, ServerConfig, TokioRuntime, TransportConfig,
};

use tokio::runtime::Handle;

use super::streams::{Stream, Streams};
use super::{Datagram, Handshakes, PING, Places, Unreliable, unreliable};
use crate::Failure;
use crate::certificate::{Certificate, NAME, without_resumption};
use crate::report::About;

/// The largest datagram it takes.
const LARGEST_DATAGRAM: u16 = 65_507;
/// The datagram with which it is best: it sends ten to a call, and a call takes 65,507 bytes. With more, it costs twice as much.
const BEST_DATAGRAM: u16 = 6_500;

/// Two endpoints.
pub(super) struct Quinn {
    places: Arc<Places>,
    client: Endpoint,
    server: Endpoint,
}

impl Quinn {
    pub(super) fn new(places: Arc<Places>, datagram: Datagram) -> Result<Self, Failure> {
        let (server_config, client_config) = configs(datagram)?;
        let mut client = bind(places.near(), None)?;
        let server = bind(places.far(), Some(server_config))?;
        client.set_default_client_config(client_config);
        Ok(Self { places, client, server })
    }

    async fn connections(&self) -> Result<[Connection; 2], Failure> {
        let connect = self.client.connect(self.server.local_addr()?, NAME)?;
        let server = self.server.clone();
        // A connection runs where it was accepted.
        let accept = self
            .places
            .far()
            .spawn(async move { Ok::<_, Failure>(server.accept().await.ok_or("the endpoint has stopped")?.await?) });
        let (near, far) = tokio::join!(connect, accept);
        Ok([near?, far??])
    }

    /// A connection for datagrams.
    pub(super) fn datagrams(self) -> Result<Datagrams, Failure> {
        let [near, far] = self.places.block_on(self.connections())?;
        Ok(Datagrams { near, far, quinn: self })
    }

    /// A stream both ways.
    pub(super) fn streams(self) -> Result<Streams, Failure> {
        let (near, far) = self.places.block_on(async {
            let [near, far] = self.connections().await?;
            let (mut send, receive) = near.open_bi().await?;
            // The far end hears of a stream by its first byte.
            send.write_all(&[0]).await?;
            let (answer, mut ask) = far.accept_bi().await?;
            ask.read_exact(&mut [0]).await?;
            Ok::<_, Failure>((Stream::new(receive, send), Stream::new(ask, answer)))
        })?;
        Ok(Streams::new(about(), Arc::clone(&self.places), near, far, self))
    }
}

fn about() -> About {
    About::package("quinn", "quinn", "AES-256-GCM, rustls on ring")
}

impl Handshakes for Quinn {
    fn about(&self) -> About {
        about()
    }

    fn connect(&mut self, count: usize) -> Result<(), Failure> {
        self.places.block_on(async {
            for _ in 0..count {
                let [near, _far] = self.connections().await?;
                near.close(0_u8.into(), &[]);
            }
            Ok(())
        })
    }
}

/// A connection for datagrams of the application.
pub(super) struct Datagrams {
    near: Connection,
    far: Connection,
    quinn: Quinn,
}

impl Unreliable for Datagrams {
    fn about(&self) -> About {
        about()
    }

    fn send_unreliable(&mut self, count: usize) -> Result<Vec<f64>, Failure> {
        let (near, far) = (&self.near, self.far.clone());
        let send = async {
            for _ in 0..count {
                near.send_datagram_wait(Bytes::copy_from_slice(&[7; PING])).await?;
            }
            Ok(())
        };
        unreliable::figures(
            &self.quinn.places,
            count,
            |counted| async move {
                loop {
                    far.read_datagram().await?;
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            },
            send,
        )
    }
}

fn configs(datagram: Datagram) -> Result<(ServerConfig, ClientConfig), Failure> {
    let certificate = Certificate::new()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (server, client) = without_resumption(certificate.configs(&provider)?);
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
fn bind(place: &Handle, server: Option<ServerConfig>) -> Result<Endpoint, Failure> {
    let _inside = place.enter();
    let mut config = EndpointConfig::default();
    config.max_udp_payload_size(LARGEST_DATAGRAM)?;
    let socket = std::net::UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    Ok(Endpoint::new(config, server, socket, Arc::new(TokioRuntime))?)
}
