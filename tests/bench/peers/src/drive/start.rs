//! How long from the start of a process until it is ready?
//!
//! **Scene.** The program is started over a store in memory and asked for `/readyz` until it says 200, on a new connection each
//! time, ten times a round; the median of the ten is the round's figure. The time begins before the process is made.
//!
//! **Noise.** What else runs; the first start of a round reads the program into memory.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::aims::{Aim, Bound, Pick};
use crate::context::Context;
use crate::figure::Figure;
use crate::running::{Running, free_address};
use crate::scene::{Contender, Scene};
use crate::stats::percentile;
use crate::systems::capshare::Capshare;

const LINE: &str = "process start to /readyz 200";
const STARTS: usize = 10;
const READY_WITHIN: Duration = Duration::from_secs(10);

/// What must be reached.
pub(crate) const AIMS: &[Aim] = &[Aim {
    key: "start",
    work: "cold start to ready, ms",
    ours: Pick { scene: LINE, system: "capshare", metric: "ms" },
    bound: Bound::AtMost(50.0),
}];

/// The scene.
pub(crate) fn scene(_context: &Context) -> Scene {
    let system = Capshare::new("capshare");
    let again = system.clone();
    let contender = Contender::new(system, move |context, _first| run(context, &again));
    Scene { key: "start", question: "How long until a host is ready?", contenders: vec![contender], by_default: true }
}

fn run(context: &Context, system: &Capshare) -> anyhow::Result<Vec<Figure>> {
    let mut times = Vec::new();
    for _ in 0..context.pick(STARTS, 3) {
        let address = free_address()?;
        let mut command = system.command(context, address)?;
        let began = Instant::now();
        let running = Running::spawn(context, "capshare start", &mut command, address)?;
        while !is_ready(address) {
            if began.elapsed() > READY_WITHIN {
                bail!("not ready within {READY_WITHIN:?}: {}", running.log.display());
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(vec![Figure::lower(LINE, "capshare", "ms", percentile(&mut times, 50.0))])
}

/// Whether `/readyz` says 200; no, as long as nobody listens.
fn is_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes())?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(head == *b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}
