//! What is read from elsewhere than a plain file: standard input, a pipe, a file that gzip or zstd packed, a text in UTF-16.
//!
//! A thread reads it, unpacks it, makes UTF-8 of it, and gives it out piece by piece. The thread is ahead by a few pieces and waits when
//! nobody takes them; it ends with what it reads, or when nobody wants more. A read of standard input cannot be given up, so it is no
//! task of the runtime, which would wait for it at the end.

mod zstd;

use std::fs::File;
use std::io::{BufReader, Chain, Cursor, Read};
use std::path::Path;

use capshare::share::limits::TRANSCRIPT_UNPACKED_BYTES_MAX;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;

/// Pieces that wait to be taken.
const PIECES_MAX: usize = 4;

/// The first bytes of what gzip packed.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// The first bytes of what zstd packed.
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

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
    File::open(path)?.take(ZSTD.len() as u64).read_to_end(&mut head)?;
    let is_plain = !head.starts_with(GZIP) && !head.starts_with(ZSTD) && Wide::of(&head).is_none();
    Ok(if is_plain { None } else { Some(stream(Box::new(File::open(path)?))) })
}

/// A file as it is unpacked, for a look at its beginning.
pub(super) fn beginning(path: &Path) -> std::io::Result<Box<dyn Read + Send>> {
    plain(Box::new(File::open(path)?))
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
    let (head, source) = if head.starts_with(GZIP) {
        begun(Box::new(Bounded::of(flate2::read::MultiGzDecoder::new(BufReader::new(source)))))?
    } else if head.starts_with(ZSTD) {
        begun(Box::new(Bounded::of(zstd::Unpacked::of(BufReader::new(source)))))?
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

/// The first bytes of a source, by which it is known, and the source with them.
fn begun(mut source: Box<dyn Read + Send>) -> std::io::Result<(Vec<u8>, Begun)> {
    let mut head = Vec::new();
    source.by_ref().take(ZSTD.len() as u64).read_to_end(&mut head)?;
    Ok((head.clone(), Cursor::new(head).chain(source)))
}

/// What is unpacked, as far as it may go: some kilobytes can unpack to more than a disk holds.
struct Bounded<R> {
    source: R,
    left: u64,
}

impl<R: Read> Bounded<R> {
    fn of(source: R) -> Self {
        Self { source, left: TRANSCRIPT_UNPACKED_BYTES_MAX }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read(into)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            std::io::Error::other(format!("it unpacks to more than {TRANSCRIPT_UNPACKED_BYTES_MAX} bytes"))
        })?;
        Ok(read)
    }
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

    /// A frame of zstd of so many blocks, each of 128 KiB of one character.
    fn frame(blocks: u32) -> Vec<u8> {
        // No flags; a window of 128 KiB.
        let mut frame = [ZSTD, &[0, 7 << 3]].concat();
        for n in 1..=blocks {
            // How long it is, that it is one byte again and again, and whether it is the last.
            let head = (128 << 10) << 3 | 1 << 1 | u32::from(n == blocks);
            frame.extend_from_slice(&head.to_le_bytes()[..3]);
            frame.push(b' ');
        }
        frame
    }

    #[test]
    fn what_zstd_packed_is_unpacked_frame_by_frame() {
        let lines: String = (0..300).map(|n| format!("line {} says one\n", n % 7)).collect();
        // By version 1.5.4 of the program `zstd`, with a checksum.
        let mut packed = [ZSTD, &[100, 192, 17, 93, 1, 0, 176], b"line 0 says one\n123456"].concat();
        packed.extend_from_slice(&[
            8, 32, 144, 99, 227, 77, 50, 119, 0, 95, 199, 58, 217, 93, 199, 210, 194, 180, 118, 9,
        ]);
        packed.extend_from_slice(&[75, 3, 48, 38]);
        assert_eq!(read(packed.clone()), lines);
        *packed.last_mut().unwrap() ^= 1;
        let wrong = plain(Box::new(Cursor::new(packed))).unwrap().read_to_end(&mut Vec::new()).unwrap_err();
        assert!(wrong.to_string().contains("checksum"), "{wrong}");
        let raw = [ZSTD, &[0, 7 << 3, 0x41, 0, 0], b"one\ntwo\n"].concat();
        assert_eq!(read(raw.clone()), "one\ntwo\n");
        let skipped = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, b'x', b'y', b'z'];
        assert_eq!(read([&raw[..], &skipped, &raw].concat()), "one\ntwo\none\ntwo\n");
        assert_eq!(read(frame(2)).len(), 256 << 10);
        for broken in [raw[..raw.len() - 1].to_vec(), ZSTD.to_vec(), [&raw[..], b"more"].concat()] {
            let read = plain(Box::new(Cursor::new(broken))).and_then(|mut it| it.read_to_end(&mut Vec::new()));
            assert!(read.is_err(), "{read:?}");
        }
    }

    #[test]
    fn what_is_unpacked_has_a_bound_and_so_has_the_memory_that_it_takes() {
        let blocks = u32::try_from(TRANSCRIPT_UNPACKED_BYTES_MAX >> 17).unwrap();
        for (blocks, fits) in [(blocks, true), (blocks + 1, false)] {
            let mut source = plain(Box::new(Cursor::new(frame(blocks)))).unwrap();
            let unpacked = std::io::copy(&mut source, &mut std::io::sink());
            assert_eq!(unpacked.as_ref().ok(), fits.then_some(&TRANSCRIPT_UNPACKED_BYTES_MAX), "{unpacked:?}");
        }
        // A window of 256 MiB.
        let wide = [ZSTD, &[0, 18 << 3, 1, 0, 0]].concat();
        let refused = plain(Box::new(Cursor::new(wide))).and_then(|mut it| it.read_to_end(&mut Vec::new()));
        assert!(refused.unwrap_err().to_string().contains("window"));
    }
}
