//! The door over real sockets, byte by byte, against the stub.

pub(crate) mod client;
mod clients;
mod copy;
mod extended;
mod malformed;
mod pipeline;
mod scram;
mod shutdown;
mod simple;
mod startup;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir_types::Result;

use crate::stub::Engine;
use crate::{PgOptions, serve};
use client::Client;

/// A door over a stub, on a port of its own.
struct Server {
    address: SocketAddr,
    engine: Engine,
    shutdown: CancellationToken,
    task: JoinHandle<Result<()>>,
}

impl Server {
    async fn start() -> Self {
        Self::start_with(Engine::default(), PgOptions::default()).await
    }

    async fn start_with(engine: Engine, options: PgOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(serve(engine.clone(), listener, options, shutdown.clone()));
        Self { address, engine, shutdown, task }
    }

    /// A client that is let in.
    async fn client(&self) -> Client {
        let mut client = self.caller().await;
        client.send(&client::startup(0, &[("user", "ada"), ("database", "weir")])).await;
        let greeting = client.until_ready().await;
        assert_eq!(greeting.last().map(String::as_str), Some("Z I"), "{greeting:?}");
        client
    }

    /// A client that has said nothing.
    async fn caller(&self) -> Client {
        Client::connect(self.address).await
    }
}

/// Options under which nothing that a test waits for takes long.
fn hasty() -> PgOptions {
    PgOptions {
        drain: Duration::from_millis(20),
        authentication_timeout: Duration::from_millis(50),
        failed_authentication_delay: Duration::ZERO,
    }
}
