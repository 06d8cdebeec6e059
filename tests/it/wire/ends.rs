//! The ways in which a connection ends, and who is told what.

use std::rc::Rc;
use std::time::Duration;

use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use capnp::ErrorKind;
use capshare::__internal::wire::websocket::{KeepAlive, PipeEnd};
use futures::StreamExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::scene::{
    Facts, MESSAGE_BYTES_MAX, client, disconnected, hang, host, local, over_duplex, probe, roomy, root, socket,
    sockets, tapped,
};

#[tokio::test(start_paused = true)]
async fn a_close_with_a_reason_ends_calls_as_disconnected_and_is_told() {
    local(async {
        let facts = Rc::new(Facts::default());
        let scene = tapped(root(&facts, &roomy()).client, None).await;
        let waiting = hang(&scene.rpc, &facts).await;
        let frame = CloseFrame { code: 4001.into(), reason: "revoked".into() };
        scene.tap.say(Message::Close(Some(frame))).await;
        let error = waiting.await.unwrap().unwrap_err();

        assert!(disconnected(&error), "{error}");
        assert!(error.extra.contains("4001 revoked"), "{error}");
        let end = Some(PipeEnd::ClosedByPeer { code: 4001, reason: "revoked".into() });
        assert_eq!(scene.client.end_reason(), end);
        scene.client_ended.await.unwrap().unwrap();
        scene.host_ended.await.unwrap().unwrap();
        assert_eq!(scene.host.end_reason(), end);
        assert_eq!(facts.hanging.get(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_tcp_connection_cut_in_the_middle_of_a_call_is_disconnected_at_both_ends() {
    local(async {
        let (near, far) = tcp().await;
        let facts = Rc::new(Facts::default());
        // A second handle on the client's socket, to shut it down below its WebSocket as a killed process does.
        let near = near.into_std().unwrap();
        let knife = near.try_clone().unwrap();
        let near = socket(TcpStream::from_std(near).unwrap(), Role::Client).await;
        let (host_control, host_ended) = host(socket(far, Role::Server).await, root(&facts, &roomy()).client);
        let (rpc, control, ended) = client(near);

        let waiting = hang(&rpc, &facts).await;
        knife.shutdown(std::net::Shutdown::Both).unwrap();
        let error = waiting.await.unwrap().unwrap_err();

        assert!(disconnected(&error), "{error}");
        ended.await.unwrap().unwrap();
        host_ended.await.unwrap().unwrap();
        assert_eq!(facts.hanging.get(), 0);
        for end in [control.end_reason(), host_control.end_reason()] {
            assert!(matches!(end, Some(PipeEnd::Cut | PipeEnd::Transport(_))), "{end:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_cut_connection_without_a_socket_error_is_disconnected_too() {
    local(async {
        let facts = Rc::new(Facts::default());
        let scene = tapped(root(&facts, &roomy()).client, None).await;
        let waiting = hang(&scene.rpc, &facts).await;
        scene.tap.cut();
        let error = waiting.await.unwrap().unwrap_err();
        assert!(disconnected(&error), "{error}");
        assert!(disconnected(&probe(&scene.rpc, 1).await.unwrap_err()), "and so is every later call");
        assert_eq!(scene.client.end_reason(), Some(PipeEnd::Cut));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_text_frame_is_refused_by_name_with_1003() {
    local(async {
        let (near, mut peer) = sockets().await;
        let (control, ended) = host(near, root(&Rc::new(Facts::default()), &roomy()).client);
        peer.send(Message::text(r#"{"id":1,"procedure":"snapshot"}"#)).await.unwrap();

        assert_closed(&mut peer, 1003, "ProtocolMismatch").await;
        assert_eq!(ended.await.unwrap().unwrap_err().kind, ErrorKind::Failed);
        assert_eq!(control.end_reason(), Some(PipeEnd::TextFrame));
    })
    .await;
}

#[tokio::test]
async fn a_message_past_the_limit_is_refused_by_name_with_1009_even_while_it_is_still_coming() {
    local(async {
        let (near, far) = tcp().await;
        let facts = Rc::new(Facts::default());
        let (control, ended) = host(socket(far, Role::Server).await, root(&facts, &roomy()).client);
        let mut peer = async_tungstenite::WebSocketStream::from_raw_socket(
            tokio_util::compat::TokioAsyncReadCompatExt::compat(near),
            Role::Client,
            None,
        )
        .await;
        let goodbye = async move {
            assert_eq!(ended.await.unwrap().unwrap_err().kind, ErrorKind::Failed);
            control.close(1011, "too late: the pipe has ended").await;
            control.end_reason() // And the socket is dropped.
        };
        let attack = async move {
            peer.send(Message::binary(vec![0; 8 * MESSAGE_BYTES_MAX])).await.unwrap();
            assert_closed(&mut peer, 1009, "LimitExceeded messageBytesMax").await;
        };
        let (end, ()) = tokio::join!(goodbye, attack);
        let max = MESSAGE_BYTES_MAX as u64;
        assert_eq!(end, Some(PipeEnd::TooLarge { got: 8 * max, max }));
        assert_eq!(facts.live.get(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_message_past_the_limit_is_refused_as_soon_as_its_first_piece_tells_its_size() {
    local(async {
        let (near, far) = tcp().await;
        let (control, ended) = host(socket(far, Role::Server).await, root(&Rc::new(Facts::default()), &roomy()).client);
        let mut peer = socket(near, Role::Client).await;
        let max = MESSAGE_BYTES_MAX as u64;
        // One segment, which with the eight bytes of this table is just too large; none of it ever comes.
        let table = [0, u32::try_from(max / 8).unwrap()].map(u32::to_le_bytes).concat();
        peer.send(Message::binary(table)).await.unwrap();
        assert_eq!(ended.await.unwrap().unwrap_err().kind, ErrorKind::Failed);
        assert_eq!(control.end_reason(), Some(PipeEnd::TooLarge { got: max + 8, max }));
        let heard = async move { assert_closed(&mut peer, 1009, "LimitExceeded messageBytesMax").await };
        tokio::join!(control.close(1011, "too late: the pipe has ended"), heard);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_past_the_limit_ends_the_connection_by_name_and_nothing_of_it_is_sent() {
    local(async {
        let (near, far) = sockets().await;
        let (control, ended) = host(near, root(&Rc::new(Facts::default()), &roomy()).client);
        let (rpc, _control, _ended) = client(far);
        let mut request = rpc.probe_value_request();
        request.get().init_input().set_when(i64::try_from(MESSAGE_BYTES_MAX).unwrap());
        let answer = request.send().promise.await;
        assert!(disconnected(&answer.err().unwrap()));
        assert_eq!(control.end_reason(), Some(PipeEnd::TooLargeToSend { max: MESSAGE_BYTES_MAX as u64 }));
        ended.await.unwrap().unwrap_err();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn garbage_ends_its_own_connection_as_failed_and_no_other() {
    local(async {
        let facts = Rc::new(Facts::default());
        let budget = roomy();
        let root = root(&facts, &budget);
        let (bystander, _ended, _host) = over_duplex(root.clone().client);
        probe(&bystander, 16).await.unwrap();

        for garbage in
            [vec![0xff; 64], b"GET / HTTP/1.1\r\n\r\n".to_vec(), vec![0, 0, 0, 0, 1, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9]]
        {
            let (near, mut peer) = sockets().await;
            let (_control, ended) = host(near, root.clone().client);
            peer.send(Message::binary(garbage)).await.unwrap();
            assert_eq!(ended.await.unwrap().unwrap_err().kind, ErrorKind::Failed);
            assert_eq!(probe(&bystander, 16).await.unwrap().len(), 16);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn closing_here_dispatches_nothing_more_and_tells_the_peer_why() {
    local(async {
        let facts = Rc::new(Facts::default());
        let (near, far) = sockets().await;
        let (control, ended) = host(near, root(&facts, &roomy()).client);
        let (rpc, client_control, _client_ended) = client(far);
        probe(&rpc, 16).await.unwrap();

        let waiting = hang(&rpc, &facts).await;
        let started = tokio::time::Instant::now();
        // The reason is longer than a Close frame has room for, and is cut between characters.
        control.close(4001, &"ä".repeat(100)).await;
        assert_eq!(started.elapsed(), Duration::ZERO, "the peer answered, so nothing was waited for");
        ended.await.unwrap().unwrap();
        let error = waiting.await.unwrap().unwrap_err();
        assert!(disconnected(&error), "{error}");
        assert_eq!(client_control.end_reason(), Some(PipeEnd::ClosedByPeer { code: 4001, reason: "ä".repeat(61) }));
        assert_eq!((facts.hanging.get(), facts.live.get()), (0, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn closing_takes_no_longer_than_its_bound_when_the_peer_says_nothing() {
    local(async {
        let (near, _silent) = sockets().await;
        let (control, ended) = host(near, root(&Rc::new(Facts::default()), &roomy()).client);
        let started = tokio::time::Instant::now();
        control.close(1001, "going away").await;
        assert_eq!(started.elapsed(), Duration::from_secs(2));
        ended.await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_dropped_after_two_ping_intervals_and_one_that_answers_pings_is_not() {
    local(async {
        let settings =
            KeepAlive { interval: Duration::from_secs(15), write_stall: Duration::from_secs(30), silence_code: 4003 };
        let (near, silent) = sockets().await;
        let (control, ended) = host(near, root(&Rc::new(Facts::default()), &roomy()).client);
        let started = tokio::time::Instant::now();
        assert_eq!(control.keepalive(settings).await, PipeEnd::Idle);
        assert_eq!(started.elapsed(), Duration::from_secs(30));
        ended.await.unwrap().unwrap();
        drop(silent);

        let (near, far) = sockets().await;
        let (control, _ended) = host(near, root(&Rc::new(Facts::default()), &roomy()).client);
        let (rpc, client_control, _client_ended) = client(far);
        probe(&rpc, 16).await.unwrap();
        tokio::select! {
            end = control.keepalive(settings) => panic!("{end}"),
            end = client_control.keepalive(settings) => panic!("{end}"),
            () = tokio::time::sleep(Duration::from_secs(3600)) => {}
        }
        probe(&rpc, 16).await.unwrap();
    })
    .await;
}

async fn assert_closed<S>(peer: &mut async_tungstenite::WebSocketStream<S>, code: u16, reason: &str)
where
    S: futures::AsyncRead + futures::AsyncWrite + Unpin,
{
    loop {
        let message = peer.next().await.expect("a Close frame before the end").unwrap();
        if let Message::Close(frame) = message {
            let frame = frame.expect("a reason");
            assert_eq!(u16::from(frame.code), code);
            assert!(frame.reason.as_str().starts_with(reason), "{}", frame.reason);
            return;
        }
    }
}

async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    (near.unwrap(), far.unwrap().0)
}
