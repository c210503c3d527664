use session_core::RustCryptoKey;

use super::*;

/// What a provider may get wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// A length that nobody tries by hand.
    SealsOneLengthWrong,
    OpensOneLengthWrong,
    /// All but the last byte of the tag is compared.
    ComparesLess,
    IgnoresTheEndOfAssociatedData,
    LeavesTheText,
    MasksLess,
    AgreesOnZero,
    HeedsTheTopBit,
    DoesNotClamp,
}

struct Faulty(Option<Fault>);

impl Provider for Faulty {
    type Key = RustCryptoKey;

    fn expand(&self, secret: &Secret) -> RustCryptoKey {
        RustCrypto.expand(secret)
    }

    fn seal(&self, key: &RustCryptoKey, nonce: &[u8; 12], associated_data: &[u8], in_out: &mut [u8]) -> [u8; 16] {
        let tag = RustCrypto.seal(key, nonce, associated_data, in_out);
        if self.0 == Some(Fault::SealsOneLengthWrong) && in_out.len() == 2_049 {
            in_out[2_048] ^= 1;
        }
        tag
    }

    fn open(
        &self,
        key: &RustCryptoKey,
        nonce: &[u8; 12],
        associated_data: &[u8],
        in_out: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), OpenError> {
        let sealed = in_out.to_vec();
        let mut opened = RustCrypto.open(key, nonce, associated_data, in_out, tag);
        match self.0 {
            Some(Fault::OpensOneLengthWrong) if in_out.len() == 1_023 => in_out[0] ^= 1,
            Some(Fault::ComparesLess) if opened.is_err() => {
                let tries = (0..=255).map(|last| {
                    let mut tag = *tag;
                    tag[15] = last;
                    tag
                });
                opened = tries.into_iter().fold(opened, |opened, tag| {
                    opened.or_else(|_| RustCrypto.open(key, nonce, associated_data, &mut sealed.clone(), &tag))
                });
            }
            Some(Fault::IgnoresTheEndOfAssociatedData) if opened.is_err() && associated_data.len() == 20 => {
                let mut tried = associated_data.to_vec();
                tried[19] ^= 0x10;
                opened = RustCrypto.open(key, nonce, &tried, &mut sealed.clone(), tag);
            }
            Some(Fault::LeavesTheText) if opened.is_err() => in_out.copy_from_slice(&sealed),
            _ => {}
        }
        opened
    }

    fn mask(&self, key: &RustCryptoKey, sample: &[u8; 16]) -> [u8; 16] {
        let mut mask = RustCrypto.mask(key, sample);
        if self.0 == Some(Fault::MasksLess) {
            mask[5..].fill(0);
        }
        mask
    }

    fn dh(&self, secret: &Secret, public: &[u8; 32]) -> Result<Secret, DhError> {
        match self.0 {
            Some(Fault::AgreesOnZero) => Ok(RustCrypto.dh(secret, public).unwrap_or(Secret::new([0; 32]))),
            Some(Fault::HeedsTheTopBit) if public[31] >= 0x80 => Err(DhError),
            _ => RustCrypto.dh(secret, public),
        }
    }

    fn public_key(&self, secret: &Secret) -> [u8; 32] {
        let bytes = secret.dangerous_expose();
        if self.0 == Some(Fault::DoesNotClamp) && bytes[0] & 7 != 0 {
            return [9; 32];
        }
        RustCrypto.public_key(secret)
    }
}

fn finds(fault: Fault) {
    let found = std::panic::catch_unwind(|| check(&Faulty(Some(fault))));
    assert!(found.is_err(), "{fault:?} was not found");
}

#[test]
fn a_provider_without_a_fault_passes() {
    check(&Faulty(None));
    check(&RustCrypto);
}

#[test]
fn each_fault_of_a_provider_is_found() {
    finds(Fault::SealsOneLengthWrong);
    finds(Fault::OpensOneLengthWrong);
    finds(Fault::ComparesLess);
    finds(Fault::IgnoresTheEndOfAssociatedData);
    finds(Fault::LeavesTheText);
    finds(Fault::MasksLess);
    finds(Fault::AgreesOnZero);
    finds(Fault::HeedsTheTopBit);
    finds(Fault::DoesNotClamp);
}
