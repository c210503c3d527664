#![expect(clippy::unwrap_used, reason = "a test may fail")]

use super::*;
use std::format;
use std::string::String;
use std::vec::Vec;

/// The lines of the table in docs/protocol.md §6 without their body column.
fn documented() -> Vec<String> {
    let text = include_str!("../../../../../../docs/protocol.md");
    let (_, section) = text.split_once("\n## 6. Frames\n").unwrap();
    let (section, _) = section.split_once("\n## 7.").unwrap();
    let lines = section.lines().filter(|line| line.starts_with('|')).skip(2);
    lines
        .map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [frame_type, name, _body, rest @ ..] = &cells[..] else { panic!("{line}") };
            format!("{frame_type} | {name} | {}", rest.join(" | "))
        })
        .collect()
}

fn render(rule: &FrameRule) -> String {
    let FrameRule { first, last, name, ack_eliciting, treatment, allowed, before_accept } = *rule;
    let types = if first == last { format!("{first:02X}") } else { format!("{first:02X}–{last:02X}") };
    let yes_or_no = |flag| if flag { "yes" } else { "no" };
    let served = match treatment {
        Treatment::Served => "yes",
        Treatment::ControlMessage => "–",
        Treatment::Skipped => "skipped",
        Treatment::Refused => "refused",
    };
    let ack_eliciting = if treatment == Treatment::ControlMessage { "–" } else { yes_or_no(ack_eliciting) };
    let (from, before_accept) = match (allowed.initiator, allowed.responder) {
        (true, true) => ("both", yes_or_no(before_accept)),
        (true, false) => ("initiator", yes_or_no(before_accept)),
        (false, true) => ("responder", yes_or_no(before_accept)),
        (false, false) => ("–", "–"),
    };
    format!("{types} | {name} | {ack_eliciting} | {served} | {from} | {before_accept}")
}

#[test]
fn the_table_is_that_of_the_protocol() {
    let rendered: Vec<_> = FRAMES.iter().map(render).collect();
    assert_eq!(rendered, documented());
}

#[test]
fn types_ascend_and_do_not_overlap() {
    for pair in FRAMES.windows(2) {
        assert!(pair.iter().all(|rule| rule.first <= rule.last));
        assert!(pair.first().unwrap().last < pair.last().unwrap().first);
    }
}

#[test]
fn a_rule_is_found_by_every_type_it_is_for_and_by_no_other() {
    for frame_type in 0..=u8::MAX {
        let listed = FRAMES.iter().find(|rule| (rule.first..=rule.last).contains(&frame_type));
        assert_eq!(rule(frame_type), listed, "{frame_type:#04x}");
    }
}

//= docs/protocol.md P-6-2
#[test]
fn what_is_not_served_or_skipped_is_allowed_to_nobody() {
    for frame_type in 0..=u8::MAX {
        let expected = matches!(frame_type, 0..=5 | 8..=0x0C | 0x10..=0x1B | 0x80..=0xBF);
        for sender in [Sender::Initiator, Sender::Responder] {
            for accepted in [false, true] {
                assert_eq!(rule(frame_type).is_some_and(|rule| rule.allows(sender, accepted)), expected);
            }
        }
    }
}

#[test]
fn a_rule_holds_for_sender_and_state() {
    let allowed = Senders { initiator: false, responder: true };
    let rule = FrameRule { allowed, before_accept: false, ..*rule(1).unwrap() };
    assert!(rule.allows(Sender::Responder, true));
    assert!(!rule.allows(Sender::Responder, false));
    assert!(!rule.allows(Sender::Initiator, true));
}
