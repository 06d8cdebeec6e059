//! Documents of shares that are large: what a page leaves out, and what a document costs while it is on its way.

use capshare::__internal::viewer::render::html::{BLOCK_BYTES_MAX, BYTES_MAX, PARTS_MAX, TEXT_BYTES_MAX};
use capshare::__internal::viewer::render::{Document, PIECE_BYTES};
use capshare::client::Items;
use capshare::share::change::Change;
use capshare::share::item::{ItemKey, Payload};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

use super::path;
use crate::support::door::Served;
use crate::support::http::{begin, read};
use crate::support::items::items;

fn text_part(n: usize, text: &str) -> (ItemKey, Payload) {
    let id = format!("prt_{n}");
    let json = json!({ "id": id, "messageID": "msg_1", "type": "text", "text": text }).to_string();
    (ItemKey::part("msg_1", &id).unwrap(), Payload::from_checked_json(&json))
}

fn message() -> (ItemKey, Payload) {
    (ItemKey::message("msg_1").unwrap(), Payload::from_checked_json(r#"{"id":"msg_1","role":"user"}"#))
}

#[test]
fn a_page_shows_the_newest_that_fits_and_says_what_it_leaves_out() {
    let many = (0..PARTS_MAX + 100).map(|n| text_part(n, &format!("text number {n}.")));
    let page = Document::gather(std::iter::once(message()).chain(many)).html("/share/x");
    assert!(page.contains("100 older parts are not shown here"), "{}", &page[..1_000]);
    assert!(page.contains("text number 100.") && page.contains(&format!("text number {}.", PARTS_MAX + 99)));
    assert!(!page.contains("text number 99."));

    let long = (0..100).map(|n| text_part(n, &"word ".repeat(6_000)));
    let page = Document::gather(std::iter::once(message()).chain(long)).html("/share/x");
    assert!((BYTES_MAX..BYTES_MAX + (64 << 10)).contains(&page.len()), "{}", page.len());
    assert!(page.contains("older parts are not shown here"));

    let silent = |n| {
        let (id, json) = (format!("msg_{n}"), format!(r#"{{"id":"msg_{n}","role":"user"}}"#));
        (ItemKey::message(&id).unwrap(), Payload::from_checked_json(&json))
    };
    let page = Document::gather((0..50_000).map(silent)).html("/share/x");
    assert!((BYTES_MAX..BYTES_MAX + (64 << 10)).contains(&page.len()), "{}", page.len());
    assert!(page.contains("older messages are not shown here"), "{}", &page[..1_000]);

    // Marks of steps take no place.
    let step = |n| {
        let json = json!({ "id": format!("prt_s{n}"), "messageID": "msg_1", "type": "step-start" }).to_string();
        (ItemKey::part("msg_1", &format!("prt_s{n}")).unwrap(), Payload::from_checked_json(&json))
    };
    let steps = (0..2 * PARTS_MAX).map(step);
    let page = Document::gather([message(), text_part(1, "the first")].into_iter().chain(steps)).html("/share/x");
    assert!(page.contains("the first") && !page.contains("not shown here"));
}

#[test]
fn what_is_long_is_cut_in_a_page_and_whole_elsewhere() {
    let output = format!("{}the end", "line\n".repeat(BLOCK_BYTES_MAX / 5));
    let tool = json!({
        "id": "prt_2", "messageID": "msg_1", "type": "tool", "tool": "bash",
        "state": { "input": { "command": "x" }, "output": output },
    });
    let document = Document::gather([
        message(),
        text_part(1, &format!("{}the end", "word ".repeat(TEXT_BYTES_MAX / 5 + 1))),
        (ItemKey::part("msg_1", "prt_2").unwrap(), Payload::from_checked_json(&tool.to_string())),
        text_part(3, &"x".repeat(1 << 20)),
    ]);
    let page = document.html("/share/x");
    assert!(!page.contains("the end") && page.contains("It goes on"), "{}", page.len());
    assert!(page.contains("An item of 1048"), "the largest is named only");
    let markdown: String = document.clone().markdown().collect();
    assert_eq!(markdown.matches("the end").count(), 2);
    let json: String = document.json().collect();
    assert_eq!(json.matches("the end").count(), 2);
}

/// A document of 16 MiB is never in memory as one text: it comes in pieces of a text or 64 KiB, whichever is more.
#[test]
fn a_large_document_comes_in_pieces_of_one_item_at_most() {
    let largest = 1 << 20;
    let text = "x".repeat(largest);
    let parts = (0..16).map(|n| text_part(n, &text));
    let document = Document::gather(std::iter::once(message()).chain(parts));
    assert!(document.byte_count() > 16 * largest);
    for (form, pieces) in [
        ("json", Box::new(document.clone().json()) as Box<dyn Iterator<Item = String>>),
        ("markdown", Box::new(document.markdown())),
    ] {
        let (mut count, mut bytes) = (0, 0);
        for piece in pieces {
            assert!(piece.len() < largest + 2 * PIECE_BYTES, "{form}: {}", piece.len());
            count += 1;
            bytes += piece.len();
        }
        assert!(count >= 16 && bytes > 16 * largest, "{form}: {count} {bytes}");
    }
}

/// The page's parser of HTML goes through all open elements at each that ends.
#[test]
fn five_thousand_parts_and_the_deepest_texts_cost_a_page_no_more_than_its_bound() {
    let deep = (0..5_000).map(|n| text_part(n, &"> ".repeat(1_000)));
    let page = Document::gather(std::iter::once(message()).chain(deep)).html("/share/x");
    assert!(page.len() < BYTES_MAX + (64 << 10), "{}", page.len());
}

#[tokio::test]
async fn who_reads_slowly_gets_the_whole_of_one_revision_and_a_deletion_ends_it_visibly() {
    let served = Served::open().await;
    let share = served.share_of(&[("message", r#"{"id":"msg_1","role":"user"}"#)]).await;
    // More than sockets hold.
    for n in 0..24 {
        let (key, value) = text_part(n, &"x".repeat(1 << 20));
        share.sync(Items::from(vec![Change { key, value: Some(value) }])).await.unwrap();
    }
    let first_bytes = async || {
        let mut socket = begin(served.address, "GET", &path(&share, ".json"), &[]).await;
        let mut start = vec![0; 4 << 10];
        socket.read_exact(&mut start).await.unwrap();
        (socket, start)
    };
    let (mut patient, mut start) = first_bytes().await;
    share
        .sync(items(&[("part", r#"{"id":"prt_late","messageID":"msg_1","type":"text","text":"late"}"#)]))
        .await
        .unwrap();
    patient.read_to_end(&mut start).await.unwrap();
    let answer = read(&start);
    assert!(answer.is_whole && !answer.text().contains("prt_late"));
    assert_eq!(answer.json()["messages"][0]["parts"].as_array().unwrap().len(), 24);

    let (mut cut_off, mut start) = first_bytes().await;
    share.delete().await.unwrap();
    // The rest is an end, or an error.
    let _ = cut_off.read_to_end(&mut start).await;
    let answer = read(&start);
    assert!(!answer.is_whole && answer.body.len() < 24 << 20, "{}", answer.body.len());
}
