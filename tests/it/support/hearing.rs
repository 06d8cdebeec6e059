//! What is pushed to linked clients that acknowledge everything.

use capshare::Client;
use capshare::client::{Answer, Push};
use tokio::sync::mpsc::{Receiver, channel};

/// From here on the host can push to these clients, and this is what they hear, one after the other; 16 that were not read yet.
pub(crate) async fn hearing(clients: &[&Client]) -> Receiver<Push> {
    let (heard, hearing) = channel(16);
    for client in clients {
        let heard = heard.clone();
        let hear = move |push: Push| {
            let heard = heard.clone();
            async move {
                heard.try_send(push).unwrap();
                Ok::<_, String>(Answer::Done)
            }
        };
        client.on_push(hear).await.unwrap();
    }
    hearing
}
