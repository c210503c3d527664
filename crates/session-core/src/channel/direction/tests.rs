use super::*;
use std::collections::BTreeSet;
use std::format;
use std::string::String;
use std::vec::Vec;

/// Every pair that means something, one a line: who changes a table changes this picture of it.
#[test]
fn every_pair_of_state_and_trigger_is_as_drawn() {
    let mut drawn = Vec::new();
    for state in SendState::ALL {
        for trigger in SendingTrigger::ALL {
            drawn.extend(state.after(trigger).map(|to| format!("{state:?} {trigger:?} {to:?}")));
        }
    }
    for state in ReceiveState::ALL {
        for trigger in ReceivingTrigger::ALL {
            drawn.extend(state.after(trigger).map(|to| format!("{state:?} {trigger:?} {to:?}")));
        }
    }
    let expected = "Open Finish Ending|Open GiveUp Resetting|Ending GiveUp Resetting|Ending EndSent EndSent|\
        Ending EndAcked Ended|EndSent GiveUp Resetting|EndSent EndAcked Ended|EndSent EndLost Ending|\
        Ended GiveUp Resetting|Resetting ResetSent ResetSent|Resetting ResetAcked Reset|ResetSent ResetAcked Reset|\
        ResetSent ResetLost Resetting|\
        Open End Ending|Open Reset Reset|Open Stop Stopping|Ending AllRead Finished|Ending Reset Reset|\
        Ending Stop Discarded|Stopping End Discarded|Stopping Reset Discarded|Stopping StopSent StopSent|\
        Stopping StopAcked Stopped|StopSent End Discarded|StopSent Reset Discarded|StopSent StopAcked Stopped|\
        StopSent StopLost Stopping|Stopped End Discarded|Stopped Reset Discarded";
    assert_eq!(drawn, expected.split('|').map(String::from).collect::<Vec<_>>());
}

#[test]
fn no_way_stands_twice_and_all_lead_to_an_end() {
    let sending: BTreeSet<_> = SENDING.iter().map(|(from, on, _)| format!("{from:?} {on:?}")).collect();
    let receiving: BTreeSet<_> = RECEIVING.iter().map(|(from, on, _)| format!("{from:?} {on:?}")).collect();
    assert_eq!((sending.len(), receiving.len()), (SENDING.len(), RECEIVING.len()));
    for state in SendState::ALL {
        let over = matches!(state, SendState::Ended | SendState::Reset);
        assert!(over || SENDING.iter().any(|(from, _, _)| *from == state), "{state:?} leads nowhere");
    }
    for state in ReceiveState::ALL {
        assert_eq!(state.is_over(), !RECEIVING.iter().any(|(from, _, _)| *from == state), "{state:?}");
    }
}

/// What is lost is due again whatever happened since, and what arrived stays so.
#[test]
fn a_signal_is_repeated_until_one_copy_arrives() {
    let mut directions = Directions::OPEN;
    assert!(directions.send(SendingTrigger::Finish));
    for _ in 0..3 {
        assert!(directions.send(SendingTrigger::EndSent));
        assert!(directions.send(SendingTrigger::EndLost));
    }
    assert!(directions.send(SendingTrigger::EndAcked));
    assert!(!directions.send(SendingTrigger::EndLost), "an older copy was lost");
    assert_eq!(directions.sending, SendState::Ended);
    assert!(directions.receive(ReceivingTrigger::Stop) && directions.receive(ReceivingTrigger::StopSent));
    assert!(directions.receive(ReceivingTrigger::StopLost) && directions.receive(ReceivingTrigger::StopAcked));
    assert!(!directions.receive(ReceivingTrigger::StopLost));
    assert!(directions.receive(ReceivingTrigger::Reset) && directions.receiving.is_over());
}
