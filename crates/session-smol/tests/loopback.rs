//! Two endpoints over the loopback interface, on smol.

use std::net::SocketAddr;

use session_adapter_tests::{Runtime, loopback};
use session_smol::{Bind as _, BindError, Channel, Endpoint, EndpointBuilder};
use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};
use smol::stream::StreamExt as _;

#[derive(Clone, Copy)]
struct Smol;

impl Runtime for Smol {
    async fn bind(self, builder: EndpointBuilder, address: SocketAddr) -> Result<Endpoint, BindError> {
        builder.bind(address).await
    }

    fn spawn<T: Send + 'static>(
        self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send {
        smol::spawn(future)
    }
}

/// After the byte stream, messages as a stream.
async fn answer(channel: Channel) -> u64 {
    let (mut reader, mut writer) = channel.byte_stream().into_split();
    let copied = smol::io::copy(&mut reader, &mut writer).await.expect("copies");
    writer.close().await.expect("ends");
    let messages: Vec<_> = channel.messages(10).collect().await;
    assert_eq!(messages, [Ok(b"one".to_vec()), Ok(b"two".to_vec())]);
    copied
}

async fn ask(channel: Channel, question: Vec<u8>) -> Vec<u8> {
    let (mut reader, mut writer) = channel.byte_stream().into_split();
    let writing = Smol.spawn(async move {
        writer.write_all(&question).await.expect("writes");
        writer.close().await.expect("ends");
    });
    let mut answer = Vec::new();
    reader.read_to_end(&mut answer).await.expect("reads");
    writing.await;
    channel.send(b"one").await.expect("sends");
    channel.send(b"two").await.expect("sends");
    answer
}

#[test]
fn large_messages_cross_both_ways() {
    smol::block_on(loopback::both_ways(Smol));
}

#[test]
fn byte_streams_and_messages_have_the_traits_of_futures() {
    smol::block_on(loopback::byte_streams(Smol, answer, ask));
}

#[test]
fn a_refusal_arrives() {
    smol::block_on(loopback::refused(Smol));
}
