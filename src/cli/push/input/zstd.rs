//! What zstd packed: frames, one behind the other, of which some hold no data.

use std::io::{BufRead, Error, Read};

use capshare::share::limits::TRANSCRIPT_WINDOW_BYTES_MAX;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The content of all frames.
pub(super) struct Unpacked<R> {
    source: R,
    /// The frame that is being read.
    frame: Option<FrameDecoder>,
}

impl<R: BufRead> Unpacked<R> {
    pub(super) fn of(source: R) -> Self {
        Self { source, frame: None }
    }

    /// Begins the next frame with data. Says whether there was one.
    fn begin(&mut self) -> std::io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            let mut frame = FrameDecoder::new();
            frame.set_max_window_size(TRANSCRIPT_WINDOW_BYTES_MAX);
            match frame.init(&mut self.source) {
                Ok(()) => {
                    self.frame = Some(frame);
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    std::io::copy(&mut self.source.by_ref().take(length.into()), &mut std::io::sink())?;
                }
                Err(error) => return Err(Error::other(error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Unpacked<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(frame) = &mut self.frame else {
                if self.begin()? {
                    continue;
                }
                return Ok(0);
            };
            while frame.can_collect() == 0 && !frame.is_finished() {
                frame.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1)).map_err(Error::other)?;
            }
            let read = frame.read(into)?;
            if read > 0 {
                return Ok(read);
            }
            let (said, found) = (frame.get_checksum_from_data(), frame.get_calculated_checksum());
            if said.is_some() && said != found {
                return Err(Error::other("the checksum of what zstd packed is wrong"));
            }
            self.frame = None;
        }
    }
}
