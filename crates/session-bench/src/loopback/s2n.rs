//! s2n-quic, with the defaults of its crate: s2n-tls on aws-lc.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use s2n_quic::client::Connect;
use s2n_quic::connection::Connection;
use s2n_quic::provider::io::tokio::{Builder, Provider};
use s2n_quic::{Client, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::streams::{Stream, Streams};
use super::{Datagram, Handshakes, Places};
use crate::Failure;
use crate::certificate::{Certificate, NAME};
use crate::report::About;

/// What it counts to a packet beside the payload: headers of IPv4 and UDP.
const HEADERS: u16 = 28;

/// A client and a server.
pub(super) struct S2n {
    places: Arc<Places>,
    client: Client,
    server: Server,
    address: SocketAddr,
}

impl S2n {
    pub(super) fn new(places: Arc<Places>, datagram: Datagram) -> Result<Self, Failure> {
        let certificate = Certificate::new()?;
        let pem = (certificate.chain_pem.as_str(), certificate.key_pem.as_str());
        let server = {
            let _inside = places.far().enter();
            Server::builder().with_tls(pem)?.with_io(io(datagram)?)?.start()?
        };
        let client = {
            let _inside = places.near().enter();
            Client::builder().with_tls(pem.0)?.with_io(io(datagram)?)?.start()?
        };
        let address = server.local_addr()?;
        Ok(Self { places, client, server, address })
    }

    /// A stream both ways.
    pub(super) fn streams(mut self) -> Result<Streams, Failure> {
        let places = Arc::clone(&self.places);
        let (near, far, connections) = places.block_on(async {
            let [mut near, mut far] = connections(&self.client, &mut self.server, self.address).await?;
            let (receive, mut send) = near.open_bidirectional_stream().await?.split();
            // The far end hears of a stream by its first byte.
            send.write_all(&[0]).await?;
            let stream = far.accept_bidirectional_stream().await?.ok_or("the connection has ended")?;
            let (mut ask, answer) = stream.split();
            ask.read_exact(&mut [0]).await?;
            Ok::<_, Failure>((Stream::new(receive, send), Stream::new(ask, answer), [near, far]))
        })?;
        Ok(Streams::new(about(), places, near, far, (connections, self)))
    }
}

async fn connections(client: &Client, server: &mut Server, address: SocketAddr) -> Result<[Connection; 2], Failure> {
    let connect = client.connect(Connect::new(address).with_server_name(NAME));
    let accept = async { Ok::<_, Failure>(server.accept().await.ok_or("the server has stopped")?) };
    let (near, far) = tokio::join!(connect, accept);
    Ok([near?, far?])
}

fn about() -> About {
    About::package("s2n-quic", "s2n-quic", "AES-128-GCM, s2n-tls on aws-lc")
}

impl Handshakes for S2n {
    fn about(&self) -> About {
        about()
    }

    fn connect(&mut self, count: usize) -> Result<(), Failure> {
        let Self { places, client, server, address } = self;
        places.block_on(async {
            for _ in 0..count {
                let [near, _far] = connections(client, server, *address).await?;
                near.close(0_u8.into());
            }
            Ok(())
        })
    }
}

fn io(datagram: Datagram) -> Result<Provider, Failure> {
    let most = match datagram {
        Datagram::Ethernet => 1452 + HEADERS,
        Datagram::Best => 9000,
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Ok(Builder::default().with_receive_address(address)?.with_max_mtu(most)?.build()?)
}
