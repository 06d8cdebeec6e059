//! Who says who may see a share, and when.

use std::sync::Arc;

use capshare::__internal::contract::read_error::ReadError;
use capshare::__internal::contract::visibility::{read_visibility_set, write_visibility};
use capshare::__internal::share_capnp::share_writer;
use capshare::client::CreateOptions;
use capshare::share::error::Refusal;
use capshare::share::id::ShareId;
use capshare::share::visibility::Visibility;
use capshare::testing::{Scene, run};
use object_store::ObjectStore;
use object_store::memory::InMemory;

use super::{scene_over, session};
use crate::cli::program::{EXPORT, Home};
use crate::support::bucket::{TestBucket, dump};
use crate::support::door::{ANNS_KEY, BOBS_KEY};
use crate::support::items::part;
use crate::support::raw::Raw;

#[test]
fn it_is_said_at_creation_or_the_host_says_it_and_sharing_again_changes_only_what_is_said() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let builder = Scene::builder().store(Arc::clone(&bucket) as _);
        let scene = builder.settings(|settings| settings.hub.visibility = Visibility::Grant).build();
        let client = scene.client();
        let visibility = async |id: &ShareId| client.info(id).await.unwrap().visibility;
        let share = client.create(&session(), Some(part("p", "the content"))).await.unwrap();
        assert_eq!(visibility(share.id()).await, Visibility::Grant);
        // There is no moment at which anybody sees more: what it holds came with it, in one object.
        let objects = dump(bucket.as_ref()).await;
        let holding: Vec<_> = objects.iter().filter(|(_, text)| text.contains("the content")).collect();
        assert!(holding.len() == 1 && holding[0].1.contains(r#""visibility":"grant""#), "{holding:?}");

        let again =
            client.create_with(&session(), None, CreateOptions::new().visible_to(Visibility::Account)).await.unwrap();
        assert!(again.existed() && again.id() == share.id());
        assert_eq!(visibility(share.id()).await, Visibility::Account);
        client.create(&session(), None).await.unwrap();
        assert_eq!(visibility(share.id()).await, Visibility::Account, "nothing was said");
        let open = CreateOptions::new().visible_to(Visibility::Link);
        let open = client.create_with(&"ses_2".parse().unwrap(), None, open).await.unwrap();
        assert_eq!(visibility(open.id()).await, Visibility::Link);
    });
}

#[test]
fn only_the_whole_share_says_who_may_see_it() {
    run(async {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let scene = scene_over(&store, 1).build();
        let raw = Raw::connect(scene.host(), Some(ANNS_KEY)).await;
        let mut request = raw.root.create_share_request();
        request.get().set_session_id("ses_1");
        request.get().set_visibility(write_visibility(Some(Visibility::Grant)));
        let share = request.send().pipeline.get_share();
        let writer = share.narrow_to_write_request().send().pipeline.get_writer();
        let share: share_writer::Client = capnp::capability::FromClientHook::cast_to(share);
        for (of, said, expected) in [
            (&writer, Some(Visibility::Link), Err("Unauthorized")),
            (&share, None, Err("InvalidInput")),
            (&share, Some(Visibility::Account), Ok(Visibility::Account)),
        ] {
            let mut request = of.set_visibility_request();
            request.get().set_visibility(write_visibility(said));
            let response = request.send().promise.await.unwrap();
            let answer = match read_visibility_set(response.get().unwrap().get_result().unwrap()) {
                Ok(visibility) => Ok(visibility),
                Err(ReadError::Refused(Refusal::Unauthorized { .. })) => Err("Unauthorized"),
                Err(ReadError::Refused(Refusal::InvalidInput { .. })) => Err("InvalidInput"),
                Err(error) => panic!("{error}"),
            };
            assert_eq!(answer, expected);
        }
    });
}

#[test]
fn a_producer_says_who_may_see_its_share_and_hands_it_to_a_stranger() {
    let home = Home::new();
    let anns = format!("ann={ANNS_KEY}");
    let bobs = format!("bob={BOBS_KEY}");
    let keys = ["--key", &anns, "--key", &bobs, "--visibility", "account", "--log-format", "json"];
    let host = home.serve(&keys);
    let as_account = |key: &str| Home::new().set("CAPSHARE_TO", &host.url).set("CAPSHARE_TOKEN", key);
    let (ann, bob) = (as_account(ANNS_KEY), as_account(BOBS_KEY));
    let info = |home: &Home, share: &str, exit| {
        let ran = home.run(&["info", share, "--json"]).ends_with(exit);
        if exit == 0 { ran.objects()[0]["visibility"].clone() } else { ran.error()["code"].clone() }
    };
    let id = ann.run(&["push", EXPORT, "--json"]).ends_with(0).objects()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!((info(&ann, &id, 0), info(&bob, &id, 0)), ("account".into(), "account".into()), "as the host has it");
    let set = ann.run(&["visibility", &id, "grant", "--json"]).ends_with(0).objects().remove(0);
    assert_eq!((&set["event"], &set["visibility"]), (&"visibility".into(), &"grant".into()));
    assert_eq!((info(&ann, &id, 0), info(&bob, &id, 4)), ("grant".into(), "Unauthorized".into()));
    bob.run(&["watch", &id]).ends_with(4);
    bob.run(&["visibility", &id, "link"]).ends_with(4);
    let handed = ann.run(&["link", &id, "--json"]).ends_with(0).objects().remove(0);
    let url = handed["url"].as_str().unwrap();
    assert_eq!(info(&bob, url, 0), "grant");
    let mut watch = bob.start(&["watch", url]);
    watch.stdout.wait_for(|line| line.contains(r#""ready""#));

    assert!(ann.run(&["push", EXPORT, "--json"]).ends_with(0).objects()[0]["existed"].as_bool().unwrap());
    assert_eq!(info(&bob, &id, 4), "Unauthorized", "pushed again it stays what it is");
    ann.run(&["push", EXPORT, "--visibility", "link"]).ends_with(0);
    assert_eq!(info(&bob, &id, 0), "link");
    let people = ann.run(&["info", &id]).ends_with(0);
    assert!(people.stdout.contains("visible   link"), "{}", people.stdout);
    ann.run(&["visibility", &id, "everybody"]).ends_with(2);
    ann.run(&["push", EXPORT, "--visibility", ""]).ends_with(2);
    home.run(&["serve", "--check", "--visibility", "public"]).ends_with(2);
    drop(watch);

    host.program.signal("-TERM");
    let said = host.program.wait().ends_with(0).everything();
    let lines = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let lines = lines.filter(|line| line["target"] == "audit").map(|line| line["fields"].clone());
    let set: Vec<_> = lines.filter(|line| line["event"] == "visibility_set").collect();
    assert!(set.iter().all(|line| line["share"] == id.as_str() && line["account"] == "ann"), "{set:?}");
    let set: Vec<_> = set.iter().map(|line| line["visibility"].as_str().unwrap()).collect();
    assert_eq!(set, ["account", "grant", "link"]);
}
