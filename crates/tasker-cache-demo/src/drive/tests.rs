//! Faults that the drive has to notice, planted into a service.

use std::net::Ipv4Addr;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

type Name = Path<(String, String, String)>;

/// Far longer than it takes until the clients have met every fault of a service.
const LONG: Duration = Duration::from_secs(60);

/// Drives a service whose analytics are in order and whose templates are these, until something
/// was seen.
async fn drive_over(templates: MethodRouter, seen: impl Fn(&Load) -> bool) -> Load {
    let router = Router::new()
        .route("/v1/templates/{namespace}/{name}/{version}", templates)
        .route("/v1/analytics/{which}", get(async || Json(json!({}))));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async { axum::serve(listener, router).await.expect("a server") });
    let plan = Plan { address, clients: 4, duration: Duration::from_millis(500) };
    let (acknowledged, started) = (Acknowledged::new(), Instant::now());
    let mut load = Load::default();
    while !seen(&load) {
        assert!(started.elapsed() < LONG, "never seen: {load:?}");
        load.add(drive(plan.clone(), &acknowledged).await);
    }
    server.abort();
    load
}

fn template(Path((namespace, name, version)): Name, revision: i64) -> Json<Value> {
    let template = json!({
        "namespace": namespace, "name": name, "version": version, "revision": revision,
    });
    Json(template)
}

#[tokio::test]
async fn good_answers_are_counted_by_route() {
    let put = async |name: Name| template(name, 1);
    let templates = get(async |name: Name| template(name, 1)).put(put);
    let all = |load: &Load| load.latencies.iter().all(|latencies| latencies.count() > 0);
    let load = drive_over(templates, all).await;
    assert_eq!((load.errors, load.stale, load.first_error), (0, 0, None));
}

#[tokio::test]
async fn a_template_older_than_its_registration_is_stale() {
    let put = async |name: Name| template(name, 2);
    let templates = get(async |name: Name| template(name, 1)).put(put);
    let load = drive_over(templates, |load| load.stale > 0).await;
    assert_eq!(load.errors, 0);
}

#[tokio::test]
async fn another_template_than_the_one_asked_for_is_an_error() {
    let wrong = async || Json(json!({ "namespace": "", "name": "", "version": "", "revision": 1 }));
    let put = async |name: Name| template(name, 1);
    let load = drive_over(get(wrong).put(put), |load| load.errors > 0).await;
    assert!(load.first_error.expect("an error").contains("asked for"));
}

#[tokio::test]
async fn an_answer_of_failure_is_an_error() {
    let failing = get(async || (StatusCode::INTERNAL_SERVER_ERROR, "no"));
    let load = drive_over(failing, |load| load.errors > 0).await;
    assert!(load.first_error.is_some());
}
