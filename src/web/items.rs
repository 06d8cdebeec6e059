//! Items: what a sync takes, and what reads and watches tell.

use crate::capnweb::{Text, Value};
use crate::contract::sync_data::read_item;
use crate::share::change::Change;
use crate::share::error::Refusal;
use crate::share::item::ItemKind;
use crate::share::limits::web::WEB_ENVELOPE_BYTES;
use crate::share::limits::{Limit, Limits};
use crate::share::view::Changed;
use crate::web::caller::Caller;
use crate::web::json;
use crate::web::take::Members;
use crate::web::typed::{Declared, Given, Taken, Typed, Wrong};

/// The items of a sync, not read yet: who calls is asked first.
pub(super) struct Items(Vec<Value>);

impl Typed for Items {
    fn name() -> String {
        "SyncData[]".to_owned()
    }

    fn declare(to: &mut Declared) {
        let docs = [
            "One change to a share. `data` is plain JSON: what JSON.stringify keeps as it is. The newest value of a key wins.",
            "",
            "- `session` (an object) replaces the session's record, `session_diff` (an array) the list of its file changes;",
            "- `message` (an object with `id`), `part` (with `id` and `messageID`) and `model` (with `id`, and `providerID` if there is one; also an array \
             of such objects) replace the item of that id;",
            "- `remove` (a key, such as `message/msg_1`) removes an item, and with a message its parts;",
            "- any other type is kept as it comes, under its type and the string `id` of its data if that has one.",
        ];
        to.put("SyncData", &docs, "export interface SyncData {\n  type: string;\n  data: unknown;\n}");
    }
}

impl Taken for Items {
    fn take(value: Value) -> Result<Self, Wrong> {
        if let Value::Array(items) = value.opened() { Ok(Self(items)) } else { Err(Wrong::wanted("an array of items")) }
    }
}

impl Items {
    /// Reads the items, each of which is checked once.
    ///
    /// # Errors
    /// There are too many, or one is not right; the refusal says which.
    pub(super) fn read(self, method: &str, argument: &str, limits: &Limits) -> Result<Vec<Change>, Refusal> {
        if self.0.len() > limits.sync_items_max {
            return Err(Refusal::limit(Limit::SyncItemsMax, limits.sync_items_max, self.0.len()));
        }
        let mut changes = Vec::with_capacity(self.0.len());
        for (index, item) in self.0.into_iter().enumerate() {
            let wrong = |wrong: Wrong| wrong.of(method, &format!("{argument}.{index}")).at(index);
            read(item, limits, &mut changes).map_err(wrong)?;
        }
        Ok(changes)
    }
}

fn read(item: Value, limits: &Limits, changes: &mut Vec<Change>) -> Result<(), Wrong> {
    let mut members = Members::of(item, "an object with type and data")?;
    let (kind, data) = (members.take::<String>("type")?, members.take::<Data>("data")?);
    if data.0 == Value::Undefined {
        return Err(Wrong::wanted("the item's value, and is missing").inside("data"));
    }
    let json = json::text(data.0).map_err(|wrong| wrong.inside("data"))?;
    Ok(read_item(&kind, &json, limits, changes)?)
}

/// Whatever is there.
struct Data(Value);

impl Typed for Data {
    fn name() -> String {
        "unknown".to_owned()
    }
}

impl Taken for Data {
    fn take(value: Value) -> Result<Self, Wrong> {
        Ok(Self(value))
    }
}

impl Typed for Changed {
    fn name() -> String {
        "Change".to_owned()
    }

    fn declare(to: &mut Declared) {
        to.put(
            "Change",
            &["An item with its value, or the fact that it was removed, or that its value is too large for this door."],
            "export type Change =\n  | {\n      /** The item's key, such as `message/msg_1`. */\n      key: string;\n      /** The revision that gave \
             the item this value. */\n      revision: number;\n      /** The revision with which the item first came; null if that is not known. \
             */\n      first: number | null;\n      /** The item's type and value, as in `SyncData`. */\n      type: string;\n      data: \
             unknown;\n      removed?: undefined;\n      tooLarge?: undefined;\n    }\n  | {\n      key: string;\n      revision: number;\n      first: \
             number | null;\n      type: string;\n      data?: undefined;\n      removed?: undefined;\n      /** The value has so many bytes on \
             this wire, more than a frame may have, and is left out. The share's `.json` document has it. */\n      tooLarge: \
             number;\n    }\n  | {\n      key: string;\n      /** The revision that removed the item. \
             */\n      revision: number;\n      removed: true;\n    };",
        );
    }
}

impl Given for Changed {
    fn give(self, caller: &Caller) -> Value {
        let Self { key, revision, first, value } = self;
        let mut members = vec![
            (Text::from_static("key"), key.as_str().into()),
            (Text::from_static("revision"), revision.give(caller)),
        ];
        match value {
            Some(payload) => {
                let frame_max = caller.hub.settings().limits.message_bytes_max;
                let data = match json::value_within(&payload, frame_max.saturating_sub(WEB_ENVELOPE_BYTES)) {
                    Ok(data) => (Text::from_static("data"), data),
                    Err(bytes) => (Text::from_static("tooLarge"), (bytes as u64).give(caller)),
                };
                let (first, kind) = (first.give(caller), kind(&key.kind()));
                members.extend([(Text::from_static("first"), first), (Text::from_static("type"), kind), data]);
            }
            None => members.push((Text::from_static("removed"), true.into())),
        }
        Value::Object(members)
    }
}

fn kind(kind: &ItemKind) -> Value {
    let name = match kind {
        ItemKind::Session => "session",
        ItemKind::SessionDiff => "session_diff",
        ItemKind::Message { .. } => "message",
        ItemKind::Part { .. } => "part",
        ItemKind::Model { .. } => "model",
        ItemKind::Other { kind, .. } => return kind.as_str().into(),
    };
    Text::from_static(name).into()
}
