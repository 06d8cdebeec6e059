//! How Cap'n Proto messages travel in WebSocket messages.

use std::rc::Rc;

use async_tungstenite::tungstenite::Message;

use super::scene::{Facts, hello, local, probe, roomy, root, tapped};

#[tokio::test(start_paused = true)]
async fn each_capnp_message_is_exactly_one_binary_message() {
    local(async {
        for count in [16, 6_000, 20_000, 200_000] {
            let scene = tapped(root(&Rc::new(Facts::default()), &roomy()).client, None).await;
            assert_eq!(probe(&scene.rpc, count).await.unwrap().len(), count);

            let seen = scene.tap.seen.borrow();
            // Out: bootstrap and call. Back: two returns. Finishes and releases may follow.
            assert!(seen.len() >= 4, "{} messages", seen.len());
            for payload in seen.iter() {
                let mut rest = &payload[..];
                capnp::serialize::read_message_from_flat_slice(&mut rest, Default::default()).unwrap();
                assert!(rest.is_empty(), "{} bytes after the first message of a frame", rest.len());
            }
            let large = seen.iter().filter(|payload| payload.len() > count.max(1_000)).count();
            assert_eq!(large, if count > 1_000 { 2 } else { 0 }, "the call and its answer, each whole");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pings_in_the_middle_of_a_call_are_harmless() {
    local(async {
        let facts = Rc::new(Facts::default());
        let scene = tapped(root(&facts, &roomy()).client, None).await;
        let waiting = hello(&scene.rpc, "hang");
        let pings = async {
            facts.until(|facts| facts.hanging.get() == 1).await;
            scene.tap.say(Message::Ping(Vec::new().into())).await;
            scene.tap.say(Message::Ping(b"are you there?".to_vec().into())).await;
            scene.tap.say(Message::Pong(b"unasked".to_vec().into())).await;
            scene.tap.say(Message::binary(Vec::new())).await;
            assert_eq!(probe(&scene.rpc, 5_000).await.unwrap().len(), 5_000);
        };
        tokio::select! {
            ended = waiting => panic!("the call should go on waiting: {ended:?}"),
            () = pings => {}
        }
        assert_eq!(facts.hanging.get(), 1, "nothing of the host has ended");
        assert_eq!((scene.client.end_reason(), scene.host.end_reason()), (None, None));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn payloads_cut_at_odd_places_still_parse() {
    local(async {
        for cut_at in [1, 3, 7, 13, 4_095] {
            let scene = tapped(root(&Rc::new(Facts::default()), &roomy()).client, Some(cut_at)).await;
            for count in [0, 16, 1_000] {
                assert_eq!(probe(&scene.rpc, count).await.unwrap().len(), count, "cut at {cut_at}");
            }
        }
    })
    .await;
}
