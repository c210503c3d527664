//! `session send`

use std::cell::{Cell, RefCell};
use std::time::Duration;

use session_tokio::{Session, Stats};

use super::node::{Connection, Dialer, or_interrupted};
use crate::args::Send;
use crate::clock::now;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::{Event, Output};
use crate::progress::{Bytes, Progress, Snapshot};
use crate::purpose::Purpose;
use crate::runtime::Runtime;
use crate::text::{count_of, printable_path};
use crate::transfer::{self, Crossing, Source, Tree};

/// Time between two looks at a transfer.
const TICK: Duration = Duration::from_millis(100);

pub(super) fn run(arguments: &Send, output: Output) -> Result<(), Failure> {
    let dialer = Dialer::new(&arguments.node, &arguments.to, arguments.accept_new, output)?;
    let tree = Tree::find(&arguments.paths)?;
    for left in tree.left_out() {
        let place = printable_path(&left.place);
        let event = Event::new("left_out").text("path", &left.place.to_string_lossy()).text("what", left.what);
        output.remark(format_args!("left out: {place} is a {}", left.what), event);
    }
    arguments.node.runtime.run(async {
        let interrupt = Interrupt::catch()?;
        let not_begun = Failure::new(Exit::Interrupted, "interrupted, and nothing is delivered", "send it again");
        let connection = dialer.connect(Purpose::Files, &interrupt, &not_begun).await?;
        let result = deliver(&connection, &tree, arguments.node.runtime, output, &interrupt).await;
        let place = connection.place.clone();
        connection.close(&arguments.node).await;
        if result.is_ok() {
            output.remark(format_args!("session with {place} is closed"), Event::new("closed").text("address", &place));
        }
        result
    })
}

async fn deliver(
    connection: &Connection,
    tree: &Tree,
    runtime: Runtime,
    output: Output,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let Connection { session, place, .. } = connection;
    let (crossing, delivered, start) = (Crossing::default(), Cell::new(0), now());
    let progress = RefCell::new(Progress::new(&label(tree), tree.bytes(), output, start));
    let on_delivered = |source: &Source, digest: &[u8; 32]| {
        delivered.set(delivered.get() + 1);
        progress.borrow().aside(|| tell_delivered(source, digest, output));
    };
    let sending = async { Ok(transfer::send(session, tree, &crossing, on_delivered).await) };
    let watching = watch(session, &crossing, &progress, runtime);
    let interruption = Failure::new(Exit::Interrupted, "interrupted", "");
    let result = or_interrupted(interrupt, &interruption, smol::future::or(sending, watching)).await;
    let so_far = || match (tree.files(), delivered.get()) {
        (0 | 1, _) => String::new(),
        (files, delivered) => format!(" ({delivered} of {files} files are delivered)"),
    };
    match result {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            let failure = error.failure(place);
            return Err(Failure::new(
                failure.exit(),
                format_args!("{}{}", failure.problem(), so_far()),
                failure.remedy(),
            ));
        }
        Err(_) => {
            connection.interrupt();
            let problem = match so_far() {
                none if none.is_empty() => "interrupted, and the file is not delivered".to_owned(),
                some => format!("interrupted{some}"),
            };
            return Err(Failure::new(Exit::Interrupted, problem, "send it again"));
        }
    }
    progress.into_inner().finish(snapshot(&session.stats(), tree.bytes()), now());
    let seconds = now().saturating_since(start).as_secs_f64();
    let (files, bytes) = (count_of(tree.files(), "file"), Bytes(tree.bytes()));
    let event = Event::new("done").number("files", tree.files() as u64).number("bytes", tree.bytes());
    let event = event.number("left_out", tree.left_out().len() as u64).decimal("seconds", Some(seconds));
    // One file has been told of already.
    if output.is_json() || tree.entries().len() != 1 {
        output.say(format_args!("{files}, {bytes} delivered"), event);
    }
    Ok(())
}

fn tell_delivered(source: &Source, digest: &[u8; 32], output: Output) {
    let (path, digest, length) = (source.path.as_str(), transfer::hex(digest), source.length.unwrap_or(0));
    let event = Event::new("delivered").text("path", path).number("bytes", length).text("sha256", &digest);
    output.say(format_args!("{path}: {} delivered, SHA-256 {digest} at both ends", Bytes(length)), event);
}

/// What the progress is called.
fn label(tree: &Tree) -> String {
    match tree.entries() {
        [only] => only.path.to_string(),
        _ => count_of(tree.files(), "file"),
    }
}

/// Shows the progress for ever.
async fn watch<T>(session: &Session, crossing: &Crossing, progress: &RefCell<Progress>, runtime: Runtime) -> T {
    loop {
        progress.borrow_mut().update(snapshot(&session.stats(), crossing.bytes(session)), now());
        runtime.sleep(TICK).await;
    }
}

fn snapshot(stats: &Stats, bytes: u64) -> Snapshot {
    let measured = !stats.smoothed_rtt.is_zero();
    Snapshot {
        bytes,
        round_trip: measured.then_some(stats.smoothed_rtt),
        packets_sent: stats.ack_eliciting_sent,
        packets_lost: stats.packets_lost,
    }
}
