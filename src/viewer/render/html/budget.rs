//! How much of a share a page shows.

use crate::share::item::Payload;

/// Number of parts on a page: as many as somebody scrolls through.
pub const PARTS_MAX: usize = 400;
/// Bytes of HTML that a page's messages and parts may have: 512 KiB.
pub const BYTES_MAX: usize = 512 << 10;
/// Bytes of items that are read for a page: 4 MiB, the size of a message. One item of more than an eighth of it is only named.
pub const SOURCE_BYTES_MAX: usize = 4 << 20;
/// Bytes of one text that are shown: 32 KiB.
pub const TEXT_BYTES_MAX: usize = 32 << 10;
/// Bytes of one block of a tool call that are shown: 8 KiB, about 150 lines.
pub const BLOCK_BYTES_MAX: usize = 8 << 10;
/// Number of changed files that are listed.
pub const FILES_MAX: usize = 100;

/// Bytes of the largest item that is shown.
pub(super) const ITEM_BYTES_MAX: usize = SOURCE_BYTES_MAX / 8;

/// What may still be shown on the page.
#[derive(Debug)]
pub(super) struct Budget {
    /// Number of parts.
    pub(super) parts: usize,
    /// Bytes of HTML.
    pub(super) bytes: usize,
    /// Bytes of items that are read.
    source: usize,
}

impl Budget {
    /// All that a page may show.
    pub(super) fn of_page() -> Self {
        Self { parts: PARTS_MAX, bytes: BYTES_MAX, source: SOURCE_BYTES_MAX }
    }

    /// Whether anything more may be shown.
    pub(super) fn is_left(&self) -> bool {
        self.parts > 0 && self.bytes > 0 && self.source > 0
    }

    /// Takes what an item needs, and says whether it may be read.
    pub(super) fn read(&mut self, item: &Payload) -> bool {
        let bytes = item.as_str().len();
        if bytes > ITEM_BYTES_MAX {
            return false;
        }
        self.source = self.source.saturating_sub(bytes);
        true
    }

    /// Takes what was written.
    pub(super) fn take(&mut self, html: &str) {
        self.bytes = self.bytes.saturating_sub(html.len());
    }
}
