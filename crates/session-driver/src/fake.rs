//! A world for tests: sockets, timers and an executor, all in memory and in virtual time.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use rustix::io::Errno;
use session_core::{Ecn, Limits, RustCrypto, Secret, Seed, StaticKey};

use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::socket::{AsyncUdpSocket, Datagrams, RecvMeta, Timer};
use crate::{EndpointBuilder, PublicKey};

/// What a socket call does instead of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Errno(i32),
    /// The call would block; the socket is ready again at once.
    Block,
}

/// A datagram under way.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) remote: SocketAddr,
    pub(crate) bytes: Vec<u8>,
    pub(crate) ecn: Option<Ecn>,
}

#[derive(Default)]
pub(crate) struct Network {
    inboxes: HashMap<SocketAddr, Inbox>,
    /// What goes to these is kept until it is let go.
    held: HashMap<SocketAddr, VecDeque<Packet>>,
    pub(crate) largest_batch: usize,
}

#[derive(Default)]
struct Inbox {
    packets: VecDeque<Packet>,
    reader: Option<Waker>,
}

impl Network {
    pub(crate) fn put(&mut self, to: SocketAddr, packet: Packet) {
        match self.held.get_mut(&to) {
            Some(held) => held.push_back(packet),
            None => self.deliver(to, packet),
        }
    }

    /// From now on keeps what goes to `to`.
    pub(crate) fn hold(&mut self, to: SocketAddr) {
        self.held.entry(to).or_default();
    }

    /// Lets the oldest datagram go that is kept; `false` if there is none.
    pub(crate) fn let_go(&mut self, to: SocketAddr) -> bool {
        let packet = self.held.get_mut(&to).and_then(VecDeque::pop_front);
        packet.map(|packet| self.deliver(to, packet)).is_some()
    }

    fn deliver(&mut self, to: SocketAddr, packet: Packet) {
        let inbox = self.inboxes.entry(to).or_default();
        inbox.packets.push_back(packet);
        if let Some(reader) = inbox.reader.take() {
            reader.wake();
        }
    }
}

/// One end in the network.
pub(crate) struct FakeSocket {
    pub(crate) address: SocketAddr,
    pub(crate) network: Arc<Mutex<Network>>,
    pub(crate) gso: usize,
    pub(crate) gro: usize,
    pub(crate) calls: Arc<Calls>,
}

/// What was called how often, and what must fail.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) sends: AtomicUsize,
    pub(crate) receives: AtomicUsize,
    pub(crate) send_faults: Mutex<HashMap<usize, Fault>>,
    pub(crate) receive_faults: Mutex<HashMap<usize, Fault>>,
    /// The socket takes nothing while this is set; who waits for it.
    blocked: Mutex<Option<Vec<Waker>>>,
    /// Longer datagrams are refused; 0 is no bound.
    pub(crate) largest: AtomicUsize,
    /// The descriptions received are replaced by this stride.
    pub(crate) stride: Mutex<Option<usize>>,
    /// The runtime refuses a new socket by this error.
    pub(crate) rebound_fault: Mutex<Option<Errno>>,
    /// While this is set, datagrams of nobody's are there at every call.
    flood: Mutex<Option<Flood>>,
}

/// What a flood brings with each call, which takes a tenth of a millisecond of this clock.
struct Flood {
    elapsed: Arc<AtomicU64>,
    /// Buffers filled, as far as there are so many.
    buffers: usize,
    /// Datagrams glued together in each.
    datagrams: usize,
}

impl Calls {
    /// From now on the socket takes nothing.
    pub(crate) fn block(&self) {
        self.blocked.lock().unwrap().get_or_insert_default();
    }

    /// It takes everything again.
    pub(crate) fn unblock(&self) {
        self.blocked.lock().unwrap().take().into_iter().flatten().for_each(Waker::wake);
    }

    fn next(counter: &AtomicUsize, faults: &Mutex<HashMap<usize, Fault>>) -> Option<Fault> {
        let call = counter.fetch_add(1, Ordering::Relaxed);
        faults.lock().unwrap().remove(&call)
    }
}

fn fail(fault: Fault, context: &Context<'_>) -> Poll<io::Error> {
    match fault {
        Fault::Errno(code) => Poll::Ready(io::Error::from_raw_os_error(code)),
        Fault::Block => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
    }
}

impl AsyncUdpSocket for FakeSocket {
    fn poll_recv(
        &mut self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if let Some(fault) = Calls::next(&self.calls.receives, &self.calls.receive_faults) {
            return fail(fault, context).map(Err);
        }
        if let Some(flood) = &*self.calls.flood.lock().unwrap() {
            flood.elapsed.fetch_add(100, Ordering::Relaxed);
            let count = buffers.len().min(meta.len()).min(flood.buffers);
            for (buffer, meta) in buffers.iter_mut().zip(meta).take(count) {
                let length = 20 * flood.datagrams;
                buffer[..length].fill(0xff);
                *meta = RecvMeta { remote: self.address, local: None, len: length, stride: 20, ecn: None };
            }
            return Poll::Ready(Ok(count));
        }
        let mut network = self.network.lock().unwrap();
        let inbox = network.inboxes.entry(self.address).or_default();
        if inbox.packets.is_empty() {
            inbox.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let mut filled = 0;
        for (buffer, meta) in buffers.iter_mut().zip(meta) {
            let Some(first) = inbox.packets.pop_front() else { break };
            let stride = first.bytes.len();
            let mut len = stride.min(buffer.len());
            buffer[..len].copy_from_slice(&first.bytes[..len]);
            for _ in 1..self.gro {
                let joins = inbox.packets.front().is_some_and(|next| {
                    len % stride.max(1) == 0
                        && (next.remote, next.ecn) == (first.remote, first.ecn)
                        && (1..=stride).contains(&next.bytes.len())
                        && len + next.bytes.len() <= buffer.len()
                });
                if !joins {
                    break;
                }
                let next = inbox.packets.pop_front().unwrap();
                buffer[len..len + next.bytes.len()].copy_from_slice(&next.bytes);
                len += next.bytes.len();
            }
            let stride = self.calls.stride.lock().unwrap().unwrap_or(stride);
            *meta = RecvMeta { remote: first.remote, local: Some(self.address.ip()), len, stride, ecn: first.ecn };
            filled += 1;
        }
        Poll::Ready(Ok(filled))
    }

    fn poll_send(&mut self, context: &mut Context<'_>, datagrams: &Datagrams<'_>) -> Poll<io::Result<()>> {
        let size = datagrams.segment.unwrap_or(datagrams.contents.len());
        assert!(datagrams.contents.len() <= 65_507, "a batch of {} bytes", datagrams.contents.len());
        assert!(datagrams.contents.len().div_ceil(size) <= self.gso, "more segments than the socket takes");
        if let Some(waiting) = &mut *self.calls.blocked.lock().unwrap() {
            waiting.push(context.waker().clone());
            return Poll::Pending;
        }
        if let Some(fault) = Calls::next(&self.calls.sends, &self.calls.send_faults) {
            return fail(fault, context).map(Err);
        }
        if (1..size).contains(&self.calls.largest.load(Ordering::Relaxed)) {
            return Poll::Ready(Err(io::Error::from_raw_os_error(Errno::MSGSIZE.raw_os_error())));
        }
        let mut network = self.network.lock().unwrap();
        network.largest_batch = network.largest_batch.max(datagrams.contents.len().div_ceil(size));
        for bytes in datagrams.contents.chunks(size) {
            let packet = Packet { remote: self.address, bytes: bytes.to_vec(), ecn: datagrams.ecn };
            network.put(datagrams.remote, packet);
        }
        Poll::Ready(Ok(()))
    }

    fn rebound(&self, socket: std::net::UdpSocket) -> io::Result<Self> {
        if let Some(fault) = *self.calls.rebound_fault.lock().unwrap() {
            return Err(io::Error::from_raw_os_error(fault.raw_os_error()));
        }
        let (network, calls) = (Arc::clone(&self.network), Arc::clone(&self.calls));
        Ok(Self { address: socket.local_addr()?, network, calls, gso: self.gso, gro: self.gro })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn max_gso_segments(&self) -> usize {
        self.gso
    }

    fn gro_segments(&self) -> usize {
        self.gro
    }
}

type Alarms = Arc<Mutex<HashMap<usize, (Instant, Waker)>>>;

/// A timer that fires when the world's clock gets there.
pub(crate) struct FakeTimer {
    number: usize,
    clock: Clock,
    alarms: Alarms,
}

impl Timer for FakeTimer {
    fn poll_deadline(&mut self, context: &mut Context<'_>, at: Instant) -> Poll<()> {
        let mut alarms = self.alarms.lock().unwrap();
        if self.clock.reached(at) {
            alarms.remove(&self.number);
            return Poll::Ready(());
        }
        alarms.insert(self.number, (at, context.waker().clone()));
        Poll::Pending
    }
}

/// Set when a task must be polled.
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    flag: Arc<Flag>,
    polls: Arc<AtomicUsize>,
}

/// Sockets, clock and tasks. Tasks are polled only when they were woken, so a lost wake-up shows as a standstill.
pub(crate) struct World {
    elapsed: Arc<AtomicU64>,
    pub(crate) clock: Clock,
    pub(crate) network: Arc<Mutex<Network>>,
    alarms: Alarms,
    tasks: Vec<Task>,
    nodes: usize,
}

/// An endpoint in the world.
pub(crate) struct Node {
    pub(crate) endpoint: Endpoint,
    pub(crate) key: PublicKey,
    pub(crate) address: SocketAddr,
    pub(crate) calls: Arc<Calls>,
    pub(crate) polls: Arc<AtomicUsize>,
}

impl World {
    pub(crate) fn new() -> Self {
        let elapsed = Arc::new(AtomicU64::new(1_000_000));
        Self {
            clock: Clock::manual(Arc::clone(&elapsed)),
            elapsed,
            network: Arc::default(),
            alarms: Arc::default(),
            tasks: Vec::new(),
            nodes: 0,
        }
    }

    pub(crate) fn node(&mut self) -> Node {
        self.node_with(64, 64, |builder| builder.limits(small_limits()))
    }

    pub(crate) fn node_with(
        &mut self,
        gso: usize,
        gro: usize,
        configure: impl FnOnce(EndpointBuilder) -> EndpointBuilder,
    ) -> Node {
        self.nodes += 1;
        let number = self.nodes;
        let mark = u8::try_from(number).unwrap();
        let address = SocketAddr::from(([10, 0, 0, mark], 7400));
        let calls = Arc::new(Calls::default());
        let socket = FakeSocket { address, network: Arc::clone(&self.network), gso, gro, calls: Arc::clone(&calls) };
        let timer = FakeTimer { number, clock: self.clock.clone(), alarms: Arc::clone(&self.alarms) };
        let static_key = StaticKey::new(&RustCrypto, Secret::new([mark; 32]));
        let key = *static_key.public();
        let builder = configure(Endpoint::builder(static_key).application("test"));
        let (endpoint, driver) =
            builder.build_seeded(socket, timer, self.clock.clone(), Seed::new([mark + 100; 32])).unwrap();
        let polls = self.spawn(driver);
        Node { endpoint, key, address, calls, polls }
    }

    /// Starts a task; says how often it is polled.
    pub(crate) fn spawn(&mut self, future: impl Future<Output = ()> + Send + 'static) -> Arc<AtomicUsize> {
        let polls = Arc::new(AtomicUsize::new(0));
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        self.tasks.push(Task { future: Box::pin(future), flag, polls: Arc::clone(&polls) });
        polls
    }

    /// Polls the driver of `node` from another waker from now on, as a runtime may. Returns whether the former one is woken.
    pub(crate) fn move_driver(&mut self, node: &Node) -> impl Fn() -> bool + use<> {
        let task = self.tasks.iter_mut().find(|task| Arc::ptr_eq(&task.polls, &node.polls)).expect("it runs");
        let former = std::mem::replace(&mut task.flag, Arc::new(Flag(AtomicBool::new(true))));
        move || former.0.load(Ordering::Relaxed)
    }

    pub(crate) fn now(&self) -> u64 {
        self.elapsed.load(Ordering::Relaxed)
    }

    /// From now on datagrams that mean nothing come to `node` without end, so many glued together in each of so many buffers, and time passes by them.
    pub(crate) fn flood(&self, node: &Node, buffers: usize, datagrams: usize) {
        let elapsed = Arc::clone(&self.elapsed);
        *node.calls.flood.lock().unwrap() = Some(Flood { elapsed, buffers, datagrams });
    }

    /// No more of them come.
    pub(crate) fn calm(&self, node: &Node) {
        *node.calls.flood.lock().unwrap() = None;
    }

    /// Runs all tasks until `main` is done.
    pub(crate) fn run<T>(&mut self, main: impl Future<Output = T>) -> T {
        let mut main = std::pin::pin!(main);
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let end = self.now() + 600_000_000;
        loop {
            assert!(self.now() < end, "not done after ten minutes of virtual time");
            let mut idle = true;
            if flag.0.swap(false, Ordering::Relaxed) {
                idle = false;
                if let Poll::Ready(value) = main.as_mut().poll(&mut Context::from_waker(&Arc::clone(&flag).into())) {
                    return value;
                }
            }
            self.tasks.retain_mut(|task| {
                if !task.flag.0.swap(false, Ordering::Relaxed) {
                    return true;
                }
                idle = false;
                task.polls.fetch_add(1, Ordering::Relaxed);
                let waker = Arc::clone(&task.flag).into();
                task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
            });
            if idle {
                self.advance();
            }
        }
    }

    /// Goes to the next alarm.
    fn advance(&mut self) {
        let mut alarms = self.alarms.lock().unwrap();
        let (&number, &(at, _)) =
            alarms.iter().min_by_key(|(_, (at, _))| *at).expect("nobody runs, no timer is set: a wake-up was lost");
        self.elapsed.fetch_add(1, Ordering::Relaxed);
        while !self.clock.reached(at) {
            let wait = at - self.clock.timer(self.clock.now());
            self.elapsed.fetch_add(u64::try_from(wait.as_micros()).unwrap().max(1), Ordering::Relaxed);
        }
        if let Some((_, waker)) = alarms.remove(&number) {
            drop(alarms);
            waker.wake();
        }
    }

    /// Drops all tasks, as a runtime does that shuts down.
    pub(crate) fn stop(&mut self) {
        self.tasks.clear();
    }

    /// A future that is done after `wait`.
    pub(crate) fn sleep(&mut self, wait: std::time::Duration) -> impl Future<Output = ()> + use<> {
        self.nodes += 1;
        let mut timer = FakeTimer { number: self.nodes, clock: self.clock.clone(), alarms: Arc::clone(&self.alarms) };
        let at = self.clock.timer(self.clock.now()) + wait;
        std::future::poll_fn(move |context| timer.poll_deadline(context, at))
    }
}

/// Both at once.
pub(crate) async fn join<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (Box::pin(a), Box::pin(b));
    let (mut first, mut second) = (None, None);
    std::future::poll_fn(|context| {
        if first.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(context)
        {
            first = Some(value);
        }
        if second.is_none()
            && let Poll::Ready(value) = b.as_mut().poll(context)
        {
            second = Some(value);
        }
        if first.is_some() && second.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    (first.unwrap(), second.unwrap())
}

/// The next `count` datagrams that leave `node` are lost.
pub(crate) fn lose(node: &Node, count: usize) {
    let next = node.calls.sends.load(Ordering::Relaxed);
    let lost = (next..next + count).map(|call| (call, Fault::Errno(Errno::PERM.raw_os_error())));
    node.calls.send_faults.lock().unwrap().extend(lost);
}

/// Small windows, so that back-pressure is met early.
pub(crate) fn small_limits() -> Limits {
    let mut limits = Limits::default();
    limits.sessions = 16;
    limits.pending = 8;
    limits.pool_blocks = 1024;
    limits.session_window = 32 << 10;
    limits.channel_window = 16 << 10;
    limits.send_blocks = 24;
    limits
}

/// `len` bytes that differ from place to place and from `salt` to `salt`.
pub(crate) fn pattern(len: usize, salt: u8) -> Vec<u8> {
    (0..len).map(|index| (index.wrapping_mul(31) ^ (index >> 8)) as u8 ^ salt).collect()
}
