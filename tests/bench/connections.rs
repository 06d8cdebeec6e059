//! How soon are connections cut off, and how soon does a broadcast arrive, with 1,000 of them at one host?
//!
//! **Scene.** A host over memory in this process; 1,000 linked clients ([`capshare::Client`]) in another, over WebSockets on
//! loopback, each with a sink.
//!
//! *Revocation*: 500 clients of one account and 500 of another. The host closes the first account, and the time is from its
//! answer to the last of 500 Close frames in the hands of its client, which has then ended for good; the other 500 are asked
//! for a round trip after it, on the connections that they had. Then 500 new ones come, twenty rounds in a row.
//!
//! *Broadcast*: 950 clients that read, and 50 whose sockets nobody reads any more. First the 50 are sent notices of 32 KiB
//! until their queues are full and the host has given up on none of them; then a notice of 1 KiB goes to everybody, twenty
//! times, and the time is from before the call to the last of 950 clients that has it. The memory is the host's resident set,
//! before and after.
//!
//! **Noise.** Both processes, and the kernel, share the machine's cores: with two of them the clients' work is a good part of
//! each figure. What else runs is in them too: do it alone. By hand:
//!
//! ```text
//! cargo bench --bench connections --features bin,testing
//! ```
//!
//! Wanted: 100 ms for a revocation (S60: 45 ms in the median and 57 ms at worst on two idle cores, both processes), 50 ms for a
//! broadcast (50 ms in the median there).
#![expect(clippy::unwrap_used, reason = "a bench that meets an error has failed")]
#![expect(clippy::print_stdout, reason = "the figures are what it is for, and how its two processes talk")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use capshare::__internal::access::{Scopes, SharedKeys};
use capshare::__internal::ambient::Ambient;
use capshare::__internal::connections::push::Action;
use capshare::Client;
use capshare::client::{Answer, ConnectionState, Push};
use capshare::host::{Host, HostSettings};
use capshare::share::secret::Secret;
use futures::future::join_all;
use object_store::memory::InMemory;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, LocalSet, spawn_local};

const ROUNDS: usize = 20;
const EACH: usize = 500;
const STUCK: usize = 50;
const ACCOUNTS: [&str; 3] = ["ann", "bob", "cy"];

/// Cargo gives `--bench`; the second process is given what follows.
fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "clients") {
        Some(at) => clients(arguments[at + 1].parse().unwrap()),
        None => host(),
    }
}

fn key(account: &str) -> String {
    format!("the-key-of-{account}-0123456789")
}

/// The same clock in both processes.
#[expect(clippy::disallowed_methods, reason = "two processes have no other clock in common")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

// ---------------------------------------------------------------------------------------------------------------------
// The host's process.

fn host() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let keys = ACCOUNTS.map(|name| (name.parse().unwrap(), Secret::from(key(name).as_str()), Scopes::SHARE));
        let mut settings = HostSettings::default();
        settings.hub.account_connections_max = None;
        settings.hub.address_connections_max = None;
        settings.doors.upgrades_per_minute = NonZeroU32::new(1_000_000).unwrap();
        settings.doors.account_upgrades_per_minute = settings.doors.upgrades_per_minute;
        let access = Arc::new(SharedKeys::new(keys));
        let host = Host::new(Arc::new(InMemory::new()), access, Ambient::system(), settings).unwrap();
        let address = host.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let hub = Arc::clone(host.hub());
        let mut clients = Clients::start(address);

        clients.ask(&format!("connect bob {EACH}"));
        let mut took = Vec::new();
        for _ in 0..ROUNDS {
            clients.ask(&format!("connect ann {EACH}"));
            assert_eq!(hub.connections().registry().count(), 2 * EACH);
            let closed = hub.connections().close_account(&"ann".parse().unwrap());
            let answered = now();
            assert_eq!(closed, EACH);
            let last: u64 = clients.ask("closed ann").parse().unwrap();
            took.push(Duration::from_nanos(last.saturating_sub(answered)));
            assert_eq!(clients.ask("ping bob"), EACH.to_string(), "others were disturbed");
            assert_eq!(hub.connections().registry().count(), EACH);
        }
        report("revocation of 500 among 1,000: answer to the last Close frame", took, Duration::from_millis(100));

        clients.ask(&format!("connect ann {}", EACH - STUCK));
        clients.ask(&format!("connect cy {STUCK}"));
        clients.ask("stick");
        let before = resident();
        let large = Action::Notice("x".repeat(32 << 10));
        let (mut offered, mut full) = (0, 0);
        while full < 10 {
            let reached = hub.connections().send_to_account(&"cy".parse().unwrap(), &large);
            offered += 1;
            full = if reached == 0 { full + 1 } else { 0 };
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let stuffed = resident();
        assert_eq!(hub.connections().registry().count(), 2 * EACH);
        let mut took = Vec::new();
        for _ in 0..ROUNDS {
            clients.ask("listen");
            let begun = now();
            let reached = hub.connections().broadcast(&Action::Notice("y".repeat(1 << 10)), &[], |_| true);
            assert_eq!(reached, 2 * EACH - STUCK, "those that do not read are left out");
            let last: u64 = clients.ask("heard").parse().unwrap();
            took.push(Duration::from_nanos(last.saturating_sub(begun)));
        }
        report("broadcast to 1,000, 50 of which read nothing: call to the last of 950", took, Duration::from_millis(50));
        println!(
            "memory of the host: {before} KiB, and {stuffed} KiB when 50 clients that read nothing were offered {offered} \
             notices of 32 KiB each; {} KiB at the end",
            resident()
        );
        clients.end();
        host.shutdown().await;
    });
}

fn report(what: &str, mut took: Vec<Duration>, wanted: Duration) {
    took.sort();
    let (median, worst) = (took[took.len() / 2], took[took.len() - 1]);
    let missed = if worst > wanted { "  MISSED" } else { "" };
    println!("{what}: median {median:.1?}, worst of {} {worst:.1?}, wanted {wanted:?}{missed}", took.len());
    println!("    {took:.1?}");
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// The other process: a line to it, a line back.
struct Clients {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Clients {
    fn start(address: SocketAddr) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["clients", &address.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    fn ask(&mut self, what: &str) -> String {
        writeln!(self.input, "{what}").unwrap();
        let mut answer = String::new();
        tokio::task::block_in_place(|| self.output.read_line(&mut answer)).unwrap();
        assert!(!answer.is_empty(), "the clients failed at {what}");
        answer.trim().to_owned()
    }

    fn end(mut self) {
        drop(self.input);
        self.child.wait().unwrap();
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The clients' process.

/// What all clients write down.
#[derive(Default)]
struct Noted {
    /// How many of those that read have the newest notice, and when the last got it.
    heard: AtomicUsize,
    heard_at: AtomicU64,
    more: Notify,
}

fn clients(host: SocketAddr) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let relay = Relay::to(host).await;
        let noted = Arc::<Noted>::default();
        let mut all: Vec<Peer> = Vec::new();
        let mut lines = lines();
        while let Some(line) = lines.recv().await {
            let words: Vec<_> = line.split(' ').collect();
            let answer = match words[..] {
                ["connect", account, count] => {
                    let at = if account == "cy" { relay.address } else { host };
                    let count: usize = count.parse().unwrap();
                    for few in (0..count).collect::<Vec<_>>().chunks(50) {
                        all.extend(join_all(few.iter().map(|_| connect(at, account, &noted))).await);
                    }
                    String::new()
                }
                ["closed", account] => {
                    let (gone, stay): (Vec<_>, Vec<_>) = all.into_iter().partition(|peer| peer.account == account);
                    all = stay;
                    let ends = join_all(gone.into_iter().map(|peer| peer.ended)).await;
                    ends.into_iter().map(Result::unwrap).max().unwrap().to_string()
                }
                ["ping", account] => {
                    let of = all.iter().filter(|peer| peer.account == account);
                    let pings = join_all(of.map(|peer| peer.client.ping())).await;
                    pings.into_iter().filter(Result::is_ok).count().to_string()
                }
                ["stick"] => {
                    relay.stuck.store(true, Ordering::Relaxed);
                    String::new()
                }
                ["listen"] => {
                    noted.heard.store(0, Ordering::Relaxed);
                    String::new()
                }
                ["heard"] => {
                    while noted.heard.load(Ordering::Relaxed) < 2 * EACH - STUCK {
                        noted.more.notified().await;
                    }
                    noted.heard_at.load(Ordering::Relaxed).to_string()
                }
                _ => panic!("{line}"),
            };
            println!("{answer}");
        }
    });
}

struct Peer {
    account: String,
    client: Client,
    /// When it learned that it had ended for good.
    ended: JoinHandle<u64>,
}

async fn connect(host: SocketAddr, account: &str, noted: &Arc<Noted>) -> Peer {
    let client = Client::builder(format!("ws://{host}")).token(key(account)).build_local().unwrap();
    let (noted, reads) = (Arc::clone(noted), account != "cy");
    let hear = move |_: Push| {
        if reads {
            noted.heard_at.fetch_max(now(), Ordering::Relaxed);
            noted.heard.fetch_add(1, Ordering::Relaxed);
            noted.more.notify_one();
        }
        std::future::ready(Ok::<_, String>(Answer::Done))
    };
    client.on_push(hear).await.unwrap();
    let mut state = client.state();
    let ended = spawn_local(async move {
        drop(state.wait_for(|state| matches!(state, ConnectionState::Closed(_))).await.unwrap());
        now()
    });
    Peer { account: account.to_owned(), client, ended }
}

fn lines() -> tokio::sync::mpsc::Receiver<String> {
    let (sender, lines) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Stands before the host for those that are to read nothing any more: then it reads nothing.
struct Relay {
    address: SocketAddr,
    stuck: Arc<AtomicBool>,
}

impl Relay {
    async fn to(host: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stuck = Arc::<AtomicBool>::default();
        let is_stuck = Arc::clone(&stuck);
        spawn_local(async move {
            let (_never, ends) = watch::channel(());
            while let Ok((from, _)) = listener.accept().await {
                let (to, is_stuck, mut ends) =
                    (TcpStream::connect(host).await.unwrap(), Arc::clone(&is_stuck), ends.clone());
                spawn_local(async move {
                    let ((mut from_client, mut to_client), (mut from_host, mut to_host)) =
                        (from.into_split(), to.into_split());
                    let up = tokio::io::copy(&mut from_client, &mut to_host);
                    let down = async {
                        let mut buffer = vec![0; 4 << 10];
                        while let Ok(read @ 1..) = from_host.read(&mut buffer).await {
                            if to_client.write_all(&buffer[..read]).await.is_err() {
                                return;
                            }
                            if is_stuck.load(Ordering::Relaxed) {
                                let _for_good = ends.changed().await;
                            }
                        }
                    };
                    tokio::select! {
                        _ = up => {}
                        () = down => {}
                    }
                });
            }
        });
        Self { address, stuck }
    }
}
