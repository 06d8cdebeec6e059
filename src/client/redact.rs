//! Redaction: keys and tokens are masked in an item before it leaves this program.
//!
//! What an agent reads and prints has credentials in it, and a share shows it to others. A client that was built with a [`Redact`]
//! gives it every value that is to be sent, before the value enters a queue or a call: nothing that was masked is in the queue, on
//! the wire or in the bucket. Removals and keys of items have no values and are not looked at.
//!
//! `Redactor` (feature `redact`) is ours, by rules for what is known to be a credential by its form. It finds no password
//! that looks like a word. A service with secrets of its own implements the trait, and may ask ours as well.

#[cfg(feature = "redact")]
mod redactor;
#[cfg(feature = "redact")]
mod rules;
#[cfg(feature = "redact")]
mod strings;
mod values;

pub use self::values::Redact;
pub(crate) use self::values::{Redaction, redacted};
#[cfg(feature = "redact")]
pub use redactor::{Masked, Redactor};
