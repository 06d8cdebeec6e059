//! How a door is entered: what a viewer says, for what it waits, and what it answers from then on.

/// What comes after the head of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    WebSocket,
    /// Server-sent events: a body of which nothing but marks matters.
    Events,
}

/// A step: once this has come, that is said.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) until: &'static [u8],
    pub(crate) say: Vec<u8>,
}

/// How one topic is followed through one door of one system.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// The request, to its empty line.
    pub(crate) hello: Vec<u8>,
    pub(crate) framing: Framing,
    /// Each in turn, in what comes after the head; then the viewer is ready, and marks count.
    pub(crate) steps: Vec<Step>,
    /// A message of just these bytes is answered so.
    pub(crate) answers: Vec<(&'static [u8], Vec<u8>)>,
    /// The server ends its streams now and then by design: a viewer that was ready comes back, and counts as lost only if
    /// that does not succeed.
    pub(crate) comes_back: bool,
}

impl Script {
    /// A WebSocket at a path, with further lines of the head, each with its line end.
    pub(crate) fn web_socket(path: &str, lines: &str) -> Self {
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        Self::new(Framing::WebSocket, path, &format!("{upgrade}{lines}"))
    }

    /// A stream of server-sent events at a path.
    pub(crate) fn events(path: &str) -> Self {
        Self::new(Framing::Events, path, "Accept: text/event-stream\r\n")
    }

    fn new(framing: Framing, path: &str, lines: &str) -> Self {
        let hello = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n").into_bytes();
        Self { hello, framing, steps: Vec::new(), answers: Vec::new(), comes_back: false }
    }

    /// A further step.
    pub(crate) fn then(mut self, until: &'static [u8], say: Vec<u8>) -> Self {
        self.steps.push(Step { until, say });
        self
    }

    /// A further answer.
    pub(crate) fn answering(mut self, asked: &'static [u8], answer: Vec<u8>) -> Self {
        self.answers.push((asked, answer));
        self
    }
}
