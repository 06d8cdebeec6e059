//! The registry through real connections: admission, revocation, caps, expiry, administration.

use std::sync::Arc;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::ConnectStream;
use capshare::client::{Client, Closed, ConnectionState};
use object_store::memory::InMemory;

use crate::support::desk::Desk;
use crate::support::door::Served;
use crate::support::patience::within;

mod admin;
mod admission;
mod caps;
mod crowd;
mod many;
mod races;
mod revocation;

type Socket = WebSocketStream<ConnectStream>;

async fn serve(desk: &Desk) -> Served {
    Served::over(Arc::new(InMemory::new()), Arc::new(desk.clone()), |_| {}).await
}

/// A socket on the RPC door that speaks no RPC.
async fn rpc_socket(served: &Served, token: &str) -> Socket {
    served.knock("/rpc/share", &[("Authorization", &format!("Bearer {token}"))]).await.unwrap()
}

/// The same on the viewers' door.
async fn viewer_socket(served: &Served, share: &str, token: Option<&str>) -> Socket {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer.iter().map(|bearer| ("Authorization", bearer.as_str())).collect();
    served.knock(&format!("/ws/{share}"), &headers).await.unwrap()
}

/// Waits for a fact that some other thread brings about.
async fn until(fact: impl Fn() -> bool) {
    let comes = async {
        while !fact() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    within("a fact", comes).await;
}

/// Why a client ended.
async fn ended(client: &Client) -> Closed {
    let mut state = client.state();
    let state = state.wait_for(|state| matches!(state, ConnectionState::Closed(_))).await.unwrap();
    match &*state {
        ConnectionState::Closed(closed) => closed.clone(),
        _ => unreachable!("waited for"),
    }
}
