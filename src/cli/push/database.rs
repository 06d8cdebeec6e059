//! OpenCode's database as a source: `opencode.db`, in which all of its sessions are, and where everything is written as it happens,
//! however OpenCode is run. What its rows become is in [`OpenCodeRows`]; how they are found is here.
//!
//! Nothing else that OpenCode offers loses nothing: its events are told to who listens at the time, by a server that `opencode
//! run` does not have, and an export takes seconds of a core each time. The database is opened for reading, and each read is over
//! when it returns, so OpenCode waits for nothing and nothing is left behind. Whether somebody wrote costs a look at a counter;
//! if so, the ids, times and sizes of the session's rows are compared with those of before, and the rows that differ are read.
//!
//! A subagent's session is one whose parent this session is, or another subagent's, and that a call names which the session shows. Its
//! messages go into the share with its own id, so that they stand below the call. A call that is taken back takes them with it.

mod rows;

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use capshare::share::item::{ItemKey, ItemKind};
use capshare::share::limits::{SHARE_ITEMS_MAX, TRANSCRIPT_SUBAGENTS_MAX};
use capshare::transcripts::{OpenCodeRows, Piece, Report};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use serde_json::{Map, Value, json};

use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::push::database::rows::{Row, Version, leave_out_taken_back};
use crate::cli::push::source::{Progress, Source, Waited};

/// Between two looks at whether somebody wrote.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long a read waits for the one moment in which a database cannot be read: after a crash it is put in order first.
const BUSY: Duration = Duration::from_secs(5);

/// Rows and bytes that are read at a time; the last row may go past the bytes.
const PIECE_ROWS: usize = 100;
const PIECE_BYTES: usize = 1 << 20;

/// Rows of each table: what a share holds. The host refuses what is past that.
const ROWS_MAX: i64 = SHARE_ITEMS_MAX as i64;

/// A row whose time is less than this before the newest may be written again with the same time: it is read again. A
/// thousand times the clock's step.
const SETTLED_MS: i64 = 1_000;

/// A session in the database, and how far it was read.
pub(super) struct Database {
    path: PathBuf,
    connection: Connection,
    session: Rc<str>,
    /// The database's counter when it was looked through last. `None`: it is to be looked through again.
    counter: Option<i64>,
    /// What was there then: as many rows as a share holds.
    known: HashMap<Row, Version>,
    newest: i64,
    /// Rows that are to be read: some of those.
    waiting: VecDeque<Row>,
    /// The sessions of subagents that calls among those say they began.
    calls: HashMap<Row, String>,
    /// Messages of version 2 that were counted.
    newer: u64,
    rows: OpenCodeRows,
    follow: bool,
}

/// The session that was written to last and is not a sub-session: of this folder if there is one, else of any. With it, whether it
/// is of another folder, and when it was written to.
pub(super) fn latest(path: &Path, here: Option<&Path>) -> Result<(String, bool, SystemTime), Failure> {
    let connection = open(path)?;
    let here = here.map(|here| here.to_string_lossy().into_owned());
    let newest = "SELECT id, directory = ?1, time_updated FROM session WHERE parent_id IS NULL \
                  ORDER BY directory = ?1 DESC, time_updated DESC, id LIMIT 1";
    let found = connection.query_row(newest, [&here], |row| {
        let written = Duration::from_millis(row.get::<_, i64>(2).unwrap_or(0).max(0).unsigned_abs());
        Ok((row.get(0)?, !row.get(1).unwrap_or(false), SystemTime::UNIX_EPOCH + written))
    });
    let found = found.optional();
    found
        .map_err(|error| cannot(path, &error))?
        .ok_or_else(|| Failure::new(Exit::Failed, format!("there is no session in {}", path.display())))
}

fn open(path: &Path) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags);
    connection
        .and_then(|connection| connection.busy_timeout(BUSY).map(|()| connection))
        .map_err(|error| cannot(path, &error))
}

fn cannot(path: &Path, error: &rusqlite::Error) -> Failure {
    let what = "this program does not know the layout of this database";
    let help = "share an export instead, by `opencode export ID > s.json` and `capshare push s.json`";
    Failure::new(Exit::Failed, format!("{}: {error}: {what}; {help}", path.display()))
}

impl Database {
    pub(super) fn open(path: &Path, session: &str, follow: bool) -> Result<Self, Failure> {
        let database = Self {
            path: path.to_owned(),
            connection: open(path)?,
            session: session.into(),
            counter: None,
            known: HashMap::new(),
            newest: 0,
            waiting: VecDeque::new(),
            calls: HashMap::new(),
            newer: 0,
            rows: OpenCodeRows::new(session),
            follow,
        };
        match database.session().map_err(|error| cannot(path, &error))? {
            Some(_) => Ok(database),
            None => Err(database.gone()),
        }
    }

    fn gone(&self) -> Failure {
        let (path, session) = (self.path.display(), &self.session);
        Failure::new(
            Exit::Failed,
            format!("there is no session {session} in {path}; a share of it, if there is one, stays"),
        )
    }

    /// If somebody wrote: what is another now is to be read, and what is gone is removed. `false` if the session is gone.
    fn look(&mut self) -> rusqlite::Result<bool> {
        let counter = self.connection.query_row("PRAGMA data_version", [], |row| row.get(0))?;
        if !self.waiting.is_empty() || self.counter == Some(counter) {
            return Ok(true);
        }
        let (columns, there) = {
            // All is read at one moment: a session that is deleted in between would seem to have no messages.
            let _moment = self.connection.unchecked_transaction()?;
            let Some(columns) = self.session()? else { return Ok(false) };
            let there = self.there(columns.get("revert").and_then(Value::as_str))?;
            (columns, there)
        };
        self.rows.session(&columns);
        let settled = self.newest - SETTLED_MS;
        for (row, version) in &there {
            if self.known.get(row) != Some(version) || version.time >= settled {
                self.waiting.push_back(row.clone());
            }
            self.newest = self.newest.max(version.time);
        }
        let there: HashMap<Row, Version> = there.into_iter().collect();
        let gone: HashSet<Row> = self.known.keys().filter(|row| !there.contains_key(*row)).cloned().collect();
        for row in &gone {
            self.calls.remove(row);
            match &row.part {
                None => self.rows.remove_message(&row.message),
                // With its message it is removed as it is.
                Some(part) if !gone.contains(&row.whole()) => {
                    self.rows.remove_part(&row.message, part);
                }
                Some(_) => {}
            }
        }
        self.known = there;
        self.count_newer();
        self.counter = Some(counter);
        Ok(true)
    }

    fn count_newer(&mut self) {
        let count = "SELECT count(*) FROM session_message WHERE session_id = ?1";
        // Earlier databases have no such table.
        let newer = self.connection.query_row(count, [&*self.session], |row| row.get::<_, i64>(0)).unwrap_or(0);
        while self.newer < newer.unsigned_abs() {
            self.newer += 1;
            self.rows.leave_out_newer();
        }
    }

    /// The rows that there are and are shown: the session's, then those of its subagents.
    fn there(&self, revert: Option<&str>) -> rusqlite::Result<Vec<(Row, Version)>> {
        let mut there = self.rows_of(&self.session)?;
        leave_out_taken_back(revert.unwrap_or_default(), &mut there);
        let mut sessions: HashSet<Rc<str>> = HashSet::from([self.session.clone()]);
        let mut at = 0;
        while let Some((row, _)) = there.get(at).filter(|_| !self.calls.is_empty()) {
            at += 1;
            let Some(child) = self.calls.get(row).filter(|child| !sessions.contains(child.as_str())) else { continue };
            if sessions.len() <= TRANSCRIPT_SUBAGENTS_MAX && self.parent(child)?.as_deref() == Some(&*row.session) {
                let child: Rc<str> = child.as_str().into();
                there.extend(self.rows_of(&child)?);
                sessions.insert(child);
            }
        }
        Ok(there)
    }

    /// The session whose subagent another one is.
    fn parent(&self, session: &str) -> rusqlite::Result<Option<String>> {
        let query = "SELECT parent_id FROM session WHERE id = ?1";
        self.connection.query_row(query, [session], |row| row.get(0)).optional().map(Option::flatten)
    }

    /// The rows of a session: messages as they were begun, then parts.
    fn rows_of(&self, session: &Rc<str>) -> rusqlite::Result<Vec<(Row, Version)>> {
        let queries = [
            "SELECT id, NULL, time_updated, octet_length(data) FROM message WHERE session_id = ?1 ORDER BY time_created, id LIMIT ?2",
            "SELECT message_id, id, time_updated, octet_length(data) FROM part WHERE session_id = ?1 ORDER BY time_created, id LIMIT ?2",
        ];
        let mut there = Vec::new();
        for query in queries {
            let mut statement = self.connection.prepare(query)?;
            let rows = statement.query_map((&**session, ROWS_MAX), |row| {
                let version = Version { time: row.get(2)?, bytes: row.get(3)? };
                Ok((Row { session: session.clone(), message: row.get(0)?, part: row.get(1)? }, version))
            })?;
            for row in rows {
                there.push(row?);
            }
        }
        Ok(there)
    }

    /// Reads a row, and gives how many bytes it has. One that is gone meanwhile will be missed.
    fn read(&mut self, row: &Row) -> rusqlite::Result<usize> {
        let (table, id) = row.part.as_ref().map_or(("message", &row.message), |part| ("part", part));
        let query = format!("SELECT data FROM {table} WHERE id = ?1");
        let read = |row: &rusqlite::Row<'_>| {
            Ok(match row.get_ref(0)? {
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                // It is no item, and is counted as that.
                ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => String::new(),
            })
        };
        let Some(data) = self.connection.query_row(&query, [id], read).optional()? else { return Ok(0) };
        match (&row.part, row.session == self.session) {
            (Some(part), true) => self.rows.part(&row.message, part, &data),
            (None, true) => self.rows.message(&row.message, &data),
            (Some(part), false) => self.rows.subagent_part(&row.session, &row.message, part, &data),
            (None, false) => self.rows.subagent_message(&row.session, &row.message, &data),
        }
        let begun = row.part.as_ref().and_then(|_| OpenCodeRows::session_begun_by(&data));
        if self.calls.get(row) != begun.as_ref() {
            match begun {
                Some(begun) => drop(self.calls.insert(row.clone(), begun)),
                None => drop(self.calls.remove(row)),
            }
            // What the subagent says is to be read, too.
            self.counter = None;
        }
        Ok(data.len())
    }

    /// The columns of the session's own row, by name.
    fn session(&self) -> rusqlite::Result<Option<Map<String, Value>>> {
        let mut statement = self.connection.prepare("SELECT * FROM session WHERE id = ?1")?;
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([&*self.session])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let mut columns = Map::new();
        for (n, name) in names.into_iter().enumerate() {
            let value = match row.get_ref(n)? {
                ValueRef::Integer(number) => json!(number),
                ValueRef::Real(number) => whole(number),
                ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
                ValueRef::Blob(bytes) => json!(String::from_utf8_lossy(bytes)),
                ValueRef::Null => Value::Null,
            };
            columns.insert(name, value);
        }
        Ok(Some(columns))
    }
}

#[async_trait(?Send)]
impl Source for Database {
    async fn next_at_hand(&mut self, _output: &mut Output) -> Result<Option<Piece>, Failure> {
        let is_there = self.look().map_err(|error| cannot(&self.path, &error))?;
        if !is_there {
            return Err(self.gone());
        }
        let (mut rows, mut bytes) = (0, 0);
        while rows < PIECE_ROWS
            && bytes < PIECE_BYTES
            && let Some(row) = self.waiting.pop_front()
        {
            rows += 1;
            bytes += self.read(&row).map_err(|error| cannot(&self.path, &error))?;
        }
        if self.waiting.is_empty() && self.counter.is_some() {
            self.rows.sweep();
        }
        let piece = self.rows.take();
        Ok((rows > 0 || !piece.changes.is_empty()).then_some(piece))
    }

    async fn wait(&mut self, _output: &mut Output) -> Result<Waited, Failure> {
        if !self.follow {
            return Ok(Waited::Over);
        }
        tokio::time::sleep(LOOK_EVERY).await;
        Ok(Waited::Again)
    }

    /// How much of a database is a session's is not known.
    fn progress(&self) -> Progress {
        Progress::default()
    }

    fn held(&mut self, keys: Vec<ItemKey>) {
        // What a plugin or another program put beside the session is not in the database.
        self.rows.held(
            keys.into_iter().filter(|key| matches!(key.kind(), ItemKind::Message { .. } | ItemKind::Part { .. })),
        );
    }

    fn is_whole(&self) -> bool {
        true
    }

    fn agent(&self) -> Option<&'static str> {
        Some("opencode")
    }

    fn report(&self) -> Option<&Report> {
        Some(self.rows.report())
    }
}

/// A number as JavaScript writes it.
fn whole(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole, and within what both hold")]
    if number.fract() == 0.0 && number.abs() < EXACT { json!(number as i64) } else { json!(number) }
}
