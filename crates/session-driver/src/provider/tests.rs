use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use session_core::ChannelId;

use super::*;
use crate::fake::{Node, World, join, pattern, small_limits};
use crate::{
    ByteReader, ByteStream, ByteWriter, Channel, Endpoint, EndpointBuilder, Incoming, MessageSink, Messages, Request,
    Requester, Responder, Session, Watch,
};

const CHANNEL: ChannelId = ChannelId(16);

/// Another provider, which counts what it is asked for and has keys of its own.
#[derive(Clone, Default)]
struct Counting(Arc<Counts>);

#[derive(Default)]
struct Counts {
    seals: AtomicU64,
    opens: AtomicU64,
    masks: AtomicU64,
    agreements: AtomicU64,
    public_keys: AtomicU64,
    live_keys: AtomicI64,
}

struct CountedKey {
    key: RustCryptoKey,
    counts: Arc<Counts>,
}

impl Drop for CountedKey {
    fn drop(&mut self) {
        self.counts.live_keys.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Provider for Counting {
    type Key = CountedKey;

    fn expand(&self, secret: &Secret) -> CountedKey {
        self.0.live_keys.fetch_add(1, Ordering::Relaxed);
        CountedKey { key: RustCrypto.expand(secret), counts: Arc::clone(&self.0) }
    }

    fn seal(&self, key: &CountedKey, nonce: &[u8; 12], associated_data: &[u8], in_out: &mut [u8]) -> [u8; 16] {
        self.0.seals.fetch_add(1, Ordering::Relaxed);
        RustCrypto.seal(&key.key, nonce, associated_data, in_out)
    }

    fn open(
        &self,
        key: &CountedKey,
        nonce: &[u8; 12],
        associated_data: &[u8],
        in_out: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), OpenError> {
        self.0.opens.fetch_add(1, Ordering::Relaxed);
        RustCrypto.open(&key.key, nonce, associated_data, in_out, tag)
    }

    fn mask(&self, key: &CountedKey, sample: &[u8; 16]) -> [u8; 16] {
        self.0.masks.fetch_add(1, Ordering::Relaxed);
        RustCrypto.mask(&key.key, sample)
    }

    fn dh(&self, secret: &Secret, public: &[u8; 32]) -> Result<Secret, DhError> {
        self.0.agreements.fetch_add(1, Ordering::Relaxed);
        RustCrypto.dh(secret, public)
    }

    fn public_key(&self, secret: &Secret) -> [u8; 32] {
        self.0.public_keys.fetch_add(1, Ordering::Relaxed);
        RustCrypto.public_key(secret)
    }
}

impl Counts {
    fn all(&self) -> [u64; 5] {
        [&self.seals, &self.opens, &self.masks, &self.agreements, &self.public_keys]
            .map(|count| count.load(Ordering::Relaxed))
    }
}

fn node(world: &mut World, provider: Counting) -> Node {
    world.node_with(64, 64, |builder| builder.limits(small_limits()).provider(provider))
}

#[test]
fn a_chosen_provider_does_all_that_is_done_with_keys() {
    let mut world = World::new();
    let counting = Counting::default();
    let (chosen, default) = (node(&mut world, counting.clone()), world.node());
    // One list holds both: the handles are of one type.
    let ends = [&chosen, &default];
    for (from, to) in [(0, 1), (1, 0)] {
        let before = counting.0.all();
        let (near, far) = world.run(join(ends[from].endpoint.connect(ends[to].key, ends[to].address), async {
            ends[to].endpoint.accept().await.expect("the endpoint lives").accept().await
        }));
        let (near, far) = (near.expect("connects"), far.expect("accepts"));
        let message = pattern(100_000, from as u8);
        for (sender, receiver) in [(&near, &far), (&far, &near)] {
            let (sender, receiver) = (sender.channel(CHANNEL), receiver.channel(CHANNEL));
            let mut received = Vec::new();
            world.run(join(
                async {
                    sender.begin().await.expect("begins");
                    sender.write_all(&mut &message[..]).await.expect("writes");
                    sender.finish().await.expect("ends");
                },
                async { assert_eq!(receiver.recv(&mut received, message.len()).await, Ok(Some(message.len()))) },
            ));
            assert!(received == message, "the message was changed on the way");
        }
        let done: Vec<_> = counting.0.all().iter().zip(before).map(|(after, before)| after - before).collect();
        // 100,000 bytes are more than 60 datagrams, and each end has a header key for each direction.
        assert!(done[0] > 60 && done[1] > 60 && done[2] > 120 && done[3] >= 4 && done[4] >= 1, "{done:?}");
        world.run(near.close(0, "done"));
    }
}

#[test]
fn keys_of_a_chosen_provider_are_dropped_with_the_endpoint() {
    let mut world = World::new();
    let counting = Counting::default();
    let (near, far) = (node(&mut world, counting.clone()), world.node());
    let live = |counting: &Counting| counting.0.live_keys.load(Ordering::Relaxed);
    let (session, accepted) = world.run(join(near.endpoint.connect(far.key, far.address), async {
        far.endpoint.accept().await.expect("the endpoint lives").accept().await
    }));
    assert!(session.is_ok() && accepted.is_ok());
    assert!(live(&counting) > 0);
    drop((session, near));
    world.stop();
    assert_eq!(live(&counting), 0);
}

#[test]
fn both_ways_of_calling_give_what_the_provider_gives() {
    let secret = Secret::new([7; 32]);
    let bytes = |secret: Secret| *secret.dangerous_expose();
    for any in [AnyProvider::RustCrypto, AnyProvider::chosen(Counting::default())] {
        let (key, truth) = (any.expand(&secret), RustCrypto.expand(&secret));
        let (mut ours, mut theirs) = ([5; 100], [5; 100]);
        let tag = any.seal(&key, &[1; 12], b"header", &mut ours);
        assert_eq!((tag, ours), (RustCrypto.seal(&truth, &[1; 12], b"header", &mut theirs), theirs));
        assert_eq!(any.mask(&key, &[9; 16]), RustCrypto.mask(&truth, &[9; 16]));
        assert_eq!(any.open(&key, &[1; 12], b"header", &mut ours, &tag), Ok(()));
        assert_eq!(ours, [5; 100]);
        assert_eq!(any.open(&key, &[1; 12], b"hedaer", &mut theirs, &tag), Err(OpenError));
        assert_eq!(theirs, [0; 100], "what does not open is wiped");
        let public = any.public_key(&secret);
        assert_eq!(public, RustCrypto.public_key(&secret));
        assert_eq!(any.dh(&secret, &public).map(bytes), RustCrypto.dh(&secret, &public).map(bytes));
        assert_eq!(any.dh(&secret, &[0; 32]), Err(DhError));
    }
}

/// Whoever encrypts: the types are the same.
#[test]
fn handles_may_be_sent_and_shared() {
    const fn both<T: Send + Sync>() {}
    both::<EndpointBuilder>();
    both::<Endpoint>();
    both::<Session>();
    both::<Incoming>();
    both::<Channel>();
    both::<ByteReader>();
    both::<ByteWriter>();
    both::<ByteStream>();
    both::<Messages>();
    both::<MessageSink>();
    both::<Requester>();
    both::<Responder>();
    both::<Request>();
    both::<Watch>();
}
