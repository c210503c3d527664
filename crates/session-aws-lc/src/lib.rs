//! A crypto provider on AWS-LC, by way of `aws-lc-rs`: the assembly of a C library where [`RustCrypto`] has portable Rust.
//!
//! It gives the same bytes as `RustCrypto`, faster, and asks for a C compiler when it is built; on Windows on x86 and x86-64 for NASM as well. Each end of a session chooses
//! for itself.
//!
//! ```no_run
//! use session_aws_lc::AwsLc;
//! use session_tokio::{Bind, Endpoint, StaticKey};
//!
//! # async fn example(key: StaticKey) -> Result<(), Box<dyn std::error::Error>> {
//! let endpoint = Endpoint::builder(key).application("greeter").provider(AwsLc).bind("0.0.0.0:7400".parse()?).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Where the core runs in a loop of one's own, `AwsLc` goes to the constructor of [`session_core::Endpoint`] or [`session_core::Session`]. Keys are then
//! expanded on the heap of the C library: the core's promise that it allocates nothing is not kept for them.
#![forbid(unsafe_code)]

use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use session_core::{DhError, OpenError, Provider, RustCrypto, Secret};
use zeroize::{Zeroize, Zeroizing};

/// AES-256-GCM, AES-256 and X25519 of AWS-LC.
#[derive(Clone, Copy, Debug, Default)]
pub struct AwsLc;

/// A key of [`AwsLc`]. It is expanded for what it is used for, with the first use: the core has keys for packets and others for headers.
pub struct AwsLcKey {
    secret: Zeroizing<[u8; 32]>,
    /// Empty until the first use, and as long as the C library has no memory.
    packets: OnceLock<LessSafeKey>,
    headers: OnceLock<Box<EncryptingKey>>,
}

impl AwsLcKey {
    fn packets(&self) -> Option<&LessSafeKey> {
        kept(&self.packets, || UnboundKey::new(&AES_256_GCM, &*self.secret).ok().map(LessSafeKey::new))
    }

    fn headers(&self) -> Option<&EncryptingKey> {
        let expand = || {
            let key = UnboundCipherKey::new(&AES_256, &*self.secret).ok()?;
            EncryptingKey::ecb(key).ok().map(Box::new)
        };
        kept(&self.headers, expand).map(Box::as_ref)
    }
}

/// What is there, or what `expand` makes; where that fails it is asked again the next time.
fn kept<K>(place: &OnceLock<K>, expand: impl FnOnce() -> Option<K>) -> Option<&K> {
    if place.get().is_none() {
        // Another thread may have been faster with the same.
        let _ = place.set(expand()?);
    }
    place.get()
}

impl fmt::Debug for AwsLcKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AwsLcKey(..)")
    }
}

impl Provider for AwsLc {
    type Key = AwsLcKey;

    fn expand(&self, secret: &Secret) -> AwsLcKey {
        let secret = Zeroizing::new(*secret.dangerous_expose());
        AwsLcKey { secret, packets: OnceLock::new(), headers: OnceLock::new() }
    }

    fn seal(&self, key: &AwsLcKey, nonce: &[u8; 12], associated_data: &[u8], in_out: &mut [u8]) -> [u8; 16] {
        seal(key.packets(), &key.secret, nonce, associated_data, in_out)
    }

    fn open(
        &self,
        key: &AwsLcKey,
        nonce: &[u8; 12],
        associated_data: &[u8],
        in_out: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), OpenError> {
        open(key.packets(), &key.secret, (nonce, associated_data), in_out, tag)
    }

    fn mask(&self, key: &AwsLcKey, sample: &[u8; 16]) -> [u8; 16] {
        mask(key.headers(), &key.secret, sample)
    }

    fn dh(&self, secret: &Secret, public: &[u8; 32]) -> Result<Secret, DhError> {
        dh(own(secret).as_ref(), secret, public)
    }

    fn public_key(&self, secret: &Secret) -> [u8; 32] {
        public_key(own(secret).as_ref(), secret)
    }
}

// What follows takes a key that may be missing, because the C library had no memory for it. `RustCrypto` needs none and gives the same bytes, slowly: better than a session that
// ends, or a header that leaves unmasked.

fn seal(
    key: Option<&LessSafeKey>,
    secret: &[u8; 32],
    nonce: &[u8; 12],
    associated_data: &[u8],
    in_out: &mut [u8],
) -> [u8; 16] {
    let Some(key) = key else { return RustCrypto.seal(&portable(secret), nonce, associated_data, in_out) };
    let (nonce, associated_data) = (Nonce::assume_unique_for_key(*nonce), Aad::from(associated_data));
    let sealed = key.seal_in_place_separate_tag(nonce, associated_data, in_out).ok();
    match sealed.and_then(|tag| tag.as_ref().try_into().ok()) {
        Some(tag) => tag,
        // More than 64 GiB at once. No plaintext leaves, and the zero tag opens nowhere.
        None => {
            in_out.zeroize();
            [0; 16]
        }
    }
}

fn open(
    key: Option<&LessSafeKey>,
    secret: &[u8; 32],
    (nonce, associated_data): (&[u8; 12], &[u8]),
    in_out: &mut [u8],
    tag: &[u8; 16],
) -> Result<(), OpenError> {
    let Some(key) = key else { return RustCrypto.open(&portable(secret), nonce, associated_data, in_out, tag) };
    let (nonce, associated_data) = (Nonce::assume_unique_for_key(*nonce), Aad::from(associated_data));
    if key.open_in_place_separate_tag(nonce, associated_data, tag, in_out).is_ok() {
        return Ok(());
    }
    // AWS-LC decrypts while it authenticates, and has wiped the text already if the tag did not fit.
    in_out.zeroize();
    Err(OpenError)
}

fn mask(key: Option<&EncryptingKey>, secret: &[u8; 32], sample: &[u8; 16]) -> [u8; 16] {
    let mut block = *sample;
    let encrypted = key.is_some_and(|key| key.less_safe_encrypt(&mut block, EncryptionContext::None).is_ok());
    if encrypted { block } else { RustCrypto.mask(&portable(secret), sample) }
}

fn dh(own: Option<&PrivateKey>, secret: &Secret, public: &[u8; 32]) -> Result<Secret, DhError> {
    let Some(own) = own else { return RustCrypto.dh(secret, public) };
    // AWS-LC refuses a result that is all zero.
    agree(own, UnparsedPublicKey::new(&X25519, public), DhError, |shared| {
        let mut bytes = Zeroizing::new([0; 32]);
        if shared.len() != bytes.len() {
            return Err(DhError);
        }
        bytes.copy_from_slice(shared);
        Ok(Secret::new(*bytes))
    })
}

fn public_key(own: Option<&PrivateKey>, secret: &Secret) -> [u8; 32] {
    let public = own.and_then(|own| own.compute_public_key().ok());
    let public = public.and_then(|public| public.as_ref().try_into().ok());
    public.unwrap_or_else(|| RustCrypto.public_key(secret))
}

fn own(secret: &Secret) -> Option<PrivateKey> {
    PrivateKey::from_private_key(&X25519, secret.dangerous_expose()).ok()
}

/// The key as `RustCrypto` has it.
fn portable(secret: &[u8; 32]) -> <RustCrypto as Provider>::Key {
    RustCrypto.expand(&Secret::new(*secret))
}

#[cfg(test)]
mod tests;
