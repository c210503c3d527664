//! A provider that computes next to nothing, for counts of what the protocol itself costs.

use session_core::{DhError, OpenError, Provider, Secret};

/// Encrypts nothing and protects nobody; both ends must use it. What is left of a session's work is the protocol.
#[derive(Clone, Copy, Debug, Default)]
pub struct Null;

/// The tag of every text.
const TAG: [u8; 16] = [0x5a; 16];

impl Provider for Null {
    type Key = ();

    fn expand(&self, _: &Secret) {}

    fn seal(&self, (): &(), _: &[u8; 12], _: &[u8], _: &mut [u8]) -> [u8; 16] {
        TAG
    }

    fn open(&self, (): &(), _: &[u8; 12], _: &[u8], in_out: &mut [u8], tag: &[u8; 16]) -> Result<(), OpenError> {
        if *tag != TAG {
            in_out.fill(0);
            return Err(OpenError);
        }
        Ok(())
    }

    fn mask(&self, (): &(), sample: &[u8; 16]) -> [u8; 16] {
        *sample
    }

    /// Multiplication modulo 2^64: commutative, as the handshake needs it.
    fn dh(&self, secret: &Secret, public: &[u8; 32]) -> Result<Secret, DhError> {
        let product = number(secret.dangerous_expose()).wrapping_mul(number(public));
        Ok(Secret::new(spread(product)))
    }

    fn public_key(&self, secret: &Secret) -> [u8; 32] {
        spread(number(secret.dangerous_expose()))
    }
}

/// An odd number, so that no product is zero.
fn number(bytes: &[u8; 32]) -> u64 {
    bytes.first_chunk().map_or(1, |bytes| u64::from_le_bytes(*bytes) | 1)
}

fn spread(number: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
}
