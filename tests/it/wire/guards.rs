//! Guards: panics, calls in flight, held capabilities, observers.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use capnp::ErrorKind;
use capshare::__internal::share_capnp::share_rpc;
use capshare::__internal::wire::guard::{Budget, CallObserver, CallOutcome, guard};

use super::scene::{Echo, Facts, disconnected, hang, hello, local, over_duplex, probe, roomy, root};

#[tokio::test(start_paused = true)]
async fn a_panic_inside_a_method_leaves_the_connection_usable() {
    local(async {
        let facts = Rc::new(Facts::default());
        let budget = roomy();
        let (rpc, _ended, _host) = over_duplex(root(&facts, &budget).client);
        let waiting = hang(&rpc, &facts).await;

        for _round in 1..=3 {
            let error = hello(&rpc, "panic").await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Failed);
            assert!(error.extra.ends_with("internal error"), "nothing of the inside: {error}");
            assert_eq!(probe(&rpc, 16).await.unwrap().len(), 16);
        }
        assert_eq!((facts.hanging.get(), budget.calls_in_flight()), (1, 1), "the other call goes on");
        drop(waiting);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn calls_of_this_side_pass_the_same_guard() {
    local(async {
        let facts = Rc::new(Facts::default());
        let budget = Budget::new(1, 1);
        let root = root(&facts, &budget);
        assert_eq!(hello(&root, "panic").await.unwrap_err().extra, "internal error");
        let waiting = hang(&root, &facts).await;
        assert_eq!(probe(&root, 16).await.unwrap_err().kind, ErrorKind::Overloaded);
        drop(waiting);
        facts.until(|facts| facts.hanging.get() == 0).await;
        assert_eq!(probe(&root, 16).await.unwrap().len(), 16);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_call_past_the_limit_is_overloaded_by_name_and_its_place_comes_back() {
    local(async {
        let facts = Rc::new(Facts::default());
        let budget = Budget::new(3, 1);
        let (rpc, _ended, _host) = over_duplex(root(&facts, &budget).client);
        let mut waiting = Vec::new();
        for count in 1..=3 {
            waiting.push(hang(&rpc, &facts).await);
            assert_eq!(budget.calls_in_flight(), count);
        }
        let error = probe(&rpc, 16).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Overloaded);
        assert!(error.extra.ends_with("LimitExceeded callsInFlightMax max=3"), "{error}");
        assert_eq!(budget.calls_in_flight(), 3);

        // Back by cancellation,
        drop(waiting.pop());
        facts.until(|facts| facts.hanging.get() == 2).await;
        assert_eq!(probe(&rpc, 16).await.unwrap().len(), 16);
        // by return, and by panic: one place is enough for any number of them.
        for _ in 0..5 {
            probe(&rpc, 16).await.unwrap();
            hello(&rpc, "panic").await.unwrap_err();
        }
        assert_eq!(budget.calls_in_flight(), 2);
        // One connection's budget is its own.
        let (neighbour, _ended, _host) = over_duplex(root(&facts, &Budget::new(3, 1)).client);
        probe(&neighbour, 16).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_capability_past_the_limit_is_overloaded_by_name_and_its_place_comes_back() {
    local(async {
        let facts = Rc::new(Facts::default());
        let budget = Budget::new(100, 2);
        let (rpc, ended, _host) = over_duplex(root(&facts, &budget).client);
        let first = rpc.view_share_request().send().promise.await.unwrap();
        let _second = rpc.view_share_request().send().promise.await.unwrap();
        let error = rpc.view_share_request().send().promise.await.err().unwrap();
        assert_eq!(error.kind, ErrorKind::Overloaded);
        assert!(error.extra.ends_with("LimitExceeded capabilitiesHeldMax max=2"), "{error}");

        drop(first);
        facts.until(|facts| facts.live.get() == 2).await;
        assert_eq!(budget.capabilities_held(), 1);
        let _third = rpc.view_share_request().send().promise.await.unwrap();
        assert_eq!(budget.capabilities_held(), 2);

        ended.abort();
        facts.until(|facts| facts.live.get() == 0).await;
        assert_eq!(budget.capabilities_held(), 0, "a lost connection gives all back");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_lets_no_call_begin_is_asked_before_each() {
    struct Door {
        open: Cell<bool>,
        begun: Cell<u32>,
    }
    impl CallObserver for Door {
        fn may_begin(&self) -> Result<(), capnp::Error> {
            if self.open.get() { Ok(()) } else { Err(capnp::Error::failed("revoked".into())) }
        }
        fn began(&self, _interface_id: u64, _method_id: u16) {
            self.begun.set(self.begun.get() + 1);
        }
        fn ended(&self, _interface_id: u64, _method_id: u16, _outcome: CallOutcome) {}
    }
    local(async {
        let facts = Rc::new(Facts::default());
        let door = Rc::new(Door { open: Cell::new(true), begun: Cell::new(0) });
        let budget = Budget::observed(10, 10, door.clone());
        let (rpc, _ended, _host) = over_duplex(root(&facts, &budget).client);
        probe(&rpc, 16).await.unwrap();
        door.open.set(false);
        assert!(probe(&rpc, 16).await.unwrap_err().extra.ends_with("revoked"));
        assert_eq!((door.begun.get(), facts.made.get(), budget.calls_in_flight()), (1, 0, 0));
        door.open.set(true);
        probe(&rpc, 16).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_observer_sees_each_call_begin_and_end() {
    #[derive(Default)]
    struct Log(RefCell<Vec<Option<CallOutcome>>>);
    impl CallObserver for Log {
        fn began(&self, _interface_id: u64, _method_id: u16) {
            self.0.borrow_mut().push(None);
        }
        fn ended(&self, _interface_id: u64, _method_id: u16, outcome: CallOutcome) {
            self.0.borrow_mut().push(Some(outcome));
        }
    }
    local(async {
        let facts = Rc::new(Facts::default());
        let log = Rc::new(Log::default());
        let budget = Budget::observed(1, 1, log.clone());
        let (rpc, _ended, _host) = over_duplex(root(&facts, &budget).client);
        probe(&rpc, 16).await.unwrap();
        hello(&rpc, "panic").await.unwrap_err();
        rpc.list_shares_request().send().promise.await.err().unwrap();
        let waiting = hang(&rpc, &facts).await;
        probe(&rpc, 16).await.unwrap_err();
        drop(waiting);
        facts.until(|facts| facts.hanging.get() == 0).await;
        tokio::task::yield_now().await;
        assert_eq!(
            *log.0.borrow(),
            [
                None,
                Some(CallOutcome::Returned),
                None,
                Some(CallOutcome::Panicked),
                None,
                Some(CallOutcome::Failed(ErrorKind::Unimplemented)),
                None,
                Some(CallOutcome::Refused),
                Some(CallOutcome::Cancelled),
            ]
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn callbacks_and_pipelined_calls_work_through_guards() {
    local(async {
        let facts = Rc::new(Facts::default());
        let budget = roomy();
        let (rpc, _ended, _host) = over_duplex(root(&facts, &budget).client);
        let mut request = rpc.probe_callback_request();
        request.get().set_callback(guard(capnp_rpc::new_client(Echo), &roomy()));
        let answer = request.send().promise.await.unwrap();
        assert_eq!(answer.get().unwrap().get_reply().unwrap(), "server-called, client-answered");

        let view = rpc.view_share_request().send().pipeline.get_view();
        let error = view.info_request().send().promise.await.err().unwrap();
        assert_eq!(error.kind, ErrorKind::Unimplemented, "it reached the view, which has no such method");

        // A guarded object that comes home is still guarded, and its own.
        let own: share_rpc::Client = root(&facts, &budget);
        assert!(!disconnected(&hello(&own, "panic").await.unwrap_err()));
    })
    .await;
}
