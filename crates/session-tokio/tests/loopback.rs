//! Two endpoints over the loopback interface, on tokio.

use std::net::SocketAddr;

use session_adapter_tests::{Runtime, loopback};
use session_tokio::{Bind as _, BindError, Channel, Endpoint, EndpointBuilder, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[derive(Clone, Copy)]
struct Tokio;

impl Runtime for Tokio {
    async fn bind(self, builder: EndpointBuilder, address: SocketAddr) -> Result<Endpoint, BindError> {
        builder.bind(address).await
    }

    fn spawn<T: Send + 'static>(
        self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send {
        let task = tokio::spawn(future);
        async { task.await.expect("the task ends well") }
    }
}

async fn answer(channel: Channel) -> u64 {
    let (reader, writer) = channel.byte_stream().into_split();
    let (mut reader, mut writer) = (TokioIo(reader), TokioIo(writer));
    let copied = tokio::io::copy(&mut reader, &mut writer).await.expect("copies");
    writer.shutdown().await.expect("ends");
    copied
}

async fn ask(channel: Channel, question: Vec<u8>) -> Vec<u8> {
    let (mut reader, mut writer) = tokio::io::split(TokioIo(channel.byte_stream()));
    let writing = Tokio.spawn(async move {
        writer.write_all(&question).await.expect("writes");
        writer.shutdown().await.expect("ends");
    });
    let mut answer = Vec::new();
    reader.read_to_end(&mut answer).await.expect("reads");
    writing.await;
    answer
}

#[tokio::test]
async fn large_messages_cross_both_ways_on_one_thread() {
    loopback::both_ways(Tokio).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn large_messages_cross_both_ways_on_many_threads() {
    loopback::both_ways(Tokio).await;
}

#[tokio::test]
async fn byte_streams_have_the_traits_of_tokio() {
    loopback::byte_streams(Tokio, answer, ask).await;
}

#[tokio::test]
async fn a_refusal_arrives() {
    loopback::refused(Tokio).await;
}
