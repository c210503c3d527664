//! First contact at the listener: the person there is asked about each new peer.

use std::path::{Path, PathBuf};

use session_tokio::{CloseCode, Incoming};

use crate::console::Console;
use crate::keys::PublicKey;

/// What CONNECT of `session pair` says: nothing follows, the session is for the handshake.
pub(super) const PAIR: &[u8] = b"pair";

/// What a listener needs to ask its user.
pub(super) struct Pairing {
    own: PublicKey,
    list: PathBuf,
    console: Console,
}

/// The peer came to pair and brings no file.
pub(super) fn is_pairing(incoming: &Incoming) -> bool {
    incoming.user_data() == PAIR
}

impl Pairing {
    pub(super) fn new(own: PublicKey, list: PathBuf) -> Self {
        Self { own, list, console: Console::new() }
    }

    /// The list of authorized peers.
    pub(super) fn list(&self) -> &Path {
        &self.list
    }

    /// Asks whether `key` may come; the peer has been answered if not.
    pub(super) async fn ask(
        &self,
        incoming: Incoming,
        key: PublicKey,
        peer: &str,
        say: &(dyn Fn(&str) + Sync),
    ) -> Option<Incoming> {
        // The person takes longer than a program would.
        incoming.pending();
        let question = || {
            let (theirs, own) = (key.fingerprint(), self.own.fingerprint());
            say(&format!("{peer}: asks to be let in; its fingerprint is {theirs}, this node's is {own}"));
            say(&format!(
                "{peer}: compare both with what its user sees; type 'yes' to let it send, anything else to refuse"
            ));
        };
        if self.console.confirm(question).await {
            return Some(incoming);
        }
        incoming.refuse(CloseCode::UNAUTHORIZED, "its user said no");
        say(&format!("{peer}: refused, and not let in"));
        None
    }
}
