//! What a growing item costs those who watch: what was added, and not all of it again each time.

use std::collections::BTreeMap;
use std::sync::Arc;

use capshare::client::Share;
use capshare::share::id::ShareId;
use capshare::viewer::patch::{OPERATIONS_MAX, PATCHED_BYTES_MIN, patch};
use futures::StreamExt as _;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::door::Served;
use crate::support::items::{items, part};
use crate::support::patch::{apply, changed};
