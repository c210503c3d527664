//! Real sockets: an end with this provider and one with that of the core, on either runtime.

use std::net::SocketAddr;

use session_aws_lc::AwsLc;
use session_tokio::{ChannelId, Endpoint, EndpointBuilder, RustCrypto, Secret, Session, StaticKey};

const CHANNEL: ChannelId = ChannelId(16);
const MESSAGE: usize = 1 << 20;

fn builder(mark: u8) -> EndpointBuilder {
    Endpoint::builder(StaticKey::new(&RustCrypto, Secret::new([mark; 32]))).application("test")
}

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Sends a message of many datagrams from `from` to `to`.
async fn transfer(from: &Session, to: &Session, salt: u8) {
    let sent: Vec<u8> = (0..MESSAGE).map(|at| (at ^ (at >> 8)) as u8 ^ salt).collect();
    let (sender, receiver) = (from.channel(CHANNEL), to.channel(CHANNEL));
    let mut received = Vec::new();
    let send = async {
        sender.begin().await.expect("begins");
        sender.write_all(&mut &sent[..]).await.expect("writes");
        sender.finish().await.expect("ends");
    };
    let ((), length) = smol::future::zip(send, receiver.recv(&mut received, MESSAGE)).await;
    assert_eq!(length, Ok(Some(MESSAGE)));
    assert!(received == sent, "the message was changed on the way");
}

/// Each end begins a session once, and both send.
async fn meet(one: Endpoint, other: Endpoint) {
    for (near, far) in [(&one, &other), (&other, &one)] {
        let accept = async { far.accept().await.expect("the endpoint lives").accept().await.expect("accepts") };
        let connect = async { near.connect(far.public_key(), far.local_addr()).await.expect("connects") };
        let (a, b) = smol::future::zip(connect, accept).await;
        transfer(&a, &b, 1).await;
        transfer(&b, &a, 2).await;
        a.close(0, "done").await;
        b.closed().await;
        assert_eq!(far.discards().total(), 0);
    }
}

#[tokio::test]
async fn ends_with_either_provider_meet_on_tokio() {
    use session_tokio::Bind as _;
    let one = builder(1).provider(AwsLc).bind(anywhere()).await.expect("binds");
    meet(one, builder(2).bind(anywhere()).await.expect("binds")).await;
}

#[test]
fn ends_with_either_provider_meet_on_smol() {
    use session_smol::Bind as _;
    smol::block_on(async {
        let one = builder(3).provider(AwsLc).bind(anywhere()).await.expect("binds");
        meet(one, builder(4).bind(anywhere()).await.expect("binds")).await;
    });
}
