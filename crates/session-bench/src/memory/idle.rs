//! What a session costs while it rests: the heap that one side holds, the server.

use std::time::Duration;

use super::sides::{self, Library, Sides};
use crate::Failure;
use crate::allocator;
use crate::args::Measure;
use crate::report::{Better, Report};
use crate::turns::{Figure, Subject, measure};

/// Clients that are there at a time.
const AT_A_TIME: u32 = 200;
/// How long they stay after their answer: acknowledgements, and keys that are kept for a while.
const REST: Duration = Duration::from_secs(1);
/// The other number of sessions is so many times less.
const FEWER: u32 = 10;

const HEAP: [Figure; 2] = [
    Figure { name: "heap of an idle session, one side", unit: "B", better: Better::Lower },
    Figure { name: "heap that all share, one side", unit: "B", better: Better::Lower },
];

pub(super) fn run(asked: &Measure, report: &mut Report) -> Result<(), Failure> {
    let many = if asked.quick { 1_000 } else { 10_000 };
    let libraries = sides::libraries()?;
    let wanted = libraries.iter().filter(|library| asked.wants_peer(library.about().name));
    let subjects = wanted.map(|library| Subject::new(library.about(), move || heap(&**library, many)));
    measure("idle-memory", &HEAP, subjects.collect(), asked, report)
}

/// Bytes of each session and bytes that are there however many there are: the line through two numbers of sessions.
pub(super) fn heap(library: &dyn Library, many: u32) -> Result<Vec<f64>, Failure> {
    let few = many / FEWER;
    let (of_few, of_many) = (held(library, few)? as f64, held(library, many)? as f64);
    let each = (of_many - of_few) / f64::from(many - few);
    Ok(vec![each, of_few - each * f64::from(few)])
}

/// Bytes that a server holds when so many clients have asked and been answered, and nobody acts any more. It is what comes free as the server is
/// dropped, and it alone: nothing of the clients, of datagrams under way or of what the libraries share counts.
fn held(library: &dyn Library, clients: u32) -> Result<i64, Failure> {
    let mut sides = Sides::new(library, clients)?;
    for first in (0..clients).step_by(AT_A_TIME as usize) {
        for _ in first..clients.min(first + AT_A_TIME) {
            sides.connect()?;
        }
        sides.ask_and_rest(REST)?;
        sides.drop_clients();
    }
    let server = sides.into_server();
    let counts = [server.established(), server.served()];
    if counts != [clients as usize; 2] {
        return Err(format!("of {clients} sessions, {} live and {} were answered", counts[0], counts[1]).into());
    }
    let before = allocator::live();
    drop(server);
    Ok(before - allocator::live())
}
