//! Sessions between ends with this provider and ends with that of the core, over a bad network in virtual time.

use std::time::Duration;

use session_aws_lc::{AwsLc, AwsLcKey};
use session_core::{ChannelId, DhError, Instant, OpenError, Provider, RustCrypto, RustCryptoKey, Secret, SessionId};
use session_sim::{Contact, LinkConfig, Probability, Reordering, Setup, World};

const CHANNEL: ChannelId = ChannelId(16);
const MESSAGE: usize = 30_000;
const MESSAGES: u8 = 8;

/// A world has nodes of one type.
#[derive(Clone, Copy, Debug)]
enum Either {
    Core,
    AwsLc,
}

enum EitherKey {
    Core(Box<RustCryptoKey>),
    AwsLc(AwsLcKey),
}

impl Provider for Either {
    type Key = EitherKey;

    fn expand(&self, secret: &Secret) -> EitherKey {
        match self {
            Self::Core => EitherKey::Core(Box::new(RustCrypto.expand(secret))),
            Self::AwsLc => EitherKey::AwsLc(AwsLc.expand(secret)),
        }
    }

    fn seal(&self, key: &EitherKey, nonce: &[u8; 12], associated_data: &[u8], in_out: &mut [u8]) -> [u8; 16] {
        match key {
            EitherKey::Core(key) => RustCrypto.seal(key, nonce, associated_data, in_out),
            EitherKey::AwsLc(key) => AwsLc.seal(key, nonce, associated_data, in_out),
        }
    }

    fn open(
        &self,
        key: &EitherKey,
        nonce: &[u8; 12],
        associated_data: &[u8],
        in_out: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), OpenError> {
        match key {
            EitherKey::Core(key) => RustCrypto.open(key, nonce, associated_data, in_out, tag),
            EitherKey::AwsLc(key) => AwsLc.open(key, nonce, associated_data, in_out, tag),
        }
    }

    fn mask(&self, key: &EitherKey, sample: &[u8; 16]) -> [u8; 16] {
        match key {
            EitherKey::Core(key) => RustCrypto.mask(key, sample),
            EitherKey::AwsLc(key) => AwsLc.mask(key, sample),
        }
    }

    fn dh(&self, secret: &Secret, public: &[u8; 32]) -> Result<Secret, DhError> {
        match self {
            Self::Core => RustCrypto.dh(secret, public),
            Self::AwsLc => AwsLc.dh(secret, public),
        }
    }

    fn public_key(&self, secret: &Secret) -> [u8; 32] {
        match self {
            Self::Core => RustCrypto.public_key(secret),
            Self::AwsLc => AwsLc.public_key(secret),
        }
    }
}

/// A hash of every datagram of a session: its handshake, messages both ways that are compared, new keys in between, and its end.
fn digest_of(providers: [Either; 2], contact: Contact) -> [u8; 32] {
    let setup = Setup { psk: contact.with_psk().then_some([7; 32]), ..Setup::default() };
    let mut world = World::new(11);
    let [near, far] = providers.map(|provider| world.add(&setup, provider));
    if contact.is_first() {
        world.set_pairing(far, Some(Instant::MAX));
    }
    let link = LinkConfig {
        loss: Probability::from_percent(5),
        corruption: Probability::from_percent(5),
        reordering: Reordering::mild(),
        delay: Duration::from_millis(10),
        ..LinkConfig::default()
    };
    world.set_link(near, far, link);
    let (at_near, at_far) = world.establish_by(contact, near, far);
    let ends = [(near, at_near), (far, at_far)];
    for number in 0..MESSAGES {
        if number == MESSAGES / 2 {
            world.command(near, at_near, |session| session.rotate_key()).expect("it is established");
        }
        exchange(&mut world, ends, number);
    }
    assert!(ends.iter().all(|(node, id)| world.session(*node, *id).stats().key_rotations > 0));
    let corrupted = world.faults().corrupted;
    assert!(corrupted > 0, "what was damaged on the way was refused");
    world.command(near, at_near, |session| session.close(3, "done"));
    world.run_for(Duration::from_secs(10));
    assert!(world.reason(far, at_far).is_some_and(|reason| reason.code.0 == 3 && reason.text.as_str() == "done"));
    world.digest()
}

/// One message each way.
fn exchange(world: &mut World<Either>, ends: [(usize, SessionId); 2], number: u8) {
    let message = |side: usize| -> Vec<u8> { (0..MESSAGE).map(|at| (at * 7 + side) as u8 ^ number).collect() };
    for (side, (node, id)) in ends.into_iter().enumerate() {
        world.command(node, id, |session| session.send(&message(side), CHANNEL)).expect("there is room");
    }
    let mut received = [false; 2];
    let mut buffer = vec![0; MESSAGE];
    let limit = world.now().saturating_add(Duration::from_secs(60));
    while received != [true; 2] {
        assert!(world.now() < limit, "message {number} does not arrive: {received:?}");
        world.run_for(Duration::from_millis(5));
        for (side, (node, id)) in ends.into_iter().enumerate() {
            if let Ok(Some(length)) = world.command(node, id, |session| session.recv(&mut buffer, CHANNEL)) {
                assert!(buffer[..length] == message(1 - side), "the message was changed on the way");
                received[side] = true;
            }
        }
    }
}

#[test]
fn whichever_end_has_it_every_datagram_is_the_same() {
    for contact in Contact::ALL {
        let truth = digest_of([Either::Core; 2], contact);
        for providers in [[Either::AwsLc, Either::Core], [Either::Core, Either::AwsLc], [Either::AwsLc; 2]] {
            assert_eq!(digest_of(providers, contact), truth, "{contact:?}, {providers:?}");
        }
    }
}
