//! Single Cap'n Proto messages at the real door, valid by `rpc.capnp`, that no library on this side sends.

use std::sync::Arc;

use capnp::message::Builder;
use capnp::traits::HasTypeId as _;
use capnp_rpc::rpc_capnp::{exception, message, return_};
use capshare::__internal::access::SingleAccount;
use capshare::__internal::share_capnp::{Visibility, create_result, probe_callback, share_rpc, share_view};
use capshare::share::error::Refusal;
use object_store::memory::InMemory;

use crate::cli::program::Home;
use crate::support::bare::{Bare, CREATE_SHARE, PROBE_CALLBACK, PROBE_VALUE, VIEW_SHARE, callback_params, root_call};
use crate::support::door::Served;
use crate::support::raw::refusal_in;

/// S91: a call that its caller gives up is returned as cancelled, and nothing of it is kept: its number can be used again at once.
#[tokio::test]
async fn a_call_that_is_given_up_is_returned_and_its_number_is_free() {
    let served = Served::open().await;
    let mut bare = Bare::connect(&served).await;
    for _ in 0..100 {
        bare.probe_callback(1, 7).await;
        let (_, export) = bare.hear().await.called();
        assert_eq!(export, 7);
        bare.finish(1).await;
        let said = bare.hear().await;
        assert_eq!(said.returned().get_answer_id(), 1);
        assert!(matches!(said.returned().which(), Ok(return_::Canceled(()))), "{said:?}");
    }
    // A Finish in the frame after its call, and one that comes twice.
    bare.probe_callback(1, 7).await;
    bare.finish(1).await;
    bare.finish(1).await;
    let mut said = bare.hear().await;
    if let message::Call(_) = said.which() {
        said = bare.hear().await;
    }
    assert!(matches!(said.returned().which(), Ok(return_::Canceled(()))), "{said:?}");
    bare.goes_on(1).await;
}

/// S37: a call whose results others were called on goes on for them, though its own caller gave it up.
#[tokio::test]
async fn a_call_that_is_given_up_goes_on_for_those_made_on_its_results() {
    let served = Served::open().await;
    let mut bare = Bare::connect(&served).await;
    bare.call(1, VIEW_SHARE, |_| {}).await;
    bare.say(|message| {
        let mut call = message.init_call();
        call.set_question_id(2);
        call.set_interface_id(share_view::Client::TYPE_ID);
        let mut answer = call.init_target().init_promised_answer();
        answer.set_question_id(1);
        answer.init_transform(1).get(0).set_get_pointer_field(1);
    })
    .await;
    bare.finish(1).await;
    // The first may have come to its results before it was given up. The second is refused, as there is no such share.
    loop {
        let said = bare.hear().await;
        if said.returned().get_answer_id() == 2 {
            assert!(matches!(said.returned().which(), Ok(return_::Results(_))), "{said:?}");
            break;
        }
    }
    bare.goes_on(3).await;
}

/// S91: what cannot be returned, because it waits for another call, is counted: past the bound the connection is closed for the
/// client to come back.
#[tokio::test]
async fn calls_that_are_given_up_while_they_wait_for_another_end_the_connection_in_time() {
    const KEPT_MAX: usize = 64;
    let access = SingleAccount::new("local".parse().unwrap());
    let served = Served::over(Arc::new(InMemory::new()), Arc::new(access), |settings| {
        settings.rpc.calls_kept_max = KEPT_MAX;
    })
    .await;
    let mut bare = Bare::connect(&served).await;
    bare.probe_callback(1, 7).await;
    bare.hear().await.called();
    let pipelined = |question: u32| {
        move |message: message::Builder<'_>| {
            let mut call = message.init_call();
            call.set_question_id(question);
            call.init_target().init_promised_answer().set_question_id(1);
        }
    };
    for question in 2..KEPT_MAX as u32 {
        bare.say(pipelined(question)).await;
        bare.finish(question).await;
    }
    bare.goes_on(1_000).await;
    bare.say(pipelined(1_001)).await;
    bare.say(pipelined(1_002)).await;
    let (code, reason) = bare.closed().await;
    assert_eq!(code, 1012);
    assert!(reason.contains("come back"), "{reason}");
}

/// A capability that is offered by way of a third party is called through the object that stands for it.
#[tokio::test]
async fn a_capability_of_a_third_party_is_called_through_its_vine() {
    let served = Served::open().await;
    let mut bare = Bare::connect(&served).await;
    bare.call(1, PROBE_CALLBACK, |params| {
        callback_params(params).init_third_party_hosted().set_vine_id(9);
    })
    .await;
    let (question, export) = bare.hear().await.called();
    assert_eq!(export, 9);
    bare.say(|message| {
        let mut returned = message.init_return();
        returned.set_answer_id(question);
        let results: probe_callback::call_results::Builder<'_> = returned.init_results().init_content().init_as();
        results.init_reply(2).push_str("hi");
    })
    .await;
    let said = bare.hear().await;
    let Ok(return_::Results(results)) = said.returned().which() else { panic!("{said:?}") };
    let results: share_rpc::probe_callback_results::Reader<'_> = results.unwrap().get_content().get_as().unwrap();
    assert_eq!(results.get_reply().unwrap(), "hi");
    bare.goes_on(2).await;
}

/// A callback that answers by a tail call to the host gets no results out of it, and nothing waits: both calls are answered.
#[tokio::test]
async fn a_tail_call_is_not_taken_and_nothing_waits_for_it() {
    let served = Served::open().await;
    let mut bare = Bare::connect(&served).await;
    for round in 0..3 {
        bare.probe_callback(1, 7).await;
        let (question, _) = bare.hear().await.called();
        let tail = 10 + round;
        bare.say(|message| {
            let mut call = message.init_call();
            call.set_question_id(tail);
            call.set_method_id(PROBE_VALUE);
            call.reborrow().init_target().set_imported_cap(0);
            call.init_send_results_to().set_yourself(());
        })
        .await;
        let said = bare.hear().await;
        assert_eq!(said.returned().get_answer_id(), tail);
        assert!(matches!(said.returned().which(), Ok(return_::ResultsSentElsewhere(()))), "{said:?}");
        bare.say(|message| {
            let mut returned = message.init_return();
            returned.set_answer_id(question);
            returned.set_take_from_other_question(tail);
        })
        .await;
        bare.finish(tail).await;
        let said = bare.hear().await;
        let (kind, reason) = said.thrown();
        assert!(kind == exception::Type::Unimplemented && reason.contains("tail call"), "{reason}");
        bare.finish(1).await;
    }
    bare.goes_on(1).await;
    assert_eq!(served.host.hub().metrics().calls_in_flight.get(), 0);
}

/// A peer that says Abort has ended the connection: the goodbye is a quiet one, and the host's log has the peer's reason on one line.
#[tokio::test(flavor = "multi_thread")]
async fn an_abort_is_a_quiet_end_and_its_reason_is_in_the_log() {
    let served = Served::open().await;
    let mut bare = Bare::connect(&served).await;
    bare.say(|message| message.init_abort().set_reason("leaving")).await;
    assert_eq!(bare.closed().await, (1000, String::new()));

    let home = Home::new();
    let mut host = home.serve(&[]);
    let url = host.url.replace("http", "ws") + "/rpc/share";
    let (mut socket, _) = async_tungstenite::tokio::connect_async(url).await.unwrap();
    let mut built = Builder::new_default();
    let reason = format!("leaving\n\u{1b}[31m{}", "x".repeat(1_000));
    built.init_root::<message::Builder<'_>>().init_abort().set_reason(&reason[..]);
    let bytes = capnp::serialize::write_message_to_words(&built);
    socket.send(async_tungstenite::tungstenite::Message::binary(bytes)).await.unwrap();
    let line = tokio::task::block_in_place(|| host.program.stderr.wait_for(|line| line.contains("by an Abort")));
    assert!(line.contains("leaving") && !line.contains('\u{1b}') && line.len() < 600, "{line}");
}

/// The words of a callback's exception come back as the callback said them, of whatever kind.
#[tokio::test]
async fn the_words_of_a_callbacks_exception_are_its_own() {
    let served = Served::open().await;
    let mut bare = Bare::connect(&served).await;
    use exception::Type;
    for kind in [Type::Failed, Type::Overloaded, Type::Disconnected, Type::Unimplemented] {
        bare.probe_callback(1, 7).await;
        let (question, _) = bare.hear().await.called();
        bare.throw(question, kind, "mine").await;
        assert_eq!(bare.hear().await.thrown(), (kind, "mine".to_owned()));
        bare.finish(1).await;
    }
}

/// A value of an enum, or a member of a union, that a newer client knows is a refusal with words.
#[tokio::test]
async fn an_enum_value_of_tomorrow_is_refused() {
    const MARK: u64 = 0x0102_0304_0506_0708;
    let served = Served::open().await;
    let mut bare = Bare::connect(&served).await;
    let mut built = Builder::new_default();
    let mut content = root_call(built.init_root(), 1, CREATE_SHARE).init_content();
    let mut params: share_rpc::create_share_params::Builder<'_> = content.reborrow().init_as();
    params.set_session_id("ses_1");
    params.set_ttl_ms(MARK);
    params.set_visibility(Visibility::Grant);
    bare.say_built(&built, |bytes| {
        // The visibility stands behind the time to live.
        let at = bytes.windows(8).position(|window| window == MARK.to_le_bytes()).unwrap();
        assert_eq!(bytes[at + 8], 3);
        bytes[at..at + 8].fill(0);
        bytes[at + 8] = 9;
    })
    .await;
    let said = bare.hear().await;
    let Ok(return_::Results(results)) = said.returned().which() else { panic!("{said:?}") };
    let results: share_rpc::create_share_results::Reader<'_> = results.unwrap().get_content().get_as().unwrap();
    let refused = refusal_in!(create_result, results.get_result().unwrap());
    assert!(matches!(refused, Refusal::InvalidInput { .. }), "{refused}");
    assert!(refused.to_string().contains("invalid visibility"), "{refused}");
    bare.goes_on(2).await;
}
