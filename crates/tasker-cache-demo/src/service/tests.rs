//! The service over a small database, asked over HTTP.

mod shared;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::client::{Answer, Client};
use crate::seed;
use shared::SharedMemory;

const REFUND: &str = "/v1/templates/payments/refund/1.0.0";

/// A running service that ends with its fixture.
struct Fixture {
    client: Client,
    service: Service,
    server: JoinHandle<()>,
    _directory: TempDir,
}

impl Fixture {
    async fn start(cache: Cache) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let database = Database::open(&directory.path().join("test.sqlite"), 2_000).await;
        let service = Service { database: database.expect("a database"), cache };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let client = Client::new(listener.local_addr().expect("an address"));
        let router = router(service.clone());
        let server = tokio::spawn(async { axum::serve(listener, router).await.expect("a server") });
        Self { client, service, server, _directory: directory }
    }

    async fn get(&mut self, path: &str) -> (StatusCode, Value) {
        parsed(&self.client.get(path).await.expect("an answer"))
    }

    async fn put(&mut self, path: &str, document: &Value) -> (StatusCode, Value) {
        let document = serde_json::to_vec(document).expect("JSON");
        parsed(&self.client.put(path, document).await.expect("an answer"))
    }

    /// Returns how many queries the database was asked by `path`.
    async fn queries_of(&mut self, path: &str) -> u64 {
        let before = self.service.database.queries();
        assert_eq!(self.get(path).await.0, StatusCode::OK);
        self.service.database.queries() - before
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn parsed(answer: &Answer) -> (StatusCode, Value) {
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
}

#[tokio::test]
async fn a_registration_is_seen_by_the_next_read() {
    let mut fixture = Fixture::start(Cache::builder(SharedMemory::new()).build()).await;
    let (_, mut template) = fixture.get(REFUND).await;
    assert_eq!(fixture.queries_of(REFUND).await, 0, "the second read is a hit");

    template["description"] = json!("changed");
    let (status, registered) = fixture.put(REFUND, &template).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(registered, json!({ "revision": 2, "invalidation": "applied" }));

    template["revision"] = json!(2);
    assert_eq!(fixture.get(REFUND).await, (StatusCode::OK, template));
}

#[tokio::test]
async fn a_registration_goes_on_when_its_client_hangs_up() {
    let mut fixture = Fixture::start(Cache::builder(SharedMemory::new()).build()).await;
    assert_eq!(fixture.get(REFUND).await.1["revision"], 1);
    let template = seed::template(0);
    let id = template.id();
    assert_eq!(format!("/v1/templates/{id}"), REFUND);

    tokio::select! {
        biased;
        _ = register(State(fixture.service.clone()), Registration { id, template }) => {
            panic!("the registration has not asked the database yet")
        }
        () = std::future::ready(()) => {}
    }

    let seen = async {
        while fixture.get(REFUND).await.1["revision"] != 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), seen).await.expect("the invalidation");
}

#[tokio::test]
async fn a_registration_that_fails_invalidates_all_the_same() {
    let mut fixture = Fixture::start(Cache::builder(SharedMemory::new()).build()).await;
    let (_, template) = fixture.get(REFUND).await;
    fixture.service.database.close().await;
    let (status, _) = fixture.put(REFUND, &template).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(fixture.service.cache.status().counters.invalidations, 1);
}

#[tokio::test]
async fn a_registration_is_seen_while_the_cache_is_down() {
    let backend = Arc::new(SharedMemory::new());
    let mut fixture = Fixture::start(Cache::builder(Arc::clone(&backend)).build()).await;
    let (_, template) = fixture.get(REFUND).await;

    backend.set_down(true);
    let (status, registered) = fixture.put(REFUND, &template).await;
    assert_eq!((status, &registered["invalidation"]), (StatusCode::OK, &json!("deferred")));
    assert_eq!(fixture.get(REFUND).await.1["revision"], 2);

    backend.set_down(false);
    assert_eq!(fixture.get(REFUND).await.1["revision"], 2);
}

#[tokio::test]
async fn on_a_local_backend_every_template_read_asks_the_database() {
    let mut fixture = Fixture::start(Cache::in_memory(1_000)).await;
    for _ in 0..3 {
        assert_eq!(fixture.queries_of(REFUND).await, 1);
    }
    assert_eq!(fixture.service.cache.status().counters.bypassed(), 3);
}

#[tokio::test]
async fn on_a_local_backend_analytics_ask_the_database_once() {
    let mut fixture = Fixture::start(Cache::in_memory(1_000)).await;
    for path in ["/v1/analytics/performance", "/v1/analytics/bottlenecks"] {
        assert_eq!(fixture.queries_of(path).await, 1);
        assert_eq!(fixture.queries_of(path).await, 0);
    }
    assert_eq!(fixture.service.cache.status().counters.hits, 2);
}

#[tokio::test]
async fn analytics_are_the_same_with_and_without_the_cache() {
    let mut without = Fixture::start(Cache::noop()).await;
    let mut with = Fixture::start(Cache::in_memory(1_000)).await;
    for path in [
        "/v1/analytics/performance?hours=24",
        "/v1/analytics/performance?hours=336",
        "/v1/analytics/bottlenecks?limit=3&min_executions=2",
    ] {
        let expected = without.get(path).await;
        assert_eq!(with.get(path).await, expected, "loaded: {path}");
        assert_eq!(with.get(path).await, expected, "cached: {path}");
    }
}

#[tokio::test]
async fn the_parameters_of_an_analysis_have_defaults() {
    let mut fixture = Fixture::start(Cache::noop()).await;
    let a_day = fixture.get("/v1/analytics/performance?hours=24").await;
    assert_eq!(fixture.get("/v1/analytics/performance").await, a_day);
    let ten = fixture.get("/v1/analytics/bottlenecks?limit=10&min_executions=5").await;
    assert_eq!(fixture.get("/v1/analytics/bottlenecks").await, ten);
    assert_eq!(ten.1["steps"].as_array().map(Vec::len), Some(10));
}

#[tokio::test]
async fn an_unknown_template_is_not_found_until_it_is_registered() {
    let mut fixture = Fixture::start(Cache::builder(SharedMemory::new()).build()).await;
    let path = "/v1/templates/payments/refund/9.9.9";
    let (status, answer) = fixture.get(path).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(answer, json!({ "error": "there is no template payments/refund/9.9.9" }));

    let mut template = serde_json::to_value(seed::template(0)).expect("JSON");
    template["version"] = json!("9.9.9");
    assert_eq!(fixture.put(path, &template).await.0, StatusCode::OK);
    assert_eq!(fixture.get(path).await, (StatusCode::OK, template));
}

#[tokio::test]
async fn a_bad_parameter_is_named() {
    let mut fixture = Fixture::start(Cache::noop()).await;
    for (query, name) in [
        ("performance?hours=0", "hours"),
        ("performance?hours=337", "hours"),
        ("performance?hours=soon", "hours"),
        ("bottlenecks?limit=0", "limit"),
        ("bottlenecks?limit=101", "limit"),
        ("bottlenecks?min_executions=-1", "min_executions"),
    ] {
        let (status, answer) = fixture.get(&format!("/v1/analytics/{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        let message = answer["error"].as_str().expect("a message");
        assert!(message.contains(name), "{query}: {message}");
    }
}

#[tokio::test]
async fn a_document_that_does_not_fit_its_address_is_refused() {
    let mut fixture = Fixture::start(Cache::noop()).await;
    let (_, template) = fixture.get(REFUND).await;
    let elsewhere = "/v1/templates/payments/refund/1.0.1";
    assert_eq!(fixture.put(elsewhere, &template).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(fixture.put(REFUND, &json!({ "name": "refund" })).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(fixture.get(elsewhere).await.0, StatusCode::NOT_FOUND);
    assert_eq!(fixture.get(REFUND).await.1["revision"], 1);
}

#[tokio::test]
async fn a_fault_of_the_cache_leaves_the_service_healthy() {
    let backend = Arc::new(SharedMemory::new());
    let mut fixture = Fixture::start(Cache::builder(Arc::clone(&backend)).build()).await;
    let (status, health) = fixture.get("/health").await;
    assert_eq!((status, &health["cache"]["healthy"]), (StatusCode::OK, &json!(true)));

    backend.set_down(true);
    let (status, health) = fixture.get("/health").await;
    assert_eq!((status, &health["ok"]), (StatusCode::OK, &json!(true)));
    assert_eq!(health["cache"]["healthy"], false);
    assert_eq!(health["cache"]["status"]["backend"], "shared-memory");
}

#[tokio::test]
async fn a_fault_of_the_database_makes_the_service_unhealthy() {
    let mut fixture = Fixture::start(Cache::in_memory(1_000)).await;
    fixture.service.database.close().await;
    let (status, health) = fixture.get("/health").await;
    assert_eq!((status, &health["ok"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(false)));
    let (status, answer) = fixture.get(REFUND).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer, json!({ "error": "the database failed" }));
}
