//! What a viewer may ask of the host: one type for each command's input and output, read from the same JSON whether it came
//! in a frame or was posted, and listed in the manifest by the same table. So what the manifest says is what is accepted.
//!
//! A command runs beside the events, with a deadline, and changes nothing but who watches and what they answer.

use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::access::Principal;
use crate::connections::entry::Entry;
use crate::hub::Hub;
use crate::rooms::ballot::Question;
use crate::rooms::pass::Pass;
use crate::rooms::room::Room;
use crate::rooms::visibility::Viewing;
use crate::share::error::Refusal;
use crate::share::grant::GrantToken;
use crate::share::revision::Revision;
use crate::share::secret::Secret;
use crate::viewer::code::json;
use crate::viewer::frame;
use crate::viewer::loading;
use crate::viewer::member::Member;
use crate::viewer::shapes::{AskNamed, Authenticated, Counted, HistoryShape, Info, ItemsShape, Pong, Presence};

/// What a command needs besides a pass for the share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it may be posted by itself.
    Nothing,
    /// A stream that is open: it is about the viewer at its other end.
    Stream,
    /// A WebSocket that is open.
    Socket,
    /// To be the share's owner.
    Owner,
}

impl Needs {
    /// The name of the need in the manifest.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Stream => "stream",
            Self::Socket => "socket",
            Self::Owner => "owner",
        }
    }
}

/// A command as the manifest describes it.
#[derive(Debug)]
pub struct Described {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
    /// What it needs.
    pub needs: Needs,
    /// What it takes.
    pub input: Schema,
    /// What it gives.
    pub output: Schema,
}

/// The table of commands: name, input, output, what it needs. Everything else about them is made from it.
macro_rules! commands {
    ($($description:literal $name:literal $variant:ident($input:ty) -> $output:ty, $needs:ident;)*) => {
        /// A command, read.
        #[derive(Debug)]
        pub enum Command {
            $(#[doc = $description] $variant($input),)*
        }

        impl Command {
            /// The names of all commands.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// Reads the input of a command; `None` if no command has this name.
            fn read_input(name: &str, input: Value) -> Option<Result<Self, serde_json::Error>> {
                match name {
                    $($name => Some(serde_json::from_value(input).map(Self::$variant)),)*
                    _ => None,
                }
            }

            /// What the command needs.
            #[must_use]
            pub fn needs(&self) -> Needs {
                match self {
                    $(Self::$variant(_) => Needs::$needs,)*
                }
            }

            /// All commands, with their schemas.
            pub fn describe(schemas: &mut SchemaGenerator) -> Vec<Described> {
                vec![$(Described {
                    name: $name,
                    description: $description,
                    needs: Needs::$needs,
                    input: schemas.subschema_for::<$input>(),
                    output: schemas.subschema_for::<$output>(),
                }),*]
            }
        }
    };
}

commands! {
    "The share's facts."
    "share.info" Info(NoInput) -> Info, Nothing;
    "A page of what the share holds, in the order in which it first came."
    "share.history" History(HistoryInput) -> HistoryShape, Nothing;
    "Items by their keys, with their whole values: for what the document of a state has cut."
    "share.items" Items(ItemsInput) -> ItemsShape, Nothing;
    "Who watches on this host; with `name`, shows that name to the others, or with null none any more."
    "share.presence" Presence(PresenceInput) -> Presence, Nothing;
    "The host's clock."
    "share.ping" Ping(NoInput) -> Pong, Nothing;
    "Puts a question to everybody who watches on this host, for so many of them to decide."
    "share.ask" Ask(AskInput) -> AskNamed, Owner;
    "Answers a question that is open; the viewer's latest answer counts."
    "share.answer" Answer(AnswerInput) -> Counted, Stream;
    "Shows a token after the socket was opened: one of an account, or one of a grant on the share."
    "share.authenticate" Authenticate(AuthenticateInput) -> Authenticated, Socket;
}

/// Nothing.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub struct NoInput {}

/// Which page.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct HistoryInput {
    /// Only what got its value with this revision or a later one. Default: the first.
    #[serde(default)]
    pub from: Option<u64>,
    /// Only what got its value with this revision or an earlier one. Default: the latest.
    #[serde(default)]
    pub to: Option<u64>,
    /// How many at most, 1 to 1,000. Default 200. A page also ends at 256 KiB.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u64>,
    /// The `next` of the page before.
    #[serde(default)]
    pub cursor: Option<String>,
}

/// Which items.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct ItemsInput {
    /// 1 to 64 keys.
    pub keys: Vec<String>,
}

/// A name to show, or none.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct PresenceInput {
    /// At most 64 bytes; null: show none any more; absent: as it was. Needs a stream.
    #[serde(default, deserialize_with = "given")]
    pub name: Option<Option<String>>,
}

/// A question.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AskInput {
    /// At most 2 KiB.
    pub question: String,
    /// 1 to 8 different ones, each of at most 64 bytes.
    pub choices: Vec<String>,
    /// So many answers of one choice settle it: 1 to 10,000.
    pub needed: u64,
    /// How long it is open, in milliseconds; at most a day.
    pub within_ms: u64,
    /// The share's secret, or the token of a grant on it that gives more than reading; not needed by a connection of the
    /// owner's account.
    #[serde(default, deserialize_with = "hidden_or_none")]
    #[schemars(with = "Option<String>")]
    pub secret: Option<Secret>,
}

/// An answer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct AnswerInput {
    /// Which question.
    pub ask: String,
    /// One of its choices.
    pub choice: String,
}

/// A token.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct AuthenticateInput {
    /// The token's text.
    #[serde(deserialize_with = "hidden")]
    #[schemars(with = "String")]
    pub token: Secret,
}

/// Who runs a command, and on what.
#[derive(Debug)]
pub struct Caller {
    /// The hub.
    pub hub: Arc<Hub>,
    /// The share.
    pub room: Arc<Room>,
    /// What lets the viewer see it.
    pub pass: Pass,
    /// The viewer whose stream is open, if it has one.
    pub member: Option<Arc<Member>>,
    /// The principal of who posted the command, if a credential came with it.
    pub principal: Option<Principal>,
    /// Whether the command came over the viewer's own socket.
    pub is_on_socket: bool,
}

/// Items in a page of a history, if the viewer does not say how many.
const HISTORY_PAGE_DEFAULT: u64 = 200;

/// Most items in a page of a history.
const HISTORY_PAGE_MAX: u64 = 1_000;

impl Command {
    /// Reads a command of the channel `share` from its name and input.
    ///
    /// # Errors
    /// There is no such command, or the input is not one of it.
    pub fn read(name: &str, input: Value) -> Result<Self, Refusal> {
        let shown: String = name.chars().take(64).collect();
        let refuse = |reason: String| Err(Refusal::invalid(0, reason));
        let names = || Self::NAMES.join(", ");
        match Self::read_input(name, input) {
            Some(Ok(command)) => Ok(command),
            Some(Err(error)) => refuse(format!("invalid input of {name}: {error}")),
            None if name == "share.events" => {
                refuse("share.events is this stream itself, and no command: leave it out".to_owned())
            }
            None if !name.starts_with("share.") => {
                refuse(format!("{shown} is not a command of this channel; its commands are {}", names()))
            }
            None => refuse(format!("there is no command {shown}; the commands are {}", names())),
        }
    }

    /// Runs the command, and gives its output as a JSON text.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn run(self, caller: &Caller) -> Result<String, Refusal> {
        let Caller { hub, room, .. } = caller;
        hub.rooms().check_pass(room, &caller.pass).await?;
        match self {
            Self::Info(NoInput {}) => {
                room.refresh().await?;
                Ok(json(&Info::from(hub.rooms().info(room)?)))
            }
            Self::History(input) => input.run(caller).await,
            Self::Items(ItemsInput { keys }) => loading::items(room, &keys),
            Self::Presence(PresenceInput { name }) => {
                if let Some(name) = name {
                    caller.member()?.presence.set_name(name.as_deref())?;
                }
                Ok(json(&Presence::from(room.watching())))
            }
            Self::Ping(NoInput {}) => Ok(json(&Pong { at: hub.ambient().clock.now().0 })),
            Self::Ask(AskInput { question, choices, needed, within_ms, secret }) => {
                let pass = hub.rooms().may_ask(room, &caller.principals(), secret.as_ref()).await?;
                let needed = usize::try_from(needed).unwrap_or(usize::MAX);
                let asking = hub.rooms().ask(room, Question::new(&question, &choices, needed, within_ms)?, &pass)?;
                let ask = (**asking.name()).into();
                asking.leave();
                Ok(json(&AskNamed { ask }))
            }
            Self::Answer(AnswerInput { ask, choice }) => {
                let counts = hub.rooms().answer(&caller.member()?.presence, &caller.principals(), &ask, &choice)?;
                Ok(json(&Counted { counts }))
            }
            Self::Authenticate(AuthenticateInput { token }) => {
                let member = caller.member().ok().filter(|_| caller.is_on_socket);
                let Some(member) = member else {
                    let reason = "share.authenticate works on a WebSocket only: send the token as Authorization: Bearer TOKEN instead";
                    return Err(Refusal::invalid(0, reason));
                };
                let (_, shown) = introduce(hub, &member.entry, room.id().as_str(), &token).await?;
                Ok(json(&shown))
            }
        }
    }
}

/// Takes a token that a viewer shows in-band on its socket: the share as that lets it see it, and whose token it is.
///
/// # Errors
/// The token is wrong, or does not let its bearer see this share.
pub(super) async fn introduce(
    hub: &Hub,
    entry: &Entry,
    id: &str,
    token: &Secret,
) -> Result<(Viewing, Authenticated), Refusal> {
    let (address, failures) = (entry.address, hub.access().failures());
    if token.reveal().starts_with(GrantToken::PREFIX) {
        let viewing = failures.guard(address, true, hub.rooms().enter(id, None, Some(token))).await?;
        hub.connections().registry().note_shown(entry);
        return Ok((viewing, Authenticated { account: None }));
    }
    let who = failures.guard(address, true, hub.connections().authenticate_within(entry, token)).await?;
    let account = Some(who.account.as_str().to_owned());
    // A credential that is right was not guessed, though it does not let its account see this share.
    Ok((hub.rooms().enter(id, Some(&who), None).await?, Authenticated { account }))
}

impl HistoryInput {
    async fn run(self, Caller { hub, room, .. }: &Caller) -> Result<String, Refusal> {
        let limit = self.limit.unwrap_or(HISTORY_PAGE_DEFAULT);
        if limit == 0 || limit > HISTORY_PAGE_MAX {
            return Err(Refusal::invalid(0, "invalid limit: give a number from 1 to 1,000"));
        }
        let cursor = match self.cursor.as_deref() {
            None => 0,
            Some(cursor) => {
                let wrong = || {
                    Refusal::invalid(
                        0,
                        "invalid cursor: give the next of the page before, or leave it out for the first page",
                    )
                };
                cursor.parse().ok().filter(|cursor| *cursor > 0).ok_or_else(wrong)?
            }
        };
        let within = Revision(self.from.unwrap_or(1))..=self.to.map_or(Revision::MAX, Revision);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (revision, changes, next) = hub.rooms().history(room, &within, cursor, limit).await?;
        Ok(frame::history(revision, &changes, next))
    }
}

impl Caller {
    fn member(&self) -> Result<&Arc<Member>, Refusal> {
        let reason = "this command is about a viewer, and needs its open stream: send it with the channel of the stream's ready event";
        self.member.as_ref().ok_or_else(|| Refusal::invalid(0, reason))
    }

    fn principals(&self) -> Vec<Principal> {
        let streams = self.member.iter().flat_map(|member| member.entry.principals());
        self.principal.iter().cloned().chain(streams).collect()
    }
}

/// Reads a member, so that null can be told from one that is absent.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

fn hidden<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
    String::deserialize(from).map(|text| Secret::from(text.as_str()))
}

fn hidden_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(|text| Secret::from(text.as_str())))
}
