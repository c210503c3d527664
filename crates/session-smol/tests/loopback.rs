//! Two endpoints over the loopback interface.

use std::net::SocketAddr;

use session_smol::{
    Bind, ChannelId, CloseCode, ClosedBy, ConnectError, DirectoryChange, DirectoryEvent, Endpoint, RustCrypto, Secret,
    Session, State, StaticKey,
};
use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};
use smol::stream::StreamExt as _;

const CHANNEL: ChannelId = ChannelId(16);
const MESSAGE: usize = 4 << 20;

async fn endpoint(mark: u8) -> Endpoint {
    let key = StaticKey::new(&RustCrypto, Secret::new([mark; 32]));
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    Endpoint::builder(key).application("test").bind(anywhere).await.expect("binds")
}

fn pattern(salt: u8) -> Vec<u8> {
    (0..MESSAGE).map(|index| (index ^ (index >> 8) ^ (index >> 16)) as u8 ^ salt).collect()
}

/// Streams one large message: it is longer than the window.
async fn send(session: Session, salt: u8) {
    let channel = session.channel(CHANNEL);
    channel.begin().await.expect("begins");
    channel.write_all(&mut &pattern(salt)[..]).await.expect("writes");
    channel.finish().await.expect("finishes");
    channel.flushed().await.expect("is acknowledged");
}

async fn receive(session: Session, salt: u8) {
    let mut message = Vec::new();
    assert_eq!(session.channel(CHANNEL).recv(&mut message, MESSAGE).await, Ok(Some(MESSAGE)));
    assert!(message == pattern(salt), "the message was changed on the way");
}

async fn both_ways() {
    let (near, far) = (endpoint(1).await, endpoint(2).await);
    let watch = far.watch();
    let (address, key) = (far.local_addr(), far.public_key());
    let accepting = far.clone();
    let accepted = spawn(async move { accepting.accept().await.expect("the endpoint lives").accept().await });
    let a = near.connect(key, address).await.expect("connects");
    let b = finish(accepted).await.expect("accepts");
    let tasks = [
        spawn(send(a.clone(), 1)),
        spawn(receive(b.clone(), 1)),
        spawn(send(b.clone(), 2)),
        spawn(receive(a.clone(), 2)),
    ];
    for task in tasks {
        finish(task).await;
    }
    let closing = a.close(9, "done");
    let heard = b.closed().await;
    assert_eq!((heard.by, heard.code, heard.text.as_str()), (ClosedBy::Peer, CloseCode(9), "done"));
    assert_eq!(closing.await.by, ClosedBy::Local);
    assert_eq!(b.channel(CHANNEL).recv(&mut Vec::new(), 10).await, Ok(None));
    near.close(0, "").await;
    far.close(0, "").await;
    let news: Vec<_> = watch.collect().await;
    let begun = |event: &DirectoryEvent| {
        event.peer_id == Some(near.public_key().peer_id())
            && matches!(event.change, DirectoryChange::Added(up) | DirectoryChange::StateChanged(up) if up == State::Established)
    };
    assert!(news.iter().flatten().any(begun) && news.iter().all(Result::is_ok), "{news:?}");
}

async fn refused() {
    let (near, far) = (endpoint(3).await, endpoint(4).await);
    let (address, key) = (far.local_addr(), far.public_key());
    let refusing = spawn(async move {
        far.accept().await.expect("the endpoint lives").refuse(CloseCode::UNAUTHORIZED, "not today");
        far
    });
    let Err(ConnectError::Ended { reason, .. }) = near.connect(key, address).await else { panic!("connected") };
    assert_eq!((reason.by, reason.text.as_str()), (ClosedBy::Peer, "not today"));
    drop(finish(refusing).await);
}

fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> smol::Task<T> {
    smol::spawn(future)
}

async fn finish<T>(task: smol::Task<T>) -> T {
    task.await
}

#[test]
fn large_messages_cross_both_ways() {
    smol::block_on(both_ways());
}

/// A question of many bytes, its end, and then an answer of many bytes, with what smol has for byte streams; then messages as a stream.
async fn streams() {
    let (near, far) = (endpoint(5).await, endpoint(6).await);
    let (address, key) = (far.local_addr(), far.public_key());
    let answering = spawn(async move {
        let session = far.accept().await.expect("the endpoint lives").accept().await.expect("accepts");
        let (mut reader, mut writer) = session.channel(CHANNEL).byte_stream().into_split();
        let copied = smol::io::copy(&mut reader, &mut writer).await.expect("copies");
        writer.close().await.expect("ends");
        let messages: Vec<_> = session.channel(CHANNEL).messages(10).collect().await;
        assert_eq!(messages, [Ok(b"one".to_vec()), Ok(b"two".to_vec())]);
        copied
    });
    let session = near.connect(key, address).await.expect("connects");
    let channel = session.channel(CHANNEL);
    let (mut reader, mut writer) = channel.byte_stream().into_split();
    let writing = spawn(async move {
        writer.write_all(&pattern(7)).await.expect("writes");
        writer.close().await.expect("ends");
    });
    let mut answer = Vec::new();
    reader.read_to_end(&mut answer).await.expect("reads");
    assert!(answer == pattern(7), "the stream was changed on the way");
    finish(writing).await;
    channel.send(b"one").await.expect("sends");
    channel.send(b"two").await.expect("sends");
    session.close(0, "done").await;
    assert_eq!(finish(answering).await, MESSAGE as u64);
}

#[test]
fn byte_streams_and_messages_have_the_traits_of_futures() {
    smol::block_on(streams());
}

#[test]
fn a_refusal_arrives() {
    smol::block_on(refused());
}
