use std::collections::BTreeSet;
use std::format;
use std::string::String;

use super::*;

/// The picture of the table; `docs/states.dot` must be equal to it.
fn dot() -> String {
    let mut lines = String::from("digraph session {\n");
    for (from, trigger, to) in TRANSITIONS {
        lines += &format!("  {from:?} -> {to:?} [label=\"{trigger:?}\"];\n");
    }
    lines + "}\n"
}

#[test]
fn the_picture_in_docs_is_the_table() {
    assert_eq!(dot(), include_str!("../../../../../docs/states.dot"));
}

#[test]
fn no_pair_stands_twice() {
    let pairs: BTreeSet<String> = TRANSITIONS.iter().map(|(from, on, _)| format!("{from:?} {on:?}")).collect();
    assert_eq!(pairs.len(), TRANSITIONS.len());
}

//= docs/protocol.md P-11-1
#[test]
fn every_phase_but_closed_expires() {
    for phase in Phase::ALL {
        let expected = phase != Phase::Closed;
        let ways_out = [Trigger::Expired, Trigger::Flushed].into_iter().any(|trigger| phase.after(trigger).is_some());
        assert_eq!(ways_out, expected, "{phase:?}");
    }
}

#[test]
fn closed_is_final_and_reachable_from_everywhere() {
    assert!(Trigger::ALL.into_iter().all(|trigger| Phase::Closed.after(trigger).is_none()));
    for start in Phase::ALL {
        let mut reached = BTreeSet::new();
        let mut open = std::vec![start];
        while let Some(phase) = open.pop() {
            if reached.insert(format!("{phase:?}")) {
                open.extend(Trigger::ALL.into_iter().filter_map(|trigger| phase.after(trigger)));
            }
        }
        assert!(reached.contains("Closed"), "{start:?}");
    }
}
