use session_tokio::{ConnectError, Endpoint, RustCrypto, Secret, StaticKey};

use super::*;

async fn endpoint(number: u8) -> Endpoint {
    let key = StaticKey::new(&RustCrypto, Secret::new([number; 32]));
    let builder = Endpoint::builder(key).application("test").channel(CHANNEL);
    Runtime::Smol.bind(builder, "127.0.0.1:0".parse().unwrap()).await.unwrap()
}

/// A session, and its other end.
async fn pair() -> (Session, Session) {
    let (here, there) = (endpoint(1).await, endpoint(2).await);
    let accepting = async { Ok::<_, ConnectError>(there.accept().await.unwrap().accept().await.unwrap()) };
    let connecting = here.connect(there.public_key(), there.local_addr());
    smol::future::try_zip(connecting, accepting).await.unwrap()
}

#[test]
fn a_late_echo_is_lost_and_not_taken_for_the_next() {
    smol::block_on(async {
        let (near, far) = pair().await;
        let mut pinger = Pinger::new(&near, Runtime::Smol, Duration::from_millis(20));
        assert_eq!(pinger.ping(1).await, Err(NoEcho::Late));
        pinger.timeout = Duration::from_secs(60);
        let channel = far.channel(CHANNEL);
        let late = async {
            for number in [1, 2] {
                channel.send(&message(number)).await.unwrap();
            }
        };
        let (second, ()) = smol::future::zip(pinger.ping(2), late).await;
        assert!(second.is_ok(), "{second:?}");
        channel.send(&message(9)).await.unwrap();
        assert_eq!(pinger.ping(3).await, Err(NoEcho::Unexpected));
    });
}

#[test]
fn only_the_message_itself_is_an_echo() {
    assert_eq!(number(&message(7)), Some(7));
    let mut other = message(7);
    other[63] = 1;
    for echo in [&other[..], &message(7)[..63], b"", b"short"] {
        assert_eq!(number(echo), None);
    }
}
