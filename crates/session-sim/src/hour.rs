//! One session for an hour: 100 messages a second both ways at 1 % loss.

use std::process::ExitCode;
use std::time::Duration;

use session_core::{ChannelConfig, ChannelId, ChannelMode, RustCrypto};
use session_sim::{LinkConfig, Probability, Setup, World};

const CHANNEL: ChannelId = ChannelId(16);
/// Between two messages of one side.
const GAP: Duration = Duration::from_millis(10);
const MESSAGES: u64 = 360_000;

pub(crate) fn run() -> ExitCode {
    let mut world = World::new(1);
    let setup = Setup { channels: vec![ChannelConfig::new(CHANNEL, ChannelMode::ReliableOrdered)], ..Setup::default() };
    let nodes = [world.add(&setup, RustCrypto), world.add(&setup, RustCrypto)];
    let link =
        LinkConfig { loss: Probability::from_percent(1), delay: Duration::from_millis(10), ..LinkConfig::default() };
    world.set_link(nodes[0], nodes[1], link);
    let (here, there) = world.establish(nodes[0], nodes[1]);
    let ends = [(nodes[0], here), (nodes[1], there)];
    let mut received = [0_u64; 2];
    let mut buffer = [0; 64];
    for number in 0..MESSAGES + 1_000 {
        for (side, (node, id)) in ends.into_iter().enumerate() {
            world.command(node, id, |session| {
                if number < MESSAGES {
                    session.send(&number.to_be_bytes(), CHANNEL).expect("the window is wide enough");
                }
                while let Ok(Some(8)) = session.recv(&mut buffer, CHANNEL) {
                    assert_eq!(buffer[..8], received[side].to_be_bytes(), "in order, each once");
                    received[side] += 1;
                }
            });
            world.take_events(node);
        }
        world.run_for(GAP);
    }
    println!("{} packets, {received:?} messages received, {}", world.packets(), world.faults());
    if received == [MESSAGES; 2] { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
