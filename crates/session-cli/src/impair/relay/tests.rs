use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU64;

use session_sim::{Bursts, CoDel, Policer, Probability, Reordering};

use super::*;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Never over where a relay works; a test that waits longer fails rather than hangs.
const PATIENCE: Duration = Duration::from_secs(60);

fn socket(address: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn relay(address: IpAddr, server: &UdpSocket, up: LinkConfig, down: LinkConfig, seed: u64) -> Relay {
    let server = server.local_addr().unwrap();
    let phases = vec![Phase { from: Duration::ZERO, up, down }];
    Relay::start(&Settings { listen: (address, 0).into(), server, phases, rebind: None, seed }).unwrap()
}

/// Waits until `done`.
fn report_when(relay: &Relay, done: impl Fn(&Report) -> bool) -> Report {
    let start = now();
    loop {
        let report = relay.report();
        if done(&report) {
            return report;
        }
        assert!(now().saturating_since(start) < PATIENCE, "{report:?}");
        thread::yield_now();
    }
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; DATAGRAM];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    (buffer[..length].to_vec(), from)
}

/// Sends 300 numbered datagrams, each when the one before is through so that no socket is full; returns the faults and what came out.
fn survivors(config: LinkConfig, seed: u64) -> (Faults, Vec<Vec<u8>>) {
    let (server, client) = (socket(V4), socket(V4));
    let relay = relay(V4, &server, config, LinkConfig::default(), seed);
    let mut received = Vec::new();
    for number in 1..=300_u64 {
        client.send_to(&number.to_be_bytes(), relay.address()).unwrap();
        let report = report_when(&relay, |report| report.up.sent == number && report.in_flight == 0);
        received.extend((received.len() as u64..report.up.delivered).map(|_| receive(&server).0));
    }
    let report = relay.stop();
    assert_eq!((report.undeliverable, report.clients), (0, 1));
    (report.up, received)
}

#[test]
fn same_seed_gives_the_same_faults() {
    let config = LinkConfig {
        loss: Probability::from_percent(20),
        duplication: Probability::from_percent(10),
        corruption: Probability::from_percent(10),
        ..LinkConfig::default()
    };
    let (faults, received) = survivors(config, 7);
    assert!(faults.lost > 0 && faults.duplicated > 0 && faults.corrupted > 0, "{faults}");
    assert_eq!(survivors(config, 7), (faults, received.clone()));
    assert_ne!(survivors(config, 8).1, received);
}

#[test]
fn bursts_and_a_policer_drop_what_they_are_to() {
    let bursts = Some(Bursts::of(Probability::from_percent(20), 10));
    let (faults, received) = survivors(LinkConfig { bursts, ..LinkConfig::default() }, 7);
    assert!(faults.lost > 10 && faults.lost == faults.lost_in_bursts, "{faults}");
    let gaps =
        received.windows(2).map(|pair| number(&pair[1]) - number(&pair[0])).filter(|gap| *gap > 1).count() as u64;
    assert!(gaps <= faults.lost / 3, "{gaps} gaps for {} lost: several in a row", faults.lost);

    // Eight bytes a datagram: the allowance is spent after ten, and nothing comes back in time.
    let policer = NonZeroU64::new(1).map(|rate| Policer { rate, burst: 80 });
    let (faults, received) = survivors(LinkConfig { policer, ..LinkConfig::default() }, 7);
    assert!(
        received.len() >= 10 && faults.policed > 200 && faults.sent == faults.policed + faults.delivered,
        "{faults}"
    );
}

#[test]
fn codel_drops_what_would_only_have_waited() {
    let (server, client) = (socket(V4), socket(V4));
    let target = Duration::from_millis(5);
    let link = LinkConfig {
        bandwidth: NonZeroU64::new(100_000),
        codel: Some(CoDel { target, interval: target * 4 }),
        ..LinkConfig::default()
    };
    let relay = relay(V4, &server, link, LinkConfig::default(), 1);
    // 40 ms of them: each waits for longer than the one before.
    for sent in 1..=40_u64 {
        client.send_to(&[0; 100], relay.address()).unwrap();
        report_when(&relay, |report| report.up.sent == sent);
    }
    let report = report_when(&relay, |report| report.in_flight == 0);
    assert!(report.up.codel_dropped > 0 && report.up.queue_dropped == 0, "{report:?}");
}

fn number(datagram: &[u8]) -> u64 {
    u64::from_be_bytes(datagram.try_into().unwrap())
}

#[test]
fn clients_are_told_apart_on_the_way_there_and_back() {
    for address in [V4, IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let (server, clients) = (socket(address), [(); 3].map(|()| socket(address)));
        let late = LinkConfig {
            delay: Duration::from_millis(2),
            reordering: Reordering::new(Probability::ALWAYS, 2, Duration::from_millis(2)),
            ..LinkConfig::default()
        };
        let relay = relay(address, &server, late, late, 1);
        for (number, client) in clients.iter().enumerate() {
            client.send_to(&[number as u8], relay.address()).unwrap();
        }
        let mut ports = BTreeSet::new();
        for _ in &clients {
            let (datagram, from) = receive(&server);
            ports.insert(from.port());
            server.send_to(&[datagram[0] + 100], from).unwrap();
        }
        assert_eq!(ports.len(), clients.len());
        for (number, client) in clients.iter().enumerate() {
            assert_eq!(receive(client), (vec![number as u8 + 100], relay.address()));
        }
        assert_eq!(relay.stop().clients, 3);
    }
}

#[test]
fn each_direction_has_its_own_faults() {
    let (server, client) = (socket(V4), socket(V4));
    let deaf = LinkConfig { loss: Probability::ALWAYS, ..LinkConfig::default() };
    let relay = relay(V4, &server, LinkConfig::default(), deaf, 1);
    client.send_to(b"question", relay.address()).unwrap();
    let (question, from) = receive(&server);
    assert_eq!(question, b"question");
    server.send_to(b"answer", from).unwrap();
    let report = report_when(&relay, |report| report.down.sent == 1);
    assert_eq!((report.up.lost, report.down.lost, report.down.delivered), (0, 1, 0));
}

#[test]
fn stranger_does_not_reach_a_client() {
    let (server, client, stranger) = (socket(V4), socket(V4), socket(V4));
    let relay = relay(V4, &server, LinkConfig::default(), LinkConfig::default(), 1);
    client.send_to(b"question", relay.address()).unwrap();
    let (_, from) = receive(&server);
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, from.port()));
    stranger.send_to(b"forged", upstream).unwrap();
    server.send_to(b"answer", from).unwrap();
    assert_eq!(receive(&client).0, b"answer");
    assert_eq!(relay.stop().down.sent, 1);
}

#[test]
fn server_that_is_not_there_yet_is_reached_when_it_comes() {
    let client = socket(V4);
    let gone = socket(V4);
    let relay = relay(V4, &gone, LinkConfig::default(), LinkConfig::default(), 1);
    let address = gone.local_addr().unwrap();
    drop(gone);
    for number in 1..=3 {
        client.send_to(b"early", relay.address()).unwrap();
        report_when(&relay, |report| report.up.delivered == number);
    }
    let server = UdpSocket::bind(address).unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    // The first may be refused for the sake of one before it.
    for number in 4..=5 {
        client.send_to(b"late", relay.address()).unwrap();
        report_when(&relay, |report| report.up.delivered == number);
    }
    assert_eq!(receive(&server).0, b"late");
}

#[test]
fn address_that_is_taken_is_told_from_a_server_out_of_reach() {
    let taken = socket(V4);
    let settings = |listen, server| Settings { listen, server, phases: Vec::new(), rebind: None, seed: 1 };
    let listen = Relay::start(&settings(taken.local_addr().unwrap(), (V4, 9).into()));
    assert!(matches!(listen, Err(StartError::Listen(error)) if error.kind() == io::ErrorKind::AddrInUse));
    let nowhere = "255.255.255.255:9".parse().unwrap();
    assert!(matches!(Relay::start(&settings((V4, 0).into(), nowhere)), Err(StartError::Server(_))));
}

#[test]
fn links_change_when_it_is_time() {
    let (server, client) = (socket(V4), socket(V4));
    let shut = LinkConfig { loss: Probability::ALWAYS, ..LinkConfig::default() };
    let phase = |seconds, up| Phase { from: Duration::from_secs(seconds), up, down: LinkConfig::default() };
    let phases = vec![phase(0, shut), phase(1, LinkConfig::default()), phase(7200, shut)];
    let address = server.local_addr().unwrap();
    let relay = Relay::start(&Settings { listen: (V4, 0).into(), server: address, phases, rebind: None, seed: 1 });
    let relay = relay.unwrap();
    client.send_to(b"early", relay.address()).unwrap();
    report_when(&relay, |report| report.up.lost == 1);
    report_when(&relay, |report| {
        client.send_to(b"again", relay.address()).unwrap();
        report.up.delivered > 0
    });
    assert_eq!(receive(&server).0, b"again");
}

#[test]
fn clients_come_from_other_ports_again_and_again() {
    let (server, client) = (socket(V4), socket(V4));
    let (address, interval) = (server.local_addr().unwrap(), Duration::from_millis(50));
    let settings =
        Settings { listen: (V4, 0).into(), server: address, phases: Vec::new(), rebind: Some(interval), seed: 1 };
    let relay = Relay::start(&settings).unwrap();
    let mut ports = BTreeSet::new();
    while ports.len() < 3 {
        client.send_to(b"question", relay.address()).unwrap();
        let (_, from) = receive(&server);
        ports.insert(from.port());
        server.send_to(b"answer", from).unwrap();
    }
    assert_eq!(receive(&client), (b"answer".to_vec(), relay.address()), "what it hears comes from one address");
    let report = relay.stop();
    assert!(report.rebound >= 2 && report.clients == 1, "{report:?}");
}
