//! Handshakes in memory, beside the arithmetic that no handshake of the kind can do without.

#[cfg(feature = "peers")]
mod tls;

use std::hint::black_box;

use x25519_dalek::{PublicKey, StaticSecret};

use super::sides::{self, Library, Sides};
use crate::Failure;
use crate::args::Measure;
use crate::clock::processor_time;
use crate::report::{About, Better, Report};
use crate::turns::{Figure, Subject, measure};

const COST: [Figure; 1] = [Figure { name: "processor time, both ends", unit: "us each", better: Better::Lower }];

pub(super) fn run(asked: &Measure, report: &mut Report) -> Result<(), Failure> {
    let count = if asked.quick { 50 } else { 500 };
    let cost = move |work: &dyn Fn(usize) -> Result<(), Failure>| {
        let start = processor_time();
        work(count)?;
        Ok(vec![(processor_time() - start).as_secs_f64() * 1e6 / count as f64])
    };
    let libraries = sides::libraries()?;
    let mut subjects = Vec::new();
    for library in libraries.iter().filter(|library| asked.wants_peer(library.about().name)) {
        subjects.push(Subject::new(library.about(), move || cost(&|count| connections(&**library, count))));
    }
    #[cfg(feature = "peers")]
    if asked.wants_peer("rustls") {
        let about = About::package("rustls", "rustls", "X25519, ECDSA P-256, AES-256-GCM, ring");
        let handshakes = tls::handshakes()?;
        subjects.push(Subject::new(about, move || cost(&handshakes)));
    }
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

/// Connections to one server, accepted by its application. Every client is a stranger to it: an endpoint of its own. The server keeps them all.
fn connections(library: &dyn Library, count: usize) -> Result<(), Failure> {
    let mut sides = Sides::new(library, u32::try_from(count)?)?;
    for _ in 0..count {
        sides.connect()?;
        sides.drop_clients();
    }
    if sides.into_server().established() == count { Ok(()) } else { Err("the server knows others".into()) }
}
