//! Capabilities that were narrowed: what they serve, and until when.

use std::time::Duration;

use capnp::any_pointer;
use capnp::traits::HasTypeId;
use capshare::__internal::contract::convert::read_opened;
use capshare::__internal::share_capnp::{admin, saved, share, share_rpc, share_view, share_writer};
use capshare::share::error::Refusal;
use capshare::share::grant::Right;
use capshare::testing::{Scene, run};

use super::{
    HOUR, at, create, follow, grants, narrow_to_read, narrow_to_write, read, restore, save, settled, sync,
    told_the_end, unauthorized,
};
use crate::support::raw::{Raw, observer, slow_observer};

/// Every method of every interface that a client could take the capability for, and how many it may call of each.
async fn only_serves(of: capnp::capability::Client, serves: &[u64]) {
    for (interface, methods) in [
        (saved::Client::TYPE_ID, 1),
        (share_writer::Client::TYPE_ID, 3),
        (share_view::Client::TYPE_ID, 3),
        (share::Client::TYPE_ID, 5),
        (share_rpc::Client::TYPE_ID, 13),
        (admin::Client::TYPE_ID, 5),
    ] {
        for method in 0..methods {
            let call = of.new_call::<any_pointer::Owned, any_pointer::Owned>(interface, method, None);
            let unimplemented =
                call.send().promise.await.err().is_some_and(|error| error.kind == capnp::ErrorKind::Unimplemented);
            assert_eq!(unimplemented, !serves.contains(&interface), "method {method} of {interface:x}");
        }
    }
}

/// S38: a share can be narrowed to writing and to reading, and a narrowed one cannot be widened, also not by taking it for
/// what it was.
#[test]
fn a_narrowed_capability_serves_its_own_interface_and_no_other() {
    run(async {
        let scene = Scene::new();
        let raw = Raw::connect(scene.host(), None).await;
        let (share, ..) = create(&raw).await;
        let (writer, view) = (narrow_to_write(&share).await, narrow_to_read(&share, 0).await);
        assert_eq!(sync(&writer, "through the narrowed one").await, Ok(1));
        assert_eq!(read(&view).await.unwrap().changes.len(), 1);
        let writes = [saved::Client::TYPE_ID, share_writer::Client::TYPE_ID];
        let reads = [saved::Client::TYPE_ID, share_view::Client::TYPE_ID];
        only_serves(writer.client.clone(), &writes).await;
        only_serves(view.client.clone(), &reads).await;
        // Nor by way of a token: what is saved of it is what it is.
        for (saved, right, serves) in
            [(save(&writer, "", 0).await, Right::Write, writes), (save(&view, "", 0).await, Right::Read, reads)]
        {
            let restored = restore(&raw, saved.unwrap().reveal()).await;
            assert_eq!(restored.right, Ok(right));
            let client = if right == Right::Write { restored.writer.client } else { restored.view.client };
            only_serves(client, &serves).await;
        }
        // Deletes it in passing.
        let all = [saved::Client::TYPE_ID, share_writer::Client::TYPE_ID, share_view::Client::TYPE_ID];
        only_serves(share.client.clone(), &[&all[..], &[share::Client::TYPE_ID]].concat()).await;
    });
}

/// S38: a view that was narrowed until a time answers until then and not after; its watches end, and what was saved of it
/// ends no later.
#[test]
fn a_view_until_a_time_ends_then_with_its_watches_and_tokens() {
    run(async {
        let scene = Scene::new();
        let raw = Raw::connect(scene.host(), None).await;
        let (share, ..) = create(&raw).await;
        sync(&share, "before").await.unwrap();
        let view = narrow_to_read(&share, at(HOUR)).await;
        let (quick, told) = observer();
        let watch = follow(&view, quick).await.unwrap();
        let longer = save(&view, "longer", at(2 * HOUR)).await.unwrap();
        let endless = save(&view, "endless", 0).await.unwrap();
        let shorter = save(&view, "shorter", at(HOUR / 2)).await.unwrap();
        let expiries: Vec<_> = grants(&share).await.unwrap().iter().map(|grant| grant.expires_at.unwrap().0).collect();
        assert_eq!(expiries, [at(HOUR), at(HOUR), at(HOUR / 2)]);
        let restored = restore(&raw, longer.reveal()).await;

        tokio::time::sleep(HOUR - Duration::from_secs(1)).await;
        assert!(read(&view).await.is_ok() && read(&restored.view).await.is_ok());
        unauthorized(restore(&raw, shorter.reveal()).await.right);
        let (stuck, told_stuck) = slow_observer(None);
        let stuck_watch = follow(&view, stuck).await.unwrap();
        assert!(!told.ended.get());
        tokio::time::sleep(Duration::from_secs(1)).await;
        unauthorized(read(&view).await);
        unauthorized(read(&restored.view).await);
        unauthorized(follow(&view, observer().0).await.map(drop));
        unauthorized(save(&view, "", 0).await);
        unauthorized(save(&restored.view, "", 0).await);
        let response = view.info_request().send().promise.await.unwrap();
        unauthorized(settled(read_opened(response.get().unwrap().get_result().unwrap())));
        for token in [&longer, &endless] {
            unauthorized(restore(&raw, token.reveal()).await.right);
        }
        let ended = tokio::time::Instant::now();
        unauthorized(Err::<(), _>(told_the_end(&told).await));
        unauthorized(Err::<(), _>(told_the_end(&told_stuck).await));
        assert!(ended.elapsed() < Duration::from_millis(100), "{:?}", ended.elapsed());
        let steps = told.steps.borrow().len();
        sync(&share, "after").await.unwrap();
        assert!(read(&share).await.is_ok(), "the share itself goes on");
        drop((watch, stuck_watch));
        assert_eq!(told.steps.borrow().len(), steps);
        assert!(grants(&share).await.unwrap().is_empty(), "what has expired is not listed");
        let past = save(&share, "", at(HOUR)).await;
        assert!(matches!(past, Err(Refusal::InvalidInput { .. })), "{past:?}");
    });
}
