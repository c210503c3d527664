//! First contact at the listener: the person there is asked about each new peer.

use std::path::{Path, PathBuf};

use session_tokio::{CloseCode, Incoming};

use crate::console::Console;
use crate::keys::PublicKey;
use crate::output::{Event, Output};

/// What a listener needs to ask its user.
pub(super) struct Pairing {
    own: PublicKey,
    list: PathBuf,
    console: Console,
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
    pub(super) async fn ask(&self, incoming: Incoming, key: PublicKey, peer: &str, output: Output) -> Option<Incoming> {
        let say = |text: &str| {
            let event = Event::new("pairing").text("peer", peer).text("text", text);
            output.say(format_args!("{peer}: {text}"), event);
        };
        // The person takes longer than a program would.
        incoming.pending();
        let question = || {
            let (theirs, own) = (key.fingerprint(), self.own.fingerprint());
            say(&format!("asks to be let in; its fingerprint is {theirs}, this node's is {own}"));
            say("compare both with what its user sees; type 'yes' to let it send, anything else to refuse");
        };
        if self.console.confirm(question).await {
            return Some(incoming);
        }
        incoming.refuse(CloseCode::UNAUTHORIZED, "its user said no");
        say("refused, and not let in");
        None
    }
}
