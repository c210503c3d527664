//! A session begins: with an attempt of ours, or with a Hello that was answered; and what the handshake agreed on becomes its own.

use super::channels::Channels;
use super::close::Closing;
use super::control::Control;
use super::deadlines::AttemptLimit;
use super::discards::OwnDiscards;
use super::events::Events;
use super::forgeries::Forgeries;
use super::keepalive::Keepalive;
use super::lifetime::Lifetime;
use super::stats::Counters;
use super::{Clocks, Keys, Packets, Phase, Remote, SessionCore, Trigger};
use crate::action::Link;
use crate::crypto::keys::SessionSecrets;
use crate::crypto::replay::ReplayWindow;
use crate::crypto::{Provider, PublicKey};
use crate::handshake::{Agreed, AgreedReply, AnsweredHello, Attempt, InitiatorNoise, VerifiedFinish};
use crate::ids::{Role, SessionId, Uid};
use crate::limits::MIN_UDP_DATAGRAM;
use crate::memory::Memory;
use crate::optional::OptionalNumber;
use crate::path::{AckTracker, AckWish, OwnIds, Path, SentLog};
use crate::recovery::PathMtu;
use crate::shared::Context;
use crate::slab::SlabKey;
use crate::wire::{ControlMessage, ReceiverId, TransportParameters, UserData};

impl SessionCore {
    pub(crate) fn initiator<P: Provider>(
        context: &mut Context<'_, P>,
        id: SessionId,
        local_id: ReceiverId,
        link: Link,
        attempt: Attempt,
    ) -> Self {
        let (noise, psk) = attempt.noise().unzip();
        let peer = noise.and_then(InitiatorNoise::responder).copied();
        let psk_place = context.settings.config.psk_place(psk.flatten());
        let mut session = Self::new(context, id, Role::Initiator, peer, local_id, link);
        session.peer.psk = psk_place;
        session.keep_attempt(&mut context.shared.memory, attempt);
        session
    }

    pub(crate) fn responder<P: Provider>(
        context: &mut Context<'_, P>,
        id: SessionId,
        local_id: ReceiverId,
        link: Link,
        hello: AnsweredHello,
    ) -> Self {
        let AnsweredHello { attempt, remote_id, psk, agreed } = hello;
        let peer = agreed.as_ref().map(|(peer, _)| *peer);
        let mut session = Self::new(context, id, Role::Responder, peer, local_id, link);
        session.keep_attempt(&mut context.shared.memory, attempt);
        session.remote_id = Some(remote_id);
        session.peer.psk = context.settings.config.psk_place(psk.as_ref());
        if let Some((_, Agreed { secrets, parameters, fits })) = agreed {
            session.control.unfit = !fits;
            session.adopt(context, secrets, &parameters);
        }
        session
    }

    fn new<P: Provider>(
        context: &mut Context<'_, P>,
        id: SessionId,
        role: Role,
        peer: Option<PublicKey>,
        local_id: ReceiverId,
        link: Link,
    ) -> Self {
        let Context { shared, settings, now } = context;
        let carrier = settings.config.carriers.get(usize::from(link.carrier.0));
        let (least, most) = carrier.map_or((MIN_UDP_DATAGRAM, MIN_UDP_DATAGRAM), |c| (c.min_datagram, c.max_datagram));
        let mtu = PathMtu::new(least, most, *now);
        Self {
            id,
            role,
            phase: if role == Role::Initiator { Phase::Connecting } else { Phase::Tentative },
            peer: Remote { key: peer, first_contact: peer.is_none(), largest_datagram: u16::MAX, ..Remote::default() },
            local_id,
            own_ids: OwnIds::of(&local_id),
            remote_id: None,
            peer_ids: SlabKey::NOWHERE,
            others: SlabKey::NOWHERE,
            path_changes: 0,
            attempt: SlabKey::NOWHERE,
            keys: Keys {
                secrets: None,
                uid: None,
                owner: shared.next_key_owner(),
                hint: u32::MAX,
                generation: 0,
                rekey: SlabKey::NOWHERE,
                forged: Forgeries::default(),
            },
            packets: Packets {
                next_number: 0,
                skip: 1 + shared.generator.below(64),
                skipped: [0; 4],
                sealed: 0,
                opened: 0,
                largest_acked: OptionalNumber::NONE,
                replay: ReplayWindow::default(),
                acks: AckTracker::new(),
                log: SentLog::new(u16::try_from(settings.limits.record_blocks).unwrap_or(u16::MAX)),
                plain: false,
                ack_forced: false,
                ping_due: false,
                wish: AckWish::new(),
            },
            path: Path::new(link, settings.config.congestion_control, mtu, *now),
            channels: Channels::open(&mut shared.memory, &settings.config, &settings.limits),
            control: Control::default(),
            clocks: Clocks {
                attempt_at: *now,
                attempt_limit: if role == Role::Initiator { AttemptLimit::Connect } else { AttemptLimit::Tentative },
                received_at: *now,
                keepalive_at: *now,
                keepalive: Keepalive::default(),
                grace_until: *now,
                silent: false,
                user_data_at: *now,
                lifetime: Lifetime::default(),
            },
            closing: Closing::default(),
            events: Events::default(),
            counters: Counters::default(),
            discards: OwnDiscards::default(),
        }
    }

    /// Queues CONNECT with `user_data`. `false` if there is no memory for it.
    pub(crate) fn queue_connect(&mut self, memory: &mut Memory, user_data: UserData<'_>) -> bool {
        self.queue_control(memory, &ControlMessage::Connect { user_data })
    }

    /// The Reply to our Hello has verified: keys are agreed, and CONNECT may leave.
    pub(crate) fn on_reply<P: Provider>(&mut self, context: &mut Context<'_, P>, reply: AgreedReply) {
        if !self.follow(Trigger::ReplyVerified) {
            return;
        }
        let AgreedReply { secrets, parameters, remote_id, finish } = reply;
        let Memory { pool, attempts, .. } = &mut context.shared.memory;
        match (finish, attempts.get_mut(self.attempt)) {
            (Some((peer, packet)), Some(attempt)) => {
                self.peer.key = Some(peer);
                attempt.begin_finishing(pool, packet.as_bytes());
            }
            _ => self.end_attempt(&mut context.shared.memory),
        }
        self.remote_id = Some(remote_id);
        self.clocks.received_at = context.now;
        self.adopt(context, secrets, &parameters);
    }

    /// The Finish of a first contact has verified: keys are agreed, and the first data packet confirms them.
    pub(crate) fn on_finish<P: Provider>(&mut self, context: &mut Context<'_, P>, finish: VerifiedFinish) {
        let VerifiedFinish { peer, agreed: Agreed { secrets, parameters, fits } } = finish;
        if let Some(attempt) = context.shared.memory.attempts.get_mut(self.attempt) {
            attempt.forget_noise();
        }
        self.peer.key = Some(peer);
        self.control.unfit = !fits;
        self.clocks.received_at = context.now;
        self.adopt(context, secrets, &parameters);
    }

    /// Nothing of the attempt is needed any more.
    pub(super) fn end_attempt(&mut self, memory: &mut Memory) {
        let key = core::mem::take(&mut self.attempt);
        if let Some(attempt) = memory.attempts.get_mut(key) {
            attempt.release(&mut memory.pool);
            memory.attempts.discard(key);
        }
    }

    fn keep_attempt(&mut self, memory: &mut Memory, attempt: Attempt) {
        let kept = memory.attempts.insert(attempt);
        debug_assert!(kept.is_ok(), "there is room for the attempt of every session");
        self.attempt = kept.unwrap_or_default();
    }

    /// Takes over what a verified handshake message brought.
    fn adopt<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        secrets: SessionSecrets,
        parameters: &TransportParameters,
    ) {
        let Context { shared, settings, now } = context;
        self.keys.uid = Some(Uid(secrets.uid()));
        self.keys.secrets = Some(secrets);
        self.peer.node_type = parameters.node_type;
        self.peer.capabilities = parameters.capabilities;
        self.channels.set_initial_credit(&mut shared.memory, &settings.config, &settings.limits, parameters);
        self.path.set_peer_max_ack_delay(parameters.max_ack_delay);
        self.peer.largest_datagram = u16::try_from(parameters.largest_datagram).unwrap_or(u16::MAX);
        self.path.bound_datagrams(self.peer.largest_datagram, *now);
        self.own_ids.set_most(parameters.ids.min(settings.limits.kept_ids()));
        let permille = 900 + shared.generator.below(201) as u16;
        let timeouts = &settings.config.timeouts;
        self.clocks.keepalive = Keepalive::agree(self.role, timeouts, parameters.keepalive, permille);
    }
}
