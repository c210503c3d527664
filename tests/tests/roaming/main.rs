//! Both ends go on from other sockets in the middle of large messages, on both runtimes: from other addresses of the loopback interface, and from
//! other network namespaces, where the way that was used until then is cut first.
//!
//! Namespaces take Linux, root and `ip` of iproute2 and `unshare` of util-linux. Where they cannot be made, those tests say why and pass, unless `SESSION_NAMESPACES` is set
//! to `required`, as `just roaming` does.

#[cfg(target_os = "linux")]
mod namespaces;

use std::net::SocketAddr;

use session_smol::{
    BindError, ChannelId, DirectoryChange, Endpoint, EndpointBuilder, RustCrypto, Secret, Session, StaticKey, Watch,
};
use smol::future::zip;

const CHANNEL: ChannelId = ChannelId(16);
const MESSAGE: usize = 4 << 20;

/// Where endpoints may be: the first two places are those of one end, the other two those of the other end.
trait Network {
    /// While it lives, the sockets that this thread makes are in a place.
    type Inside;

    fn enter(&self, place: u8) -> Self::Inside;

    /// The address of a place, with a port for the system to choose.
    fn address(&self, place: u8) -> SocketAddr;

    /// From now on nothing goes between two places.
    fn cut(&self, one: u8, other: u8);
}

/// Addresses of one interface.
struct Loopback;

impl Network for Loopback {
    type Inside = ();

    fn enter(&self, _: u8) {}

    fn address(&self, place: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, place], 0))
    }

    fn cut(&self, _: u8, _: u8) {}
}

/// First one end moves, then the other, then the first again; a message crosses each way during each move.
async fn roam<Bound: Future<Output = Result<Endpoint, BindError>>>(
    network: &impl Network,
    bind: impl Fn(EndpointBuilder, SocketAddr) -> Bound,
) {
    let (near, far) = (endpoint(network, &bind, 1).await, endpoint(network, &bind, 3).await);
    let watches = [near.watch(), far.watch()];
    let accepting = async { far.accept().await.expect("the endpoint lives").accept().await.expect("accepts") };
    let (a, b) = zip(near.connect(far.public_key(), far.local_addr()), accepting).await;
    let a = a.expect("connects");
    let name = a.uid();
    for (salt, end, [from, to, peer]) in [(1, &near, [1, 2, 3]), (2, &far, [3, 4, 2]), (3, &near, [2, 1, 4])] {
        assert_eq!(end.local_addr().ip(), network.address(from).ip());
        let moving = async {
            // The readers stay behind, so that credit alone keeps the messages from being over before the move.
            let begun = b.channel(CHANNEL).read(&mut [0; 1000]).await.expect("reads").expect("there is more").length;
            network.cut(from, peer);
            {
                let _inside = network.enter(to);
                let bound = end.rebind(network.address(to)).expect("binds");
                assert_eq!(bound.ip(), network.address(to).ip());
            }
            zip(receive(&a, 0, salt + 8), receive(&b, begun, salt)).await;
        };
        zip(zip(send(&a, salt), send(&b, salt + 8)), moving).await;
    }
    for (session, other) in [(&a, &far), (&b, &near)] {
        assert_eq!(session.remote_address(), Some(other.local_addr()), "the peer was followed");
        assert!(session.stats().path_changes >= 3);
        assert_eq!(session.uid(), name);
    }
    near.close(0, "").await;
    far.close(0, "").await;
    for watch in watches {
        assert_eq!(sessions_begun(watch).await, 1, "a handshake for each move is no roaming");
    }
}

async fn endpoint<Bound: Future<Output = Result<Endpoint, BindError>>>(
    network: &impl Network,
    bind: &impl Fn(EndpointBuilder, SocketAddr) -> Bound,
    place: u8,
) -> Endpoint {
    let _inside = network.enter(place);
    let key = StaticKey::new(&RustCrypto, Secret::new([place; 32]));
    bind(Endpoint::builder(key).application("test"), network.address(place)).await.expect("binds")
}

/// Streams one large message: it is longer than the window.
async fn send(session: &Session, salt: u8) {
    let channel = session.channel(CHANNEL);
    channel.begin().await.expect("begins");
    channel.write_all(&mut &pattern(salt)[..]).await.expect("writes");
    channel.finish().await.expect("finishes");
    channel.flushed().await.expect("is acknowledged");
}

/// Reads what is left of a message.
async fn receive(session: &Session, begun: usize, salt: u8) {
    let (channel, mut read) = (session.channel(CHANNEL), begun);
    let (mut piece, whole) = (vec![0; 1 << 16], pattern(salt));
    loop {
        let chunk = channel.read(&mut piece).await.expect("reads").expect("there is more");
        assert!(piece[..chunk.length] == whole[read..read + chunk.length], "the message was changed on the way");
        read += chunk.length;
        if chunk.end {
            assert_eq!(read, MESSAGE);
            return;
        }
    }
}

fn pattern(salt: u8) -> Vec<u8> {
    (0..MESSAGE).map(|index| (index ^ (index >> 8) ^ (index >> 16)) as u8 ^ salt).collect()
}

async fn sessions_begun(mut watch: Watch) -> usize {
    let mut count = 0;
    while let Some(event) = watch.next().await {
        count += usize::from(matches!(event.expect("nothing is missed").change, DirectoryChange::Added(_)));
    }
    count
}

/// The driver runs on a thread of tokio's, the handles are used on this one.
fn roam_on_tokio(network: &impl Network) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("starts");
    runtime.block_on(roam(network, session_tokio::Bind::bind));
}

fn roam_on_smol(network: &impl Network) {
    // Its threads start where this one is now, and stay there.
    smol::block_on(smol::spawn(smol::Timer::after(std::time::Duration::ZERO)));
    smol::block_on(roam(network, session_smol::Bind::bind));
}

#[test]
fn both_ends_roam_between_loopback_addresses_on_tokio() {
    roam_on_tokio(&Loopback);
}

#[test]
fn both_ends_roam_between_loopback_addresses_on_smol() {
    roam_on_smol(&Loopback);
}

#[cfg(target_os = "linux")]
#[test]
fn both_ends_roam_between_network_namespaces_on_tokio() {
    namespaces::with(roam_on_tokio);
}

#[cfg(target_os = "linux")]
#[test]
fn both_ends_roam_between_network_namespaces_on_smol() {
    namespaces::with(roam_on_smol);
}
