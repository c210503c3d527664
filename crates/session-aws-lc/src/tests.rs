use session_core::{Endpoint, Session};

use super::*;

#[test]
fn it_answers_as_the_core_does() {
    session_sim::conformance::check(&AwsLc);
}

#[test]
fn a_key_is_not_shown() {
    let key = AwsLc.expand(&Secret::new([0x42; 32]));
    let _ = AwsLc.seal(&key, &[0; 12], b"", &mut []);
    let _ = AwsLc.mask(&key, &[0; 16]);
    assert_eq!(format!("{key:?}"), "AwsLcKey(..)");
}

#[test]
fn one_key_is_good_for_packets_and_headers() {
    let secret = Secret::new([7; 32]);
    let (key, truth) = (AwsLc.expand(&secret), RustCrypto.expand(&secret));
    for sample in [[1; 16], [2; 16]] {
        assert_eq!(AwsLc.mask(&key, &sample), RustCrypto.mask(&truth, &sample));
        let (mut ours, mut theirs) = (sample, sample);
        let tag = AwsLc.seal(&key, &[3; 12], b"header", &mut ours);
        assert_eq!((tag, ours), (RustCrypto.seal(&truth, &[3; 12], b"header", &mut theirs), theirs));
    }
}

#[test]
fn ends_with_it_may_be_sent_and_shared() {
    const fn both<T: Send + Sync>() {}
    both::<AwsLcKey>();
    both::<Endpoint<AwsLc>>();
    both::<Session<AwsLc>>();
}

/// [`AwsLc`] on a machine whose C library never has memory.
struct WithoutMemory;

impl Provider for WithoutMemory {
    type Key = [u8; 32];

    fn expand(&self, secret: &Secret) -> [u8; 32] {
        *secret.dangerous_expose()
    }

    fn seal(&self, key: &[u8; 32], nonce: &[u8; 12], associated_data: &[u8], in_out: &mut [u8]) -> [u8; 16] {
        seal(None, key, nonce, associated_data, in_out)
    }

    fn open(
        &self,
        key: &[u8; 32],
        nonce: &[u8; 12],
        associated_data: &[u8],
        in_out: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), OpenError> {
        open(None, key, (nonce, associated_data), in_out, tag)
    }

    fn mask(&self, key: &[u8; 32], sample: &[u8; 16]) -> [u8; 16] {
        mask(None, key, sample)
    }

    fn dh(&self, secret: &Secret, public: &[u8; 32]) -> Result<Secret, DhError> {
        dh(None, secret, public)
    }

    fn public_key(&self, secret: &Secret) -> [u8; 32] {
        public_key(None, secret)
    }
}

#[test]
fn without_memory_it_gives_the_same_bytes() {
    session_sim::conformance::check(&WithoutMemory);
}
