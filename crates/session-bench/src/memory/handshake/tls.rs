//! TLS 1.3 alone, over no transport.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, NamedGroup, ServerConnection};

use crate::Failure;
use crate::certificate::{Certificate, NAME, without_resumption};

/// Whole handshakes: the client checks the certificate of the server, and has none itself.
pub(super) fn handshakes() -> Result<impl Fn(usize) -> Result<(), Failure>, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (server, client) = without_resumption(Certificate::new()?.configs(&provider)?);
    let (server, client) = (Arc::new(server), Arc::new(client));
    let name = ServerName::try_from(NAME)?;
    Ok(move |count| {
        for _ in 0..count {
            let mut client = ClientConnection::new(Arc::clone(&client), name.clone())?;
            let mut server = ServerConnection::new(Arc::clone(&server))?;
            let mut bytes = Vec::new();
            while client.is_handshaking() || server.is_handshaking() {
                client.write_tls(&mut bytes)?;
                hand_over(&mut bytes, |bytes| server.read_tls(bytes))?;
                server.process_new_packets()?;
                while server.wants_write() {
                    server.write_tls(&mut bytes)?;
                }
                hand_over(&mut bytes, |bytes| client.read_tls(bytes))?;
                client.process_new_packets()?;
            }
            let group = server.negotiated_key_exchange_group().map(|group| group.name());
            if group != Some(NamedGroup::X25519) || client.peer_certificates().is_none() {
                return Err("this is another handshake".into());
            }
        }
        Ok(())
    })
}

fn hand_over(bytes: &mut Vec<u8>, mut read: impl FnMut(&mut &[u8]) -> std::io::Result<usize>) -> Result<(), Failure> {
    let mut left = &bytes[..];
    while !left.is_empty() {
        if read(&mut left)? == 0 {
            return Err("it takes no more".into());
        }
    }
    bytes.clear();
    Ok(())
}
