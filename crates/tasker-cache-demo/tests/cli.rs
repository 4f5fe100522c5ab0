//! The program as it is run: what it prints, and how it ends.

#![expect(clippy::expect_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;
use tasker_cache_testkit::server::{MemcachedServer, RedisServer};
use tempfile::{TempDir, tempdir};

/// The program, with a small database of its own.
fn demo(directory: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tasker-cache-demo"));
    command
        .args(arguments)
        .arg("--database")
        .arg(directory.path().join("demo.sqlite"))
        .args(["--executions", "2000"])
        .env_remove("RUST_LOG");
    command
}

fn run(directory: &TempDir, arguments: &[&str]) -> Output {
    demo(directory, arguments).output().expect("the demo runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

fn demo_toml() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("demo.toml")).expect("a file")
}

#[test]
fn the_json_report_is_one_object_with_both_halves() {
    let directory = tempdir().expect("a temporary directory");
    let output = run(&directory, &["--json", "--seconds", "4", "--concurrency", "4"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    for half in ["without_cache", "with_cache"] {
        for field in ["requests_per_second", "p50_ms", "p99_ms", "database_queries"] {
            assert!(report[half][field].is_number(), "{half}.{field}: {report}");
        }
        assert_eq!(report[half]["errors"], 0, "{report}");
        assert_eq!(report[half]["stale_answers"], 0, "{report}");
    }
    assert!(report["without_cache"]["hit_ratio"].is_null());
    assert!(report["with_cache"]["hit_ratio"].is_number());
    assert_eq!(report["with_cache"]["backend"], "moka");
}

#[test]
fn the_report_tells_what_the_usage_rule_did() {
    let directory = tempdir().expect("a temporary directory");
    let output = run(&directory, &["--seconds", "1", "--concurrency", "4"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    for row in ["requests per second", "p50", "p99", "database queries", "hit ratio"] {
        assert!(table.contains(row), "no {row} in:\n{table}");
    }
    let row = |name| table.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    assert!(row("templates ").contains(" not cached: "), "{table}");
    assert!(table.contains("moka is not shared between processes"), "{table}");
    assert!(row("analytics ").contains(" cached: "), "{table}");
    let warning = "Cache provider 'moka' is not safe for template caching";
    assert_eq!(text(&output.stderr).matches(warning).count(), 1, "{}", text(&output.stderr));
}

/// Asserts that the comparison runs on a server as it does on Moka, with templates cached too, since
/// all processes see the server's entries.
fn assert_caches_everything(backend: &str, variable: &str, url: &str) {
    let directory = tempdir().expect("a temporary directory");
    let config = directory.path().join("networked.toml");
    let line = format!("backend = \"{backend}\"");
    fs::write(&config, demo_toml().replace("backend = \"moka\"", &line)).expect("a file");
    let config = config.to_str().expect("UTF-8");
    let arguments = ["--json", "--seconds", "6", "--concurrency", "4", "--config", config];
    let output = demo(&directory, &arguments).env(variable, url).output().expect("the demo runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(report["with_cache"]["backend"], backend);
    assert!(report["with_cache"]["hits"].as_u64() > Some(0), "{report}");
    for wrong in ["errors", "stale_answers"] {
        assert_eq!(report["with_cache"][wrong], 0, "{report}");
    }
    let usage = report["usage"].as_array().expect("a list");
    assert!(usage.len() >= 2, "{report}");
    assert!(usage.iter().all(|region| region["cached"] == true), "{report}");
}

#[tokio::test]
async fn on_redis_templates_and_analytics_are_cached() {
    let server = RedisServer::start().await;
    assert_caches_everything("redis", "REDIS_URL", &server.url());
    let keys = server.command(&["KEYS", "tasker-cache-demo:*"]).await;
    assert!(!keys.items().is_empty());
}

#[tokio::test]
async fn on_memcached_templates_and_analytics_are_cached() {
    let server = MemcachedServer::start().await;
    assert_caches_everything("memcached", "MEMCACHED_URL", &server.url());
}

#[test]
fn a_disabled_cache_is_said_to_be_disabled() {
    let directory = tempdir().expect("a temporary directory");
    let config = directory.path().join("off.toml");
    fs::write(&config, demo_toml().replace("enabled = true", "enabled = false")).expect("a file");
    let config = config.to_str().expect("UTF-8");
    let output = run(&directory, &["--json", "--seconds", "1", "--config", config]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    for region in report["usage"].as_array().expect("a list") {
        assert_eq!(region["cached"], false);
        assert_eq!(region["reason"], "the cache is disabled");
    }
}

#[test]
fn a_configuration_that_is_wrong_is_an_error_that_names_the_file() {
    let directory = tempdir().expect("a temporary directory");
    let config = directory.path().join("wrong.toml");
    fs::write(&config, demo_toml().replace("10000", "0")).expect("a file");
    let output = run(&directory, &["--config", config.to_str().expect("UTF-8")]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("wrong.toml"), "{}", text(&output.stderr));
    assert!(output.stdout.is_empty());
}

/// The service as a program of its own.
#[cfg(unix)]
struct Serving {
    child: Child,
    output: BufReader<ChildStdout>,
    address: String,
    _directory: TempDir,
}

#[cfg(unix)]
impl Serving {
    fn start() -> Self {
        let directory = tempdir().expect("a temporary directory");
        let mut serve = demo(&directory, &["serve", "--listen", "127.0.0.1:0"]);
        let mut child = serve.stdout(Stdio::piped()).spawn().expect("the demo runs");
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let address = loop {
            let mut line = String::new();
            assert_ne!(output.read_line(&mut line).expect("a line"), 0, "it ended early");
            if let Some((_, address)) = line.trim().split_once("http://") {
                break address.to_owned();
            }
        };
        Self { child, output, address, _directory: directory }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: demo\r\nconnection: close\r\n\r\n")
            .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        answer
    }

    /// Tells it to stop, and returns its last words.
    fn stop(mut self) -> String {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(told.expect("kill runs").success());
        assert!(self.child.wait().expect("it ends").success());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("its last words");
        rest
    }
}

#[cfg(unix)]
impl Drop for Serving {
    fn drop(&mut self) {
        // One that has ended can't be ended again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
#[test]
fn serve_answers_until_it_is_told_to_stop() {
    let serving = Serving::start();
    serving.get("/health");
    let rest = serving.stop();
    assert!(rest.contains("left to invalidate"), "{rest}");
}

#[cfg(unix)]
#[test]
fn serve_tells_what_its_cache_did_as_metrics() {
    let serving = Serving::start();
    for _ in 0..3 {
        serving.get("/v1/analytics/performance");
    }
    serving.get("/v1/templates/payments/refund/1.0.0");

    let metrics = serving.get("/metrics");
    let value = |name: &str, labels: &[&str]| {
        let mut lines = metrics.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        let line = lines.find(|line| labels.iter().all(|label| line.contains(label)));
        line.and_then(|line| line.rsplit_once(' ')).map(|(_, value)| value.to_owned())
    };
    let reads = |region, outcome| value("tasker_cache_requests_total", &[region, outcome]);
    let performance = "region=\"analytics:performance\"";
    assert_eq!(reads(performance, "outcome=\"hit\"").as_deref(), Some("2"), "{metrics}");
    assert_eq!(reads(performance, "outcome=\"miss\"").as_deref(), Some("1"), "{metrics}");
    let bypass = reads("region=\"template\"", "reason=\"usage\"");
    assert_eq!(bypass.as_deref(), Some("1"), "{metrics}");
    let loads = value("tasker_cache_load_duration_seconds_count", &[performance]);
    assert_eq!(loads.as_deref(), Some("1"), "{metrics}");
    let entries = value("tasker_cache_entries", &["backend=\"moka\""]);
    assert_eq!(entries.as_deref(), Some("1"), "{metrics}");
}
