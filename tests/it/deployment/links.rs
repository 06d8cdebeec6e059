//! How much waits for another host, and how much another host may ask for.

use std::sync::Arc;

use bytes::Bytes;
use capshare::__internal::ambient::TokioClock;
use capshare::__internal::hints::{Carrier as _, Control, Hint, Hints, Message, NotSent};
use capshare::__internal::metrics::Metrics;
use capshare::__internal::peers::{Asking as _, Link, NotAnswered, Outgoing, Peers};
use capshare::__internal::rooms::HandOver as _;
use capshare::__internal::rpc::handing::ByPeers;
use capshare::__internal::rpc::peer;
use capshare::__internal::share_capnp::host_peer;
use capshare::__internal::wire::duplex;
use capshare::__internal::wire::vat::{self, VatLimits};
use capshare::share::error::Refusal;
use capshare::share::id::{HostId, ShareId};
use capshare::share::limits::HINT_BYTES_MAX;
use capshare::share::limits::hosts::{
    HANDED_AT_ONCE_MAX, HOST_CONNECTIONS_MAX, PEER_ASKS_MAX, PEER_FOLLOWED_MAX, PEER_FOLLOWS_MAX, PEER_NEWS_MAX,
    PEER_QUEUE_BYTES_MAX,
};
use capshare::share::time::Timestamp;
use capshare::testing::{BEGINNING, Scene, run};
use futures::FutureExt as _;
use futures::future::join_all;
use object_store::memory::InMemory;

use super::{advertising, member};
use crate::support::bucket::TestBucket;
use crate::support::patience::within;

/// One host's connections, and nothing else of it.
fn peers() -> Arc<Peers> {
    let hosts = member(&TestBucket::over(Arc::new(InMemory::new())), 1, advertising("http://a"));
    let hints = Hints::new(hosts.id().clone(), Arc::new(TokioClock::from(BEGINNING)), Arc::new(Metrics::new()));
    Peers::new(hosts, hints)
}

fn other(n: u128) -> HostId {
    HostId::from_bits(100 + n)
}

fn share(n: usize) -> ShareId {
    ShareId::from_bits(n as u128)
}

fn hint(n: usize) -> Message {
    Message::Share(Hint { share: share(n), seq: 1, host: HostId::from_bits(1), at: Timestamp(0) })
}

/// What is to be sent next, if there is something.
fn next(link: &Link) -> Option<Outgoing> {
    link.next().now_or_never()
}

#[test]
fn what_waits_for_another_host_has_a_bound_and_goes_in_parts() {
    let peers = peers();
    let (slow, quick) = (peers.link(other(1)).unwrap(), peers.link(other(2)).unwrap());
    let body = format!("\"{}\"", "x".repeat(HINT_BYTES_MAX - 1_000));
    let message = Message::Control(Control::new("close", HostId::from_bits(1), None, &body).unwrap());
    let bytes = message.encode().len();
    let most = PEER_QUEUE_BYTES_MAX / bytes;
    assert!(most > PEER_NEWS_MAX);
    for n in 0..most {
        assert_eq!(peers.publish(message.clone()), Ok(()), "{n}");
        assert!(matches!(next(&quick), Some(Outgoing::News(_))));
    }
    assert_eq!(peers.publish(message.clone()), Err(NotSent), "one of the two has no place for it");
    assert!(matches!(next(&quick), Some(Outgoing::News(news)) if news.len() == 1), "and the other hears it");
    let parts: Vec<usize> = std::iter::from_fn(|| match next(&slow) {
        Some(Outgoing::News(news)) => Some(news.len()),
        _ => None,
    })
    .collect();
    assert_eq!(parts.iter().sum::<usize>(), most);
    assert!(parts.iter().all(|part| *part <= PEER_NEWS_MAX) && parts[0] == PEER_NEWS_MAX, "{parts:?}");
    assert_eq!(peers.publish(message), Ok(()), "there is room again");
}

#[test]
fn what_is_followed_is_told_in_parts() {
    let peers = peers();
    (0..PEER_FOLLOWS_MAX).for_each(|n| peers.follow(&share(n)));
    let link = peers.link(other(1)).unwrap();
    peers.follow(&share(PEER_FOLLOWS_MAX));
    let told = |outgoing: Option<Outgoing>| match outgoing {
        Some(Outgoing::Follow { shares, wanted }) => (shares.len(), wanted),
        other => panic!("{other:?}"),
    };
    assert_eq!(told(next(&link)), (PEER_FOLLOWS_MAX, true));
    peers.unfollow(&share(0));
    assert_eq!((told(next(&link)), told(next(&link))), ((1, false), (1, true)));
    assert!(next(&link).is_none());
}

#[test]
fn a_host_that_follows_more_than_is_remembered_is_told_of_every_share() {
    let peers = peers();
    let link = peers.link(other(1)).unwrap();
    link.followed((0..PEER_FOLLOWED_MAX).map(share), true);
    let stranger = PEER_FOLLOWED_MAX + 7;
    peers.publish(hint(stranger)).unwrap();
    assert!(next(&link).is_none(), "it does not follow this one");
    peers.publish(hint(PEER_FOLLOWED_MAX - 1)).unwrap();
    assert!(matches!(next(&link), Some(Outgoing::News(_))));
    link.followed([share(PEER_FOLLOWED_MAX)], true);
    peers.publish(hint(stranger)).unwrap();
    assert!(matches!(next(&link), Some(Outgoing::News(_))));
}

#[tokio::test(start_paused = true)]
async fn so_many_questions_wait_for_a_host_and_a_further_one_is_refused_at_once() {
    let peers = peers();
    let link = peers.link(other(1)).unwrap();
    let (to, question) = (other(1), Bytes::from_static(b"?"));
    let waiting: Vec<_> = (0..PEER_ASKS_MAX).map(|_| Box::pin(peers.ask(&to, question.clone()))).collect();
    let mut waiting = join_all(waiting);
    assert!((&mut waiting).now_or_never().is_none());
    assert_eq!(peers.ask(&to, question.clone()).now_or_never(), Some(Err(NotAnswered::TooMany)));
    assert_eq!(peers.ask(&other(2), question.clone()).now_or_never(), Some(Err(NotAnswered::NotLinked)));
    let Some(Outgoing::Ask(asked)) = next(&link) else { panic!("no question") };
    asked.answer(Bytes::from_static(b"!"));
    drop(link);
    let answers = waiting.await;
    let answered = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!((answered, &answers[1]), (1, &Err(NotAnswered::Silent)));
    // One that is never answered is given up.
    let _link = peers.link(other(1)).unwrap();
    assert_eq!(peers.ask(&to, question).await, Err(NotAnswered::Silent));
}

#[test]
fn so_many_connections_to_other_hosts_and_no_more() {
    let peers = peers();
    let mut links: Vec<_> = (0..HOST_CONNECTIONS_MAX).map(|n| peers.link(other(n as u128)).unwrap()).collect();
    let refused = peers.link(other(1_000)).unwrap_err();
    assert!(matches!(refused, Refusal::Unavailable { .. }), "{refused}");
    links.pop();
    drop(peers.link(other(1_000)).unwrap());
    peers.end();
    assert!(peers.link(other(1_000)).is_err(), "a host that shuts down takes none");
}

/// A host that asks for more in one call than the contract says is refused that call, and stays connected.
#[test]
fn another_host_may_say_so_much_in_one_call_and_no_more() {
    run(async {
        let scene = Scene::builder().build();
        let hub = scene.host().hub();
        let (near, far) = duplex::pair(64 << 10);
        let (reader, writer) = far.split();
        let link = hub.peers().link(other(1)).unwrap();
        let serving = tokio::task::spawn_local(peer::serve(Arc::clone(hub), link, reader, writer));
        let (reader, writer) = near.split();
        let limits =
            VatLimits { message_bytes_max: 64 << 20, nesting_max: 64, queued_bytes_max: None, calls_kept_max: 10_000 };
        let (vat, host): (_, host_peer::Client) = vat::connect(reader, writer, limits);
        let vat = tokio::task::spawn_local(vat);
        for (shares, is_taken) in [(PEER_FOLLOWS_MAX, true), (PEER_FOLLOWS_MAX + 1, false)] {
            let mut request = host.follow_request();
            let mut list = request.get().init_shares(shares as u32);
            (0..shares).for_each(|n| list.set(n as u32, share(n).as_str()));
            request.get().set_wanted(true);
            let answer = within("an answer", request.send().promise).await;
            assert_eq!(answer.is_ok(), is_taken, "{shares}");
        }
        for (messages, is_taken) in [(PEER_NEWS_MAX, true), (PEER_NEWS_MAX + 1, false)] {
            let mut request = host.news_request();
            let mut list = request.get().init_messages(messages as u32);
            (0..messages).for_each(|n| list.set(n as u32, &hint(n).encode()));
            let answer = within("an answer", request.send().promise).await;
            assert_eq!(answer.is_ok(), is_taken, "{messages}");
        }
        assert!(hub.peers().is_linked(&other(1)));
        vat.abort();
        drop(host);
        drop(within("the end of the connection", serving).await);
        assert!(!hub.peers().is_linked(&other(1)));
    });
}

/// Rounds that are handed over leave places for administrators, and one that is given up gives its place back.
#[test]
fn what_is_handed_over_at_once_has_a_bound() {
    run(async {
        let peers = peers();
        let link = peers.link(other(1)).unwrap();
        let by = ByPeers::new(Arc::clone(&peers));
        let handing = || by.hand_over(&other(1), &share(1), Bytes::from_static(b"parcel"));
        let mut under_way: Vec<_> = (0..HANDED_AT_ONCE_MAX).map(|_| handing()).collect();
        for one in &mut under_way {
            assert!(one.now_or_never().is_none(), "it waits for the answer");
        }
        assert_eq!(handing().now_or_never(), Some(None));
        let asked: Vec<_> = std::iter::from_fn(|| next(&link)).collect();
        assert_eq!(asked.len(), HANDED_AT_ONCE_MAX);
        under_way.clear();
        for _ in 0..2 * PEER_ASKS_MAX {
            // Nobody takes these, and they do not stay.
            assert!(handing().now_or_never().is_none());
        }
    });
}
