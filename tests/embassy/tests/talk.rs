//! Two devices on one wire, in one thread on this machine.

use core::net::{Ipv4Addr, SocketAddr};

use embassy_futures::block_on;
use embassy_futures::join::join;
use embassy_futures::select::{Either, select};
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{Config, Ipv4Cidr, Runner, Stack, StackResources, StaticConfigV4};
use embassy_net_driver_channel as channel;
use embassy_sync::channel::Channel;
use session_core::{CloseCode, ClosedBy, Limits, RustCrypto, Secret, Seed, Session, StaticKey};
use session_embassy::{Command, Message, News, run};

const MTU: usize = 1514;
const MESSAGES: usize = 200;
type Wire = channel::State<MTU, 2, 2>;

fn session(number: u8) -> Session {
    let key = StaticKey::new(&RustCrypto, Secret::new([number; 32]));
    let config = session_core::Config::new(key, "talk/1");
    let mut limits = Limits::default();
    limits.block_size = 256;
    limits.pool_blocks = 96;
    limits.session_window = 4096;
    limits.channel_window = 4096;
    // Few, so that most messages find the channel full and wait.
    limits.send_blocks = 4;
    limits.record_blocks = 8;
    Session::new(config, limits, RustCrypto, Seed::new([number; 32])).unwrap()
}

fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, number)
}

/// A wire, one way.
async fn pump(mut from: channel::TxRunner<'_, MTU>, mut to: channel::RxRunner<'_, MTU>) -> ! {
    loop {
        let frame = from.tx_buf().await.to_vec();
        from.tx_done();
        to.rx_buf().await[..frame.len()].copy_from_slice(&frame);
        to.rx_done(frame.len());
    }
}

fn stack<'d>(
    device: channel::Device<'d, MTU>,
    resources: &'d mut StackResources<3>,
    number: u8,
) -> (Stack<'d>, Runner<'d, channel::Device<'d, MTU>>) {
    let config = Config::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(address(number), 24),
        gateway: None,
        dns_servers: Default::default(),
    });
    embassy_net::new(device, config, resources, u64::from(number))
}

/// More of them than all queues on the way hold, so that each of these is full once; then an end in good order.
#[test]
fn messages_go_and_come_back() {
    let mut wires = [Wire::new(), Wire::new()];
    let [one, two] = &mut wires;
    let hw = |n| channel::driver::HardwareAddress::Ethernet([2, 0, 0, 0, 0, n]);
    let (one, device1) = channel::new(one, hw(1));
    let (two, device2) = channel::new(two, hw(2));
    let (state1, rx1, tx1) = one.split();
    let (state2, rx2, tx2) = two.split();
    for state in [state1, state2] {
        state.set_link_state(channel::driver::LinkState::Up);
    }
    let (mut r1, mut r2) = (StackResources::new(), StackResources::new());
    let (stack1, mut runner1) = stack(device1, &mut r1, 1);
    let (stack2, mut runner2) = stack(device2, &mut r2, 2);
    let mut meta = [[PacketMetadata::EMPTY; 4]; 4];
    let mut buffers = vec![vec![0; 4096]; 4];
    let [m1, m2, m3, m4] = &mut meta;
    let [b1, b2, b3, b4] = &mut buffers[..] else { panic!() };
    let mut socket1 = UdpSocket::new(stack1, m1, b1, m2, b2);
    let mut socket2 = UdpSocket::new(stack2, m3, b3, m4, b4);
    socket1.bind(7000).unwrap();
    socket2.bind(7000).unwrap();
    let [at1, at2] = [1, 2].map(|n| SocketAddr::from((address(n), 7000)));
    let (s1, s2) = (session(1), session(2));
    let key = s2.public_key();
    let (c1, n1, c2, n2) = (Channel::new(), Channel::new(), Channel::new(), Channel::new());
    let net = join(join(pump(tx1, rx2), pump(tx2, rx1)), join(runner1.run(), runner2.run()));
    let tasks =
        join(run(s1, &socket1, at1, c1.receiver(), n1.sender()), run(s2, &socket2, at2, c2.receiver(), n2.sender()));
    let server = async {
        let mut heard = 0;
        assert_eq!(n2.receive().await, News::Established);
        loop {
            match n2.receive().await {
                News::Message(message) => {
                    heard += 1;
                    c2.send(Command::Send(message)).await
                }
                News::Closed(reason) => {
                    assert_eq!(reason.map(|reason| (reason.by, reason.code)), Some((ClosedBy::Peer, CloseCode(0))));
                    return heard;
                }
                other => panic!("{other:?}"),
            }
        }
    };
    let client = async {
        c1.send(Command::Send(Message::from_slice(b"too early").unwrap())).await;
        assert!(matches!(n1.receive().await, News::NotSent(_)));
        c1.send(Command::Connect(key, at2)).await;
        assert_eq!(n1.receive().await, News::Established);
        let ask = async {
            for n in 0..MESSAGES {
                c1.send(Command::Send(Message::from_slice(&[n as u8; 200]).unwrap())).await;
            }
        };
        let hear = async {
            for n in 0..MESSAGES {
                assert_eq!(n1.receive().await, News::Message(Message::from_slice(&[n as u8; 200]).unwrap()));
            }
        };
        join(ask, hear).await;
        c1.send(Command::Close).await;
        assert!(matches!(n1.receive().await, News::Closed(Some(reason)) if reason.by == ClosedBy::Local));
    };
    let both = join(server, client);
    match block_on(select(join(net, tasks), both)) {
        Either::Second((heard, ())) => assert_eq!(heard, MESSAGES),
        Either::First(_) => unreachable!(),
    }
}
