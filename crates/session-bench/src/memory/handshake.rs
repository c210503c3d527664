//! Handshakes in memory, beside the arithmetic that no handshake of the kind can do without.

use std::hint::black_box;

use session_core::{
    Action, Address, Arrival, Carrier, Config, ConnectOptions, Endpoint, Event, Limits, Link, Peer, RustCrypto,
    SecondSession, Secret, Seed, StaticKey,
};
use x25519_dalek::{PublicKey, StaticSecret};

use crate::Failure;
use crate::args::Measure;
use crate::clock::processor_time;
use crate::report::{About, Better, OURS, Report};
use crate::simulated::START;
use crate::turns::{Figure, Subject, measure};

const COST: [Figure; 1] = [Figure { name: "processor time, both ends", unit: "us each", better: Better::Lower }];

pub(super) fn run(asked: &Measure, report: &mut Report) -> Result<(), Failure> {
    let count = if asked.quick { 50 } else { 500 };
    let cost = move |work: &dyn Fn(usize) -> Result<(), Failure>| {
        let start = processor_time();
        work(count)?;
        Ok(vec![(processor_time() - start).as_secs_f64() * 1e6 / count as f64])
    };
    let ours = About::package(OURS, "session-core", "X25519, AES-256-GCM, RustCrypto");
    let mut subjects = vec![Subject::new(ours, move || cost(&sessions))];
    #[cfg(feature = "peers")]
    if asked.wants_peer("snow-ik") {
        let about = About::package("snow-ik", "snow", "X25519, AES-256-GCM, its default resolver");
        subjects.push(Subject::new(about, move || cost(&snow_ik)));
    }
    if asked.wants_peer("bare-x25519") {
        let about = About::package("bare-x25519", "x25519-dalek", "8 agreements, 2 key generations");
        subjects.push(Subject::new(about, move || cost(&bare)));
    }
    measure("handshake-memory", &COST, subjects, asked, report)
}

/// What Noise IK computes at both ends together: es, ss, ee, se at each, and two ephemeral keys.
fn bare(count: usize) -> Result<(), Failure> {
    let secret = StaticSecret::from([7; 32]);
    let public = PublicKey::from(&StaticSecret::from([8; 32]));
    for number in 0..count {
        for seed in [1, 2] {
            let mut bytes = [seed; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            black_box(PublicKey::from(&StaticSecret::from(black_box(bytes))));
        }
        for _ in 0..8 {
            black_box(black_box(&secret).diffie_hellman(black_box(&public)));
        }
    }
    Ok(())
}

/// Both messages of Noise IK with empty payloads, up to the transport keys. Nothing guards against replay or floods.
#[cfg(feature = "peers")]
fn snow_ik(count: usize) -> Result<(), Failure> {
    let parameters: snow::params::NoiseParams = "Noise_IK_25519_AESGCM_SHA256".parse()?;
    let public = PublicKey::from(&StaticSecret::from([2; 32]));
    let (mut message, mut payload) = ([0; 256], [0; 256]);
    for _ in 0..count {
        let initiator = snow::Builder::new(parameters.clone()).local_private_key(&[1; 32])?;
        let mut initiator = initiator.remote_public_key(public.as_bytes())?.build_initiator()?;
        let mut responder = snow::Builder::new(parameters.clone()).local_private_key(&[2; 32])?.build_responder()?;
        let length = initiator.write_message(&[], &mut message)?;
        responder.read_message(&message[..length], &mut payload)?;
        let length = responder.write_message(&[], &mut message)?;
        initiator.read_message(&message[..length], &mut payload)?;
        black_box((initiator.into_transport_mode()?, responder.into_transport_mode()?));
    }
    Ok(())
}

/// Sessions, each accepted by the application and told to the other one. Every initiator is a stranger to the responder: an endpoint of its own.
fn sessions(count: usize) -> Result<(), Failure> {
    let mut server = endpoint(0, u32::try_from(count)?)?;
    let link =
        |local, remote| Link { carrier: Carrier(0), local: Address::Opaque(local), remote: Address::Opaque(remote) };
    let mut out = vec![0; server.max_datagram()];
    for number in 0..count {
        let mut client = endpoint(number as u64 + 1, 1)?;
        let here = (number as u128 + 1).to_be_bytes();
        let peer = Peer::Known { key: server.public_key(), psk: None };
        let _ = client.connect(peer, link(here, [0; 16]), ConnectOptions::default(), START)?;
        let mut is_established = false;
        loop {
            let mut is_quiet = true;
            for is_client in [true, false] {
                let (from, to) = if is_client { (&mut client, &mut server) } else { (&mut server, &mut client) };
                loop {
                    match from.poll_action(&mut out, START) {
                        Action::Transmit(datagram) => {
                            let arrival = if is_client { link([0; 16], here) } else { link(here, [0; 16]) };
                            let _ = to.handle_datagram(&mut out[..datagram.len], Arrival::new(arrival), START);
                        }
                        Action::Event(Event::Incoming(id)) => {
                            from.session_mut(id, START).ok_or("it is gone")?.accept(&[])?;
                        }
                        Action::Event(event) => is_established |= is_client && matches!(event, Event::Established(_)),
                        _ => break,
                    }
                    is_quiet = false;
                }
            }
            if is_quiet {
                break;
            }
        }
        if !is_established {
            return Err(format!("session {number} did not come about").into());
        }
    }
    Ok(())
}

fn endpoint(number: u64, sessions: u32) -> Result<Endpoint, Failure> {
    let mut bytes = [3; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new(bytes)), "session-bench");
    config.second_session = SecondSession::KeepBoth;
    let mut limits = Limits::default();
    limits.sessions = sessions;
    limits.pending = sessions.min(10);
    limits.hot_keys = sessions;
    limits.pool_blocks = 64 + sessions * 4;
    limits.session_window = 16 * 1024;
    limits.channel_window = 16 * 1024;
    Ok(Endpoint::new(config, limits, RustCrypto, Seed::new(bytes))?)
}
