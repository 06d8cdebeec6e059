//! The real client as a guest: at a host with keys, where it shows none.

use capshare::client::{ListScope, PageRequest};
use std::sync::Arc;

use object_store::memory::InMemory;

use super::cli::User;
use super::model::Model;
use super::{Session, Viewer, shared_id};
use crate::opencode::http::Api;
use crate::support::door::{ANNS_KEY, Served, keys};

const STEPS: usize = 3;

/// S81, S124: the client creates its share twice and has one, at the URL that it prints, with all of the session. It shows no secret
/// when it shares the session again, so that makes a new share, with all of the session, at another URL.
#[tokio::test(flavor = "multi_thread")]
async fn a_guest_has_one_share_and_a_new_one_when_it_shares_again() {
    let served = Served::over(Arc::new(InMemory::new()), keys(), |settings| {
        settings.doors.opencode.account = Some("ann".parse().unwrap());
    })
    .await;
    let host = format!("http://{}", served.address);
    let model = Model::start(STEPS).await;
    let user = User::new(&host, &model);
    let (_server, server) = user.serve().await;
    let mut run = user.start(&["run", "--attach", &format!("http://{server}"), "Go"]);
    let id = shared_id(&run.wait_for("/share/").await);
    model.allow(usize::MAX);
    run.end().await;
    let ann = served.client(Some(ANNS_KEY));
    let mut viewer = Viewer::of(ann.clone(), &id).await;
    viewer.until(Session::has_ended).await;
    let session = viewer.session();
    let export = Session::of_export(&user.export(&session).await);
    viewer.until(|state| *state == export).await;
    let shares = async || {
        let page = ann.list_page(ListScope::OwnAccount, PageRequest::first()).await.unwrap();
        page.shares.into_iter().map(|share| share.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(shares().await, [id.as_str()]);

    let again = Api::at(server).send("POST", &format!("/session/{session}/share"), "").await.ok();
    let new = shared_id(again["share"]["url"].as_str().unwrap());
    assert_ne!(new, id);
    Viewer::of(ann.clone(), &new).await.until(|state| *state == export.shared_as(state)).await;
    let unshared = Api::at(server).send("DELETE", &format!("/session/{session}/share"), "").await;
    assert_eq!(unshared.status, 200, "{}", unshared.text);
    // It has forgotten the first one's secret: that stays until the account deletes it.
    assert_eq!(shares().await, [id.as_str()]);
}
