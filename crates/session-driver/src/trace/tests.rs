use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::Once;
use std::time::Duration;

use rustix::io::Errno;
use session_core::ChannelId;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

use super::*;
use crate::fake::{World, join};

thread_local! {
    /// What was told on this thread since it listens, one line each.
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// The subscriber of the whole process, because who subscribes for one thread only is not heard by threads that run already. Threads that do
/// not listen are not told anything.
struct Router;

fn push(line: String) -> usize {
    LINES.with_borrow_mut(|lines| {
        let lines = lines.as_mut().expect("told only where somebody listens");
        lines.push(line);
        lines.len()
    })
}

/// Runs `body` and returns what it told.
fn listen(body: impl FnOnce()) -> Vec<String> {
    static ROUTER: Once = Once::new();
    ROUTER.call_once(|| {
        tracing::subscriber::set_global_default(Router).expect("nobody else subscribes");
        tracing::callsite::rebuild_interest_cache();
    });
    LINES.set(Some(Vec::new()));
    body();
    LINES.take().unwrap_or_default()
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for Router {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("session_driver") && LINES.with_borrow(Option::is_some)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(format!("span {}", span.metadata().name()));
        span.record(&mut line);
        Id::from_u64(push(line.0) as u64)
    }

    fn event(&self, event: &Event<'_>) {
        let parent = event.parent().map_or(0, Id::into_u64);
        let mut line = Line(format!("in {parent}"));
        event.record(&mut line);
        push(line.0);
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// One span for each end of a session, its life in it, and nothing that must stay between the two ends.
#[test]
fn a_session_has_a_span_that_names_it_by_number_only() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let lines = listen(|| {
        let (near, far) = world.run(join(a.endpoint.connect(b.key, b.address), async {
            b.endpoint.accept().await.expect("the endpoint lives").accept().await
        }));
        let (near, far) = (near.expect("connects"), far.expect("accepts"));
        world.run(async {
            near.channel(ChannelId(16)).send(b"a secret").await.expect("sends");
            near.close(42, "private words").await;
            far.closed().await;
        });
    });
    let spans: Vec<usize> = (0..lines.len()).filter(|line| lines[*line].starts_with("span session id=")).collect();
    assert_eq!(spans.len(), 2, "{lines:#?}");
    for (span, first) in spans.iter().zip(["connecting", "incoming"]) {
        let parent = format!("in {} ", span + 1);
        let told: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix(&parent)).collect();
        assert_eq!(told.len(), 3, "{lines:#?}");
        assert_eq!(told[..2], [format!("message={first}"), "message=established".to_owned()]);
        assert!(told[2].starts_with("message=ended") && told[2].ends_with("space=Application code=42"), "{}", told[2]);
    }
    let everything = lines.join("\n");
    let addresses = [a.address.ip().to_string(), b.address.ip().to_string()];
    let keys =
        [format!("{:?}", a.key), format!("{:?}", b.key), a.key.peer_id().to_string(), b.key.peer_id().to_string()];
    for never in addresses.iter().chain(&keys).map(String::as_str).chain(["private", "secret"]) {
        assert!(!everything.contains(never), "`{never}` is in:\n{everything}");
    }
}

#[test]
fn a_span_lives_as_long_as_its_session() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (near, _far) = world.run(join(a.endpoint.connect(b.key, b.address), async {
        b.endpoint.accept().await.expect("the endpoint lives").accept().await
    }));
    let near = near.expect("connects");
    let session = near.handle().id;
    let reason = world.run(near.close(0, "done"));
    let mut spans = Spans::default();
    let mut tell = |what, left| {
        spans.tell(&mut vec![Note { session, what }]);
        assert_eq!(spans.len(), left, "{what:?}");
    };
    tell(What::Connecting, 0); // nobody listens
    let lines = listen(|| {
        tell(What::Established, 1);
        tell(What::Ended(reason), 0);
    });
    assert_eq!(lines.len(), 3, "{lines:?}");
}

#[test]
fn a_new_socket_that_is_refused_is_told_with_the_reason_and_without_addresses() {
    let mut world = World::new();
    let a = world.node();
    let lines = listen(|| {
        *a.calls.rebound_fault.lock().unwrap() = Some(Errno::MFILE);
        a.endpoint.rebind("127.0.0.1:0".parse().expect("an address")).expect("binds");
        let pause = world.sleep(Duration::from_millis(1));
        world.run(pause);
    });
    let [line] = &lines[..] else { panic!("{lines:#?}") };
    assert!(line.starts_with("in 0 message=the new socket is refused, the old one stays"), "{line}");
    assert!(line.contains(&format!("code={}", Errno::MFILE.raw_os_error())) && !line.contains("127."), "{line}");
}
