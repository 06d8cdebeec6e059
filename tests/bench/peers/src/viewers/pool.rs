//! A thread with thousands of viewers.
//!
//! Whoever holds a [`Pool`] asks it to open and to close viewers and reads how many are ready, how many were cut off, and what was
//! heard. It stands at most [`CONNECTING_MAX`] deep in a server's door at once. Dropping it closes all of them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;

use super::connection::{Connection, Ended, Wanted};

/// Viewers that are on their way in at once: a quarter of the shortest queue that a server here listens with.
const CONNECTING_MAX: usize = 128;
/// One read: what a busy socket may have gathered.
const BUFFER_BYTES: usize = 64 << 10;
const WAKE: Token = Token(usize::MAX);

/// What was counted of all viewers.
#[derive(Debug, Default)]
struct Counts {
    ready: AtomicUsize,
    /// Open, ready or not.
    open: AtomicUsize,
    /// Ended by the server, or never there.
    lost: AtomicUsize,
    heard: AtomicU64,
    /// Why the first one was lost.
    why: Mutex<Option<Ended>>,
}

enum Command {
    Open(Vec<Wanted>),
    /// So many of those that have been there longest, dead ones or others.
    Close {
        count: usize,
        dead: bool,
    },
    Latencies(mpsc::Sender<Vec<u32>>),
    End,
}

/// Viewers, and the thread that they live on.
#[derive(Debug)]
pub(crate) struct Pool {
    commands: mpsc::Sender<Command>,
    waker: Arc<Waker>,
    counts: Arc<Counts>,
    /// Since when marks count.
    began: Instant,
    thread: Option<JoinHandle<()>>,
}

impl Pool {
    /// Without viewers.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let (commands, orders) = mpsc::channel();
        let (counts, began) = (Arc::<Counts>::default(), Instant::now());
        let worker = Worker {
            poll,
            orders,
            counts: Arc::clone(&counts),
            began,
            connections: Slab::new(),
            ages: VecDeque::new(),
            waiting: VecDeque::new(),
            connecting: 0,
            latencies: Vec::new(),
        };
        let thread = std::thread::Builder::new().name("viewers".to_owned()).spawn(|| worker.run())?;
        Ok(Self { commands, waker, counts, began, thread: Some(thread) })
    }

    /// The time that marks are in.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Asks for viewers.
    pub(crate) fn open(&self, wanted: Vec<Wanted>) {
        self.order(Command::Open(wanted));
    }

    /// Closes so many of those that have been there longest, of the dead or of the others.
    pub(crate) fn close(&self, count: usize, dead: bool) {
        self.order(Command::Close { count, dead });
    }

    /// Viewers that are ready. The dead count, once they are connected.
    pub(crate) fn ready(&self) -> usize {
        self.counts.ready.load(Ordering::Relaxed)
    }

    /// Viewers that are open, or on their way.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.open.load(Ordering::Relaxed) == 0
    }

    /// Viewers that a server cut off, or did not let in.
    pub(crate) fn lost(&self) -> usize {
        self.counts.lost.load(Ordering::Relaxed)
    }

    /// Why the first was lost.
    pub(crate) fn why(&self) -> String {
        self.counts.why.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }

    /// Marks heard so far.
    pub(crate) fn heard(&self) -> u64 {
        self.counts.heard.load(Ordering::Relaxed)
    }

    /// What each mark took since this was last asked, in microseconds.
    pub(crate) fn latencies(&self) -> Vec<u32> {
        let (sender, receiver) = mpsc::channel();
        self.order(Command::Latencies(sender));
        receiver.recv().unwrap_or_default()
    }

    /// Waits until so many are ready.
    ///
    /// # Errors
    ///
    /// One was lost, or it takes too long.
    pub(crate) fn wait_ready(&self, count: usize, within: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.ready() < count {
            if self.lost() > 0 {
                bail!("{} viewers were not let in, or cut off: {}", self.lost(), self.why());
            }
            if began.elapsed() > within {
                bail!("after {within:?} only {} of {count} viewers were ready", self.ready());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Closes all.
    ///
    /// # Errors
    ///
    /// The thread has ended.
    pub(crate) fn close_all(&self) -> anyhow::Result<()> {
        self.close(usize::MAX, false);
        self.close(usize::MAX, true);
        // It answers in turn: then the others were carried out.
        let (sender, receiver) = mpsc::channel();
        self.order(Command::Latencies(sender));
        receiver.recv().context("the thread of the viewers has ended")?;
        Ok(())
    }

    fn order(&self, command: Command) {
        // Without the thread there is nothing to do, and what is waited for says so.
        let _gone = self.commands.send(command);
        let _gone = self.waker.wake();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.order(Command::End);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

struct Worker {
    poll: Poll,
    orders: mpsc::Receiver<Command>,
    counts: Arc<Counts>,
    began: Instant,
    connections: Slab<Connection>,
    /// Ready ones, the oldest first; some have gone since, and their place may be another's.
    ages: VecDeque<usize>,
    waiting: VecDeque<Wanted>,
    connecting: usize,
    latencies: Vec<u32>,
}

impl Worker {
    fn run(mut self) {
        let mut events = Events::with_capacity(1_024);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            if let Err(error) = self.poll.poll(&mut events, None)
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                return self.lose(error.to_string());
            }
            for event in &events {
                if event.token() == WAKE {
                    while let Ok(command) = self.orders.try_recv() {
                        if !self.obey(command) {
                            return;
                        }
                    }
                } else {
                    self.serve(event.token().0, &mut buffer);
                }
            }
            self.let_in();
        }
    }

    /// False: it is to end.
    fn obey(&mut self, command: Command) -> bool {
        match command {
            Command::Open(wanted) => {
                self.counts.open.fetch_add(wanted.len(), Ordering::Relaxed);
                self.waiting.extend(wanted);
            }
            Command::Close { count, dead } => self.close(count, dead),
            Command::Latencies(to) => drop(to.send(std::mem::take(&mut self.latencies))),
            Command::End => return false,
        }
        true
    }

    fn close(&mut self, mut count: usize, dead: bool) {
        let mut kept = VecDeque::new();
        while let Some(at) = self.ages.pop_front() {
            let Some(connection) = self.connections.get(at).filter(|connection| connection.is_ready()) else {
                continue;
            };
            if count == 0 || connection.dead != dead {
                kept.push_back(at);
                continue;
            }
            count -= 1;
            self.remove(at);
        }
        self.ages = kept;
    }

    /// Begins with as many of those that wait as may be on their way.
    fn let_in(&mut self) {
        while self.connecting < CONNECTING_MAX
            && let Some(wanted) = self.waiting.pop_front()
        {
            let begun = Connection::begin(&wanted).map_err(|error| error.to_string()).and_then(|connection| {
                let at = self.connections.insert(connection);
                let socket = &mut self.connections[at].socket;
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.poll.registry().register(socket, Token(at), interest).map_err(|error| error.to_string())
            });
            match begun {
                Ok(()) => self.connecting += 1,
                Err(why) => self.lose(why),
            }
        }
    }

    fn serve(&mut self, at: usize, buffer: &mut [u8]) {
        let Some(connection) = self.connections.get_mut(at) else { return };
        let was_ready = connection.is_ready();
        let result = if connection.is_connecting() {
            connection.connected().and_then(|()| {
                let registry = self.poll.registry();
                if connection.dead {
                    registry.deregister(&mut connection.socket)
                } else {
                    registry.reregister(&mut connection.socket, Token(at), Interest::READABLE)
                }
                .map_err(|error| error.to_string())
            })
        } else {
            let (now, counts, latencies) = (self.began.elapsed(), &self.counts, &mut self.latencies);
            connection.readable(buffer, |sent| {
                counts.heard.fetch_add(1, Ordering::Relaxed);
                latencies.push(u32::try_from(now.saturating_sub(sent).as_micros()).unwrap_or(u32::MAX));
            })
        };
        let is_ready = connection.is_ready();
        if is_ready && !was_ready {
            self.connecting -= 1;
            self.counts.ready.fetch_add(1, Ordering::Relaxed);
            self.ages.push_back(at);
        }
        if let Err(why) = result {
            if !is_ready {
                self.connecting -= 1;
            }
            let back = was_ready.then(|| connection.wanted.clone()).filter(|wanted| wanted.script.comes_back);
            self.remove(at);
            match back {
                Some(wanted) => {
                    self.counts.open.fetch_add(1, Ordering::Relaxed);
                    self.waiting.push_back(wanted);
                }
                None => self.note(why),
            }
        }
    }

    /// One that has its place, and is ready or has just failed to be.
    fn remove(&mut self, at: usize) {
        let Some(mut connection) = self.connections.try_remove(at) else { return };
        // A dead one is not registered any more.
        let _gone = self.poll.registry().deregister(&mut connection.socket);
        if connection.is_ready() {
            self.counts.ready.fetch_sub(1, Ordering::Relaxed);
        }
        self.counts.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// One that never had a place.
    fn lose(&self, why: Ended) {
        self.counts.open.fetch_sub(1, Ordering::Relaxed);
        self.note(why);
    }

    fn note(&self, why: Ended) {
        self.counts.lost.fetch_add(1, Ordering::Relaxed);
        self.counts.why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
    }
}
