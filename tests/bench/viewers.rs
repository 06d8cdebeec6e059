//! What do viewers cost?
//!
//! One share, 1,000 viewers, half on WebSockets and half on server-sent events, and 20 syncs a second of one item of 256
//! bytes, for 10 seconds. Asked: does every viewer get every event, how long after the sync was begun (p50, p99, the last), what
//! processor time does the host take for each delivery, and what memory for each viewer that waits; and does any of that
//! change with 50 more who never read.
//!
//! The host is a process of its own (this program, started again), over memory and the loopback; its processor time and
//! memory are what the kernel says of it (`/proc`), so they hold the kernel's own work for its sockets, and not the viewers'
//! side. Noise: viewers and the producer run on the same cores as the host, so latencies are an upper bound, and on two
//! cores most of them is waiting for a turn. nginx's nchan did 6.6 us and a p99 of 16 ms on a machine of this kind.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that meets an error has failed, and says what it saw"
)]

use std::io::{BufRead as _, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use capshare::__internal::access::SingleAccount;
use capshare::__internal::ambient::Ambient;
use capshare::Client;
use capshare::client::{Items, Share};
use capshare::host::{Host, HostSettings};
use object_store::memory::InMemory;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

const VIEWERS: usize = 1_000;
const DEAF: usize = 50;
const EVENTS: usize = 200;
const EVERY: Duration = Duration::from_millis(50);
const ITEM_BYTES: usize = 256;

/// Arrivals that are told and not counted yet: every event at every viewer of one measurement, because they are counted when
/// the last sync was made. 200 by 1,000; who finds it full waits, and nothing is lost.
const ARRIVALS_MAX: usize = EVENTS * VIEWERS;

fn main() {
    if std::env::args().any(|argument| argument == "--serve") {
        return serve();
    }
    // Without `--bench` it was only to be built.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    tokio::runtime::Runtime::new().unwrap().block_on(run());
}

/// The host, until its standard input ends.
fn serve() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let mut settings = HostSettings::default();
    // All viewers of the scene come from one address, and answer no pings.
    settings.hub.address_connections_max = None;
    settings.viewer.heartbeat = Duration::from_secs(3_600);
    settings.doors.upgrades_per_minute = 100_000.try_into().unwrap();
    let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
    let host = Host::new(Arc::new(InMemory::new()), access, Ambient::system(), settings).unwrap();
    println!("{}", runtime.block_on(host.listen("127.0.0.1:0".parse().unwrap())).unwrap());
    let _ended = std::io::stdin().read_to_end(&mut Vec::new());
}

async fn run() {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .arg("--serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address: SocketAddr = line.trim().parse().unwrap();
    let client = Client::builder(format!("ws://{address}")).build().unwrap();
    let share = client.create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let scene = Scene { address, began: Instant::now(), ready: Arc::default() };

    let empty = resident_bytes(&process);
    let (arrivals, mut arrived) = mpsc::channel(ARRIVALS_MAX);
    for (path, count) in [("ws", VIEWERS / 2), ("events", VIEWERS / 2)] {
        let before = resident_bytes(&process);
        for _ in 0..count {
            tokio::spawn(scene.clone().view(path, share.id().to_string(), arrivals.clone()));
        }
        scene.all_ready(if path == "ws" { count } else { VIEWERS }).await;
        let each = resident_bytes(&process).saturating_sub(before) / count as u64;
        say(
            &format!("memory of an idle viewer on /{path}"),
            if path == "ws" { "under 6,000 B" } else { "under 2,000 B" },
            &format!("{each} B"),
        );
    }
    let each = resident_bytes(&process).saturating_sub(empty) / VIEWERS as u64;
    say("memory of an idle viewer", "under 10,000 B", &format!("{each} B"));

    measure(&scene, &process, &share, &mut arrived, "1,000 viewers").await;
    let mut deaf = Vec::new();
    for at in 0..DEAF {
        deaf.push(scene.connect(if at % 2 == 0 { "ws" } else { "events" }, share.id().as_str()).await);
    }
    measure(&scene, &process, &share, &mut arrived, "and 50 who never read").await;
    drop(deaf);
    client.close().await;
    drop(process.stdin.take());
    process.wait().unwrap();
}

async fn measure(scene: &Scene, process: &Child, share: &Share, arrived: &mut mpsc::Receiver<Duration>, what: &str) {
    let cpu = cpu_time(process);
    let mut ticks = tokio::time::interval(EVERY);
    for _ in 0..EVENTS {
        ticks.tick().await;
        let sent = scene.began.elapsed().as_micros();
        let text = format!("@{sent:020}@{}", "x".repeat(ITEM_BYTES));
        let item = serde_json::json!({ "id": "p", "messageID": "m", "text": text }).to_string();
        let mut items = Items::new();
        items.put("part", &item[..]).unwrap();
        share.sync(items).await.unwrap();
    }
    let mut latencies = Vec::new();
    while latencies.len() < EVENTS * VIEWERS {
        match tokio::time::timeout(Duration::from_secs(10), arrived.recv()).await {
            Ok(Some(latency)) => latencies.push(latency),
            Ok(None) | Err(_) => break,
        }
    }
    let cpu = cpu_time(process) - cpu;
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    say(&format!("{what}: deliveries"), &(EVENTS * VIEWERS).to_string(), &latencies.len().to_string());
    let each = cpu.as_secs_f64() * 1e6 / latencies.len() as f64;
    say(&format!("{what}: host's processor time for each"), "under 6.6 us", &format!("{each:.2} us"));
    say(&format!("{what}: latency p50"), "", &format!("{:.2} ms", at(0.5)));
    say(&format!("{what}: latency p99"), "under 16 ms", &format!("{:.2} ms", at(0.99)));
    say(&format!("{what}: the last"), "", &format!("{:.2} ms", at(1.0)));
}

fn say(what: &str, wanted: &str, got: &str) {
    println!("{what:<60} {wanted:>16} {got:>16}");
}

/// Where viewers go, and since when.
#[derive(Clone)]
struct Scene {
    address: SocketAddr,
    began: Instant,
    ready: Arc<AtomicUsize>,
}

impl Scene {
    async fn connect(&self, path: &str, share: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let upgrade = if path == "ws" { upgrade } else { "" };
        let head = format!("GET /{path}/{share} HTTP/1.1\r\nHost: {}\r\n{upgrade}\r\n", self.address);
        socket.write_all(head.as_bytes()).await.unwrap();
        socket
    }

    /// Tells how long after its sync each event came.
    async fn view(self, path: &'static str, share: String, arrivals: mpsc::Sender<Duration>) {
        let mut socket = self.connect(path, &share).await;
        let ready = memchr::memmem::Finder::new(b"\"channel\":");
        let (mut buffer, mut kept, mut is_ready) = (vec![0; 16 << 10], 0, false);
        loop {
            let count = match socket.read(&mut buffer[kept..]).await {
                Ok(count @ 1..) => count,
                Ok(0) | Err(_) => return,
            };
            let now = self.began.elapsed();
            let text = &buffer[..kept + count];
            if !is_ready && ready.find(text).is_some() {
                is_ready = true;
                self.ready.fetch_add(1, Ordering::Relaxed);
            }
            // A mark is a time between two signs.
            let mut done = 0;
            while let Some(at) = memchr::memchr(b'@', &text[done..]).map(|at| at + done) {
                let Some(mark) = text.get(at + 1..at + 22) else { break };
                if mark[20] == b'@'
                    && let Ok(sent) = std::str::from_utf8(&mark[..20]).unwrap_or_default().parse()
                {
                    let _ended = arrivals.send(now.saturating_sub(Duration::from_micros(sent))).await;
                    done = at + 22;
                } else {
                    done = at + 1;
                }
            }
            let rest = done.max(text.len().saturating_sub(64));
            let length = text.len();
            buffer.copy_within(rest..length, 0);
            kept = length - rest;
        }
    }

    async fn all_ready(&self, count: usize) {
        while self.ready.load(Ordering::Relaxed) < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Until the announcements of who watches are over.
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
}

/// User and system time of a process.
fn cpu_time(process: &Child) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // In hundredths of a second, on every Linux.
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn resident_bytes(process: &Child) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", process.id())).unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}
