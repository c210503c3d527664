//! Type-length-values in strictly ascending order: `id varint │ length varint │ value`.

use super::reader::{ReadError, Reader};
#[cfg(test)]
use super::varint;
use super::writer::{WriteError, Writer};

/// One value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tlv<'a> {
    pub(crate) id: u64,
    pub(crate) value: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// The value as a varint that fills it exactly.
    pub(crate) fn varint(&self) -> Option<u64> {
        let mut reader = Reader::new(self.value);
        let value = reader.varint().ok()?;
        reader.is_empty().then_some(value)
    }

    /// Whether a receiver that does not know the id must refuse the whole.
    pub(crate) fn is_critical(&self) -> bool {
        self.id & 1 == 1
    }
}

/// Why a list of values is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlvError {
    /// Cut short, or a varint is not in its shortest form.
    Read(ReadError),
    /// An id is not above the one before it.
    Order,
}

impl core::fmt::Display for TlvError {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Read(error) => error.fmt(formatter),
            Self::Order => formatter.write_str("the ids do not ascend"),
        }
    }
}

impl core::error::Error for TlvError {}

/// The values of a list; ends after the first error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TlvReader<'a> {
    reader: Reader<'a>,
    last: Option<u64>,
}

impl<'a> TlvReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes), last: None }
    }

    fn read(&mut self) -> Result<Tlv<'a>, TlvError> {
        let id = self.reader.varint().map_err(TlvError::Read)?;
        if self.last.is_some_and(|last| id <= last) {
            return Err(TlvError::Order);
        }
        let value = self.reader.varint_bytes().map_err(TlvError::Read)?;
        self.last = Some(id);
        Ok(Tlv { id, value })
    }
}

impl<'a> Iterator for TlvReader<'a> {
    type Item = Result<Tlv<'a>, TlvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let result = self.read();
        if result.is_err() {
            self.reader = Reader::new(&[]);
        }
        Some(result)
    }
}

/// Writes values; the caller writes them in ascending order, another is refused.
#[derive(Debug)]
pub(crate) struct TlvWriter<'w, 'a> {
    writer: &'w mut Writer<'a>,
    last: Option<u64>,
}

impl<'w, 'a> TlvWriter<'w, 'a> {
    pub(crate) fn new(writer: &'w mut Writer<'a>) -> Self {
        Self { writer, last: None }
    }

    pub(crate) fn bytes(&mut self, id: u64, value: &[u8]) -> Result<(), WriteError> {
        if self.last.is_some_and(|last| id <= last) {
            return Err(WriteError::OutOfRange);
        }
        self.writer.all_or_nothing(|writer| {
            writer.varint(id)?;
            writer.varint(value.len() as u64)?;
            writer.bytes(value)
        })?;
        self.last = Some(id);
        Ok(())
    }

    pub(crate) fn varint(&mut self, id: u64, value: u64) -> Result<(), WriteError> {
        let mut buffer = [0; 8];
        let mut writer = Writer::new(&mut buffer);
        writer.varint(value)?;
        self.bytes(id, writer.written())
    }
}

/// Bytes a value of `length` bytes takes.
#[cfg(test)]
pub(crate) fn encoded_len(id: u64, length: usize) -> usize {
    varint::length(id).saturating_add(varint::length(length as u64)).saturating_add(length)
}

#[cfg(test)]
mod tests;
