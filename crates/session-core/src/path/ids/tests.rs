use std::vec::Vec;

use super::*;

fn id(number: u32) -> ReceiverId {
    ReceiverId::of(u64::from(number).to_be_bytes())
}

fn new_id(sequence: u32, retire_prior_to: u32) -> NewIdFrame {
    NewIdFrame { sequence, retire_prior_to, id: id(sequence), token: [0; 16] }
}

/// The peer's ids as a session has them.
struct Kept {
    ids: PeerIds,
    current: ReceiverId,
    /// RETIRE_ID said so far.
    told: Vec<u32>,
}

impl Kept {
    fn new() -> Self {
        Self { ids: PeerIds::new(), current: id(0), told: Vec::new() }
    }

    fn take(&mut self, frame: &NewIdFrame, most: u32) -> Result<(), IdFault> {
        if let Some(next) = self.ids.on_new_id(frame, self.current, most)? {
            self.current = next;
        }
        Ok(())
    }

    /// Says every RETIRE_ID that is due, in one packet each.
    fn say(&mut self) {
        while let Some(sequence) = self.ids.retire_due() {
            self.ids.on_retire_said(sequence, self.told.len() as u64);
            self.told.push(sequence);
        }
    }
}

//= docs/protocol.md P-6.1-3
#[test]
fn an_id_below_retire_prior_to_is_retired_and_a_spare_takes_its_place() {
    let mut kept = Kept::new();
    kept.take(&new_id(1, 0), 2).unwrap();
    assert_eq!((kept.current, kept.ids.retire_due()), (id(0), None));
    kept.take(&new_id(2, 1), 2).unwrap();
    assert_eq!((kept.current, kept.ids.retire_due()), (id(1), Some(0)));
    kept.say();
    assert_eq!(kept.told, [0]);
    // The packet was lost: it is said again, until one arrives.
    kept.ids.on_retire_packet(0, false);
    assert_eq!(kept.ids.retire_due(), Some(0));
    kept.say();
    kept.ids.on_retire_packet(1, true);
    assert_eq!(kept.ids.retire_due(), None);
    assert_eq!(kept.ids.take_spare(), Some(NumberedId { sequence: 2, id: id(2) }));
    assert_eq!(kept.ids.take_spare(), None);
}

//= docs/protocol.md P-6.1-3
#[test]
fn an_id_that_comes_too_late_is_retired_at_once() {
    let mut kept = Kept::new();
    kept.take(&new_id(3, 2), 3).unwrap();
    assert_eq!(kept.current, id(3));
    kept.take(&new_id(1, 0), 3).unwrap();
    kept.say();
    assert_eq!(kept.told, [0, 1]);
    kept.take(&new_id(1, 0), 3).unwrap();
    kept.say();
    assert_eq!(kept.told, [0, 1], "what was said and may arrive is not said again");
}

//= docs/protocol.md P-6.1-2
#[test]
fn one_number_is_one_id_and_no_more_come_than_are_kept() {
    let contradiction = Err(IdFault::Contradiction);
    let mut kept = Kept::new();
    assert_eq!(kept.take(&NewIdFrame { id: id(9), ..new_id(0, 0) }, 4), contradiction, "the first is known");
    kept.take(&new_id(1, 0), 4).unwrap();
    kept.take(&new_id(1, 0), 4).unwrap();
    assert_eq!(kept.take(&NewIdFrame { id: id(9), ..new_id(1, 0) }, 4), contradiction);
    assert_eq!(kept.take(&NewIdFrame { id: id(1), ..new_id(2, 0) }, 4), contradiction);
    assert_eq!(kept.take(&NewIdFrame { id: id(0), ..new_id(2, 0) }, 4), contradiction);
    let short = ReceiverId::new(&[1, 2]).unwrap();
    assert_eq!(kept.take(&NewIdFrame { id: short, ..new_id(2, 0) }, 4), Err(IdFault::Length));
    for most in 1..=4 {
        let mut kept = Kept::new();
        (1..most).for_each(|sequence| kept.take(&new_id(sequence, 0), most).unwrap());
        assert_eq!(kept.take(&new_id(most, 0), most), Err(IdFault::TooMany));
        // One that retires another takes its place.
        let mut kept = Kept::new();
        (1..most).for_each(|sequence| kept.take(&new_id(sequence, 0), most).unwrap());
        assert_eq!(kept.take(&new_id(most, 1), most), Ok(()), "{most}");
    }
}

//= docs/protocol.md P-6.1-5
#[test]
fn ids_that_churn_without_acknowledgements_are_bounded() {
    let mut kept = Kept::new();
    let mut taken = 0;
    while kept.take(&new_id(taken + 1, taken + 1), 2).is_ok() {
        taken += 1;
        kept.say();
    }
    assert_eq!(taken, MAX_RETIRING as u32);
    // With acknowledgements they may go on for ever.
    let mut kept = Kept::new();
    for sequence in 1..10_000 {
        kept.take(&new_id(sequence, sequence), 2).unwrap();
        kept.say();
        kept.ids.on_retire_packet(u64::from(sequence) - 1, true);
    }
}

//= docs/protocol.md P-6.1-5
#[test]
fn an_id_that_comes_late_is_left_alone_while_too_many_wait() {
    let mut kept = Kept::new();
    for number in 1..=8 {
        kept.take(&new_id(2 * number, 2 * number), 2).unwrap();
    }
    kept.say();
    assert_eq!((kept.current, kept.told.len()), (id(16), MAX_RETIRING));
    kept.take(&new_id(3, 0), 2).unwrap();
    kept.say();
    assert_eq!(kept.told.len(), MAX_RETIRING);
    kept.ids.on_retire_packet(0, true);
    kept.take(&new_id(5, 0), 2).unwrap();
    kept.say();
    assert_eq!(kept.told.last(), Some(&5));
}

#[test]
fn another_path_is_named_by_a_fresh_id_only_where_one_of_the_two_can_be_given_back() {
    let mut kept = Kept::new();
    for number in 1..=8 {
        kept.take(&new_id(number, number), 2).unwrap();
    }
    kept.say();
    kept.take(&new_id(9, 0), 2).unwrap();
    kept.ids.go_elsewhere();
    assert_eq!(kept.ids.elsewhere(), None);
    kept.ids.on_retire_packet(0, true);
    kept.ids.go_elsewhere();
    assert_eq!(kept.ids.elsewhere(), Some(id(9)));
    // The place is not taken by what comes meanwhile.
    kept.take(&new_id(3, 0), 2).unwrap();
    assert_eq!(kept.ids.retire_due(), None);
    assert_eq!(kept.ids.leave_elsewhere(true), Some(id(9)));
    assert_eq!(kept.ids.retire_due(), Some(8));
}

/// What may happen to the ids of a peer.
#[derive(Clone, Copy, Debug)]
enum Step {
    New(u32, u32),
    Look,
    Leave(bool),
    Acked,
    Lost,
}

/// Every order of so many steps.
fn every_order(steps: &[Step], length: u32, mut check: impl FnMut(&[Step])) {
    let mut order = Vec::new();
    for number in 0..steps.len().pow(length) {
        order.clear();
        let mut rest = number;
        for _ in 0..length {
            order.push(steps[rest % steps.len()]);
            rest /= steps.len();
        }
        check(&order);
    }
}

#[test]
fn whatever_a_peer_does_with_its_ids_one_is_in_use_and_each_is_given_back_once() {
    let numbers = (0..4).flat_map(|sequence| (0..=sequence.min(3)).map(move |prior| Step::New(sequence, prior)));
    let steps: Vec<_> =
        numbers.chain([Step::Look, Step::Leave(false), Step::Leave(true), Step::Acked, Step::Lost]).collect();
    every_order(&steps, 5, |order| {
        let mut kept = Kept::new();
        let mut prior_to = 0;
        for step in order {
            match *step {
                Step::New(sequence, prior) => {
                    if kept.take(&new_id(sequence, prior), 3).is_err() {
                        return;
                    }
                    prior_to = prior_to.max(prior);
                    kept.say();
                }
                Step::Look => kept.ids.go_elsewhere(),
                Step::Leave(moved) => {
                    if let Some(next) = kept.ids.leave_elsewhere(moved) {
                        kept.current = next;
                    }
                }
                Step::Acked => kept.ids.on_retire_packet(kept.told.len().saturating_sub(1) as u64, true),
                Step::Lost => {
                    kept.ids.on_retire_packet(kept.told.len().saturating_sub(1) as u64, false);
                    kept.say();
                }
            }
            let elsewhere = kept.ids.elsewhere;
            let active = 1 + usize::from(elsewhere.is_some()) + kept.ids.spares.iter().flatten().count();
            assert!(active <= 3, "{order:?}: {active} ids");
            assert_eq!(kept.current, id(kept.ids.in_use), "{order:?}");
            let used = [Some(kept.ids.in_use), elsewhere.map(|elsewhere| elsewhere.sequence)];
            let given_back = used.into_iter().flatten().find(|sequence| kept.told.contains(sequence));
            assert_eq!(given_back, None, "{order:?}: an id in use was given back");
            assert_ne!(used[0], used[1], "{order:?}: one id names two paths");
            assert!(kept.ids.spares.iter().flatten().all(|spare| spare.sequence >= prior_to), "{order:?}");
        }
    });
}

#[test]
fn ids_of_ours_are_given_up_to_the_number_kept_and_as_others_are_retired() {
    let mut own = OwnIds::of(&id(0));
    assert_eq!(own.wanted(), None, "a peer that keeps one gets no more");
    own.set_most(3);
    while own.wanted().is_some() {
        own.give(false);
    }
    assert_eq!(own.active().collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(own.due().collect::<Vec<_>>(), [1, 2]);
    own.on_said(1);
    own.on_said(2);
    assert!(own.retire(1));
    assert_eq!(own.active().collect::<Vec<_>>(), [0, 2]);
    assert_eq!(own.wanted(), Some(3));
    own.give(true);
    own.give(false);
    assert_eq!(own.active().collect::<Vec<_>>(), [0, 2, 4], "a number whose id is taken stays empty");
    own.on_lost();
    assert_eq!(own.due().collect::<Vec<_>>(), [2, 4], "the handshake has named the first");
    assert_eq!(own.retire_prior_to(), 1, "the first is old");
    assert!(own.retire(1), "twice is as good as once");
    assert!(!own.retire(5), "nobody was given that");
    // A peer that holds on to its first id gets no more in the end.
    for sequence in 2..=7 {
        if sequence >= 5 {
            own.give(false);
        }
        assert!(own.retire(sequence));
    }
    assert_eq!((own.active().collect::<Vec<_>>(), own.wanted()), (std::vec![0], None));
    assert!(own.retire(0));
    assert_eq!(own.wanted(), Some(8));
}
