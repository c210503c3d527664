//! A number that may be absent, in the room of a number.

/// A packet number or an offset, or none. Both are below 2⁶².
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OptionalNumber(u64);

impl OptionalNumber {
    pub(crate) const NONE: Self = Self(u64::MAX);

    #[inline]
    pub(crate) const fn get(self) -> Option<u64> {
        if self.0 == Self::NONE.0 { None } else { Some(self.0) }
    }
}

impl Default for OptionalNumber {
    fn default() -> Self {
        Self::NONE
    }
}

impl From<u64> for OptionalNumber {
    #[inline]
    fn from(number: u64) -> Self {
        Self(number.min(Self::NONE.0 - 1))
    }
}

impl From<Option<u64>> for OptionalNumber {
    fn from(number: Option<u64>) -> Self {
        number.map_or(Self::NONE, Self::from)
    }
}

#[cfg(test)]
mod tests;
