//! Functions of the client: what they are called in TypeScript, and calling them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::capnweb::{Fault, Import, Value};
use crate::web::caller::{Answer, Caller, Context};
use crate::web::link::{AskedOfPeer, Kept};
use crate::web::refused;
use crate::web::take::{Members, function};
use crate::web::typed::{Declared, Taken, Typed, Wrong};

const AN_OBSERVER: &str = "an object with the function changed, or an RpcTarget with that method";

const A_FUNCTION: &str = "a function, or an object with methods, of your own";

/// The function of a probe.
pub(super) struct Callback(pub(super) Import);

impl Typed for Callback {
    fn name() -> String {
        "(message: string) => string | Promise<string>".to_owned()
    }
}

impl Taken for Callback {
    fn take(value: Value) -> Result<Self, Wrong> {
        function(&value).map(Self).ok_or(Wrong::wanted(A_FUNCTION))
    }
}

/// The function through which the host pushes.
pub(super) struct Sink(pub(super) Import);

impl Typed for Sink {
    fn name() -> String {
        "(action: PushAction) => unknown".to_owned()
    }

    fn declare(to: &mut Declared) {
        to.put(
            "PushAction",
            &[
                "What the host asks of a client. To `ping` return its `nonce`; `notice` is a text for people, and what you return is not \
                 looked at; to `custom`, on which the service and its clients agree, return plain JSON. Nobody waits for the answer to what \
                 is sent to many. `moving` says that this connection will be closed with 1012 within so many milliseconds: connect to \
                 one of the URLs, or if there is none to the one that you know, then dispose of this one.",
            ],
            "export type PushAction =\n  | { type: \"ping\"; nonce: string }\n  | { type: \"notice\"; text: string }\n  | { type: \
             \"custom\"; name: string; data: unknown }\n  | { type: \"moving\"; urls: string[]; withinMs: number };",
        );
    }
}

impl Taken for Sink {
    fn take(value: Value) -> Result<Self, Wrong> {
        function(&value).map(Self).ok_or(Wrong::wanted(A_FUNCTION))
    }
}

/// An observer: an object with methods, or an object of functions.
pub(super) enum Observer {
    /// An object with the methods `changed` and `ended`.
    Target(Import),
    /// The function `changed`, and `ended` if there is one.
    Functions(Import, Option<Import>),
}

impl Typed for Observer {
    fn name() -> String {
        "ShareObserver".to_owned()
    }

    fn declare(to: &mut Declared) {
        let docs = [
            "Follows a share: a plain object of functions, or an RpcTarget. Returning from `changed` acknowledges the event: at most one call is",
            "open, and what changes meanwhile is merged by key into the next one. An observer that throws, or does not return within 30 s, is",
            "dropped with its watch, and told so.",
        ];
        let text = "export interface ShareObserver {\n  changed(event: ShareEvent): void | Promise<void>;\n  /** The last call: the \
                    share was deleted or may not be seen any more, or `changed` threw (`ObserverFailed`) or took too long \
                    (`Timeout`). */\n  ended?(reason: ShareError): void | Promise<void>;\n}";
        if to.put("ShareObserver", &docs, text) {
            crate::web::shapes::ShareEvent::declare(to);
            crate::web::give::Told::declare(to);
        }
    }
}

impl Taken for Observer {
    fn take(value: Value) -> Result<Self, Wrong> {
        if let Some(target) = function(&value) {
            return Ok(Self::Target(target));
        }
        let mut members = Members::of(value, AN_OBSERVER)?;
        let changed = members.take::<Sink>("changed")?.0;
        Ok(Self::Functions(changed, members.take::<Option<Sink>>("ended")?.map(|ended| ended.0)))
    }
}

/// A function that is kept, by the object that it belongs to and its name there.
#[derive(Debug)]
pub(super) struct KeptFunction {
    object: Arc<Kept>,
    method: Option<&'static str>,
}

impl KeptFunction {
    /// Keeps a function until this is dropped, as [`keep`].
    ///
    /// # Errors
    /// The client has taken it back.
    pub(super) fn of(caller: &Caller, function: Import) -> Answer<Self> {
        Ok(Self { object: keep(caller, function)?, method: None })
    }

    /// Calls the function and waits for its answer for at most so long; `None`: it did not come, or the session has ended.
    ///
    /// # Errors
    /// It could not be called.
    pub(super) async fn ask(
        &self,
        caller: &Caller,
        argument: Value,
        within: Duration,
    ) -> Answer<Option<Result<Value, Value>>> {
        let asked = self.begin(caller, argument)?;
        Ok(timeout(within, asked).await.ok().flatten())
    }

    /// Calls the function. What this gives resolves to its answer, or to `None` when the session has ended.
    ///
    /// # Errors
    /// As [`KeptFunction::ask`].
    pub(super) fn begin(&self, caller: &Caller, argument: Value) -> Answer<AskedOfPeer> {
        let path: Vec<_> = self.method.iter().map(|name| (*name).into()).collect();
        let asked = caller.link.ask(self.object.object(), &path, &[argument]);
        asked.map_err(|error| refused::not_sent(&error))
    }

    /// Asks whether this is a function: of a method it is not known before.
    ///
    /// # Errors
    /// It is not, or the client did not say in time.
    async fn check(&self, context: &Context, within: Duration) -> Answer<()> {
        let Some(name) = self.method else { return Ok(()) };
        let caller = &context.caller;
        // The client answers this before its call is answered.
        caller.link.awaits_peer(context.call);
        let read = caller.link.read(self.object.object(), &[name.into()]);
        let read = read.map_err(|error| refused::not_sent(&error))?;
        match timeout(within, read).await.ok().flatten() {
            Some(Ok(Value::Stub(_) | Value::Promise(_))) => Ok(()),
            Some(_) => Err(Wrong::wanted(AN_OBSERVER).of("watch", "observer").into()),
            None => {
                Err(refused::late("the client did not say within 30 s whether the observer has the method changed"))
            }
        }
    }

    /// Calls the function and waits for nothing.
    pub(super) fn tell(&self, caller: &Caller, argument: Value) {
        let path: Vec<_> = self.method.iter().map(|name| (*name).into()).collect();
        // Whether it is heard changes nothing.
        let _unsent = caller.link.tell(self.object.object(), &path, &[argument]);
    }
}

/// An observer that is kept.
#[derive(Debug)]
pub(super) struct KeptObserver {
    pub(super) changed: KeptFunction,
    pub(super) ended: Option<KeptFunction>,
}

impl KeptObserver {
    /// Keeps an observer until this is dropped, as [`KeptFunction::of`].
    ///
    /// # Errors
    /// The client has taken it back.
    pub(super) fn of(caller: &Caller, observer: &Observer) -> Answer<Self> {
        match observer {
            Observer::Target(target) => {
                let object = keep(caller, *target)?;
                let method = |name| KeptFunction { object: Arc::clone(&object), method: Some(name) };
                Ok(Self { changed: method("changed"), ended: Some(method("ended")) })
            }
            Observer::Functions(changed, ended) => Ok(Self {
                changed: KeptFunction::of(caller, *changed)?,
                ended: ended.map(|ended| KeptFunction::of(caller, ended)).transpose()?,
            }),
        }
    }
}

impl KeptObserver {
    /// This observer, if it has what it needs.
    ///
    /// # Errors
    /// It has no function `changed`, or the client did not say in so long.
    pub(super) async fn checked(self, context: &Context, within: Duration) -> Answer<Self> {
        self.changed.check(context, within).await?;
        Ok(self)
    }
}

/// Keeps an object of the client until this is dropped. The call that it is an argument of must not be answered yet.
///
/// # Errors
/// The client has taken it back.
pub(super) fn keep(caller: &Caller, object: Import) -> Answer<Arc<Kept>> {
    let gone = || -> Fault { refused::not_sent(&crate::capnweb::NotSent::Gone) };
    caller.link.keep(object).map(Arc::new).ok_or_else(gone)
}
