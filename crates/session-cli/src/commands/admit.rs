//! Who may come in, and for what: the same for `listen` and `chat`.

use session_tokio::{CloseCode, Incoming};

use crate::keys::{AuthorizedPeers, PublicKey};
use crate::output::{Event, Output};
use crate::purpose::Purpose;

/// A peer that is let in, and not answered yet.
pub(super) struct Guest {
    pub(super) incoming: Incoming,
    pub(super) purpose: Purpose,
    pub(super) key: PublicKey,
    /// What its user calls it.
    pub(super) name: String,
}

/// Lets `incoming` in if its key is in the list, or comes by first contact, of which the user is to be asked; and if it wants one of the
/// things that are `served`. Else it is refused and the user told.
pub(super) fn admit(
    incoming: Incoming,
    authorized: &AuthorizedPeers,
    served: &[Purpose],
    output: Output,
) -> Option<Guest> {
    let key = PublicKey::from_bytes(*incoming.peer_key().as_bytes());
    let address = incoming.remote_address().map(|address| address.to_string()).unwrap_or_default();
    let refused = |peer: &str, why: &str| {
        let event = Event::new("refused").text("peer", peer).text("public_key", &key.to_base64()).text("why", why);
        output.say(format_args!("{peer}: refused, {why}"), event);
    };
    let known = authorized.find(&key);
    if known.is_none() && !incoming.is_first_contact() {
        incoming.refuse(CloseCode::UNAUTHORIZED, "it is not in the list of authorized peers");
        refused(&address, &format!("key {} is not authorized", key.to_base64()));
        return None;
    }
    let name = known.map_or_else(|| address.clone(), |peer| peer.called(&address));
    match Purpose::parse(incoming.user_data()).filter(|purpose| served.contains(purpose)) {
        Some(purpose) => Some(Guest { incoming, purpose, key, name }),
        None => {
            let names: Vec<_> = served.iter().map(|purpose| purpose.name()).collect();
            incoming.refuse(CloseCode::REFUSED, &format!("it serves {} only", names.join(", ")));
            refused(&name, "it asks for what is not served here");
            None
        }
    }
}

/// Warns the user if nobody can come in.
pub(super) fn empty_list(list: &std::path::Path, authorized: &AuthorizedPeers, output: Output) {
    if authorized.peers().is_empty() {
        let event = Event::new("nobody_authorized").text("path", &list.to_string_lossy());
        let list = crate::text::printable_path(list);
        let line = format_args!(
            "nobody may come in: {list} lists no key; add what a peer's 'session pubkey' prints, then start again"
        );
        output.say(line, event);
    }
}
