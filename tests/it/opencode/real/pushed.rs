//! `capshare push --agent opencode --latest --follow` beside the real client, on the sessions and in the weather in which the
//! client's own sharing loses some: nothing is lost.

use std::time::Duration;

use capshare::Client;
use serde_json::Value;

use super::cli::User;
use super::model::Model;
use super::weather::{Proxy, Weather};
use super::{STEPS, Session, Viewer};
use crate::cli::program::{Home, Running};
use crate::support::door::Served;

/// A push that follows the newest session of this project, once it is shared; and its share.
fn follow(user: &User, host: &str) -> (Running, String) {
    let mut push = user.home.start(&["push", "--json", "--agent", "opencode", "--latest", "--follow", "--to", host]);
    let shared: Value = serde_json::from_str(&push.stdout.wait_for(|line| line.contains("shared"))).unwrap();
    assert_eq!((&shared["agent"], &shared["existed"]), (&Value::from("opencode"), &Value::from(false)));
    (push, shared["id"].as_str().unwrap().to_owned())
}

/// The viewer comes to hold what the client exports, part by part and with nothing else, while the push goes on; which then ends
/// well, having left nothing out.
async fn ends_as_it_is_exported(user: &User, mut viewer: Viewer, push: Running) {
    let export = Session::of_export(&user.export(&viewer.session()).await);
    assert!(export.parts.len() > 4 * STEPS && export.tools() == STEPS && export.has_ended(), "{export:?}");
    viewer.until(|state| *state == export).await;
    push.signal("-INT");
    let ended = tokio::task::block_in_place(|| push.wait()).ends_with(0);
    let synced = ended.objects().pop().unwrap();
    assert_eq!((&synced["event"], &synced["left_out"]), (&Value::from("synced"), &serde_json::json!({})));
    assert_eq!(viewer.state(), export);
}

/// S21: the host is killed and started again twice in the middle, at the same steps as where the client's own sharing forgets.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_costs_a_push_that_follows_nothing() {
    let home = Home::new();
    let store = home.path("shares").to_str().unwrap().to_owned();
    let start = |listen: &str| {
        let mut host = home.start(&["serve", "--json", "--listen", listen, "--store", &store]);
        let address: std::net::SocketAddr = host.listens()["address"].as_str().unwrap().parse().unwrap();
        (host, address)
    };
    let (mut host, address) = start("127.0.0.1:0");
    let url = format!("http://{address}");
    let model = Model::start(STEPS).await;
    let user = User::who_does_not_share(&model);
    // By itself, so that it ends with its last word.
    let run = user.start(&["run", "Go"]);
    model.allow(2);
    model.done(2).await;
    let (push, id) = tokio::task::block_in_place(|| follow(&user, &url));
    for killed in [8, 16] {
        model.allow(killed);
        model.done(killed).await;
        host.signal("-KILL");
        host.wait();
        // What is taken meanwhile is told to nobody.
        model.allow(killed + 4);
        model.done(killed + 4).await;
        host = start(&address.to_string()).0;
    }
    model.allow(usize::MAX);
    run.end().await;
    let viewer = Viewer::of(Client::builder(url).build().unwrap(), &id).await;
    ends_as_it_is_exported(&user, viewer, push).await;
}

/// S76: the same behind a proxy that answers 503 for a while, then cuts, then holds up, while a viewer follows.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_network_costs_a_push_that_follows_nothing() {
    let served = Served::open().await;
    let proxy = Proxy::to(served.address).await;
    let model = Model::start(STEPS).await;
    let user = User::who_does_not_share(&model);
    let run = user.start(&["run", "Go"]);
    model.allow(2);
    model.done(2).await;
    let (push, id) = tokio::task::block_in_place(|| follow(&user, &format!("http://{}", proxy.address)));
    let mut viewer = Viewer::of(served.client(None), &id).await;
    let bad = [(5, Weather::Busy), (12, Weather::Cut), (19, Weather::Slow(Duration::from_millis(700)))];
    for (begins, weather) in bad {
        model.allow(begins);
        model.done(begins).await;
        // It is live: what was missed in the weather before is there, and what came since.
        viewer.until(|state| state.tools() >= begins).await;
        proxy.becomes(weather);
        proxy.has_met_somebody().await;
        model.allow(begins + 4);
        model.done(begins + 4).await;
        if !matches!(weather, Weather::Slow(_)) {
            proxy.becomes(Weather::Fine);
        }
    }
    model.allow(usize::MAX);
    run.end().await;
    ends_as_it_is_exported(&user, viewer, push).await;
}
