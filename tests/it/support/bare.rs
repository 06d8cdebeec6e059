//! A peer that speaks in single Cap'n Proto messages, for what no library would say.

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::ConnectStream;
use async_tungstenite::tungstenite::Message;
use capnp::message::{Builder, HeapAllocator, Reader, ReaderOptions};
use capnp::serialize::{self, OwnedSegments};
use capnp_rpc::rpc_capnp::{cap_descriptor, exception, message, payload, return_};
use futures::StreamExt as _;

use crate::support::door::{Served, close_frame};
use crate::support::patience::within;

/// A connection on which every message is made by hand. The host's root is its export 0.
pub(crate) struct Bare {
    socket: WebSocketStream<ConnectStream>,
}

/// A message of the host.
pub(crate) struct Said(Reader<OwnedSegments>);

/// The methods of `ShareRpc` that scenes call, by their ordinals in the contract.
pub(crate) const CREATE_SHARE: u16 = 2;
pub(crate) const VIEW_SHARE: u16 = 6;
pub(crate) const PROBE_VALUE: u16 = 8;
pub(crate) const PROBE_CALLBACK: u16 = 9;

impl Bare {
    /// Connects, and asks for the root by question 0.
    pub(crate) async fn connect(served: &Served) -> Self {
        let mut bare = Self { socket: served.knock("/rpc/share", &[]).await.unwrap() };
        bare.say(|message| message.init_bootstrap().set_question_id(0)).await;
        let said = bare.hear().await;
        assert_eq!(said.returned().get_answer_id(), 0);
        bare
    }

    pub(crate) async fn say(&mut self, write: impl FnOnce(message::Builder<'_>)) {
        let mut built = Builder::new_default();
        write(built.init_root());
        self.say_built(&built, |_| {}).await;
    }

    /// Says a message after something was done to its bytes.
    pub(crate) async fn say_built(&mut self, built: &Builder<HeapAllocator>, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = serialize::write_message_to_words(built);
        change(&mut bytes);
        self.socket.send(Message::binary(bytes)).await.unwrap();
    }

    /// Calls a method of the root.
    pub(crate) async fn call(&mut self, question: u32, method: u16, write: impl FnOnce(payload::Builder<'_>)) {
        self.say(|message| write(root_call(message, question, method))).await;
    }

    /// Calls `probeCallback` with an export of this side's as the callback.
    pub(crate) async fn probe_callback(&mut self, question: u32, export: u32) {
        self.call(question, PROBE_CALLBACK, |params| {
            callback_params(params).set_sender_hosted(export);
        })
        .await;
    }

    pub(crate) async fn finish(&mut self, question: u32) {
        self.say(|message| {
            let mut finish = message.init_finish();
            finish.set_question_id(question);
            finish.set_release_result_caps(true);
        })
        .await;
    }

    /// Returns a call of the host with an exception.
    pub(crate) async fn throw(&mut self, answer: u32, kind: exception::Type, reason: &str) {
        self.say(|message| {
            let mut returned = message.init_return();
            returned.set_answer_id(answer);
            let mut exception = returned.init_exception();
            exception.set_type(kind);
            exception.set_reason(reason);
        })
        .await;
    }

    /// The next message of the host, but for those that only let go of something.
    pub(crate) async fn hear(&mut self) -> Said {
        within("a message of the host", self.heard()).await
    }

    async fn heard(&mut self) -> Said {
        loop {
            match self.socket.next().await.expect("an open socket").unwrap() {
                Message::Binary(bytes) => {
                    let said = Said(serialize::read_message(&bytes[..], ReaderOptions::new()).unwrap());
                    if !matches!(said.which(), message::Finish(_) | message::Release(_)) {
                        return said;
                    }
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The code and reason with which the host closes.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        close_frame(&mut self.socket).await
    }

    /// The connection goes on: a probe is answered.
    pub(crate) async fn goes_on(&mut self, question: u32) {
        self.call(question, PROBE_VALUE, |_| {}).await;
        let said = self.hear().await;
        let returned = said.returned();
        assert_eq!(returned.get_answer_id(), question);
        assert!(matches!(returned.which(), Ok(return_::Results(_))), "{said:?}");
    }
}

/// A call of the root, with its params to be written.
pub(crate) fn root_call(message: message::Builder<'_>, question: u32, method: u16) -> payload::Builder<'_> {
    use capnp::traits::HasTypeId as _;
    let mut call = message.init_call();
    call.set_question_id(question);
    call.set_interface_id(capshare::__internal::share_capnp::share_rpc::Client::TYPE_ID);
    call.set_method_id(method);
    call.reborrow().init_target().set_imported_cap(0);
    call.init_params()
}

/// The params of `probeCallback`; what they offer as the callback is to be written.
pub(crate) fn callback_params(mut params: payload::Builder<'_>) -> cap_descriptor::Builder<'_> {
    use capnp::traits::ImbueMut as _;
    let mut capabilities = vec![None];
    let mut content = params.reborrow().init_content();
    content.imbue_mut(&mut capabilities);
    let mut callback: capshare::__internal::share_capnp::share_rpc::probe_callback_params::Builder<'_> =
        content.init_as();
    callback.set_callback(capnp_rpc::new_client(Nobody));
    params.init_cap_table(2).get(1)
}

/// Its place in a table of capabilities is all that is wanted of it.
struct Nobody;

impl capshare::__internal::share_capnp::probe_callback::Server for Nobody {}

impl Said {
    pub(crate) fn which(&self) -> message::WhichReader<'_> {
        self.0.get_root::<message::Reader<'_>>().unwrap().which().unwrap()
    }

    #[track_caller]
    pub(crate) fn returned(&self) -> return_::Reader<'_> {
        match self.which() {
            message::Return(returned) => returned.unwrap(),
            _ => panic!("{self:?}"),
        }
    }

    /// The number of a call of the host, and the export of this side's that it is made on.
    #[track_caller]
    pub(crate) fn called(&self) -> (u32, u32) {
        use capnp_rpc::rpc_capnp::message_target;
        match self.which() {
            message::Call(call) => {
                let call = call.unwrap();
                match call.get_target().unwrap().which().unwrap() {
                    message_target::ImportedCap(export) => (call.get_question_id(), export),
                    message_target::PromisedAnswer(_) => panic!("{self:?}"),
                }
            }
            _ => panic!("{self:?}"),
        }
    }

    /// The kind and reason of an exception that a call came to.
    #[track_caller]
    pub(crate) fn thrown(&self) -> (exception::Type, String) {
        match self.returned().which().unwrap() {
            return_::Exception(exception) => {
                let exception = exception.unwrap();
                (exception.get_type().unwrap(), exception.get_reason().unwrap().to_string().unwrap())
            }
            _ => panic!("{self:?}"),
        }
    }
}

impl std::fmt::Debug for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0.get_root::<message::Reader<'_>>())
    }
}
