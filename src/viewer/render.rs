//! The documents of a share: what its items look like to a reader without a live channel.
//!
//! A [`Document`] is a share's items at one revision, grouped as a session is read: messages in order, each with its parts.
//! It becomes JSON ([`Document::json`]), what OpenCode imports ([`Document::opencode`]), Markdown ([`Document::markdown`]), HTML ([`Document::html`]), or a few words about
//! it ([`About`]), from which links are previewed; with the feature `card` those words become a picture (`Card::draw`).
//! The host's pages and `capshare export` call it; it knows no HTTP, no hub and no clock.
//!
//! Items are what a producer sent, so nothing in them is relied on: a member of another type than expected is one that is
//! not there, a part of a kind that is not known is shown as JSON, and an item that cannot be read at all is shown as that.
//! Nothing of an item gets into HTML but escaped, or as Markdown that was sanitised.
//!
//! What it costs: a document holds the texts that the state holds and copies none of them. JSON and Markdown come in pieces
//! of [`PIECE_BYTES`], or of one item where that is larger, made as they are asked for, so that a share of 256 MiB is told
//! in the memory of its largest item. HTML is for people and shows the newest that fits: see [`html`].

mod about;
mod call;
#[cfg(feature = "card")]
mod card;
mod diff;
mod document;
mod figures;
mod format;
pub mod html;
mod json;
mod markdown;
mod newer;
mod opencode;
mod order;
mod pieces;
mod read;
mod terminal;
mod words;

pub use about::About;
#[cfg(feature = "card")]
pub use card::{Card, NotDrawn};
pub use document::Document;
pub use pieces::PIECE_BYTES;
