//! Peers that do not read.

use std::rc::Rc;
use std::time::Duration;

use capshare::__internal::wire::vat::{self, VatLimits};
use capshare::__internal::wire::websocket::{KeepAlive, PipeEnd, pipe};
use tokio::task::spawn_local;

use super::scene::{Facts, LIMITS, PIPE, client, local, probe, roomy, root, sockets};

const ANSWER_BYTES: u64 = 100_000;
const CALLS: u64 = 2_000;
/// Bytes waiting at which the host takes no further call.
const QUEUED_BYTES_MAX: u64 = 512 * 1024;
/// What the host may have queued for a peer that asks for 200 MB and reads nothing: the bound, the answer that crossed it,
/// and those of a few calls that had been taken by then.
const BOUND: u64 = QUEUED_BYTES_MAX + 4 * ANSWER_BYTES;

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_stays_under_a_bound_and_is_ended_as_stalled() {
    local(async {
        let facts = Rc::new(Facts::default());
        let (near, far) = sockets().await;
        let (reader, writer, control) = pipe(near, PIPE);
        let limits = VatLimits { queued_bytes_max: Some(QUEUED_BYTES_MAX), ..LIMITS };
        let vat = vat::serve(reader, writer, root(&facts, &roomy()).client, limits);
        let meter = vat.meter();
        let ended = spawn_local(vat);

        // The peer writes its calls and never reads an answer: a client whose reading half is kept from its vat.
        let (_unread, writer, _peer) = pipe(far, PIPE);
        let (vat, rpc) =
            vat::connect::<_, _, capshare::__internal::share_capnp::share_rpc::Client>(Unread, writer, LIMITS);
        let peer_ended = spawn_local(vat);
        let calls: Vec<_> = (0..CALLS)
            .map(|_| {
                let mut request = rpc.probe_value_request();
                request.get().init_input().set_when(ANSWER_BYTES.try_into().unwrap());
                spawn_local(request.send().promise)
            })
            .collect();

        let started = tokio::time::Instant::now();
        let settings =
            KeepAlive { interval: Duration::from_secs(45), write_stall: Duration::from_secs(30), silence_code: 4003 };
        assert_eq!(control.keepalive(settings).await, PipeEnd::Stalled);
        assert_eq!(started.elapsed(), Duration::from_secs(30));

        let made = facts.made.get();
        assert!(made > QUEUED_BYTES_MAX, "the bound was met: {made} bytes made");
        assert!(made <= BOUND, "{made} bytes of answers made, and nobody read one");
        assert!(meter.peak_bytes() <= BOUND, "{} bytes queued", meter.peak_bytes());
        ended.await.unwrap().unwrap();
        assert_eq!(facts.live.get(), 0);
        peer_ended.abort();
        drop(calls);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_late_gets_everything() {
    local(async {
        let (near, far) = sockets().await;
        let (reader, writer, _control) = pipe(near, PIPE);
        let limits = VatLimits { queued_bytes_max: Some(1), ..LIMITS };
        let facts = Rc::new(Facts::default());
        let _ended = spawn_local(vat::serve(reader, writer, root(&facts, &roomy()).client, limits));
        let (rpc, _peer, _peer_ended) = client(far);
        let calls = (0..200).map(|_| probe(&rpc, 10_000));
        for answer in futures::future::join_all(calls).await {
            assert_eq!(answer.unwrap().len(), 10_000);
        }
    })
    .await;
}

/// Bytes that are never asked for.
struct Unread;

impl futures::AsyncRead for Unread {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
        _buffer: &mut [u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::task::Poll::Pending
    }
}
