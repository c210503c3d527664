//! HMAC-SHA-256 and what is derived with it. The only place that knows a label.

use hkdf::Hkdf;
use hkdf::hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::secret::Secret;

/// RFC 5869: the output of one expansion is at most 255 hashes long.
const EXPAND_LIMIT: usize = 255 * 32;

/// The longest label, in bytes.
const LABEL_LIMIT: usize = 16;

/// What a derived value is for. This is the only table of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// A packet protection key.
    Key,
    /// The static part of the nonces of one packet protection key.
    Iv,
    /// A header protection key.
    Hp,
    /// The secrets of a generation that a Diffie-Hellman exchange has made.
    Dhr,
    /// The root after a post-quantum step.
    #[cfg_attr(not(test), expect(dead_code, reason = "laid out now, served by later work"))]
    Pq,
    /// The secret that proves the right to resume.
    #[cfg_attr(not(test), expect(dead_code, reason = "laid out now, served by later work"))]
    Res,
    /// The secret of exporters.
    #[cfg_attr(not(test), expect(dead_code, reason = "laid out now, served by later work"))]
    Exp,
    /// The name of the session, equal at both ends.
    Uid,
    /// The tokens of stateless resets.
    Reset,
    /// The ids of a session after its first.
    Id,
    /// The first mark of a handshake packet.
    #[cfg_attr(not(test), expect(dead_code, reason = "laid out now, served by later work"))]
    Mac1,
    /// The seal of cookies.
    #[cfg_attr(not(test), expect(dead_code, reason = "laid out now, served by later work"))]
    Cookie,
    /// The generator and everything drawn from it.
    Drbg,
}

impl Label {
    const fn text(self) -> &'static [u8] {
        match self {
            Self::Key => b"sc1 key",
            Self::Iv => b"sc1 iv",
            Self::Hp => b"sc1 hp",
            Self::Dhr => b"sc1 dhr",
            Self::Pq => b"sc1 pq",
            Self::Res => b"sc1 res",
            Self::Exp => b"sc1 exp",
            Self::Uid => b"sc1 uid",
            Self::Reset => b"sc1 reset",
            Self::Id => b"sc1 id",
            Self::Mac1 => b"sc1 mac1",
            Self::Cookie => b"sc1 cookie",
            Self::Drbg => b"sc1 drbg",
        }
    }
}

/// Expands `secret` for one purpose, in the shape of RFC 8446 section 7.1.
///
/// The sizes are constants, so that a context or an output that is too long does not compile.
pub(crate) fn expand_label<const CONTEXT: usize, const OUT: usize>(
    secret: &Secret,
    label: Label,
    context: &[u8; CONTEXT],
) -> [u8; OUT] {
    expand_text(secret, label.text(), context)
}

/// [`expand_label`] to 32 bytes that stay secret.
pub(crate) fn expand_secret<const CONTEXT: usize>(secret: &Secret, label: Label, context: &[u8; CONTEXT]) -> Secret {
    Secret::new(*Zeroizing::new(expand_label(secret, label, context)))
}

/// [`expand_label`] to two secrets of 32 bytes.
pub(crate) fn expand_pair<const CONTEXT: usize>(secret: &Secret, label: Label, context: &[u8; CONTEXT]) -> [Secret; 2] {
    let pair: Zeroizing<[u8; 64]> = Zeroizing::new(expand_label(secret, label, context));
    let mut secrets = Zeroizing::new([[0; 32]; 2]);
    secrets.as_flattened_mut().copy_from_slice(&*pair);
    secrets.map(Secret::new)
}

/// HKDF-Extract (RFC 5869).
pub(crate) fn extract(salt: &Secret, input: &[u8]) -> Secret {
    let (mut output, _) = Hkdf::<Sha256>::extract(Some(salt.expose()), input);
    let secret = Secret::new(output.into());
    zeroize::Zeroize::zeroize(output.as_mut_slice());
    secret
}

/// HKDF of Noise (rev 34, section 4.3) with `N` outputs.
pub(super) fn noise_hkdf<const N: usize>(chaining_key: &Secret, input: &[u8]) -> [Secret; N] {
    let mut output = Zeroizing::new([[0; 32]; N]);
    expand(&extract(chaining_key, input), &[], output.as_flattened_mut());
    output.map(Secret::new)
}

/// HMAC-SHA-256 of all `parts` in a row.
pub(crate) fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut block = Zeroizing::new([0; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

fn expand_text<const CONTEXT: usize, const OUT: usize>(
    secret: &Secret,
    text: &[u8],
    context: &[u8; CONTEXT],
) -> [u8; OUT] {
    const { assert!(CONTEXT <= 255 && OUT <= EXPAND_LIMIT) };
    debug_assert!(text.len() <= LABEL_LIMIT);
    let mut output = [0; OUT];
    let info: [&[u8]; 5] =
        [&(OUT as u16).to_be_bytes(), &[text.len() as u8], text, &[CONTEXT as u8], context.as_slice()];
    expand(secret, &info, &mut output);
    output
}

#[expect(clippy::expect_used, reason = "the key is a hash long and the callers bound the output at compile time")]
fn expand(secret: &Secret, info: &[&[u8]], output: &mut [u8]) {
    let expander = Hkdf::<Sha256>::from_prk(secret.expose()).expect("a hash is long enough");
    expander.expand_multi_info(info, output).expect("at most 255 hashes");
}

#[cfg(test)]
mod tests;
