//! Reading untrusted bytes from front to back.

use super::varint;

/// Why a field could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// The bytes end inside the field.
    Truncated,
    /// A varint is not in its shortest form.
    NotMinimal,
}

impl core::fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(match self {
            Self::Truncated => "the bytes end inside a field",
            Self::NotMinimal => "a varint is not in its shortest form",
        })
    }
}

impl core::error::Error for ReadError {}

/// A place in a byte string. A failed read does not move it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reader<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(whole: &'a [u8]) -> Self {
        Self { whole, rest: whole }
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], ReadError> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(ReadError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let (array, rest) = self.rest.split_first_chunk::<N>().ok_or(ReadError::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, ReadError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, ReadError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn varint(&mut self) -> Result<u64, ReadError> {
        match *self.rest {
            [] => Err(ReadError::Truncated),
            [first @ 0..=0x3F, ref rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(first))
            }
            [first @ 0x40..=0x7F, second, ref rest @ ..] => {
                let value = u64::from(u16::from_be_bytes([first & 0x3F, second]));
                if value < 0x40 {
                    return Err(ReadError::NotMinimal);
                }
                self.rest = rest;
                Ok(value)
            }
            _ => {
                let (value, rest) = long_varint(self.rest)?;
                self.rest = rest;
                Ok(value)
            }
        }
    }

    /// A varint length and as many bytes.
    pub(crate) fn varint_bytes(&mut self) -> Result<&'a [u8], ReadError> {
        let mut ahead = *self;
        let length = usize::try_from(ahead.varint()?).map_err(|_| ReadError::Truncated)?;
        let bytes = ahead.bytes(length)?;
        *self = ahead;
        Ok(bytes)
    }

    /// Goes on at `rest`, which is the end of what was left.
    #[inline]
    pub(super) fn go_on_at(&mut self, rest: &'a [u8]) {
        self.rest = rest;
    }

    /// What has been read so far.
    pub(crate) fn consumed(&self) -> &'a [u8] {
        self.whole.get(..self.whole.len().saturating_sub(self.rest.len())).unwrap_or_default()
    }

    /// What has not been read, left unread.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }
}

/// The varint that `bytes` begin with, and what stands behind it: [`Reader::varint`] for the two frames that most packets hold. There it is inlined, and
/// the place that is read from stays in registers.
#[inline(always)]
pub(super) fn split_varint(bytes: &[u8]) -> Result<(u64, &[u8]), ReadError> {
    match *bytes {
        [0x80..=0xBF, ..] => {
            let (value, rest) = bytes.split_first_chunk().ok_or(ReadError::Truncated)?;
            let value = u64::from(u32::from_be_bytes(*value) & 0x3FFF_FFFF);
            if value < 0x4000 { Err(ReadError::NotMinimal) } else { Ok((value, rest)) }
        }
        _ => split_short_varint(bytes),
    }
}

/// The same of one that mostly takes one or two bytes.
#[inline(always)]
pub(super) fn split_short_varint(bytes: &[u8]) -> Result<(u64, &[u8]), ReadError> {
    match *bytes {
        [first @ 0..=0x3F, ref rest @ ..] => Ok((u64::from(first), rest)),
        [first @ 0x40..=0x7F, second, ref rest @ ..] => {
            let value = u64::from(u16::from_be_bytes([first & 0x3F, second]));
            if value < 0x40 { Err(ReadError::NotMinimal) } else { Ok((value, rest)) }
        }
        _ => long_varint(bytes),
    }
}

/// A varint of four bytes or more, or one that is cut short, and what stands behind it. A value of its own: the place that is read from may then stay
/// in registers.
#[inline(never)]
fn long_varint(bytes: &[u8]) -> Result<(u64, &[u8]), ReadError> {
    let first = bytes.first().ok_or(ReadError::Truncated)?;
    let (value, least, rest) = match first >> 6 {
        0 | 1 => return Err(ReadError::Truncated),
        2 => {
            let (value, rest) = bytes.split_first_chunk().ok_or(ReadError::Truncated)?;
            (u64::from(u32::from_be_bytes(*value) & 0x3FFF_FFFF), 0x4000, rest)
        }
        _ => {
            let (value, rest) = bytes.split_first_chunk().ok_or(ReadError::Truncated)?;
            (u64::from_be_bytes(*value) & varint::MAX, 0x4000_0000, rest)
        }
    };
    if value < least { Err(ReadError::NotMinimal) } else { Ok((value, rest)) }
}

#[cfg(test)]
mod tests;
