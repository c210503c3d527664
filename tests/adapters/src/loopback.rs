//! Two endpoints over the loopback interface.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;

use futures_core::Stream;
use session_driver::{
    Channel, ChannelId, CloseCode, ClosedBy, ConnectError, DirectoryChange, DirectoryEvent, Endpoint, RustCrypto,
    Secret, Session, State, StaticKey,
};

use crate::Runtime;

const CHANNEL: ChannelId = ChannelId(16);
const MESSAGE: usize = 4 << 20;

/// A large message crosses each way at the same time, then one end closes; who watches hears of the session, and that the endpoint ends.
pub async fn both_ways(runtime: impl Runtime) {
    let (near, far) = (endpoint(runtime, 1).await, endpoint(runtime, 2).await);
    let mut watch = pin!(far.watch());
    let (address, key) = (far.local_addr(), far.public_key());
    let accepting = far.clone();
    let accepted = runtime.spawn(async move { accepting.accept().await.expect("the endpoint lives").accept().await });
    let a = near.connect(key, address).await.expect("connects");
    let b = accepted.await.expect("accepts");
    let sending = [runtime.spawn(send(a.clone(), 1)), runtime.spawn(send(b.clone(), 2))];
    let receiving = [runtime.spawn(receive(b.clone(), 1)), runtime.spawn(receive(a.clone(), 2))];
    for task in sending {
        task.await;
    }
    for task in receiving {
        task.await;
    }
    let closing = a.close(9, "done");
    let heard = b.closed().await;
    assert_eq!((heard.by, heard.code, heard.text.as_str()), (ClosedBy::Peer, CloseCode(9), "done"));
    assert_eq!(closing.await.by, ClosedBy::Local);
    assert_eq!(b.channel(CHANNEL).recv(&mut Vec::new(), 10).await, Ok(None));
    near.close(0, "").await;
    far.close(0, "").await;
    let mut news = Vec::new();
    while let Some(event) = poll_fn(|context| watch.as_mut().poll_next(context)).await {
        news.push(event);
    }
    let begun = |event: &DirectoryEvent| {
        event.peer_id == Some(near.public_key().peer_id())
            && matches!(event.change, DirectoryChange::Added(up) | DirectoryChange::StateChanged(up) if up == State::Established)
    };
    assert!(news.iter().flatten().any(begun) && news.iter().all(Result::is_ok), "{news:?}");
}

/// One end refuses the other, with words.
pub async fn refused(runtime: impl Runtime) {
    let (near, far) = (endpoint(runtime, 3).await, endpoint(runtime, 4).await);
    let (address, key) = (far.local_addr(), far.public_key());
    let refusing = runtime.spawn(async move {
        far.accept().await.expect("the endpoint lives").refuse(CloseCode::UNAUTHORIZED, "not today");
        far
    });
    let Err(ConnectError::Ended { reason, .. }) = near.connect(key, address).await else { panic!("connected") };
    assert_eq!((reason.by, reason.text.as_str()), (ClosedBy::Peer, "not today"));
    drop(refusing.await);
}

/// One end asks by a byte stream of many bytes, the other sends all of it back, with what the runtime has for byte streams: `answer` copies what comes on the channel,
/// and says how much that was; `ask` sends the bytes, and says what came back.
pub async fn byte_streams<Answering, Asking>(
    runtime: impl Runtime,
    answer: impl FnOnce(Channel) -> Answering + Send + 'static,
    ask: impl FnOnce(Channel, Vec<u8>) -> Asking,
) where
    Answering: Future<Output = u64> + Send,
    Asking: Future<Output = Vec<u8>>,
{
    let (near, far) = (endpoint(runtime, 5).await, endpoint(runtime, 6).await);
    let (address, key) = (far.local_addr(), far.public_key());
    let answering = runtime.spawn(async move {
        let session = far.accept().await.expect("the endpoint lives").accept().await.expect("accepts");
        let copied = answer(session.channel(CHANNEL)).await;
        session.closed().await;
        copied
    });
    let session = near.connect(key, address).await.expect("connects");
    let answer = ask(session.channel(CHANNEL), pattern(7)).await;
    assert!(answer == pattern(7), "the stream was changed on the way");
    session.close(0, "done").await;
    assert_eq!(answering.await, MESSAGE as u64);
}

async fn endpoint(runtime: impl Runtime, mark: u8) -> Endpoint {
    let key = StaticKey::new(&RustCrypto, Secret::new([mark; 32]));
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    runtime.bind(Endpoint::builder(key).application("test"), anywhere).await.expect("binds")
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
