//! A text for people, as CLOSE and REFUSE carry it.

/// At most 128 bytes of UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    // P-6-5
    pub(crate) const MAX_LENGTH: usize = 128;

    /// `None` where `bytes` is too long or not UTF-8.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > Self::MAX_LENGTH {
            return None;
        }
        core::str::from_utf8(bytes).ok().map(Self)
    }

    /// `text`, cut at the last character boundary that fits.
    pub(crate) fn truncated(text: &'a str) -> Self {
        Self(text.get(..text.floor_char_boundary(Self::MAX_LENGTH)).unwrap_or_default())
    }

    pub(crate) fn as_str(self) -> &'a str {
        self.0
    }

    pub(crate) fn as_bytes(self) -> &'a [u8] {
        self.0.as_bytes()
    }

    /// At most [`Self::MAX_LENGTH`].
    pub(crate) fn length(self) -> u8 {
        u8::try_from(self.0.len()).unwrap_or(u8::MAX)
    }
}

#[cfg(test)]
mod tests;
