//! The handle of an endpoint.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use session_core::{
    Carrier, CloseCode, ConnectOptions, Discards, Heard, Instant, Link, MAX_USER_DATA, Peer, PeerId, PskName,
    PublicKey, SessionId, StaticKey, Uid,
};

use crate::builder::EndpointBuilder;
use crate::error::ConnectError;
use crate::incoming::Incoming;
use crate::session::{Facts, Session, SessionHandle};
use crate::shared::{Core, Shared, State};
use crate::udp;
use crate::wait::{Step, WaitFor};
use crate::waiters::Topic;

/// One UDP socket and all sessions over it. Cheap to clone.
///
/// When the last handle is dropped, sessions that are not accepted yet are refused and no new ones come; sessions whose handles live go on.
#[derive(Clone)]
pub struct Endpoint {
    inner: Arc<EndpointHandle>,
}

struct EndpointHandle {
    shared: Arc<Shared>,
}

/// What may be said when asking for a session. Begin with the default and add what there is.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ConnectRequest<'a> {
    /// A pre-shared key that both ends configured, by name.
    pub psk: Option<&'a PskName>,
    /// Up to 512 bytes for the peer's application to decide upon.
    pub user_data: &'a [u8],
}

impl<'a> ConnectRequest<'a> {
    /// The same with a pre-shared key.
    #[must_use]
    pub const fn with_psk(self, psk: &'a PskName) -> Self {
        Self { psk: Some(psk), ..self }
    }

    /// The same with user data.
    #[must_use]
    pub const fn with_user_data(self, user_data: &'a [u8]) -> Self {
        Self { user_data, ..self }
    }
}

/// What went through an endpoint's socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointStats {
    /// Datagrams handed to the system.
    pub datagrams_sent: u64,
    /// Calls that took them.
    pub send_batches: u64,
    /// Datagrams the system refused; the core repeats what was in them.
    pub datagrams_refused: u64,
    /// Datagrams received.
    pub datagrams_received: u64,
    /// Calls that brought them.
    pub receive_batches: u64,
    /// Errors of receiving, forged ones included; none ends anything.
    pub receive_errors: u64,
    /// The system failed to segment, so that datagrams are sent one by one from then on.
    pub offload_failed: bool,
    /// New sockets of [`Endpoint::rebind`] that the runtime refused, so that everything goes on over the one before.
    pub sockets_refused: u64,
}

impl Endpoint {
    /// Configures an endpoint that is known by `static_key`.
    pub fn builder(static_key: StaticKey) -> EndpointBuilder {
        EndpointBuilder::new(static_key)
    }

    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { inner: Arc::new(EndpointHandle { shared }) }
    }

    /// Opens a session with the node that holds `peer`'s secret key, at `address`.
    ///
    /// # Errors
    /// If the attempt cannot begin, or ends: then with the reason, in the peer's words where it refused.
    ///
    /// # Cancel safety
    /// Dropping the future gives the attempt up, and the peer is told. Calling again begins another.
    pub async fn connect(&self, peer: PublicKey, address: SocketAddr) -> Result<Session, ConnectError> {
        self.connect_with(peer, address, ConnectRequest::default()).await
    }

    /// [`Endpoint::connect`] with a pre-shared key or user data.
    ///
    /// # Errors
    /// As for `connect`.
    ///
    /// # Cancel safety
    /// As for `connect`.
    pub async fn connect_with(
        &self,
        peer: PublicKey,
        address: SocketAddr,
        request: ConnectRequest<'_>,
    ) -> Result<Session, ConnectError> {
        self.open(Peer::Known { key: peer, psk: request.psk }, address, request.user_data).await
    }

    /// First contact: opens a session with whoever answers at `address`, which a node does only while its pairing is on.
    ///
    /// The peer owns [`Session::peer_key`], but nobody has verified whose that is: compare it by another way before it is trusted, and before
    /// anything is sent that a stranger must not read. `user_data` is for everybody who answers.
    ///
    /// # Errors
    /// As for `connect`.
    ///
    /// # Cancel safety
    /// As for `connect`.
    pub async fn connect_unknown(
        &self,
        address: SocketAddr,
        request: ConnectRequest<'_>,
    ) -> Result<Session, ConnectError> {
        self.open(Peer::Unknown { psk: request.psk }, address, request.user_data).await
    }

    async fn open(&self, peer: Peer<'_>, address: SocketAddr, user_data: &[u8]) -> Result<Session, ConnectError> {
        let shared = &self.inner.shared;
        let remote = reachable(self.local_addr(), address).ok_or(ConnectError::AddressFamily)?;
        let id = shared
            .with(|state, now| begin(state, peer, remote, user_data, now))
            .map_err(|error| error.map_or(ConnectError::EndpointClosed, ConnectError::NotBegun))?;
        let attempt = Attempt { shared, id, ended: false };
        let facts = WaitFor::new(shared, |state, _| match state.ended(id) {
            Some(ended) => {
                let heard =
                    state.figure(id, |session| session.heard(), |figures| figures.heard).unwrap_or(Heard::Nothing);
                Step::Done(Err(ConnectError::Ended { reason: ended.reason, heard }))
            }
            None if state.sessions.get(&id).is_some_and(|record| record.established) => {
                let facts = state.core.session(id).and_then(|session| Facts::of(&session));
                facts.map_or(Step::Wait(Topic::Session(id)), |facts| Step::Done(Ok(facts)))
            }
            None => Step::Wait(Topic::Session(id)),
        })
        .await?;
        Ok(attempt.succeed(facts))
    }

    /// Lets peers in that do not know our key, for `time` from now; `None` ends it. Off until it is called.
    ///
    /// While it is on, anybody who can reach the socket learns our public key, and what [`accept`](Self::accept) gives may come from a stranger:
    /// see [`Incoming::is_first_contact`].
    pub fn set_pairing(&self, time: Option<Duration>) {
        self.inner.shared.with(|state, now| state.core.set_pairing(time.map(|time| now.saturating_add(time)), now));
    }

    /// The next session a peer asks for; `None` once the endpoint is closing.
    ///
    /// # Cancel safety
    /// Dropping the future leaves what has come for the next call.
    pub async fn accept(&self) -> Option<Incoming> {
        let shared = &self.inner.shared;
        let (id, facts, user_data) = WaitFor::new(shared, next_incoming).await?;
        Some(Incoming::new(SessionHandle::new(Arc::clone(shared), id, facts), user_data))
    }

    /// The sessions with `peer` of which handles are left: those that ended, and are not given up, included.
    #[must_use]
    pub fn sessions_of(&self, peer: PeerId) -> Vec<Session> {
        self.find(|core| core.sessions_of(peer).collect())
    }

    /// The same for sessions whose peer is at `remote`.
    #[must_use]
    pub fn sessions_at(&self, remote: SocketAddr) -> Vec<Session> {
        let Some(remote) = reachable(self.local_addr(), remote) else { return Vec::new() };
        self.find(|core| core.sessions_at(remote.into()).collect())
    }

    /// The session that both ends call `uid`.
    #[must_use]
    pub fn session_by_uid(&self, uid: &Uid) -> Option<Session> {
        self.find(|core| core.session_by_uid(uid).into_iter().collect()).pop()
    }

    /// Every session of which handles are left, in no particular order.
    #[must_use]
    pub fn sessions(&self) -> Vec<Session> {
        self.find(|core| core.sessions().collect())
    }

    /// Those of them that are Established.
    #[must_use]
    pub fn established(&self) -> Vec<Session> {
        self.find(|core| core.established().collect())
    }

    /// Handles are made under the lock and must not be dropped under it.
    fn find(&self, look_up: impl FnOnce(&Core) -> Vec<SessionId>) -> Vec<Session> {
        self.inner.shared.with(|state, _| {
            let found = look_up(&state.core).into_iter();
            found.filter_map(|id| state.sessions.get(&id)?.handle.upgrade()).map(Session::again).collect()
        })
    }

    /// Closes all sessions as [`Session::close`] does, waits until they have ended, and then stops the driver and frees the socket.
    /// Sessions that wait to be accepted are refused.
    ///
    /// The closing begins with the call, not with the first poll.
    ///
    /// # Cancel safety
    /// Dropping the future does not stop the closing; calling again waits for it.
    pub fn close(&self, code: u64, text: &str) -> impl Future<Output = ()> + Send {
        let shared = &self.inner.shared;
        shared.with(|state, now| stop(state, code, text, now));
        WaitFor::new(shared, |state, _| if state.ended { Step::Done(()) } else { Step::Wait(Topic::Ended) })
    }

    /// Goes on from another socket, bound to `address`: another interface, or the same where the network was changed under it. All sessions live on;
    /// each sends at once from there, so that its peer follows. Port 0 lets the system choose; the port in use is taken until the driver has changed
    /// over, which it does when it runs next. Returns the address that was bound. The new socket is of the network namespace that the calling thread is in.
    ///
    /// Where the runtime refuses the new socket then, everything goes on over the old one: [`local_addr`](Self::local_addr) stays as it was,
    /// [`EndpointStats::sockets_refused`] counts it, and an event of `tracing` gives the reason.
    ///
    /// # Errors
    /// If the address cannot be bound, is of the other IP version than the one before, or the endpoint has ended; everything goes on as it was then.
    pub fn rebind(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        if address.is_ipv4() != self.local_addr().is_ipv4() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "an address of the other IP version"));
        }
        let socket = udp::bind(address)?;
        let local = socket.local_addr()?;
        self.inner.shared.with(|state, _| {
            if state.ended {
                return Err(io::ErrorKind::NotConnected.into());
            }
            state.next_socket = Some(socket);
            state.touched = true;
            Ok(local)
        })
    }

    /// The address it is bound to.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.inner.shared.with(|state, _| state.local)
    }

    /// The key by which peers know it.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.inner.shared.public_key
    }

    /// What went through its socket.
    #[must_use]
    pub fn stats(&self) -> EndpointStats {
        self.inner.shared.with(|state, _| state.stats)
    }

    /// How many datagrams were discarded, by reason.
    #[must_use]
    pub fn discards(&self) -> Discards {
        self.inner.shared.with(|state, _| *state.core.discards())
    }

    /// What it is doing, as lines for people: its socket's figures, all sessions with state, timers, channels and figures, and what was discarded.
    /// No key, no message and no user data is in it; names of peers and their addresses are. Nothing else moves while it is written.
    #[must_use]
    pub fn dump(&self) -> String {
        let EndpointStats {
            datagrams_sent,
            send_batches,
            datagrams_refused,
            datagrams_received,
            receive_batches,
            receive_errors,
            offload_failed,
            sockets_refused,
        } = self.stats();
        let offload = if offload_failed { ", segmentation failed" } else { "" };
        let kept = if sockets_refused > 0 { format!("; {sockets_refused} new sockets refused") } else { String::new() };
        let core = self.inner.shared.with(|state, _| state.core.dump().to_string());
        format!(
            "socket {}: {datagrams_sent} datagrams out in {send_batches} calls, {datagrams_refused} refused{offload}; \
             {datagrams_received} in by {receive_batches}, {receive_errors} errors{kept}\n{core}",
            self.local_addr(),
        )
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Endpoint").field("local", &self.local_addr()).finish_non_exhaustive()
    }
}

impl Drop for EndpointHandle {
    fn drop(&mut self) {
        self.shared.with(refuse_new);
    }
}

/// Gives the attempt up when it is dropped before it has succeeded.
struct Attempt<'a> {
    shared: &'a Arc<Shared>,
    id: SessionId,
    ended: bool,
}

impl Attempt<'_> {
    fn succeed(mut self, facts: Facts) -> Session {
        self.ended = true;
        Session::new(SessionHandle::new(Arc::clone(self.shared), self.id, facts))
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.with(|state, now| state.orphan(self.id, now));
        }
    }
}

/// No reason in the error: the endpoint is closing.
fn begin(
    state: &mut State,
    peer: Peer<'_>,
    remote: SocketAddr,
    user_data: &[u8],
    now: Instant,
) -> Result<SessionId, Option<session_core::ConnectError>> {
    if state.stopping {
        return Err(None);
    }
    let options = ConnectOptions::default().with_user_data(user_data);
    let link = Link { carrier: Carrier::default(), local: state.local.into(), remote: remote.into() };
    let id = state.core.connect(peer, link, options, now)?;
    state.dial(id, remote);
    Ok(id)
}

fn next_incoming(state: &mut State, now: Instant) -> Step<Option<(SessionId, Facts, Vec<u8>)>> {
    while let Some(id) = state.incoming.pop_front() {
        let Some(session) = state.core.session(id).filter(|_| state.ended(id).is_none()) else {
            state.orphan(id, now);
            continue;
        };
        let mut user_data = vec![0; MAX_USER_DATA];
        let len = session.user_data(&mut user_data);
        user_data.truncate(len);
        let Some(facts) = Facts::of(&session) else { continue };
        return Step::Done(Some((id, facts, user_data)));
    }
    if state.stopping { Step::Done(None) } else { Step::Wait(Topic::Incoming) }
}

/// No new sessions, and the driver ends with the last one.
fn refuse_new(state: &mut State, now: Instant) {
    state.stopping = true;
    state.touched = true;
    while let Some(id) = state.incoming.pop_front() {
        state.refuse(id, CloseCode::BUSY, "the endpoint is closing", now);
        state.orphan(id, now);
    }
    state.notify(Topic::Incoming);
}

fn stop(state: &mut State, code: u64, text: &str, now: Instant) {
    refuse_new(state, now);
    let State { sessions, core, .. } = state;
    for (id, record) in sessions.iter_mut().filter(|(_, record)| record.ended.is_none() && !record.closing) {
        if let Some(mut session) = core.session_mut(*id, now) {
            session.close(code, text);
            record.closing = true;
        }
    }
}

/// `remote` as a socket bound to `local` names it.
fn reachable(local: SocketAddr, remote: SocketAddr) -> Option<SocketAddr> {
    match (local, remote.ip()) {
        (SocketAddr::V6(_), IpAddr::V4(ip)) => Some(SocketAddr::new(ip.to_ipv6_mapped().into(), remote.port())),
        (SocketAddr::V4(_), IpAddr::V6(ip)) => Some(SocketAddr::new(ip.to_ipv4_mapped()?.into(), remote.port())),
        _ => Some(remote),
    }
}
