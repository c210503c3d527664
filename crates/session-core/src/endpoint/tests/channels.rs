//! Dynamic channels: opened, used and ended by either side, with every frame lost in its turn, and with a peer that breaks the rules.

use super::pair::Pair;
use super::*;
use crate::action::TimerKind;
use crate::channel_config::{ChannelLimits, ChannelMode, ChannelOptions};
use crate::endpoint::slots::Queue;
use crate::ids::Role;
use crate::limits::MAX_COSTLY_FRAMES;
use crate::reason::{EndChannelError, OpenChannelError, RecvError, SendError};
use crate::send_options::SendOptions;
use crate::wire::{ChannelFrame, DataFrame, Frame, Frames, LimitFrame, MessageFrame};

const ORDERED: ChannelMode = ChannelMode::ReliableOrdered;

/// Two ends that may open `count` channels of each mode at each other.
fn pair_with(count: u16) -> Pair {
    let mut pair = Pair::new(ends_with(count)).establish();
    pair.events = [Vec::new(), Vec::new()];
    pair
}

fn ends_with(count: u16) -> [Endpoint; 2] {
    ends_within(&roomy(), count, ChannelOptions::default())
}

fn roomy() -> Limits {
    Limits { pool_blocks: 4096, session_window: 65_536, ..small_limits() }
}

fn ends_within(limits: &Limits, count: u16, accepted: ChannelOptions) -> [Endpoint; 2] {
    let limits = Limits { opened_channels: 4 * u32::from(count), ..limits.clone() };
    [1, 2].map(|number| {
        let key = StaticKey::new(&RustCrypto, Secret::new([number; 32]));
        let mut config = Config::new(key, "test");
        config.accepted_channels = accepted;
        for mode in ChannelMode::ALL {
            config.channel_limits = config.channel_limits.with(mode, count);
        }
        Endpoint::new(config, limits.clone(), RustCrypto, Seed::new([number; 32])).unwrap()
    })
}

impl Pair {
    fn begin_channel(&mut self, side: usize, mode: ChannelMode) -> ChannelId {
        self.session(side).open_channel(mode, ChannelOptions::default()).unwrap()
    }

    fn recv_all(&mut self, side: usize, channel: ChannelId) -> Vec<Vec<u8>> {
        let mut out = [0; 5000];
        let mut messages = Vec::new();
        while let Ok(Some(length)) = self.session(side).recv(&mut out, channel) {
            messages.push(out[..length].to_vec());
        }
        messages
    }

    fn open_channels(&self, side: usize) -> Vec<ChannelId> {
        self.look(side).channels().filter(|id| id.is_dynamic()).collect()
    }

    /// Events of one end since they were asked for last.
    fn told(&mut self, side: usize) -> Vec<Event> {
        let _ = self.take_events(side);
        core::mem::take(&mut self.events[side])
    }

    fn take_events(&mut self, side: usize) -> usize {
        let mut count = 0;
        while let Some(event) = self.next_event(side) {
            self.events[side].push(event);
            count += 1;
        }
        count
    }

    fn next_event(&mut self, side: usize) -> Option<Event> {
        let slot = self.ids[side]?.slot;
        self.ends[side].take_event(slot)
    }

    /// A frame of `from` comes to the other end, under true keys.
    fn send_frame(&mut self, from: usize, frame: &Frame<'_>) {
        let packet = self.seal_frame(from, frame);
        self.deliver(1 - from, &[packet]);
    }

    /// Session credit that is not used up, as both ends see it: the same once all has settled.
    fn assert_accounts_agree(&mut self) {
        for side in [0, 1] {
            let sent = self.sent_and_received(side).0;
            let received = self.sent_and_received(1 - side).1;
            assert_eq!(sent, received, "positions sent by {side} and received by the other");
        }
    }

    fn sent_and_received(&mut self, side: usize) -> (u64, u64) {
        let slot = self.ids[side].unwrap().slot;
        let end = &self.ends[side];
        end.slots.at(slot).unwrap().credit_in_use(&end.shared.memory)
    }
}

fn data(channel: ChannelId, offset: u64, begin: bool, end: bool, data: &[u8]) -> Frame<'_> {
    Frame::Data(DataFrame { channel: channel.0, offset, begin, end, data })
}

fn end_of(channel: ChannelId, end: u64) -> Frame<'static> {
    Frame::Channel(ChannelFrame::End { channel: channel.0, end })
}

fn count(events: &[Event], wanted: impl Fn(&Event) -> bool) -> usize {
    events.iter().filter(|event| wanted(event)).count()
}

//= docs/protocol.md P-9.4-1
#[test]
fn ids_tell_number_mode_and_opener() {
    let mut pair = pair_with(2);
    for (place, mode) in ChannelMode::ALL.into_iter().enumerate() {
        for number in 0..2 {
            for (side, role) in [Role::Initiator, Role::Responder].into_iter().enumerate() {
                let id = pair.begin_channel(side, mode);
                assert_eq!(id.0, 256 + (number << 3 | (place as u64) << 1 | side as u64));
                assert_eq!((id.dynamic_mode(), id.opener()), (Some(mode), Some(role)));
            }
        }
    }
    assert_eq!(ChannelId(255).dynamic_mode(), None);
}

//= docs/protocol.md P-9.4-2 P-9.4-5 P-9.4-8
#[test]
fn a_channel_of_every_mode_opened_by_either_side_carries_both_ways_and_goes() {
    for opener in [0, 1] {
        for mode in ChannelMode::ALL {
            let mut pair = pair_with(1);
            let (id, other) = (pair.begin_channel(opener, mode), 1 - opener);
            pair.settle();
            assert!(pair.told(other).is_empty(), "nothing was sent on it");
            pair.session(opener).send(b"question", id).unwrap();
            pair.settle();
            let session = pair.ids[other].unwrap();
            assert_eq!(pair.told(other), [Event::ChannelOpened(session, id), Event::Readable(session, id)], "{mode:?}");
            assert_eq!(pair.recv_all(other, id), [b"question"]);
            pair.session(other).send(b"answer", id).unwrap();
            pair.session(other).finish_channel(id).unwrap();
            assert_eq!(pair.session(other).send(b"more", id), Err(SendError::Finished));
            assert_eq!(pair.session(other).finish_channel(id), Err(EndChannelError::Ended));
            pair.settle();
            assert!(
                !pair.told(opener).contains(&Event::ChannelFinished(pair.ids[opener].unwrap(), id)),
                "not read yet"
            );
            assert_eq!(pair.recv_all(opener, id), [b"answer"]);
            let session = pair.ids[opener].unwrap();
            assert!(pair.told(opener).contains(&Event::ChannelFinished(session, id)));
            let mut out = [0; 10];
            assert_eq!(pair.session(opener).recv(&mut out, id), Err(RecvError::Finished));
            assert_eq!(pair.open_channels(opener), [id], "half of it is open");
            pair.session(opener).send(b"thanks", id).unwrap();
            pair.session(opener).finish_channel(id).unwrap();
            pair.settle();
            assert_eq!(pair.recv_all(other, id), [b"thanks"]);
            pair.settle();
            for side in [0, 1] {
                let told = pair.told(side);
                assert_eq!(told.last(), Some(&Event::ChannelClosed(pair.ids[side].unwrap(), id)), "{told:?}");
                assert_eq!(pair.open_channels(side), []);
                assert_eq!(pair.session(side).send(b"", id), Err(SendError::UnknownChannel));
                assert_eq!(pair.session(side).recv(&mut out, id), Err(RecvError::UnknownChannel));
            }
            pair.assert_accounts_agree();
        }
    }
}

/// Loses the `lost`-th packet of the life of a channel; whatever it held comes again.
//= docs/protocol.md P-9.4-5 P-9.4-8 P-9.4-9
#[test]
fn every_packet_of_a_channels_life_may_be_lost() {
    for mode in ChannelMode::ALL {
        let mut lost = 0;
        loop {
            let mut pair = pair_with(1);
            let mut count = 0;
            let id = pair.begin_channel(0, mode);
            pair.session(0).send(b"there", id).unwrap();
            pair.session(0).finish_channel(id).unwrap();
            let mut arrived = [Vec::new(), Vec::new()];
            let mut answered = false;
            for _ in 0..60 {
                for side in [0, 1] {
                    for packet in pair.take(side) {
                        if count != lost {
                            let _ = pair.receive(1 - side, &packet);
                        }
                        count += 1;
                    }
                    pair.pass(TRIP_AND_MORE);
                    pair.serve(side, pair.now);
                    arrived[1 - side].extend(pair.recv_all(1 - side, id));
                    if !answered && pair.open_channels(1) == [id] {
                        answered = true;
                        pair.session(1).send(b"back", id).unwrap();
                        pair.session(1).finish_channel(id).unwrap();
                    }
                }
                let over = pair.open_channels(0).is_empty() && pair.open_channels(1).is_empty();
                if answered && over && pair.look(0).channels_available(mode) == 1 {
                    break;
                }
            }
            // Where the only message of an unreliable channel is lost, its end still opens it.
            let most = if mode == ChannelMode::Unreliable { 0..=1 } else { 1..=1 };
            assert!(arrived.iter().all(|some| most.contains(&some.len())), "{mode:?}, packet {lost}: {arrived:?}");
            assert_eq!(pair.open_channels(0), [], "{mode:?}, packet {lost}");
            assert_eq!(pair.open_channels(1), [], "{mode:?}, packet {lost}");
            assert_eq!(pair.look(0).channels_available(mode), 1, "{mode:?}, packet {lost}: the limit has come");
            pair.assert_accounts_agree();
            if count <= lost {
                assert!(lost >= 4, "{mode:?}: only {lost} packets");
                break;
            }
            lost += 1;
        }
    }
}

const TRIP_AND_MORE: Duration = Duration::from_millis(30);

//= docs/protocol.md P-9.4-2
#[test]
fn a_channel_opens_all_before_it_of_its_mode_and_none_of_others() {
    let mut pair = pair_with(4);
    let ids: Vec<_> = (0..3).map(|_| pair.begin_channel(0, ORDERED)).collect();
    pair.begin_channel(0, ChannelMode::Unreliable);
    pair.session(0).send(b"third", ids[2]).unwrap();
    pair.settle();
    assert_eq!(pair.open_channels(1), ids);
    let session = pair.ids[1].unwrap();
    let told = pair.told(1);
    assert_eq!(count(&told, |event| matches!(event, Event::ChannelOpened(..))), 3, "{told:?}");
    assert_eq!(count(&told, |event| *event == Event::Readable(session, ids[2])), 1);
    // The other end may use them at once.
    pair.session(1).send(b"first", ids[0]).unwrap();
    pair.settle();
    assert_eq!(pair.recv_all(0, ids[0]), [b"first"]);
}

//= docs/protocol.md P-9.4-3
#[test]
fn who_opens_more_than_allowed_is_closed() {
    let mut pair = pair_with(2);
    let [second, third] = [1, 2].map(|number| ChannelId::dynamic(number, ORDERED, Role::Initiator));
    pair.send_frame(0, &data(second, 0, true, true, b"x"));
    assert_eq!((pair.open_channels(1).len(), pair.close_code(1)), (2, None));
    pair.send_frame(0, &data(third, 0, true, true, b"x"));
    assert_eq!(pair.close_code(1), Some(CloseCode::CHANNEL_LIMIT));
}

//= docs/protocol.md P-9.4-3
#[test]
fn where_none_are_allowed_any_is_one_too_many() {
    let mut pair = Pair::established(&small_limits());
    assert_eq!(
        pair.session(0).open_channel(ORDERED, ChannelOptions::default()),
        Err(OpenChannelError::NoneAllowed),
        "none by default"
    );
    pair.send_frame(0, &data(ChannelId(256), 0, true, true, b"x"));
    assert_eq!(pair.close_code(1), Some(CloseCode::CHANNEL_LIMIT));
}

//= docs/protocol.md P-9-3 P-9.4-4
#[test]
fn a_channel_of_ours_that_was_never_opened_is_unknown_and_one_that_is_gone_is_ignored() {
    let frames = |id: ChannelId| {
        let channel = id.0;
        [
            data(id, 0, true, true, b"x"),
            Frame::MaxChannelData { channel, maximum: 9 },
            Frame::Receipt { channel, offset: 0 },
            end_of(id, 2),
            Frame::Channel(ChannelFrame::Reset { channel, code: 1, end: 2 }),
            Frame::Channel(ChannelFrame::Stop { channel, code: 1 }),
        ]
    };
    let unknown = ChannelId::dynamic(0, ORDERED, Role::Responder);
    for frame in frames(unknown) {
        let mut pair = pair_with(1);
        pair.send_frame(0, &frame);
        assert_eq!(pair.close_code(1), Some(CloseCode::CHANNEL_UNKNOWN), "{frame:?}");
    }
    for opener in [0, 1] {
        let mut pair = pair_with(1);
        let id = pair.begin_channel(opener, ORDERED);
        pair.session(opener).send(b"x", id).unwrap();
        pair.session(opener).finish_channel(id).unwrap();
        pair.settle();
        pair.recv_all(1 - opener, id);
        pair.session(1 - opener).finish_channel(id).unwrap();
        pair.settle();
        assert_eq!(pair.open_channels(0).len() + pair.open_channels(1).len(), 0);
        for frame in frames(id) {
            let before = pair.ends[1].digest();
            pair.send_frame(0, &frame);
            assert_eq!(pair.close_code(1), None, "{frame:?}");
            assert_ne!(pair.ends[1].digest(), before, "the packet is acknowledged");
            assert_eq!(pair.open_channels(1), []);
        }
        pair.assert_accounts_agree();
    }
}

//= docs/protocol.md P-9.4-3 P-9.4-9
#[test]
fn limits_are_told_again_until_they_are_known_and_who_waits_is_told() {
    let mut pair = pair_with(1);
    for round in 0..5 {
        let id = pair.begin_channel(0, ORDERED);
        let refused = pair.session(0).open_channel(ORDERED, ChannelOptions::default());
        assert_eq!(refused, Err(OpenChannelError::Limit), "round {round}");
        pair.session(0).send(b"x", id).unwrap();
        pair.session(0).finish_channel(id).unwrap();
        pair.settle();
        pair.recv_all(1, id);
        pair.session(1).finish_channel(id).unwrap();
        pair.settle();
        let session = pair.ids[0].unwrap();
        let told = pair.told(0);
        assert_eq!(count(&told, |event| *event == Event::ChannelsAvailable(session)), 1, "{told:?}");
    }
    // A limit never shrinks, and one that is no news tells nobody.
    pair.send_frame(1, &Frame::ChannelLimit(LimitFrame { role: Role::Initiator, mode: ORDERED, count: 1 }));
    assert_eq!(pair.look(0).channels_available(ORDERED), 1);
    assert_eq!(pair.told(0), []);
}

#[test]
fn our_own_bound_is_told_apart_from_the_peers() {
    let mut pair = pair_with(1);
    for mode in ChannelMode::ALL {
        pair.begin_channel(0, mode);
    }
    // Four are open, as many as we may, whatever the peer says.
    let limit = LimitFrame { role: Role::Initiator, mode: ORDERED, count: 9 };
    pair.send_frame(1, &Frame::ChannelLimit(limit));
    assert_eq!(pair.session(0).open_channel(ORDERED, ChannelOptions::default()), Err(OpenChannelError::Full));
    assert_eq!(pair.look(0).channels_available(ORDERED), 0);
    let id = pair.open_channels(0)[0];
    pair.session(0).finish_channel(id).unwrap();
    pair.session(0).stop_channel(1, id).unwrap();
    pair.settle();
    assert!(pair.told(0).contains(&Event::ChannelsAvailable(pair.ids[0].unwrap())));
    assert_eq!(pair.begin_channel(0, ORDERED).0, id.0 + 8);
}

//= docs/protocol.md P-9.4-6
#[test]
fn a_reset_drops_what_was_not_read_and_accounts_for_what_was_not_received() {
    let mut pair = pair_with(2);
    let [id, next] = [0; 2].map(|_| pair.begin_channel(0, ORDERED));
    pair.session(0).send(&[1; 500], id).unwrap();
    pair.settle();
    // Of what follows nothing arrives.
    pair.session(0).send(&[2; 1500], id).unwrap();
    pair.take(0);
    pair.session(0).reset_channel(77, id).unwrap();
    assert_eq!(pair.session(0).reset_channel(78, id), Err(EndChannelError::Ended));
    assert_eq!(pair.session(0).send(b"", id), Err(SendError::Finished));
    pair.settle();
    let session = pair.ids[1].unwrap();
    let told = pair.told(1);
    assert!(told.contains(&Event::ChannelReset(session, id, 77)), "{told:?}");
    let mut out = [0; 1000];
    assert_eq!(pair.session(1).recv(&mut out, id), Err(RecvError::Reset));
    pair.assert_accounts_agree();
    // Half of it lives on.
    pair.session(1).send(b"a pity", id).unwrap();
    pair.session(1).finish_channel(id).unwrap();
    pair.settle();
    assert_eq!(pair.recv_all(0, id), [b"a pity"]);
    pair.settle();
    assert_eq!(pair.open_channels(1), [], "the other one was never used");
    // The credit of the session is whole again: a window of data fits.
    for _ in 0..8 {
        pair.session(0).send(&[3; 1000], next).unwrap();
        pair.settle();
        assert_eq!(pair.recv_all(1, next).len(), 1);
        pair.settle();
    }
    pair.assert_accounts_agree();
}

//= docs/protocol.md P-9.4-7
#[test]
fn who_is_asked_to_stop_resets_with_the_same_code() {
    for mode in ChannelMode::ALL {
        let mut pair = pair_with(1);
        let id = pair.begin_channel(0, mode);
        pair.session(0).send(&[1; 1000], id).unwrap();
        pair.settle();
        pair.session(1).stop_channel(5, id).unwrap();
        assert_eq!(pair.session(1).stop_channel(6, id), Err(EndChannelError::Ended));
        let mut out = [0; 1000];
        assert_eq!(pair.session(1).recv(&mut out, id), Err(RecvError::Stopped));
        // What is on its way meanwhile is dropped and accounted for.
        let _ = pair.session(0).send(&[2; 800], id);
        let packets = pair.take(0);
        pair.deliver(1, &packets);
        pair.settle();
        let session = pair.ids[0].unwrap();
        assert!(pair.told(0).contains(&Event::ChannelStopped(session, id, 5)), "{mode:?}");
        assert_eq!(pair.session(0).send(b"", id), Err(SendError::Stopped));
        assert_eq!(pair.session(0).finish_channel(id), Err(EndChannelError::Ended));
        assert!(!pair.told(1).iter().any(|event| matches!(event, Event::ChannelReset(..))), "it was asked for");
        pair.session(1).finish_channel(id).unwrap();
        pair.settle();
        assert_eq!((pair.open_channels(0), pair.open_channels(1)), (vec![], vec![]), "{mode:?}");
        pair.assert_accounts_agree();
    }
}

/// Both ends end both directions at once, in every way, before anything has arrived.
#[test]
fn ends_of_every_kind_cross() {
    type End = fn(&mut SessionMut<'_, RustCrypto>, ChannelId) -> Result<(), EndChannelError>;
    let ways: [&[End]; 5] = [
        &[|session, id| session.finish_channel(id)],
        &[|session, id| session.reset_channel(1, id)],
        &[|session, id| session.finish_channel(id), |session, id| session.stop_channel(2, id)],
        &[|session, id| session.reset_channel(1, id), |session, id| session.stop_channel(2, id)],
        &[|session, id| session.stop_channel(2, id)],
    ];
    for mode in ChannelMode::ALL {
        for here in ways {
            for there in ways {
                let mut pair = pair_with(1);
                let id = pair.begin_channel(0, mode);
                pair.session(0).send(&[1; 700], id).unwrap();
                pair.settle();
                for (side, way) in [here, there].into_iter().enumerate() {
                    pair.session(side).send(&[2; 600], id).unwrap();
                    for end in way {
                        end(&mut pair.session(side), id).unwrap();
                    }
                }
                let packets = [0, 1].map(|side| pair.take(side));
                pair.pass(TRIP_AND_MORE);
                for side in [0, 1] {
                    pair.deliver(1 - side, &packets[side]);
                }
                pair.settle();
                for side in [0, 1] {
                    pair.recv_all(side, id);
                    let _ = pair.session(side).finish_channel(id);
                }
                pair.settle();
                for side in [0, 1] {
                    assert_eq!(pair.close_code(side), None);
                    assert_eq!(pair.open_channels(side), [], "{mode:?}");
                    assert_eq!(count(&pair.told(side), |event| matches!(event, Event::ChannelClosed(..))), 1);
                }
                pair.assert_accounts_agree();
            }
        }
    }
}

//= docs/protocol.md P-9.4-3 P-9.4-5 P-9.4-6 P-9.4-10
#[test]
fn ends_that_do_not_agree_close_the_session() {
    let id = ChannelId::dynamic(0, ORDERED, Role::Initiator);
    let alone = ChannelId::dynamic(0, ChannelMode::Unreliable, Role::Initiator);
    let message = Frame::Message(MessageFrame { channel: alone.0, number: 3, offset: 0, last: true, data: b"x" });
    let reset = |end| Frame::Channel(ChannelFrame::Reset { channel: id.0, code: 0, end });
    let cases: [(&[Frame<'_>], CloseCode); 10] = [
        (&[data(id, 0, true, true, b"abc"), end_of(id, 3)], CloseCode::FINAL_SIZE),
        (&[data(id, 0, true, true, b"abc"), reset(2)], CloseCode::FINAL_SIZE),
        (&[end_of(id, 4), end_of(id, 5)], CloseCode::FINAL_SIZE),
        (&[end_of(id, 4), reset(5)], CloseCode::FINAL_SIZE),
        (&[reset(4), end_of(id, 5)], CloseCode::FINAL_SIZE),
        (&[end_of(id, 3), data(id, 0, true, true, b"abc")], CloseCode::FINAL_SIZE),
        (&[end_of(id, 3), data(id, 0, true, false, b"abc")], CloseCode::FINAL_SIZE),
        (&[data(id, 0, true, false, b"abc"), end_of(id, 3)], CloseCode::FINAL_SIZE),
        (&[message, end_of(alone, 3)], CloseCode::FINAL_SIZE),
        (&[reset(4097)], CloseCode::FLOW_CONTROL),
    ];
    for (frames, code) in cases {
        let mut pair = pair_with(1);
        for (place, frame) in frames.iter().enumerate() {
            assert_eq!(pair.close_code(1), None, "frame {place} of {frames:?}");
            pair.send_frame(0, frame);
        }
        assert_eq!(pair.close_code(1), Some(code), "{frames:?}");
    }
    for frame in [end_of(CHANNEL, 0), Frame::Channel(ChannelFrame::Stop { channel: 0, code: 1 })] {
        let mut pair = pair_with(1);
        pair.send_frame(0, &frame);
        assert_eq!(pair.close_code(1), Some(CloseCode::PROTOCOL), "{frame:?}");
    }
    let own = LimitFrame { role: Role::Initiator, mode: ORDERED, count: 9 };
    let mut pair = pair_with(1);
    pair.send_frame(0, &Frame::ChannelLimit(own));
    assert_eq!(pair.close_code(1), Some(CloseCode::FRAME_ENCODING));
}

/// Each side sends on a channel with a budget of three blocks, which its opener named and its accepter has configured.
#[test]
fn a_dynamic_channel_at_its_budget_is_blocked_and_leaves_memory_to_the_others() {
    let modest = ChannelOptions::default().with_budget(3);
    for mode in [ORDERED, ChannelMode::ReliableUnordered, ChannelMode::Unreliable] {
        let mut pair = Pair::new(ends_within(&roomy(), 2, modest)).establish();
        let id = pair.session(0).open_channel(mode, modest).unwrap();
        pair.session(0).send(b"it is open", id).unwrap();
        pair.settle();
        assert_eq!(pair.recv_all(1, id), [b"it is open"]);
        for side in [0, 1] {
            let _ = pair.told(side);
            assert_eq!(pair.session(side).send(&[0; 3 * 256], id), Err(SendError::TooLarge));
            let mut sent = 0;
            while pair.session(side).send(&[1; 150], id).is_ok() {
                sent += 1;
            }
            assert_eq!((sent, pair.session(side).send(&[1; 150], id)), (3, Err(SendError::Blocked)), "{mode:?}");
            pair.session(side).send(&[2; 2000], CHANNEL).unwrap();
            pair.settle();
            let writable = Event::Writable(pair.ids[side].unwrap(), id);
            assert!(pair.told(side).contains(&writable), "{mode:?} {side}");
            assert_eq!(pair.recv_all(1 - side, CHANNEL), [vec![2; 2000]]);
            assert_eq!(pair.recv_all(1 - side, id), vec![vec![1; 150]; 3]);
            pair.session(side).send(&[1; 150], id).unwrap();
            pair.settle();
            assert_eq!(pair.recv_all(1 - side, id).len(), 1);
        }
    }
}

/// Four channels may hold four blocks each by themselves; together the session holds eight.
#[test]
fn e8_unread_messages_of_one_session_hold_a_share_of_the_pool_however_many_its_channels() {
    const CHANNELS: u32 = 4;
    const EACH: u32 = 4;
    const SHARE: u32 = 8;
    let limits = Limits { mailbox_blocks: EACH, session_mailbox_blocks: SHARE, ..roomy() };
    for mode in [ChannelMode::Unreliable, ChannelMode::LatestValue] {
        let mut pair = Pair::new(ends_within(&limits, CHANNELS as u16, ChannelOptions::default())).establish();
        let held = |pair: &Pair| 4096 - pair.ends[1].shared.memory.pool.free();
        let dropped = |pair: &Pair, id: &ChannelId| pair.look(1).channel_stats(*id).unwrap().dropped_messages;
        let idle = held(&pair);
        let ids: Vec<_> = (0..CHANNELS).map(|_| pair.begin_channel(0, mode)).collect();
        let latest = mode == ChannelMode::LatestValue;
        // One value of three blocks, or as many messages of one block as there is room for.
        let (message, count) = if latest { (vec![1; 3 * 170], 1) } else { (vec![1; 130], EACH) };
        for id in &ids {
            for _ in 0..count {
                pair.session(0).send(&message, *id).unwrap();
            }
            let packets = pair.take(0);
            pair.pass(TRIP_AND_MORE);
            pair.deliver(1, &packets);
            pair.ends[1].assert_invariants();
            assert!(held(&pair) - idle <= SHARE, "{mode:?}: {}", held(&pair) - idle);
        }
        assert!(held(&pair) - idle > SHARE - 3, "{mode:?}: the share is used");
        let no_memory = pair.look(1).stats().no_memory;
        if latest {
            assert_eq!(no_memory, u64::from(CHANNELS) - 2, "what found no room is to come again");
            // A newer value has room where the one before it was.
            pair.session(0).send(&[2; 3 * 170], ids[0]).unwrap();
            pair.settle();
            assert_eq!(pair.recv_all(1, ids[0]), [[2; 3 * 170]]);
        } else {
            assert_eq!(no_memory, 0, "what was dropped is acknowledged");
            pair.settle();
            let each: Vec<_> = ids.iter().map(|id| dropped(&pair, id)).collect();
            assert_eq!(each, [0, 0, u64::from(EACH), u64::from(EACH)]);
        }
        // Once there is room again the last goes on: a latest value that found none arrives all the same.
        pair.recv_all(1, ids[0]);
        pair.recv_all(1, ids[1]);
        let last = ids[CHANNELS as usize - 1];
        if !latest {
            pair.session(0).send(&message, last).unwrap();
        }
        for _ in 0..4 {
            pair.settle();
            if let Some(deadline) = pair.ends[0].next_deadline() {
                pair.serve(0, deadline.at);
            }
        }
        assert_eq!(pair.recv_all(1, last), [message], "{mode:?}");
    }
}

#[test]
fn who_accepts_a_channel_decides_about_its_options() {
    let mut pair = Pair::new(ends_within(&roomy(), 1, ChannelOptions::default().with_receipts())).establish();
    for mode in ChannelMode::ALL {
        let id = pair.begin_channel(0, mode);
        pair.session(0).send(b"read", id).unwrap();
        pair.settle();
        assert_eq!(pair.recv_all(1, id), [b"read"]);
        pair.settle();
        let told = pair.told(0);
        let delivered = count(&told, |event| matches!(event, Event::Delivered(_, channel) if *channel == id));
        assert_eq!(delivered, usize::from(!mode.stands_alone()), "{mode:?}");
    }
    let options = ChannelOptions::default();
    for wrong in [options.with_priority(8), options.with_weight(0), options.with_budget(1)] {
        let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new([1; 32])), "test");
        config.accepted_channels = wrong;
        let made = Endpoint::new(config, small_limits(), RustCrypto, Seed::new([1; 32]));
        assert_eq!(made.err(), Some(ConfigError::Channels));
    }
}

#[test]
fn commands_are_refused_where_they_mean_nothing() {
    let mut pair = pair_with(1);
    assert_eq!(pair.session(0).finish_channel(CHANNEL), Err(EndChannelError::Agreed));
    assert_eq!(pair.session(0).stop_channel(0, ChannelId(256)), Err(EndChannelError::UnknownChannel));
    let options = ChannelOptions::default();
    for (mode, wrong) in [
        (ORDERED, options.with_priority(8)),
        (ORDERED, options.with_weight(0)),
        (ORDERED, options.with_budget(1)),
        (ChannelMode::Unreliable, options.with_receipts()),
    ] {
        assert_eq!(pair.session(0).open_channel(mode, wrong), Err(OpenChannelError::Options));
    }
    let id = pair.begin_channel(0, ORDERED);
    pair.session(0).begin(id).unwrap();
    pair.session(0).write(b"half a", id).unwrap();
    assert_eq!(pair.session(0).finish_channel(id), Err(EndChannelError::Streaming));
    pair.session(0).reset_channel(3, id).unwrap();
    pair.session(0).close(0, "");
    assert_eq!(pair.session(0).open_channel(ORDERED, options), Err(OpenChannelError::NotEstablished));
    assert_eq!(pair.session(0).stop_channel(0, id), Err(EndChannelError::Closed));
    let mut early = Pair::new(ends_with(1));
    early.agree(b"");
    assert_eq!(early.session(0).open_channel(ORDERED, options), Err(OpenChannelError::NotEstablished));
}

/// The responder opens a channel as soon as it has accepted; its ACCEPT is lost on the way.
#[test]
fn a_channel_that_overtakes_accept_is_told_of_after_it() {
    let mut pair = Pair::new(ends_with(1));
    pair.agree(b"");
    let connect = pair.take(0);
    pair.pass(TRIP_AND_MORE);
    pair.deliver(1, &connect);
    pair.told(1);
    pair.session(1).accept(b"").unwrap();
    let accept = pair.take(1);
    let id = pair.begin_channel(1, ORDERED);
    pair.session(1).send(b"early", id).unwrap();
    pair.session(1).finish_channel(id).unwrap();
    let packets = pair.take(1);
    pair.pass(TRIP_AND_MORE);
    pair.deliver(0, &packets);
    assert_eq!(pair.told(0), []);
    assert_eq!(pair.recv_all(0, id), Vec::<Vec<u8>>::new());
    pair.deliver(0, &accept);
    let session = pair.ids[0].unwrap();
    let expected = [Event::Established(session), Event::ChannelOpened(session, id), Event::Readable(session, id)];
    assert_eq!(pair.told(0), expected);
    assert_eq!(pair.recv_all(0, id), [b"early"]);
}

/// Closing flushes the ends of channels too.
#[test]
fn a_flushing_close_waits_for_ends() {
    let mut pair = pair_with(1);
    let id = pair.begin_channel(0, ORDERED);
    pair.session(0).finish_channel(id).unwrap();
    pair.session(0).close(0, "done");
    let lost = pair.take(0);
    assert_eq!(lost.len(), 1, "the end alone, without CLOSE");
    let (timer, at) = pair.deadline(0);
    assert_eq!(timer, TimerKind::LossDetection);
    pair.serve(0, at);
    pair.settle();
    assert!(pair.told(1).contains(&Event::ChannelOpened(pair.ids[1].unwrap(), id)));
    assert_eq!(pair.close_code(1), Some(CloseCode(0)));
}

/// As many channels as one end may have at once, all in use, many times over, and no record is left.
#[test]
fn sixty_four_channels_at_once_come_and_go() {
    let mut pair = pair_with(64);
    let mut records = Vec::new();
    for round in 0..20 {
        for opener in [0, 1] {
            let ids: Vec<_> = (0..64).map(|number| pair.begin_channel(opener, ChannelMode::ALL[number / 16])).collect();
            for id in &ids {
                pair.session(opener).send(&id.0.to_be_bytes(), *id).unwrap();
                pair.session(opener).finish_channel(*id).unwrap();
            }
            for _ in 0..3 {
                pair.settle();
                for id in &ids {
                    for message in pair.recv_all(1 - opener, *id) {
                        assert_eq!(message, id.0.to_be_bytes());
                    }
                    let _ = pair.session(1 - opener).finish_channel(*id);
                }
            }
            pair.settle();
            assert_eq!((pair.open_channels(0), pair.open_channels(1)), (vec![], vec![]), "round {round}");
            pair.told(0);
            pair.told(1);
        }
        let memory = &pair.ends[0].shared.memory;
        records.push([memory.channels.used(), memory.dynamics.used(), memory.mailboxes.used()]);
        assert_eq!(memory.pool.promised(), 0);
    }
    assert!(records.iter().all(|used| *used == [2, 0, 0]), "{records:?}");
    pair.assert_accounts_agree();
}

#[test]
fn more_dynamic_channels_than_there_may_be_are_no_configuration() {
    let key = || StaticKey::new(&RustCrypto, Secret::new([1; 32]));
    let mut config = Config::new(key(), "test");
    config.channel_limits = ChannelLimits::NONE.with(ORDERED, 1000);
    let limits = Limits { opened_channels: 25, ..Limits::default() };
    let made = Endpoint::new(config, limits, RustCrypto, Seed::new([1; 32]));
    assert_eq!(made.err(), Some(ConfigError::DynamicChannels));
}

/// A message misses its deadline, and its channel is finished: the peer hears of both, in any order, and the channel goes.
//= docs/protocol.md P-9.3-3 P-9.4-5 P-9.4-8
#[test]
fn a_channel_whose_last_message_was_late_ends_all_the_same() {
    for mode in ChannelMode::ALL {
        let mut pair = pair_with(1);
        let id = pair.begin_channel(0, mode);
        pair.session(0).send(b"in time", id).unwrap();
        pair.settle();
        let soon = pair.now.saturating_add(Duration::from_millis(5));
        pair.session(0).send_with(&[1; 2000], id, SendOptions::by(soon)).unwrap();
        // All that left of it is lost.
        pair.take(0);
        pair.session(0).finish_channel(id).unwrap();
        pair.serve(0, soon);
        for _ in 0..4 {
            pair.settle();
            let at = pair.deadline(0).1;
            pair.serve(0, at);
        }
        assert_eq!(pair.recv_all(1, id), [b"in time"], "{mode:?}");
        pair.session(1).finish_channel(id).unwrap();
        pair.settle();
        assert_eq!((pair.open_channels(0), pair.open_channels(1)), (vec![], vec![]), "{mode:?}");
        assert_eq!((pair.close_code(0), pair.close_code(1)), (None, None), "{mode:?}");
        pair.assert_accounts_agree();
    }
}

/// Who tells what it took is done with a channel once that was told, whatever else happens.
//= docs/protocol.md P-9.4-8
#[test]
fn the_last_receipt_keeps_no_channel() {
    let mut pair = pair_with(1);
    let id = pair.session(0).open_channel(ORDERED, ChannelOptions::default().with_receipts()).unwrap();
    pair.session(0).send(b"question", id).unwrap();
    pair.session(0).finish_channel(id).unwrap();
    pair.settle();
    pair.recv_all(1, id);
    pair.session(1).send(b"answer", id).unwrap();
    pair.session(1).finish_channel(id).unwrap();
    pair.settle();
    assert_eq!(pair.recv_all(0, id), [b"answer"]);
    pair.settle();
    assert_eq!(pair.told(0).last(), Some(&Event::ChannelClosed(pair.ids[0].unwrap(), id)));
    assert_eq!(pair.open_channels(0), []);
}

/// More channels have something to pass over than a packet may name.
//= docs/protocol.md P-6-7
#[test]
fn messages_given_up_on_many_channels_at_once_are_told_in_several_packets() {
    let mut pair = pair_with(40);
    let modes = [ORDERED, ChannelMode::ReliableUnordered];
    let ids: Vec<_> = (0..80).map(|number| pair.begin_channel(0, modes[number / 40])).collect();
    let now = pair.now;
    for id in &ids {
        pair.session(0).send_with(b"late", *id, SendOptions::by(now)).unwrap();
    }
    pair.settle();
    assert_eq!(pair.close_code(1), None);
    let skipped = |pair: &Pair, id: &ChannelId| pair.look(1).channel_stats(*id).unwrap().skipped_positions;
    assert!(ids.iter().all(|id| skipped(&pair, id) == 5));
    pair.assert_accounts_agree();
}

/// The application takes what came on more channels than a packet may name: credit and receipt of each are due at once.
//= docs/protocol.md P-6-7
#[test]
fn credit_and_receipts_of_many_channels_at_once_are_told_in_several_packets() {
    const CHANNELS: usize = 40;
    let limits = Limits { pool_blocks: 16_384, session_window: 700_000, send_blocks: 32, ..small_limits() };
    let mut pair = Pair::new(ends_within(&limits, CHANNELS as u16, ChannelOptions::default())).establish();
    let options = ChannelOptions::default().with_receipts();
    let ids: Vec<_> = (0..CHANNELS).map(|_| pair.session(0).open_channel(ORDERED, options).unwrap()).collect();
    for id in &ids {
        pair.session(0).send(b"question", *id).unwrap();
    }
    pair.settle();
    // Some more than half of a window: enough for new credit.
    let answer = [7; 2500];
    for id in &ids {
        pair.session(1).send(&answer, *id).unwrap();
        pair.settle();
    }
    for id in &ids {
        assert_eq!(pair.recv_all(0, *id), [answer]);
    }
    let packets = pair.take(0);
    let mut told = [0, 0];
    for packet in &packets {
        let (_, plaintext) = pair.open(1, packet);
        let before = told;
        for frame in Frames::new(&plaintext) {
            match frame.unwrap() {
                Frame::MaxChannelData { .. } => told[0] += 1,
                Frame::Receipt { .. } => told[1] += 1,
                _ => {}
            }
        }
        let count: usize = told.iter().sum::<usize>() - before.iter().sum::<usize>();
        assert!(count <= MAX_COSTLY_FRAMES, "{count} in a packet");
    }
    assert_eq!(told, [CHANNELS; 2], "each once, and all of them now: {} packets", packets.len());
    pair.deliver(1, &packets);
    assert_eq!(pair.close_code(1), None);
    for id in &ids {
        assert_eq!(pair.look(1).channel_stats(*id).unwrap().delivered, 2501, "{id:?}");
        pair.session(1).send(&[8; 4000], *id).unwrap();
        pair.settle();
        assert_eq!(pair.recv_all(0, *id), [[8; 4000]], "there was credit for it");
    }
    pair.assert_accounts_agree();
}

/// The end of a channel overtakes ACCEPT, and nothing is told before the beginning of the session.
#[test]
fn an_end_that_overtakes_accept_is_told_of_after_it() {
    for reset in [false, true] {
        let mut pair = Pair::new(ends_with(1));
        pair.agree(b"");
        let connect = pair.take(0);
        pair.pass(TRIP_AND_MORE);
        pair.deliver(1, &connect);
        pair.told(1);
        pair.session(1).accept(b"").unwrap();
        let accept = pair.take(1);
        let id = pair.begin_channel(1, ORDERED);
        if reset { pair.session(1).reset_channel(7, id) } else { pair.session(1).finish_channel(id) }.unwrap();
        let packets = pair.take(1);
        pair.pass(TRIP_AND_MORE);
        pair.deliver(0, &packets);
        assert_eq!(pair.told(0), []);
        pair.deliver(0, &accept);
        let session = pair.ids[0].unwrap();
        let end = if reset { Event::ChannelReset(session, id, 7) } else { Event::ChannelFinished(session, id) };
        assert_eq!(pair.told(0), [Event::Established(session), Event::ChannelOpened(session, id), end]);
    }
}

/// The last message of a channel is given up while it is read: its reader is told so before it is told of the end.
//= docs/protocol.md P-9.3-4
#[test]
fn a_reader_in_the_middle_of_a_message_that_is_given_up_is_told_before_the_end() {
    let mut pair = pair_with(1);
    let id = pair.begin_channel(0, ORDERED);
    let deadline = pair.now.saturating_add(TRIP_AND_MORE);
    pair.session(0).send_with(&[7; 2000], id, SendOptions::by(deadline)).unwrap();
    pair.session(0).finish_channel(id).unwrap();
    let packets = pair.take(0);
    pair.deliver(1, &packets[..1]);
    let mut out = [0; 5000];
    let read = pair.session(1).read(&mut out, id).unwrap().unwrap();
    assert!(read.begin && !read.end);
    pair.pass(TRIP_AND_MORE);
    pair.pass(TRIP_AND_MORE);
    pair.serve(0, pair.now);
    pair.settle();
    let (_, at) = pair.deadline(0);
    pair.serve(0, at);
    pair.settle();
    let finished = Event::ChannelFinished(pair.ids[1].unwrap(), id);
    assert!(!pair.told(1).contains(&finished), "the reader does not know that its message has no end");
    assert_eq!(pair.session(1).read(&mut out, id), Err(RecvError::Cut));
    let waiting = pair.ends[1].first_of(Queue::Events);
    assert_eq!(waiting, pair.ids[1].map(|id| id.slot), "an error is what brought the news, and nothing else may come");
    assert_eq!(pair.session(1).read(&mut out, id), Err(RecvError::Finished));
    assert!(pair.told(1).contains(&finished));
}

/// Its reader is in the midst of a message when that is given up, and the channel after it: nobody reads there any more, so nothing
/// keeps what is left of the session.
#[test]
fn a_cut_on_a_channel_that_was_reset_or_stopped_keeps_no_session() {
    for stop in [false, true] {
        let mut pair = pair_with(1);
        let id = pair.begin_channel(0, ORDERED);
        let deadline = pair.now.saturating_add(TRIP_AND_MORE);
        pair.session(0).send_with(&[7; 2000], id, SendOptions::by(deadline)).unwrap();
        let packets = pair.take(0);
        pair.deliver(1, &packets[..1]);
        assert!(pair.session(1).read(&mut [0; 5000], id).unwrap().is_some());
        pair.pass(TRIP_AND_MORE);
        pair.pass(TRIP_AND_MORE);
        pair.serve(0, pair.now);
        pair.settle();
        let (_, at) = pair.deadline(0);
        pair.serve(0, at);
        pair.settle();
        assert!(pair.told(1).contains(&Event::Skipped(pair.ids[1].unwrap(), id)));
        if stop { pair.session(1).stop_channel(1, id) } else { pair.session(0).reset_channel(1, id) }.unwrap();
        pair.settle();
        pair.session(0).close(0, "");
        pair.settle();
        pair.told(1);
        pair.pass(Duration::from_secs(10));
        pair.serve(1, pair.now);
        let closed = pair.ends[1].first_of(Queue::Closed);
        assert_eq!(closed, pair.ids[1].map(|id| id.slot), "{stop}: there is nothing to read");
    }
}
