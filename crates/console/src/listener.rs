//! The routes, and the loop that serves them.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use weir_engine::Engine;
use weir_types::{Error, Result};

use crate::{exposition, status};

/// The engine, once it is open.
type Slot = Arc<OnceLock<Engine>>;

/// Serves HTTP on `listener` until `shutdown` is cancelled; then finishes the requests that run.
///
/// `engine` is set by the caller when recovery is done. Until then `/readyz` and `/metrics` answer
/// 503.
///
/// # Errors
/// When the listener stops working.
pub async fn serve(listener: TcpListener, engine: Slot, shutdown: CancellationToken) -> Result<()> {
    axum::serve(listener, routes(engine))
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
        .map_err(|error| Error::io("could not serve HTTP", &error))
}

fn routes(engine: Slot) -> Router {
    Router::new()
        .route("/", get(status_page))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readiness))
        .route("/metrics", get(metrics))
        .with_state(engine)
}

async fn readiness(State(engine): State<Slot>) -> Response {
    match engine.get() {
        Some(engine) if engine.is_ready() => "ready\n".into_response(),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response(),
        None => starting(),
    }
}

async fn metrics(State(engine): State<Slot>) -> Response {
    let Some(engine) = engine.get() else { return starting() };
    // The media type of Prometheus' text format; without the version some scrapers refuse it.
    let content_type = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (content_type, exposition::render(&engine.metrics())).into_response()
}

async fn status_page(State(engine): State<Slot>) -> Response {
    let page = match engine.get() {
        Some(engine) => {
            status::render(engine.is_ready(), Some(engine.newest_epoch()), &engine.metrics())
        }
        None => status::render(false, None, &[]),
    };
    (headers(), Html(page)).into_response()
}

/// The page is of this moment, and holds nothing that a script or another site could use.
fn headers() -> [(HeaderName, &'static str); 2] {
    let policy = HeaderName::from_static("content-security-policy");
    [(CACHE_CONTROL, "no-store"), (policy, "default-src 'none'; style-src 'unsafe-inline'")]
}

fn starting() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "starting: the data directory is being recovered\n")
        .into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn get_path(address: std::net::SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.expect("the other side answers");
        let request = format!("GET {path} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("the server reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("the answer is text");
        answer
    }

    #[tokio::test]
    async fn a_server_in_recovery_is_healthy_and_not_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(serve(listener, Slot::default(), shutdown.clone()));
        assert!(get_path(address, "/healthz").await.starts_with("HTTP/1.1 200"));
        assert!(get_path(address, "/readyz").await.starts_with("HTTP/1.1 503"));
        assert!(get_path(address, "/metrics").await.starts_with("HTTP/1.1 503"));
        let page = get_path(address, "/").await;
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("starting"), "{page}");
        assert!(get_path(address, "/nothing").await.starts_with("HTTP/1.1 404"));
        shutdown.cancel();
        server.await.expect("the server thread does not panic").expect("the server ends well");
    }
}
