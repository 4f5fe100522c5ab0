//! The log lines: one per transition, word for word.
#![expect(clippy::expect_used, reason = "a test ends where its assumption is wrong")]

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tasker_cache_breaker::{BreakerSettings, CircuitBreaker, Permit};
use tokio::time::advance;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const OPENED: &str = "ERROR tasker_cache_breaker: Circuit breaker opened (failing fast)";
const HALF_OPEN: &str = "INFO tasker_cache_breaker: Circuit breaker half-open (testing recovery)";
const CLOSED: &str = "INFO tasker_cache_breaker: Circuit breaker closed (recovered)";

/// A subscriber that keeps every event as one line.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut line = format!("{} {}:", metadata.level(), metadata.target());
        event.record(&mut Line(&mut line));
        self.0.lock().expect("no test panics with it").push(line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() != "message" {
            write!(self.0, " {}", field.name()).expect("a string takes it all");
        }
        write!(self.0, " {value:?}").expect("a string takes it all");
    }
}

/// Runs on the current thread, so that the subscriber sees it all.
fn recorded(script: impl AsyncFnOnce()) -> Vec<String> {
    let lines = Lines::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs no resources");
    tracing::subscriber::with_default(lines.clone(), || runtime.block_on(script()));
    let lines = lines.0.lock().expect("nobody else has it");
    lines.clone()
}

fn brittle() -> BreakerSettings {
    BreakerSettings::default().failure_threshold(1)
}

fn acquire(breaker: &CircuitBreaker) -> Permit<'_> {
    breaker.try_acquire().expect("let through")
}

#[test]
fn an_outage_and_its_end_are_one_line_per_transition() {
    let lines = recorded(async || {
        let breaker = CircuitBreaker::new(brittle());
        acquire(&breaker).failure();
        assert!(breaker.try_acquire().is_none());
        advance(Duration::from_secs(15)).await;
        acquire(&breaker).failure();
        advance(Duration::from_secs(15)).await;
        acquire(&breaker).success();
        acquire(&breaker).success();
    });

    assert_eq!(lines, [OPENED, HALF_OPEN, OPENED, HALF_OPEN, CLOSED]);
}

#[test]
fn a_circuit_that_starts_open_does_not_say_so() {
    let lines = recorded(async || {
        let breaker = CircuitBreaker::new_open(brittle());
        drop(acquire(&breaker));
    });

    assert_eq!(lines, [HALF_OPEN]);
}

#[test]
fn what_is_no_transition_is_no_line() {
    let lines = recorded(async || {
        let breaker = CircuitBreaker::new(brittle());
        breaker.reset();
        breaker.force_open();
        breaker.force_open();
        breaker.reset();
    });

    assert_eq!(lines, [OPENED, CLOSED]);
}

#[test]
fn an_overdue_probe_is_said_to_open() {
    let lines = recorded(async || {
        let breaker = CircuitBreaker::new_open(brittle());
        let _probe = acquire(&breaker);
        advance(Duration::from_secs(30)).await;
        assert!(breaker.try_acquire().is_none());
    });

    assert_eq!(lines, [HALF_OPEN, OPENED]);
}

#[test]
fn a_circuit_with_a_name_says_it() {
    let lines = recorded(async || {
        let breaker = CircuitBreaker::new(brittle()).named("cache-1:11211");
        breaker.force_open();
        breaker.reset();
    });

    let named = [OPENED, CLOSED].map(|line| format!("{line} circuit \"cache-1:11211\""));
    assert_eq!(lines, named);
}
