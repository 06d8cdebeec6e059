//! What is read from elsewhere than a plain file: standard input, a pipe, a compressed file, a text in UTF-16.
//!
//! A thread reads it, unpacks it, makes UTF-8 of it, and gives it out piece by piece. The thread is ahead by a few pieces and waits when
//! nobody takes them; it ends with what it reads, or when nobody wants more. A read of standard input cannot be given up, so it is no
//! task of the runtime, which would wait for it at the end.

use std::fs::File;
use std::io::{BufReader, Chain, Cursor, Read};
use std::path::Path;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;

/// Pieces that wait to be taken.
const PIECES_MAX: usize = 4;

/// The first bytes of what gzip packed.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// The name of standard input.
const STANDARD_INPUT: &str = "-";

/// What comes piece by piece, as UTF-8.
pub(super) struct Stream(mpsc::Receiver<std::io::Result<Vec<u8>>>);

/// The input is over.
pub(super) struct Over;

impl Stream {
    /// The next piece; it is waited for. `None` when it is over.
    pub(super) async fn next(&mut self) -> Option<std::io::Result<Vec<u8>>> {
        self.0.recv().await
    }

    /// The next piece if it is at hand.
    pub(super) fn try_next(&mut self) -> Result<Option<std::io::Result<Vec<u8>>>, Over> {
        match self.0.try_recv() {
            Ok(piece) => Ok(Some(piece)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(Over),
        }
    }
}

/// Opens what is no plain file of UTF-8. `None` for one that is: it can be looked at again.
pub(super) fn open(path: &Path) -> std::io::Result<Option<Stream>> {
    if path.as_os_str() == STANDARD_INPUT {
        return Ok(Some(stream(Box::new(std::io::stdin()))));
    }
    if !std::fs::metadata(path)?.is_file() {
        return Ok(Some(stream(Box::new(File::open(path)?))));
    }
    let mut head = Vec::new();
    File::open(path)?.take(2).read_to_end(&mut head)?;
    let is_plain = head != GZIP && Wide::of(&head).is_none();
    Ok(if is_plain { None } else { Some(stream(Box::new(File::open(path)?))) })
}

fn stream(source: Box<dyn Read + Send>) -> Stream {
    let (pieces, taken) = mpsc::channel(PIECES_MAX);
    std::thread::spawn(move || {
        let read = || -> std::io::Result<()> {
            let mut source = plain(source)?;
            let mut buffer = vec![0; READ_BYTES];
            loop {
                let read = match source.read(&mut buffer) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    read => read?,
                };
                let is_over = read == 0 || pieces.blocking_send(Ok(buffer[..read].to_vec())).is_err();
                if is_over {
                    return Ok(());
                }
            }
        };
        if let Err(error) = read() {
            // Nobody may want to hear of it any more.
            let _is_heard = pieces.blocking_send(Err(error));
        }
    });
    Stream(taken)
}

/// The source unpacked, and in UTF-8.
fn plain(source: Box<dyn Read + Send>) -> std::io::Result<Box<dyn Read + Send>> {
    let (head, source) = begun(source)?;
    let (head, source) = if head == GZIP {
        begun(Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(source))))?
    } else {
        (head, source)
    };
    Ok(match Wide::of(&head) {
        Some(order) => {
            Box::new(Narrowed { source: Box::new(source), order, bytes: Vec::new(), ready: Cursor::new(Vec::new()) })
        }
        None => Box::new(source),
    })
}

type Begun = Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>;

/// The first two bytes of a source, and the source with them.
fn begun(mut source: Box<dyn Read + Send>) -> std::io::Result<(Vec<u8>, Begun)> {
    let mut head = Vec::new();
    source.by_ref().take(2).read_to_end(&mut head)?;
    Ok((head.clone(), Cursor::new(head).chain(source)))
}

/// The order of bytes of a text in UTF-16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wide {
    Little,
    Big,
}

impl Wide {
    /// The order that the first bytes of a text tell.
    fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0xff, 0xfe, ..] => Some(Self::Little),
            [0xfe, 0xff, ..] => Some(Self::Big),
            _ => None,
        }
    }
}

/// A text in UTF-16, read as UTF-8. Half a character becomes U+FFFD.
struct Narrowed {
    source: Box<dyn Read + Send>,
    order: Wide,
    /// Bytes that are no whole character yet.
    bytes: Vec<u8>,
    ready: Cursor<Vec<u8>>,
}

impl Read for Narrowed {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let read = self.ready.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            let mut more = vec![0; READ_BYTES];
            let read = self.source.read(&mut more)?;
            if read == 0 && self.bytes.is_empty() {
                return Ok(0);
            }
            self.bytes.extend_from_slice(&more[..read]);
            self.narrow(read == 0);
        }
    }
}

impl Narrowed {
    fn narrow(&mut self, is_over: bool) {
        let unit = |pair: &[u8]| match (self.order, pair) {
            (Wide::Little, [low, high]) => u16::from_le_bytes([*low, *high]),
            (Wide::Big, [high, low]) => u16::from_be_bytes([*high, *low]),
            _ => char::REPLACEMENT_CHARACTER as u16,
        };
        let mut units: Vec<u16> = self.bytes.chunks_exact(2).map(unit).collect();
        let mut used = units.len() * 2;
        // The other half of the last character is still to come.
        if !is_over && units.last().is_some_and(|last| (0xD800..0xDC00).contains(last)) {
            units.pop();
            used -= 2;
        }
        if is_over {
            used = self.bytes.len();
        }
        self.bytes.drain(..used);
        let text: String = char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        self.ready = Cursor::new(text.into_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: Vec<u8>) -> String {
        let mut text = String::new();
        plain(Box::new(Cursor::new(bytes))).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn utf_16_is_read_in_either_order_and_half_a_character_is_replaced() {
        let text = "\u{FEFF}{\"a\": \"é \u{1F600}\"}\n".repeat(READ_BYTES / 8);
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert!(read(little) == text && read(big) == text);
        assert_eq!(read(vec![0xff, 0xfe, b'a', 0, 0x3d, 0xd8, b'b', 0, 0x3d, 0xd8]), "\u{FEFF}a\u{FFFD}b\u{FFFD}");
        assert_eq!(read(b"plain".to_vec()), "plain");
        assert_eq!(read(Vec::new()), "");
    }

    #[test]
    fn what_gzip_packed_is_unpacked() {
        use std::io::Write as _;
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all("one\ntwo\n".as_bytes()).unwrap();
        assert_eq!(read(packed.finish().unwrap()), "one\ntwo\n");
        assert!(
            plain(Box::new(Cursor::new(vec![0x1f, 0x8b, 9])))
                .and_then(|mut it| it.read_to_end(&mut Vec::new()))
                .is_err()
        );
    }
}
