use super::*;

/// Two sockets on the loopback interface.
fn pair() -> [(UdpSocket, Udp); 2] {
    [(); 2].map(|()| {
        let socket = bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("binds");
        let udp = Udp::new(&socket).expect("turns options on");
        (socket, udp)
    })
}

/// Receives until `bytes` have come.
fn receive(socket: &UdpSocket, udp: &mut Udp, bytes: usize) -> (Vec<u8>, Vec<RecvMeta>) {
    let (mut contents, mut metas) = (Vec::new(), Vec::new());
    while contents.len() < bytes {
        let mut storage = vec![[0; 65_536]; 2];
        let mut buffers: Vec<_> = storage.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
        let mut meta = [RecvMeta::default(); 2];
        match udp.recv(socket, &mut buffers, &mut meta) {
            Ok(count) => {
                for (buffer, meta) in buffers.iter().zip(meta).take(count) {
                    contents.extend_from_slice(&buffer[..meta.len]);
                    metas.push(meta);
                }
            }
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }
    (contents, metas)
}

#[test]
fn a_batch_crosses_the_loopback_with_addresses_and_marks() {
    let [(from, sender), (to, mut receiver)] = pair();
    let contents: Vec<u8> = (0..5_500_u32).map(|index| (index % 251) as u8).collect();
    let datagrams = Datagrams {
        remote: to.local_addr().expect("is bound"),
        local: None,
        ecn: Some(Ecn::Ect0),
        contents: &contents,
        segment: Some(1000),
    };
    if sender.max_gso_segments() < 6 {
        for piece in contents.chunks(1000) {
            sender.send(&from, &Datagrams { contents: piece, segment: None, ..datagrams }).expect("sends");
        }
    } else {
        sender.send(&from, &datagrams).expect("sends");
    }
    let (received, metas) = receive(&to, &mut receiver, contents.len());
    assert_eq!(received, contents);
    for meta in metas {
        assert_eq!(meta.remote, from.local_addr().expect("is bound"));
        // Not every system tells these; what it tells must be right.
        assert!(meta.ecn.is_none_or(|ecn| ecn == Ecn::Ect0));
        assert!(meta.local.is_none_or(|local| local == IpAddr::from([127, 0, 0, 1])));
        assert!(meta.stride == 1000 || meta.len == 500);
    }
}

#[test]
fn an_empty_socket_blocks_and_an_address_can_be_taken_once() {
    let [(socket, mut udp), _] = pair();
    let mut storage = [0; 100];
    let blocked = udp.recv(&socket, &mut [IoSliceMut::new(&mut storage)], &mut [RecvMeta::default()]);
    assert_eq!(blocked.expect_err("nothing was sent").kind(), io::ErrorKind::WouldBlock);
    let taken = bind(socket.local_addr().expect("is bound"));
    assert_eq!(taken.expect_err("the address is taken").kind(), io::ErrorKind::AddrInUse);
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn a_call_that_fills_fewer_buffers_than_it_has_leaves_nothing_behind() {
    let [(from, sender), (to, mut receiver)] = pair();
    let remote = to.local_addr().expect("is bound");
    // Of different lengths and marks: the system glues none of them together.
    for (length, ecn) in [(10, None), (700, Some(Ecn::Ect0)), (30, None)] {
        let datagrams = Datagrams { remote, local: None, ecn, contents: &[7; 700][..length], segment: None };
        sender.send(&from, &datagrams).expect("sends");
    }
    let mut storage = [[0; 2048]; 2];
    let mut told = Vec::new();
    for _ in 0..3 {
        let mut buffers = storage.each_mut().map(|buffer| IoSliceMut::new(buffer));
        let received = receiver.recv(&to, &mut buffers, &mut [RecvMeta::default(); 2]);
        told.push(received.ok().map(|count| (count, Udp::emptied(count, 2))));
    }
    assert_eq!(told, [Some((2, false)), Some((1, true)), None]);
}

#[test]
fn nothing_is_sent_from_an_address_that_is_nobody_s() {
    for (address, usable) in [
        ("10.0.0.1", true),
        ("127.0.0.1", true),
        ("2001:db8::1", true),
        ("0.0.0.0", false),
        ("::", false),
        ("255.255.255.255", false),
        ("224.0.0.1", false),
        ("ff02::1", false),
    ] {
        assert_eq!(address.parse::<IpAddr>().expect("parses").is_usable_source(), usable, "{address}");
    }
}
