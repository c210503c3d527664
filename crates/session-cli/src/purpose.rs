//! What a session is for: the dialling side says so with its request, and the other decides.

use std::fmt;

/// The application protocol of every session of this program.
pub const APPLICATION: &str = "session-cli/1";

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Bringing files: [`crate::transfer`].
    Files,
    /// Echoes: [`crate::ping`].
    Ping,
    /// Lines between two people: `session chat`.
    Chat,
    /// First contact: nothing follows, the session is for the handshake.
    Pair,
}

impl Purpose {
    const ALL: [Self; 4] = [Self::Files, Self::Ping, Self::Chat, Self::Pair];

    /// What stands in the request.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Ping => "ping",
            Self::Chat => "chat",
            Self::Pair => "pair",
        }
    }

    /// What the request's `user_data` says; `None` if that is nothing this program knows.
    #[must_use]
    pub fn parse(user_data: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name().as_bytes() == user_data)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_is_read_as_it_is_written() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::parse(purpose.name().as_bytes()), Some(purpose));
        }
        for unknown in [&b""[..], b"file", b"filesx", b"FILES", b"\xff"] {
            assert_eq!(Purpose::parse(unknown), None);
        }
    }
}
