//! The header of a data packet and its protection.

use super::connection_id::ReceiverId;
use super::header::{Class, HeaderError, classify};
use super::packet_number::{NumberLength, truncate};
use super::writer::{WriteError, Writer};

// P-5-3
/// Bytes of the shortest data packet: with the longest receiver id the sample ends here.
pub(crate) const MIN_LENGTH: usize = 29;
/// Bytes from the packet number's start to the sample's.
pub(crate) const SAMPLE_OFFSET: usize = 4;
/// Bytes of the sample and of the mask: one AES block.
pub(crate) const SAMPLE_LENGTH: usize = 16;

const CLASS_BITS: u8 = 0x40;
const UNPROTECTED_RESERVED: u8 = 0x20;
const PROTECTED_RESERVED: u8 = 0x18;
const KEY_PHASE: u8 = 0x04;
const PROTECTED_BITS: u8 = 0x1F;

/// A data packet's header to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DataHeader {
    pub(crate) key_phase: bool,
    pub(crate) receiver_id: ReceiverId,
    pub(crate) packet_number: u64,
    pub(crate) number_length: NumberLength,
}

impl DataHeader {
    /// Writes the header unprotected, as it is authenticated, and returns where the packet number starts.
    pub(crate) fn write(&self, writer: &mut Writer<'_>) -> Result<usize, WriteError> {
        writer.all_or_nothing(|writer| {
            let phase = if self.key_phase { KEY_PHASE } else { 0 };
            writer.u8(CLASS_BITS | phase | self.number_length.bits())?;
            match self.receiver_id.length() {
                ReceiverId::MAX_LENGTH => writer.array(self.receiver_id.padded())?,
                _ => writer.bytes(self.receiver_id.as_bytes())?,
            }
            let number_offset = writer.position();
            let [a, b, c, d] = truncate(self.packet_number, self.number_length).to_be_bytes();
            match self.number_length {
                NumberLength::One => writer.u8(d),
                NumberLength::Two => writer.array([c, d]),
                NumberLength::Three => writer.array([b, c, d]),
                NumberLength::Four => writer.array([a, b, c, d]),
            }?;
            Ok(number_offset)
        })
    }

    #[cfg(test)]
    pub(crate) fn encoded_len(&self) -> usize {
        1_usize.saturating_add(self.receiver_id.length()).saturating_add(self.number_length.bytes())
    }
}

/// The part of a data packet's header that is not protected: to whom, and where the packet number starts.
///
/// `id_length` is the one length of all receiver ids of this endpoint.
#[inline]
pub(crate) fn parse_protected(datagram: &[u8], id_length: usize) -> Result<(ReceiverId, usize), HeaderError> {
    let [first, rest @ ..] = datagram else { return Err(HeaderError::Truncated) };
    if classify(datagram) != Class::Data {
        return Err(HeaderError::UnservedType);
    }
    if first & UNPROTECTED_RESERVED != 0 {
        return Err(HeaderError::ReservedBits);
    }
    if datagram.len() < MIN_LENGTH {
        return Err(HeaderError::Truncated);
    }
    let receiver_id = rest.get(..id_length).ok_or(HeaderError::Truncated)?;
    let receiver_id = ReceiverId::new(receiver_id).ok_or(HeaderError::IdLength)?;
    let number_offset = id_length.saturating_add(1);
    sample(datagram, number_offset).ok_or(HeaderError::Truncated)?;
    Ok((receiver_id, number_offset))
}

/// The bytes the mask is made of; `None` where the packet is too short.
pub(crate) fn sample(datagram: &[u8], number_offset: usize) -> Option<[u8; SAMPLE_LENGTH]> {
    let start = number_offset.checked_add(SAMPLE_OFFSET)?;
    datagram.get(start..)?.first_chunk().copied()
}

/// What the protected part of a header held. Unauthenticated until the packet has been opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unmasked {
    pub(crate) key_phase: bool,
    /// The low bits of the packet number; see [`super::packet_number::decode`].
    pub(crate) truncated_number: u32,
    pub(crate) number_length: NumberLength,
    /// Where the header, the associated data, ends and the ciphertext starts.
    pub(crate) header_length: usize,
}

/// Removes the protection in place. Where it fails the datagram is as it was.
#[inline]
pub(crate) fn unmask(
    datagram: &mut [u8],
    number_offset: usize,
    mask: [u8; SAMPLE_LENGTH],
) -> Result<Unmasked, HeaderError> {
    let [first_mask, a, b, c, d, ..] = mask;
    let (first_byte, rest) = datagram.split_first_mut().ok_or(HeaderError::Truncated)?;
    let first = *first_byte ^ (first_mask & PROTECTED_BITS);
    if first & PROTECTED_RESERVED != 0 {
        return Err(HeaderError::ReservedBits);
    }
    let number_length = NumberLength::from_bits(first);
    // Four bytes are there, however many are the number's: behind them stands what the mask is made of.
    let behind_first = number_offset.checked_sub(1).ok_or(HeaderError::Truncated)?;
    let bytes = rest.get_mut(behind_first..).and_then(<[u8]>::first_chunk_mut).ok_or(HeaderError::Truncated)?;
    let others = number_length.bits_left_of_four_bytes();
    let word = u32::from_be_bytes(*bytes) ^ (u32::from_be_bytes([a, b, c, d]) & u32::MAX.wrapping_shl(others));
    *bytes = word.to_be_bytes();
    *first_byte = first;
    let truncated_number = word.wrapping_shr(others);
    let header_length = number_offset.saturating_add(number_length.bytes());
    Ok(Unmasked { key_phase: first & KEY_PHASE != 0, truncated_number, number_length, header_length })
}

/// Protects the header of a sealed packet in place. Where it fails the datagram is as it was.
pub(crate) fn mask(datagram: &mut [u8], number_offset: usize, mask: [u8; SAMPLE_LENGTH]) -> Result<(), HeaderError> {
    let [first_mask, number_mask @ ..] = mask;
    let first = *datagram.first().ok_or(HeaderError::Truncated)?;
    let number = number_mut(datagram, number_offset, NumberLength::from_bits(first)).ok_or(HeaderError::Truncated)?;
    xor(number, &number_mask);
    if let Some(byte) = datagram.first_mut() {
        *byte = first ^ (first_mask & PROTECTED_BITS);
    }
    Ok(())
}

/// The packet number's bytes; never byte 0.
fn number_mut(datagram: &mut [u8], number_offset: usize, length: NumberLength) -> Option<&mut [u8]> {
    let end = number_offset.checked_add(length.bytes())?;
    if number_offset == 0 {
        return None;
    }
    datagram.get_mut(number_offset..end)
}

fn xor(bytes: &mut [u8], mask: &[u8]) {
    for (byte, mask) in bytes.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests;
