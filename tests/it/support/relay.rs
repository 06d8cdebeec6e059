//! A TCP relay before a host: its connections can be cut, the host's answers counted and lost, and others given in their place,
//! as proxies do while their host is away.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::patience::within;

/// A relay; ends with the scene's runtime.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    connections: AtomicUsize,
    answered: AtomicUsize,
    loses_answers: AtomicBool,
    /// What every request is answered in the host's place.
    instead: Mutex<Option<Vec<u8>>>,
    answered_instead: watch::Sender<usize>,
    cuts: watch::Sender<Cut>,
}

/// The end of the connections there are.
#[derive(Default)]
struct Cut {
    /// Which, from 1.
    number: usize,
    /// What the peer is told before.
    last_words: Vec<u8>,
}

impl Relay {
    pub(crate) async fn to(host: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let of = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                of.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(relay(from, host, Arc::clone(&of)));
            }
        });
        Self { address, shared }
    }

    /// How many have come so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Bytes that the host has said so far.
    pub(crate) fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Whether what the host says from now on gets lost.
    pub(crate) fn lose_answers(&self, lose: bool) {
        self.shared.loses_answers.store(lose, Ordering::Relaxed);
    }

    /// Cuts every connection; new ones are relayed.
    pub(crate) fn cut(&self) {
        self.cut_with(Vec::new());
    }

    /// The same with a Close frame before, as proxies that know WebSocket send. Nothing else may be on its way to the peers.
    pub(crate) fn close(&self, code: u16) {
        self.cut_with([&[0x88, 2][..], &code.to_be_bytes()].concat());
    }

    fn cut_with(&self, last_words: Vec<u8>) {
        self.shared.cuts.send_modify(|cut| *cut = Cut { number: cut.number + 1, last_words });
    }

    /// The host is away: every connection is cut, and new ones get this answer to their first request, or none if it is empty.
    pub(crate) fn answer(&self, answer: impl Into<Vec<u8>>) {
        *self.shared.instead.lock().expect("no panics") = Some(answer.into());
        self.cut();
    }

    /// The host is back: new connections are relayed.
    pub(crate) fn forward(&self) {
        *self.shared.instead.lock().expect("no panics") = None;
    }

    /// Requests that were answered in the host's place so far.
    pub(crate) fn answered_instead(&self) -> usize {
        *self.shared.answered_instead.borrow()
    }

    /// Waits until so many requests, of all so far, were answered in the host's place.
    pub(crate) async fn has_answered(&self, count: usize) {
        let mut answered = self.shared.answered_instead.subscribe();
        let enough = answered.wait_for(|answered| *answered >= count);
        within("a request to answer", enough).await.expect("the relay lives");
    }
}

async fn relay(from: TcpStream, host: SocketAddr, shared: Arc<Shared>) {
    let instead = shared.instead.lock().expect("no panics").clone();
    if let Some(answer) = instead {
        return answer_instead(from, &answer, &shared).await;
    }
    let mut cuts = shared.cuts.subscribe();
    let Ok(to) = TcpStream::connect(host).await else { return };
    let ((mut down_read, mut down_write), (mut up_read, mut up_write)) = (from.into_split(), to.into_split());
    let last_words = tokio::select! {
        () = pump(&mut down_read, &mut up_write, |_| false) => Vec::new(),
        () = pump(&mut up_read, &mut down_write, |bytes| {
            shared.answered.fetch_add(bytes, Ordering::Relaxed);
            shared.loses_answers.load(Ordering::Relaxed)
        }) => Vec::new(),
        _ = cuts.changed() => cuts.borrow().last_words.clone(),
    };
    let _gone = down_write.write_all(&last_words).await;
}

async fn answer_instead(mut from: TcpStream, answer: &[u8], shared: &Shared) {
    let (mut request, mut piece) = (Vec::new(), [0; 4 << 10]);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match from.read(&mut piece).await {
            Ok(read @ 1..) => request.extend_from_slice(&piece[..read]),
            Ok(0) | Err(_) => return,
        }
    }
    let _gone = from.write_all(answer).await;
    shared.answered_instead.send_modify(|answered| *answered += 1);
}

async fn pump(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, is_lost: impl Fn(usize) -> bool) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if !is_lost(read) && to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
