//! TCP with TLS: tokio-rustls with the defaults of rustls, which are aws-lc-rs.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufWriter};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::streams::{Stream, Streams};
use super::{Handshakes, Places};
use crate::Failure;
use crate::certificate::{Certificate, NAME, without_resumption};
use crate::report::About;

/// Bytes collected before a record is made of them: its largest.
const RECORD: usize = 16 * 1024;

/// A listener, and what both sides know.
pub(super) struct Tls {
    places: Arc<Places>,
    listener: Arc<TcpListener>,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl Tls {
    pub(super) fn new(places: Arc<Places>) -> Result<Self, Failure> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let (server, client) = without_resumption(Certificate::new()?.configs(&provider)?);
        let bind = places.far().spawn(TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
        let listener = Arc::new(places.block_on(bind)??);
        let (acceptor, connector) = (TlsAcceptor::from(Arc::new(server)), TlsConnector::from(Arc::new(client)));
        Ok(Self { places, listener, acceptor, connector })
    }

    async fn connections(&self) -> Result<[TlsStream<TcpStream>; 2], Failure> {
        let connect = async {
            let stream = TcpStream::connect(self.listener.local_addr()?).await?;
            stream.set_nodelay(true)?;
            Ok::<_, Failure>(self.connector.connect(ServerName::try_from(NAME)?, stream).await?)
        };
        let (listener, acceptor) = (Arc::clone(&self.listener), self.acceptor.clone());
        let accept = self.places.far().spawn(async move {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok::<_, Failure>(acceptor.accept(stream).await?)
        });
        let (near, far) = tokio::join!(connect, accept);
        Ok([near?.into(), far??.into()])
    }

    /// A stream both ways.
    pub(super) fn streams(self) -> Result<Streams, Failure> {
        let [near, far] = self.places.block_on(self.connections())?.map(|stream| {
            let (read, write) = tokio::io::split(stream);
            Stream::new(read, BufWriter::with_capacity(RECORD, write))
        });
        Ok(Streams::new(about(), Arc::clone(&self.places), near, far, self))
    }
}

fn about() -> About {
    About::package("tcp-rustls", "rustls", "AES-256-GCM, rustls on aws-lc-rs")
}

impl Handshakes for Tls {
    fn about(&self) -> About {
        about()
    }

    fn connect(&mut self, count: usize) -> Result<(), Failure> {
        self.places.block_on(async {
            for _ in 0..count {
                let [mut near, mut far] = self.connections().await?;
                near.shutdown().await?;
                if far.read(&mut [0]).await? != 0 {
                    return Err("the end was not the end".into());
                }
            }
            Ok(())
        })
    }
}
