//! The real client, unmodified: it shares here by its own settings.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::access::SingleAccount;
use capshare::Client;
use capshare::client::{Replica, Watch, WatchFrom};
use futures::TryStreamExt as _;
use object_store::ObjectStore as _;
use object_store::memory::InMemory;
use serde_json::{Value, json};

use self::cli::User;
use self::model::Model;
use self::weather::{Proxy, Weather};
use super::http::{Api, Shared};
use crate::cli::program::Home;
use crate::support::door::Served;

mod cli;
mod guests;
mod imported;
mod model;
mod pushed;
mod weather;

/// How long anything may take that is to come by itself: the client sends once a second.
const WITHIN: Duration = Duration::from_secs(30);

const STEPS: usize = 25;

/// S81: a session of 25 tool steps is followed live; what the viewer holds in the end is what `opencode export` gives, part by
/// part; `opencode import` of the share's URL gives it on another machine; and what is unshared is gone everywhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_shared_followed_imported_and_unshared() {
    let store = Arc::new(InMemory::new());
    let access = SingleAccount::new("local".parse().unwrap());
    let served = Served::over(store.clone(), Arc::new(access), |_| {}).await;
    let host = format!("http://{}", served.address);
    let model = Model::start(STEPS).await;
    let user = User::new(&host, &model);
    let (_server, server) = user.serve().await;
    let mut run = user.start(&["run", "--attach", &format!("http://{server}"), "Go"]);
    let id = shared_id(&run.wait_for("/share/").await);
    let mut viewer = Viewer::of(served.client(None), &id).await;
    for steps in 1..=STEPS {
        model.allow(steps);
        model.done(steps).await;
        // The viewer is never further behind than a second's queue and a step.
        viewer.until(|state| state.tools() + 3 >= steps).await;
    }
    model.allow(usize::MAX);
    run.end().await;

    let session = viewer.session();
    let export = Session::of_export(&user.export(&session).await);
    assert!(export.parts.len() > 4 * STEPS && export.tools() == STEPS, "{export:?}");
    viewer.until(|state| *state == export).await;

    let api = Api::at(served.address);
    let share = Shared { id: id.clone(), url: format!("{host}/share/{id}"), secret: String::new() };
    assert_eq!(Session::of_items(&api.data(&share).await.ok()), export);
    let friend = User::new(&host, &model);
    friend.run(&["import", &share.url]).await;
    let imported = Session::of_export(&friend.export(&session).await);
    assert_eq!((&imported.messages, &imported.parts), (&export.messages, &export.parts));
    // Where it lies is the importing machine's.
    let own = ["directory", "path", "projectID"];
    assert_eq!(without(&imported.session, &own), without(&export.session, &own));

    let unshared = api.elsewhere(server).send("DELETE", &format!("/session/{session}/share"), "").await;
    assert_eq!(unshared.status, 200, "{}", unshared.text);
    viewer.ends().await;
    api.data(&share).await.refused(404, "NotFound");
    assert_eq!(served.refused(&format!("/ws/{id}"), &[]).await.0, 404);
    assert!(served.client(None).snapshot(&id.parse().unwrap()).await.is_err());
    assert!(served.host.shutdown().await);
    for object in store.list(None).try_collect::<Vec<_>>().await.unwrap() {
        let is_tombstone = object.location.as_ref() == format!("tomb/{id}");
        assert!(is_tombstone || object.size == 0, "{} has {} bytes", object.location, object.size);
    }
}

/// The host is killed and started again twice in the middle. The client forgets what it sends meanwhile; whoever shares the
/// session once more has all of it at the same URL.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "figures, shown with --no-capture")]
async fn a_host_that_is_killed_costs_what_the_client_forgot_until_it_shares_again() {
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
    let user = User::new(&url, &model);
    let (_server, server) = user.serve().await;
    let mut run = user.start(&["run", "--attach", &format!("http://{server}"), "Go"]);
    let id = shared_id(&run.wait_for("/share/").await);
    let client = || Client::builder(url.clone()).build().unwrap();
    for killed in [8, 16] {
        model.allow(killed);
        model.done(killed).await;
        host.signal("-KILL");
        host.wait();
        // These it sends to nobody.
        model.allow(killed + 4);
        model.done(killed + 4).await;
        host = start(&address.to_string()).0;
    }
    model.allow(usize::MAX);
    run.end().await;
    let mut viewer = Viewer::of(client(), &id).await;
    // The last message comes when the queue does.
    viewer.until(|state| state.has_ended()).await;
    let export = Session::of_export(&user.export(&viewer.session()).await);
    let (missing, stale) = export.lost_in(&viewer.state());
    eprintln!("killed twice, 4 steps each: of {} items {missing} are missing and {stale} stale", export.items());
    assert!(missing > 0, "the client has learned to send again: say so in the README");

    let again = Api::at(server).send("POST", &format!("/session/{}/share", viewer.session()), "").await.ok();
    assert_eq!(again["share"]["url"], format!("{url}/share/{id}"));
    viewer.until(|state| *state == export.shared_as(state)).await;
}

/// The same behind a proxy that answers 503 for a while, then cuts, then holds up: what it holds up is not lost.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "figures, shown with --no-capture")]
async fn a_bad_network_costs_what_the_client_forgot_until_its_export_is_pushed() {
    // The client comes straight from this machine, and so does the program that pushes: both are the account.
    let access = SingleAccount::of_this_machine("local".parse().unwrap());
    let served = Served::over(Arc::new(InMemory::new()), Arc::new(access), |_| {}).await;
    let proxy = Proxy::to(served.address).await;
    let model = Model::start(STEPS).await;
    let user = User::new(&format!("http://{}", proxy.address), &model);
    let (_server, server) = user.serve().await;
    let mut run = user.start(&["run", "--attach", &format!("http://{server}"), "Go"]);
    let id = shared_id(&run.wait_for("/share/").await);
    let mut viewer = Viewer::of(served.client(None), &id).await;
    let bad = [(5, Weather::Busy), (12, Weather::Cut), (19, Weather::Slow(Duration::from_millis(700)))];
    let mut lost = Vec::new();
    for (begins, weather) in bad {
        model.allow(begins);
        model.done(begins).await;
        viewer.until(|state| state.tools() + lost.len() * 4 + 2 >= begins).await;
        proxy.becomes(weather);
        model.allow(begins + 4);
        model.done(begins + 4).await;
        // What it sends within a second of that.
        proxy.has_met_somebody().await;
        // A change cuts what is open, so the one that only holds up stays.
        if !matches!(weather, Weather::Slow(_)) {
            proxy.becomes(Weather::Fine);
        }
        lost.push(weather);
    }
    model.allow(usize::MAX);
    run.end().await;
    viewer.until(Session::has_ended).await;
    let export = Session::of_export(&user.export(&viewer.session()).await);
    // The last weather only held up: what came in it and after it gets there, in whatever order.
    let late: Vec<_> = export.parts.keys().rev().take(4 * 4).collect();
    viewer.until(|state| late.iter().all(|id| state.parts.contains_key(*id))).await;
    let (missing, stale) = export.lost_in(&viewer.state());
    eprintln!("{lost:?}, 4 steps each: of {} items {missing} are missing and {stale} stale", export.items());
    assert!(missing > 0, "the client has learned to send again: say so in the README");

    // The session of the same account: what the client exports goes to the same share.
    let home = Home::new();
    let file = home.write("session.json", &user.export(&viewer.session()).await.to_string());
    let pushed = ["push", &file, "--to", &format!("http://{}", served.address)];
    tokio::task::block_in_place(|| drop(home.run(&pushed).ends_with(0)));
    viewer.until(|state| *state == export.shared_as(state)).await;
}

fn shared_id(line: &str) -> String {
    let rest = line.rsplit("/share/").next().unwrap();
    rest.chars().take_while(char::is_ascii_alphanumeric).collect()
}

fn without(object: &Value, members: &[&str]) -> Value {
    let mut object = object.clone();
    for member in members {
        object.as_object_mut().unwrap().remove(*member);
    }
    object
}

/// A session, whatever it was read from: messages and parts by their ids.
#[derive(Debug, Clone, PartialEq, Default)]
struct Session {
    session: Value,
    messages: BTreeMap<String, Value>,
    parts: BTreeMap<String, Value>,
}

impl Session {
    fn put(&mut self, kind: &str, data: &Value) {
        let id = || data["id"].as_str().unwrap().to_owned();
        match kind {
            "session" => self.session = data.clone(),
            "message" => drop(self.messages.insert(id(), data.clone())),
            "part" => drop(self.parts.insert(id(), data.clone())),
            _ => {}
        }
    }

    /// A list of `SyncData`.
    fn of_items(data: &Value) -> Self {
        let mut session = Self::default();
        for item in data.as_array().unwrap() {
            session.put(item["type"].as_str().unwrap(), &item["data"]);
        }
        session
    }

    /// What `opencode export` prints.
    fn of_export(export: &Value) -> Self {
        let mut session = Self { session: export["info"].clone(), ..Self::default() };
        for message in export["messages"].as_array().unwrap() {
            session.put("message", &message["info"]);
            message["parts"].as_array().unwrap().iter().for_each(|part| session.put("part", part));
        }
        session
    }

    /// Tool calls that are done.
    fn tools(&self) -> usize {
        let is_done = |part: &&Value| part["type"] == "tool" && part["state"]["time"]["end"].is_number();
        self.parts.values().filter(is_done).count()
    }

    fn has_ended(&self) -> bool {
        self.messages.values().any(|message| message["finish"] == "stop" && message["time"]["completed"].is_number())
    }

    fn items(&self) -> usize {
        1 + self.messages.len() + self.parts.len()
    }

    /// How many of its messages and parts another does not have, and how many it has otherwise.
    fn lost_in(&self, other: &Self) -> (usize, usize) {
        let count = |own: &BTreeMap<String, Value>, theirs: &BTreeMap<String, Value>| {
            let missing = own.keys().filter(|id| !theirs.contains_key(*id)).count();
            (missing, own.iter().filter(|(id, value)| theirs.get(*id).is_some_and(|theirs| theirs != *value)).count())
        };
        let (messages, parts) = (count(&self.messages, &other.messages), count(&self.parts, &other.parts));
        (messages.0 + parts.0, messages.1 + parts.1)
    }

    /// The same with the other's own record: sharing changes it.
    fn shared_as(&self, other: &Self) -> Self {
        Self { session: other.session.clone(), ..self.clone() }
    }
}

/// Somebody who follows a share.
struct Viewer {
    watch: Watch,
    replica: Replica,
}

impl Viewer {
    async fn of(client: Client, id: &str) -> Self {
        let watch = client.watch(&id.parse().unwrap(), WatchFrom::WholeState);
        let mut viewer = Self { watch, replica: Replica::new() };
        viewer.next().await.unwrap();
        viewer
    }

    async fn next(&mut self) -> Option<()> {
        let step = self.watch.next().await?.ok()?;
        self.replica.apply(&step).unwrap();
        Some(())
    }

    fn state(&self) -> Session {
        let mut session = Session::default();
        for (key, value) in self.replica.iter() {
            let kind = key.as_str().split('/').next().unwrap();
            session.put(kind, &serde_json::from_str(value.as_str()).unwrap());
        }
        session
    }

    fn session(&self) -> String {
        self.state().session["id"].as_str().unwrap().to_owned()
    }

    /// Follows until the state is as it should be.
    async fn until(&mut self, fits: impl Fn(&Session) -> bool) {
        let followed = async {
            while !fits(&self.state()) {
                self.next().await.expect("the share is there");
            }
        };
        if tokio::time::timeout(WITHIN, followed).await.is_err() {
            panic!("it does not come to that: {}", json!(self.state().session));
        }
    }

    /// Follows until the share ends.
    async fn ends(&mut self) {
        tokio::time::timeout(WITHIN, async { while self.next().await.is_some() {} }).await.unwrap();
    }
}
