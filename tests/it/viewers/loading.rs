//! Loading a share before following it: the document of its state, items with their whole values, and streams that travel packed.

use std::io::Read as _;

use capshare::share::visibility::Visibility;
use flate2::read::{DeflateDecoder, GzDecoder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::door::{ANNS_KEY, Served, next_json};
use crate::support::http::{Answer, ask};
use crate::support::items::{items, part};
use crate::support::patience::within;
use crate::support::sse::post;

const GZIP: &[(&str, &str)] = &[("Accept-Encoding", "gzip, deflate, br")];

async fn state(served: &Served, of: &str, headers: &[(&str, &str)]) -> Answer {
    ask(served.address, "GET", &format!("/state/{of}"), headers).await
}

fn lines(text: &str) -> Vec<Value> {
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn unpacked(bytes: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).expect("gzip with a right checksum");
    text
}

/// Many parts with a long text each.
fn long(count: usize) -> capshare::client::Items {
    let texts: Vec<_> = (0..count)
        .map(|n| {
            json!({"id": format!("p{n:04}"), "messageID": "m", "type": "text", "text": "word ".repeat(200)}).to_string()
        })
        .collect();
    items(&texts.iter().map(|text| ("part", text.as_str())).collect::<Vec<_>>())
}

/// The document of a state travels packed for who takes that, to a third at most, with the newest first; whoever does not gets the
/// equal text. From its revision on a viewer follows without a gap.
#[tokio::test]
async fn a_share_is_loaded_packed_and_followed_from_there() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), Some(long(900))).await.unwrap();
    let id = share.id().as_str();
    let packed = state(&served, id, GZIP).await;
    assert_eq!((packed.status, packed.header("content-encoding"), packed.is_whole), (200, "gzip", true));
    assert_eq!(packed.header("content-type"), "application/x-ndjson");
    let plain = state(&served, id, &[]).await;
    assert_eq!((plain.status, plain.header("content-encoding")), (200, ""));
    let text = unpacked(&packed.body);
    assert_eq!(plain.text(), text);
    assert!(packed.body.len() * 3 < text.len(), "{} of {}", packed.body.len(), text.len());

    let lines = lines(&text);
    assert_eq!(lines[0], json!({"revision": 1, "syncCount": 1, "items": 900}));
    let all: Vec<_> = lines[1..].iter().flat_map(|line| line["changes"].as_array().unwrap()).collect();
    assert_eq!(all.len(), 900);
    assert!(lines[1]["changes"].as_array().unwrap().iter().any(|change| change["key"] == "part/m/p0899"));
    let oldest = all.last().unwrap();
    assert_eq!((&oldest["key"], &oldest["place"]), (&json!("part/m/p0000"), &json!(1)));
    assert!(oldest["size"].as_u64().unwrap() > 1_000 && oldest["value"]["text"].as_str().unwrap().ends_with('…'));

    // It may be a little old: the channel has what came since.
    share.sync(part("new", "came later")).await.unwrap();
    assert_eq!(unpacked(&state(&served, id, GZIP).await.body), text, "the one that was made for the first");
    let mut viewer = served.knock(&format!("/ws/{id}?cursor=1"), &[]).await.unwrap();
    let changes = next_json(&mut viewer).await;
    assert_eq!(
        (&changes["event"], &changes["payload"]["changes"][0]["key"]),
        (&json!("changes"), &json!("part/m/new"))
    );
}

/// A deep link: what is around a part is the first that comes, though it is the oldest; a name that nothing has changes nothing.
#[tokio::test]
async fn what_a_link_points_at_is_loaded_first() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), Some(long(900))).await.unwrap();
    let id = share.id().as_str();
    let around = lines(&unpacked(&state(&served, &format!("{id}?around=p0010"), GZIP).await.body));
    let first: Vec<_> = around[1]["changes"].as_array().unwrap().iter().map(|change| &change["key"]).collect();
    assert!(first.contains(&&json!("part/m/p0010")) && first.contains(&&json!("part/m/p0005")) && first.len() < 100);
    let usual = lines(&unpacked(&state(&served, id, GZIP).await.body));
    assert_eq!(usual[..], [&around[..1], &around[2..]].concat()[..]);
    let nothing = lines(&unpacked(&state(&served, &format!("{id}?around=nothing"), GZIP).await.body));
    assert_eq!(nothing, usual);
    let refused = state(&served, &format!("{id}?around={}", "x".repeat(257)), &[]).await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (400, &json!("InvalidInput")));
}

/// Whoever may not follow a share may not load it either, though it was made for somebody who may.
#[tokio::test]
async fn a_private_share_is_loaded_by_those_who_may_see_it() {
    let served = Served::with_keys().await;
    let share = served.client(Some(ANNS_KEY)).create(&"ses_1".parse().unwrap(), Some(long(3))).await.unwrap();
    share.set_visibility(Visibility::Account).await.unwrap();
    let bearer = format!("Bearer {ANNS_KEY}");
    let seen = state(&served, share.id().as_str(), &[("Authorization", &bearer)]).await;
    assert_eq!((seen.status, lines(seen.text()).len()), (200, 2));
    assert_eq!(seen.header("cache-control"), "no-store");
    assert_eq!(state(&served, share.id().as_str(), &[]).await.status, 401);
    assert_eq!(state(&served, "abcdefghijklmnopqrstuvwxyz", &[]).await.status, 404);
    let foreign = [("Authorization", bearer.as_str()), ("Origin", "https://elsewhere.example")];
    assert_eq!(state(&served, share.id().as_str(), &foreign).await.status, 403);
    share.delete().await.unwrap();
    assert_eq!(state(&served, share.id().as_str(), &[("Authorization", &bearer)]).await.status, 404);
}

/// What the document has cut is asked for by its keys: whole, as it is now, at most 64 at once and about 256 KiB.
#[tokio::test]
async fn items_are_asked_for_by_their_keys() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), Some(long(70))).await.unwrap();
    let large = "x".repeat(150 << 10);
    for n in 0..3 {
        share.sync(part(&format!("large{n}"), &large)).await.unwrap();
    }
    let path = format!("/events/{}", share.id());
    let items = async |keys: Value| {
        let command = json!({"id": 1, "procedure": "share.items", "input": {"keys": keys}}).to_string();
        let (status, answer) = post(&served, &path, &[], &command).await;
        assert_eq!(status, 200);
        answer
    };
    let found = items(json!(["part/m/p0003", "part/m/gone", "part/m/large0"])).await;
    let changes = found["data"]["changes"].as_array().unwrap();
    assert_eq!((changes.len(), &found["data"]["left"]), (2, &json!([])));
    assert_eq!((&changes[0]["place"], &changes[0]["value"]["text"]), (&json!(4), &json!("word ".repeat(200))));
    assert_eq!((&changes[1]["revision"], &changes[1]["value"]["text"]), (&json!(2), &json!(large)));

    let found = items(json!(["part/m/large0", "part/m/large1", "part/m/large2"])).await;
    assert_eq!(found["data"]["changes"].as_array().unwrap().len(), 1);
    assert_eq!(found["data"]["left"], json!(["part/m/large1", "part/m/large2"]));
    for keys in [json!([]), json!(vec!["part/m/p0001"; 65]), json!(["no/key/at/all/of/it"])] {
        assert_eq!(items(keys).await["error"]["code"], "InvalidInput");
    }
    assert_eq!(items(json!(vec!["part/m/p0001"; 64])).await["ok"], true);
}

/// A stream of events travels packed for who takes that: each event is there at once, and the stream ends as gzip does.
#[tokio::test]
async fn a_stream_of_events_is_packed_and_live() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), Some(long(500))).await.unwrap();
    let mut socket = TcpStream::connect(served.address).await.unwrap();
    let request =
        format!("GET /events/{} HTTP/1.1\r\nHost: {}\r\nAccept-Encoding: gzip\r\n\r\n", share.id(), served.address);
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut stream = Chunks { socket, raw: Vec::new(), content: Vec::new(), is_over: false };
    let told = stream.until("event: ready").await;
    assert!(
        told.starts_with(": capshare\nretry: 2000\n\n") && told.contains("event: snapshot") && told.contains("p0499")
    );
    assert!(stream.content.len() * 5 < told.len(), "{} of {}", stream.content.len(), told.len());
    for n in 0..3 {
        share.sync(part("live", &format!("text {n}"))).await.unwrap();
        assert!(stream.until(&format!("text {n}")).await.ends_with("\n\n"), "the whole event, with nothing after it");
    }
    share.delete().await.unwrap();
    stream.until("event: __error").await;
    while !stream.is_over {
        stream.read().await;
    }
    assert!(unpacked(&stream.content).contains("\"code\":\"NotFound\""));
}

/// A body in chunks, as it comes.
struct Chunks {
    socket: TcpStream,
    raw: Vec<u8>,
    content: Vec<u8>,
    is_over: bool,
}

impl Chunks {
    /// All that was told so far, once it has this.
    async fn until(&mut self, what: &str) -> String {
        loop {
            let mut told = Vec::new();
            // The stream is not at its end, which is no fault.
            let _ = DeflateDecoder::new(self.content.get(10..).unwrap_or_default()).read_to_end(&mut told);
            let told = String::from_utf8(told).unwrap();
            if told.contains(what) {
                return told;
            }
            self.read().await;
        }
    }

    async fn read(&mut self) {
        let count = within("more of a stream", self.socket.read_buf(&mut self.raw)).await.unwrap();
        assert_ne!(count, 0);
        if let Some(end) =
            self.raw.windows(4).position(|four| four == b"\r\n\r\n").filter(|_| self.raw.starts_with(b"HTTP"))
        {
            let head = String::from_utf8(self.raw.drain(..end + 4).collect()).unwrap().to_lowercase();
            assert!(head.contains("content-encoding: gzip") && head.contains("transfer-encoding: chunked"), "{head}");
        }
        while let Some(line) =
            self.raw.windows(2).position(|two| two == b"\r\n").filter(|_| !self.raw.starts_with(b"HTTP"))
        {
            let size = usize::from_str_radix(std::str::from_utf8(&self.raw[..line]).unwrap(), 16).unwrap();
            if self.raw.len() < line + 2 + size + 2 {
                return;
            }
            self.content.extend_from_slice(&self.raw[line + 2..line + 2 + size]);
            self.raw.drain(..line + 2 + size + 2);
            self.is_over = size == 0;
        }
    }
}

/// Documents that are made for their askers travel packed for who takes that, and are equal to those that do not.
#[tokio::test]
async fn whole_documents_are_packed() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), Some(long(1_500))).await.unwrap();
    for form in [".md", ".json"] {
        let path = format!("/share/{}{form}", share.id());
        let plain = ask(served.address, "GET", &path, &[]).await;
        let packed = ask(served.address, "GET", &path, GZIP).await;
        assert_eq!((plain.header("content-encoding"), packed.header("content-encoding")), ("", "gzip"), "{form}");
        assert!(packed.is_whole && packed.body.len() * 3 < plain.body.len());
        assert_eq!(unpacked(&packed.body), plain.text(), "{form}");
    }
}
