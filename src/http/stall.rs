//! Peers that do not read. Whoever takes nothing of an answer for [`ViewerSettings::write_stall`] is cut off, whatever it was given and
//! whatever that travels on.
//!
//! On a socket a [`Stall`] judges each write: one that the kernel does not take for so long ends the connection, HTTP/1 and
//! HTTP/2 alike. On HTTP/2 a peer may read its socket and give one stream no window. That stream alone is reset then, and the others
//! of its connection go on: [`Http2Streams`] runs them, and [`watched`] tells it when a piece of a body waits to be taken. HTTP asks
//! for the next piece once there is window for the last, so a body that is not asked has a reader that does not read, and one
//! that is asked and has nothing to say is never cut off.
//!
//! [`ViewerSettings::write_stall`]: crate::viewer::ViewerSettings::write_stall

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use hyper::rt::Executor;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// Bytes of a body that HTTP/2 is given at once, and holds for a stream that has no window: a frame of usual size.
const FRAME_BYTES: usize = 16 << 10;

/// Shortest time between two resets of streams on one connection. A peer gives the window of a stream that was reset back
/// to its connection, and streams that only waited for that go on.
const RESETS_APART: Duration = Duration::from_millis(100);

/// Judges the writes to a socket, which may take no bytes for a limited time.
#[derive(Debug)]
pub struct Stall {
    within: Duration,
    /// Made when the first write waits.
    timer: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl Stall {
    /// A judge that lets a socket take no bytes for `within`.
    #[must_use]
    pub fn new(within: Duration) -> Self {
        Self { within, timer: None, is_waiting: false }
    }

    /// The result of a write, or an error of the kind `TimedOut` if writes have waited for too long.
    pub fn judge<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.is_waiting = false;
            return written;
        }
        let within = self.within;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(within)));
        if !std::mem::replace(&mut self.is_waiting, true) {
            timer.as_mut().reset(Instant::now() + within);
        }
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer reads nothing of its answer")))
    }
}

/// Runs the streams of one HTTP/2 connection, and resets those whose reader does not read.
#[derive(Debug, Clone)]
pub struct Http2Streams {
    within: Duration,
    reset_at: Arc<Mutex<Option<Instant>>>,
}

/// Since when a piece of a stream's body waits to be taken.
#[derive(Debug, Default)]
struct Reader(Mutex<Option<Instant>>);

tokio::task_local! {
    /// The reader of the stream that is being run.
    static READER: Arc<Reader>;
}

impl Http2Streams {
    /// The streams of a new connection, whose pieces of bodies may wait for `within`.
    #[must_use]
    pub fn new(within: Duration) -> Self {
        Self { within, reset_at: Arc::default() }
    }

    /// Resolves when a piece has waited for too long, and no other stream was reset just now.
    async fn stalled(&self, reader: &Reader) {
        let mut look_at = Instant::now() + self.within;
        loop {
            sleep_until(look_at).await;
            let now = Instant::now();
            look_at = reader.waits_since().unwrap_or(now) + self.within;
            if look_at <= now {
                match self.may_reset(now) {
                    Ok(()) => return,
                    Err(later) => look_at = later,
                }
            }
        }
    }

    fn may_reset(&self, now: Instant) -> Result<(), Instant> {
        let mut reset_at = lock(&self.reset_at);
        if let Some(later) = reset_at.map(|at| at + RESETS_APART).filter(|later| *later > now) {
            return Err(later);
        }
        *reset_at = Some(now);
        Ok(())
    }
}

impl<F> Executor<F> for Http2Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        let (streams, reader) = (self.clone(), Arc::new(Reader::default()));
        let run = {
            let reader = Arc::clone(&reader);
            async move {
                tokio::select! {
                    biased;
                    _ = stream => {}
                    // Dropping it resets the stream, and throws away what HTTP held of it.
                    () = streams.stalled(&reader) => tracing::debug!("a stream was reset: its reader takes nothing"),
                }
            }
        };
        tokio::spawn(READER.scope(reader, run));
    }
}

impl Reader {
    fn waits_since(&self) -> Option<Instant> {
        *lock(&self.0)
    }

    fn is_given(&self) {
        *lock(&self.0) = Some(Instant::now());
    }

    fn asks(&self) {
        *lock(&self.0) = None;
    }
}

/// A body that tells [`Http2Streams`] when one of its pieces waits to be taken. A body whose stream [`Http2Streams`] does not run is given
/// back as it is.
pub fn watched(body: Body) -> Body {
    match READER.try_with(Arc::clone) {
        Ok(reader) if !body.is_end_stream() => Body::new(Watched { body, rest: Bytes::new(), reader }),
        Ok(_) | Err(_) => body,
    }
}

struct Watched {
    body: Body,
    /// What is left of the last piece.
    rest: Bytes,
    reader: Arc<Reader>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.reader.asks();
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                ended @ (None | Some(Err(_))) => return Poll::Ready(ended),
            }
        }
        // The last byte of each piece goes by itself: HTTP takes it when there is window for all before it, so nothing of a stream
        // that has ended waits for window, where nobody would watch it.
        let count = match self.rest.len() {
            length @ (0 | 1) => length,
            length => (length - 1).min(FRAME_BYTES),
        };
        self.reader.is_given();
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(count)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower() + rest);
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper + rest);
        }
        whole
    }
}

fn lock(instant: &Mutex<Option<Instant>>) -> MutexGuard<'_, Option<Instant>> {
    instant.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const WITHIN: Duration = Duration::from_secs(30);

    /// A write that waits for `WITHIN` is an error, and one that the socket takes in between begins anew.
    #[tokio::test(start_paused = true)]
    async fn a_socket_that_takes_nothing_for_so_long_is_at_its_end() {
        let mut stall = Stall::new(WITHIN);
        let mut write = async |written: Poll<io::Result<usize>>, wait: Duration| {
            let mut written = Some(written);
            let judged = poll_fn(|cx| stall.judge(cx, written.take().unwrap_or(Poll::Pending)));
            tokio::time::timeout(wait, judged).await
        };
        let almost = WITHIN - Duration::from_millis(1);
        for _ in 0..3 {
            assert!(write(Poll::Pending, almost).await.is_err(), "it still waits");
            assert_eq!(write(Poll::Ready(Ok(1)), WITHIN).await.unwrap().unwrap(), 1);
        }
        let ended = write(Poll::Pending, WITHIN * 2).await.unwrap().unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
    }

    /// What is run is dropped when a piece was given and no further one asked for, however long it was quiet before.
    #[tokio::test(start_paused = true)]
    async fn a_stream_whose_reader_takes_nothing_is_dropped_and_a_quiet_one_is_not() {
        let streams = Http2Streams::new(WITHIN);
        let (sender, receiver) = futures::channel::mpsc::unbounded::<Result<Bytes, io::Error>>();
        let (ended, has_ended) = tokio::sync::oneshot::channel::<()>();
        let takes = Arc::new(tokio::sync::Semaphore::new(1));
        let taken = Arc::clone(&takes);
        streams.execute(async move {
            let _ended = ended;
            let mut body = watched(Body::from_stream(receiver));
            loop {
                taken.acquire().await.unwrap().forget();
                let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await else { return };
            }
        });
        // Asked, and nothing to say.
        tokio::time::sleep(WITHIN * 10).await;
        assert!(!sender.is_closed());
        sender.unbounded_send(Ok(Bytes::from_static(b"xy"))).unwrap();
        tokio::time::sleep(WITHIN / 2).await;
        assert!(!sender.is_closed());
        // It takes the rest of it in time, and asks for more.
        takes.add_permits(2);
        tokio::time::sleep(WITHIN * 10).await;
        assert!(!sender.is_closed());
        sender.unbounded_send(Ok(Bytes::from_static(b"z"))).unwrap();
        let begun = Instant::now();
        assert!(has_ended.await.is_err(), "it was dropped");
        assert!(begun.elapsed() <= WITHIN, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn streams_of_one_connection_are_reset_one_after_the_other() {
        let streams = Http2Streams::new(WITHIN);
        let now = Instant::now();
        assert_eq!(streams.may_reset(now), Ok(()));
        assert_eq!(streams.clone().may_reset(now), Err(now + RESETS_APART));
        assert_eq!(streams.may_reset(now + RESETS_APART), Ok(()));
    }

    #[tokio::test]
    async fn the_last_byte_of_each_piece_goes_by_itself() {
        let long = vec![b'x'; FRAME_BYTES + 10];
        let body = Body::from(long.clone());
        let mut watched = Watched { body, rest: Bytes::new(), reader: Arc::default() };
        let (mut lengths, mut whole) = (Vec::new(), Vec::new());
        while !watched.is_end_stream() {
            assert_eq!(watched.size_hint().exact(), Some((long.len() - whole.len()) as u64));
            let frame = poll_fn(|cx| Pin::new(&mut watched).poll_frame(cx)).await.unwrap().unwrap();
            let data = frame.into_data().unwrap();
            lengths.push(data.len());
            whole.extend_from_slice(&data);
        }
        assert_eq!((lengths, whole), (vec![FRAME_BYTES, 9, 1], long));
    }
}
