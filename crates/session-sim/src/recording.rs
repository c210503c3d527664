//! A provider that writes down every seal: no nonce twice under one key, and nothing opens that nobody sealed.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use session_core::{DhError, OpenError, Provider, RustCrypto, RustCryptoKey, Secret};

use sha2::{Digest, Sha256};

use crate::checker::fingerprint::{fingerprint, mix};
use crate::outside;

/// [`RustCrypto`] with a ledger. Clones share it, so one ledger sees both ends of a session.
///
/// Every method that meets a violation panics.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    ledger: Arc<Mutex<Ledger>>,
    /// Keys are agreed on without a curve.
    is_curveless: bool,
}

/// The name the ledger has for a key. The same secret expanded again has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(u32);

/// An expanded key and its name.
pub struct RecordedKey {
    name: KeyName,
    key: RustCryptoKey,
}

/// Operations of a provider, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Secrets expanded to keys.
    pub expanded: u64,
    /// Texts sealed.
    pub seals: u64,
    /// Attempts to open a text.
    pub openings: u64,
    /// Those that were authentic.
    pub opened: u64,
    /// Diffie-Hellman computations.
    pub diffie_hellmans: u64,
}

impl Usage {
    /// What was done since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            expanded: self.expanded - before.expanded,
            seals: self.seals - before.seals,
            openings: self.openings - before.openings,
            opened: self.opened - before.opened,
            diffie_hellmans: self.diffie_hellmans - before.diffie_hellmans,
        }
    }
}

#[derive(Debug, Default)]
struct Ledger {
    usage: Usage,
    /// Secrets by what they are, so that the same one expanded again has the same name.
    names: HashMap<[u8; 32], KeyName>,
    sealed: HashMap<(KeyName, [u8; 12]), Entry>,
    last_sealed: Option<KeyName>,
    is_probe: bool,
    /// Public keys by their secrets.
    publics: HashMap<[u8; 32], [u8; 32]>,
    /// What two keys have in common: both ends compute the same, which is done once.
    shared: HashMap<Pair, [u8; 32]>,
    last_opened: Option<KeyName>,
    /// Keys that have opened something.
    used: BTreeSet<KeyName>,
}

/// Two public keys, whoever holds which secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Pair([[u8; 32]; 2]);

impl Pair {
    fn new(one: &[u8; 32], other: &[u8; 32]) -> Self {
        Self([*one.min(other), *one.max(other)])
    }

    fn hash(&self) -> Secret {
        Secret::new(Sha256::digest(self.0.as_flattened()).into())
    }
}

#[derive(Debug)]
struct Entry {
    /// Of associated data and plaintext.
    text: u64,
    opened: u32,
}

impl Recording {
    /// A provider with an empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with hashes in the place of X25519, which is a tenth of what a run costs: whoever sees two public keys could compute what they have in
    /// common, but nobody in a simulation does. What the curve itself does is no question of chance, and asked elsewhere.
    #[must_use]
    pub fn without_curve() -> Self {
        Self { is_curveless: true, ..Self::default() }
    }

    /// What was done so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.ledger().usage
    }

    /// Texts sealed so far.
    #[must_use]
    pub fn sealed(&self) -> u64 {
        self.usage().seals
    }

    /// Secrets expanded to keys so far.
    #[must_use]
    pub fn expanded(&self) -> u64 {
        self.usage().expanded
    }

    /// Texts opened so far.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.usage().opened
    }

    /// Sealed texts that were opened at least once.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.ledger().sealed.values().filter(|entry| entry.opened > 0).count() as u64
    }

    /// The key of the text that was sealed last.
    #[must_use]
    pub fn last_sealed(&self) -> Option<KeyName> {
        self.ledger().last_sealed
    }

    /// Whether the text that was sealed last is a probe of a path and nothing else.
    #[must_use]
    pub fn has_sealed_probe(&self) -> bool {
        self.ledger().is_probe
    }

    /// Whether a text was opened that was sealed under this key.
    #[must_use]
    pub fn has_opened(&self, key: KeyName) -> bool {
        self.ledger().used.contains(&key)
    }

    /// Runs what is the ledger's, which belongs to no node.
    fn note<T>(&self, note: impl FnOnce(&mut Ledger) -> T) -> T {
        outside(|| note(&mut self.ledger()))
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("nobody panicked with the ledger in hand")
    }
}

impl Provider for Recording {
    type Key = RecordedKey;

    fn expand(&self, secret: &Secret) -> RecordedKey {
        let name = self.note(|ledger| {
            ledger.usage.expanded += 1;
            let next = KeyName(ledger.names.len() as u32);
            *ledger.names.entry(*secret.dangerous_expose()).or_insert(next)
        });
        RecordedKey { name, key: RustCrypto.expand(secret) }
    }

    fn seal(&self, key: &RecordedKey, nonce: &[u8; 12], associated_data: &[u8], in_out: &mut [u8]) -> [u8; 16] {
        let (text, is_probe) = (digest(associated_data, in_out), is_probe(in_out));
        let before = self.note(|ledger| {
            ledger.usage.seals += 1;
            ledger.last_sealed = Some(key.name);
            ledger.is_probe = is_probe;
            ledger.sealed.insert((key.name, *nonce), Entry { text, opened: 0 })
        });
        // The same text again is the same bytes again: a reply that found no memory and is made anew from what it was made of.
        assert!(
            before.is_none_or(|before| before.text == text),
            "I3: nonce {nonce:02x?} was used before under this key"
        );
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
        self.note(|ledger| ledger.usage.openings += 1);
        RustCrypto.open(&key.key, nonce, associated_data, in_out, tag)?;
        let text = digest(associated_data, in_out);
        let is_honest = self.note(|ledger| {
            ledger.usage.opened += 1;
            if ledger.last_opened.replace(key.name) != Some(key.name) {
                ledger.used.insert(key.name);
            }
            let entry = ledger.sealed.get_mut(&(key.name, *nonce)).filter(|entry| entry.text == text);
            entry.map(|entry| entry.opened += 1).is_some()
        });
        assert!(is_honest, "I2: a text was opened that nobody has sealed");
        Ok(())
    }

    fn mask(&self, key: &RecordedKey, sample: &[u8; 16]) -> [u8; 16] {
        RustCrypto.mask(&key.key, sample)
    }

    fn dh(&self, secret: &Secret, public: &[u8; 32]) -> Result<Secret, DhError> {
        let pair = self.note(|ledger| {
            ledger.usage.diffie_hellmans += 1;
            let known = ledger.publics.get(secret.dangerous_expose()).copied();
            known.or_else(|| self.is_curveless.then(|| hash_of_secret(secret))).map(|own| Pair::new(&own, public))
        });
        let known = pair.as_ref().and_then(|pair| self.note(|ledger| ledger.shared.get(pair).copied()));
        if let Some(shared) = known {
            return Ok(Secret::new(shared));
        }
        let shared = match &pair {
            Some(pair) if self.is_curveless => pair.hash(),
            _ => RustCrypto.dh(secret, public)?,
        };
        if let Some(pair) = pair {
            self.note(|ledger| ledger.shared.insert(pair, *shared.dangerous_expose()));
        }
        Ok(shared)
    }

    fn public_key(&self, secret: &Secret) -> [u8; 32] {
        let known = self.note(|ledger| ledger.publics.get(secret.dangerous_expose()).copied());
        known.unwrap_or_else(|| {
            let public = match self.is_curveless {
                true => hash_of_secret(secret),
                false => RustCrypto.public_key(secret),
            };
            self.note(|ledger| ledger.publics.insert(*secret.dangerous_expose(), public));
            public
        })
    }
}

impl fmt::Debug for RecordedKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RecordedKey(..)")
    }
}

/// What is said of a secret without a curve. Below 2^255, as keys are; that it is no less than the prime happens once in 2^250.
fn hash_of_secret(secret: &Secret) -> [u8; 32] {
    let mut public: [u8; 32] = Sha256::digest(secret.dangerous_expose()).into();
    public[31] &= 0x7f;
    public
}

/// Whether there is nothing in a packet's text but what may go over a path that is not validated (protocol §6, §15).
fn is_probe(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some((frame, body)) = rest.split_first() {
        let length = match frame {
            // PADDING
            0x00 => 0,
            // NEW_ID: two varints, the length of an id, the id, a token.
            0x18 => {
                let numbers = varint_length(body) + body.get(varint_length(body)..).map_or(0, varint_length);
                numbers + 1 + body.get(numbers).map_or(0, |length| usize::from(*length)) + 16
            }
            // PATH_CHALLENGE and PATH_RESPONSE
            0x1a | 0x1b => 8,
            _ => return false,
        };
        let Some(behind) = body.get(length..) else { return false };
        rest = behind;
    }
    true
}

fn varint_length(bytes: &[u8]) -> usize {
    bytes.first().map_or(0, |first| 1 << (first >> 6))
}

/// Not for enemies: who could make two texts collide would have to know the key first, and then has won anyway.
fn digest(associated_data: &[u8], plaintext: &[u8]) -> u64 {
    mix(fingerprint(associated_data), fingerprint(plaintext))
}

#[cfg(test)]
mod tests;
