//! Peers that do not read what they asked for, on HTTP/2, where the other requests of their connection go on.

use std::time::Duration;

use capshare::__internal::connections::comer::Door;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use tokio::net::TcpStream;

use super::readers::{large, local, soon};
use crate::support::door::Served;
use crate::support::items::part;

type Requests = SendRequest<bytes::Bytes>;

/// A connection of a peer that gives each stream a window of so much, and plenty to all of them together.
async fn connect(served: &Served, window: u32) -> Requests {
    let socket = TcpStream::connect(served.address).await.unwrap();
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(window).initial_connection_window_size(1 << 30);
    let (requests, connection) = builder.handshake(socket).await.unwrap();
    tokio::spawn(connection);
    requests
}

async fn get(requests: &mut Requests, served: &Served, path: &str) -> RecvStream {
    let request = http::Request::get(format!("http://{}{path}", served.address)).body(()).unwrap();
    let (answer, _) = requests.send_request(request, true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{path}");
    answer.into_body()
}

/// Takes what comes and gives no window for more; gives the bytes that came before the stream was reset.
async fn reset(mut body: RecvStream) -> usize {
    let mut count = 0;
    loop {
        match body.data().await {
            Some(Ok(data)) => count += data.len(),
            Some(Err(error)) => {
                assert_eq!(error.reason(), Some(Reason::CANCEL), "{error}");
                return count;
            }
            None => panic!("a whole answer of {count} bytes"),
        }
    }
}

/// S90: a stream whose reader gives it no window is reset, whatever it is, while others of its connection are told heartbeats.
#[tokio::test]
async fn a_stream_that_is_not_read_is_reset_and_the_others_of_its_connection_go_on() {
    let served = local(|settings| {
        soon(settings);
        settings.viewer.heartbeat = Duration::from_millis(50);
    })
    .await;
    let share = large(&served, "ses_1").await;
    let id = share.id();
    let mut requests = connect(&served, 1 << 16).await;
    // From its end, so that there is little to tell.
    let mut reads = get(&mut requests, &served, &format!("/events/{id}?cursor=5")).await;
    let mut deaf = Vec::new();
    for path in [
        format!("/api/share/{id}/data"),
        format!("/share/{id}.json"),
        format!("/share/{id}.md"),
        format!("/events/{id}"),
    ] {
        deaf.push((get(&mut requests, &served, &path).await, path));
    }
    let (mut heartbeats, mut text) = (0, String::new());
    let told = async {
        loop {
            let data = reads.data().await.expect("it goes on").unwrap();
            reads.flow_control().release_capacity(data.len()).unwrap();
            text += std::str::from_utf8(&data).unwrap();
            heartbeats = text.matches(": heartbeat").count();
            if text.contains("\"still here\"") {
                return;
            }
        }
    };
    let ended = async {
        for (body, path) in deaf {
            let count = reset(body).await;
            assert!(count <= 1 << 16, "{path}: {count}");
        }
        while served.host.hub().connections().registry().count_of(Door::Sse) > 1 {
            tokio::task::yield_now().await;
        }
        share.sync(part("last", "still here")).await.unwrap();
    };
    tokio::join!(told, ended);
    assert!(heartbeats > 3, "{heartbeats}");
}

/// S90: an answer of a few bytes needs a window too.
#[tokio::test]
async fn an_answer_of_a_few_bytes_that_is_not_read_is_reset() {
    let served = local(soon).await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), Some(part("p", "x"))).await.unwrap();
    for window in [0, 1] {
        let mut requests = connect(&served, window).await;
        for path in ["/healthz".to_owned(), "/client.js".to_owned(), format!("/share/{}", share.id())] {
            assert_eq!(reset(get(&mut requests, &served, &path).await).await, window as usize, "{path}");
        }
    }
}

/// Who reads gets all of an answer, also where the window is exactly as large as the answer.
#[tokio::test]
async fn whoever_reads_gets_the_whole_answer() {
    let served = local(|_| {}).await;
    let share = large(&served, "ses_1").await;
    let mut requests = connect(&served, 1 << 16).await;
    let mut body = get(&mut requests, &served, &format!("/api/share/{}/data", share.id())).await;
    let mut whole = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        whole.extend_from_slice(&data);
    }
    let items: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(items.as_array().unwrap().len(), 5);
    let length = count(get(&mut requests, &served, "/healthz").await).await;
    let mut exact = connect(&served, length as u32).await;
    assert_eq!(count(get(&mut exact, &served, "/healthz").await).await, length);
}

/// The bytes of a whole answer, for which no window is given.
async fn count(mut body: RecvStream) -> usize {
    let mut count = 0;
    while let Some(data) = body.data().await {
        count += data.unwrap().len();
    }
    count
}
