//! A provider that writes down every seal: no nonce twice under one key, and nothing opens that nobody sealed.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use session_core::{DhError, OpenError, Provider, RustCrypto, RustCryptoKey, Secret};
use sha2::{Digest, Sha256};

/// [`RustCrypto`] with a ledger. Clones share it, so one ledger sees both ends of a session.
///
/// Every method that meets a violation panics.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    ledger: Arc<Mutex<Ledger>>,
}

/// An expanded key and the name the ledger has for it.
pub struct RecordedKey {
    name: [u8; 32],
    key: RustCryptoKey,
}

#[derive(Debug, Default)]
struct Ledger {
    expanded: u64,
    sealed: HashMap<([u8; 32], [u8; 12]), Entry>,
    opened: u64,
}

#[derive(Debug)]
struct Entry {
    /// SHA-256 of associated data and plaintext.
    text: [u8; 32],
    opened: u64,
}

impl Recording {
    /// A provider with an empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Texts sealed so far.
    #[must_use]
    pub fn sealed(&self) -> u64 {
        self.ledger().sealed.len() as u64
    }

    /// Secrets expanded to keys so far.
    #[must_use]
    pub fn expanded(&self) -> u64 {
        self.ledger().expanded
    }

    /// Texts opened so far.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.ledger().opened
    }

    /// Sealed texts that were opened at least once.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.ledger().sealed.values().filter(|entry| entry.opened > 0).count() as u64
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("nobody panicked with the ledger in hand")
    }
}

impl Provider for Recording {
    type Key = RecordedKey;

    fn expand(&self, secret: &Secret) -> RecordedKey {
        self.ledger().expanded += 1;
        RecordedKey { name: Sha256::digest(secret.dangerous_expose()).into(), key: RustCrypto.expand(secret) }
    }

    fn seal(&self, key: &RecordedKey, nonce: &[u8; 12], associated_data: &[u8], in_out: &mut [u8]) -> [u8; 16] {
        let entry = Entry { text: digest(associated_data, in_out), opened: 0 };
        let before = self.ledger().sealed.insert((key.name, *nonce), entry);
        assert!(before.is_none(), "nonce {nonce:02x?} was used before under this key");
        RustCrypto.seal(&key.key, nonce, associated_data, in_out)
    }

    fn open(
        &self,
        key: &RecordedKey,
        nonce: &[u8; 12],
        associated_data: &[u8],
        in_out: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), OpenError> {
        RustCrypto.open(&key.key, nonce, associated_data, in_out, tag)?;
        let text = digest(associated_data, in_out);
        let honest = {
            let mut ledger = self.ledger();
            ledger.opened += 1;
            match ledger.sealed.get_mut(&(key.name, *nonce)) {
                Some(entry) if entry.text == text => {
                    entry.opened += 1;
                    true
                }
                _ => false,
            }
        };
        assert!(honest, "a text was opened that nobody has sealed");
        Ok(())
    }

    fn mask(&self, key: &RecordedKey, sample: &[u8; 16]) -> [u8; 16] {
        RustCrypto.mask(&key.key, sample)
    }

    fn dh(&self, secret: &Secret, public: &[u8; 32]) -> Result<Secret, DhError> {
        RustCrypto.dh(secret, public)
    }

    fn public_key(&self, secret: &Secret) -> [u8; 32] {
        RustCrypto.public_key(secret)
    }
}

impl fmt::Debug for RecordedKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RecordedKey(..)")
    }
}

fn digest(associated_data: &[u8], plaintext: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((associated_data.len() as u64).to_be_bytes());
    hash.update(associated_data);
    hash.update(plaintext);
    hash.finalize().into()
}

#[cfg(test)]
mod tests;
