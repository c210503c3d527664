use super::*;

fn client(number: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, number).into()
}

fn clients() -> Clients {
    Clients::new((Ipv4Addr::LOCALHOST, 9).into()).unwrap()
}

const START: Instant = Instant::EPOCH;

#[test]
fn client_is_known_by_its_address_and_has_a_socket_of_its_own() {
    let mut clients = clients();
    assert_eq!([1, 2, 1].map(|number| clients.admit(client(number), START)), [Some(0), Some(1), Some(0)]);
    let ports: Vec<_> = clients.iter().map(|(_, client)| client.upstream.local_addr().unwrap().port()).collect();
    assert_ne!(ports[0], ports[1]);
    assert_eq!(clients.seen(), 2);
}

#[test]
fn number_is_bounded_until_one_is_idle() {
    let mut clients = clients();
    for number in 1..=MAX_CLIENTS as u16 {
        assert!(clients.admit(client(number), START).is_some());
    }
    let just_before = START.saturating_add(IDLE - Duration::from_micros(1));
    assert_eq!(clients.admit(client(1000), just_before), None);
    assert_eq!(clients.admit(client(7), just_before), Some(6), "who is known stays");
    for id in 1..MAX_CLIENTS as u64 {
        assert!(clients.active(id, just_before).is_some());
    }
    let idle = START.saturating_add(IDLE);
    assert_eq!(clients.admit(client(1000), idle), Some(MAX_CLIENTS as u64));
    assert!(clients.active(0, idle).is_none(), "the only idle one has made room");
    assert_eq!(clients.admit(client(1), idle), None, "and is a newcomer now");
    assert_eq!(clients.known.len(), clients.by_address.len());
}

#[test]
fn every_client_has_another_port_after_a_rebinding_and_is_who_it_was() {
    let mut clients = clients();
    for number in 1..=3 {
        clients.admit(client(number), START);
    }
    let ports = |clients: &Clients| {
        clients.iter().map(|(id, client)| (id, client.upstream.local_addr().unwrap().port())).collect::<Vec<_>>()
    };
    let before = ports(&clients);
    assert_eq!(clients.rebind(), 3);
    for (old, new) in before.iter().zip(ports(&clients)) {
        assert!(old.0 == new.0 && old.1 != new.1, "{old:?} {new:?}");
    }
    assert_eq!(clients.admit(client(2), START), Some(1));
}
