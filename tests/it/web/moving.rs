//! A client that is to go to another host.

use std::time::Duration;

use capshare::testing::{Scene, run};
use serde_json::{Value, json};

use super::peer::Peer;
use super::pushes::sink;

const URLS: [&str; 2] = ["https://b.example.org", "https://c.example.org"];

fn sorted(urls: &Value) -> Vec<&str> {
    let mut urls: Vec<_> = urls.as_array().unwrap().iter().map(|url| url.as_str().unwrap()).collect();
    urls.sort_unstable();
    urls
}

/// S102: a client learns of the other hosts by `hello`. S103: when its host drains, the function that it handed over is told to move, a while
/// before the session ends with 1012; and the reason of that names the hosts for those who handed over none.
#[test]
fn a_client_is_told_to_move_before_its_session_ends() {
    run(async {
        let urls = URLS.map(|url| url.parse().unwrap()).to_vec();
        let scene = Scene::builder().settings(|settings| settings.hub.hosts.others = urls).build();
        let (mut peer, _, _) = sink(scene.host(), -1).await;
        let mut other = Peer::within(scene.host(), None).await;
        let welcome = other.ask("hello", json!([])).await.unwrap();
        assert_eq!(sorted(&welcome["hosts"][0]), URLS);

        scene.host().drain(Duration::from_secs(10)).unwrap();
        let called = peer.called().await;
        assert_eq!((&called[0], &called[1]), (&json!("pipeline"), &json!(-1)), "{called}");
        let moving = &called[3][0];
        assert_eq!((&moving["type"], &moving["withinMs"]), (&json!("moving"), &json!(2_000)), "{moving}");
        assert_eq!(sorted(&moving["urls"][0]), URLS);
        // It has its time: what it asks meanwhile is answered.
        peer.goes_on().await;
        for peer in [&mut peer, &mut other] {
            let (error, code, reason) = peer.ended().await;
            assert_eq!(
                (&error["code"], &error["transient"], code),
                (&json!("Unavailable"), &json!(true), 1012),
                "{error}"
            );
            let mut named: Vec<_> = reason.strip_prefix("go on at ").unwrap().split(' ').collect();
            named.sort_unstable();
            assert_eq!(named, URLS);
        }
    });
}
