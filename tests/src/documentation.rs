//! The examples of the front page and of the book, compiled and run as doc tests.

/// Takes each page in; a test checks that none is left out.
macro_rules! pages {
    ($($name:ident = $path:literal;)+) => {$(
        #[doc = include_str!($path)]
        struct $name;
    )+};
}

pages! {
    FrontPage = "../../README.md";
    Introduction = "../../docs/src/introduction.md";
    QuickStart = "../../docs/src/quick-start.md";
    Concepts = "../../docs/src/concepts.md";
    Configuration = "../../docs/src/configuration.md";
    Backends = "../../docs/src/backends.md";
    Moka = "../../docs/src/backends/moka.md";
    Redis = "../../docs/src/backends/redis.md";
    Memcached = "../../docs/src/backends/memcached.md";
    NoOp = "../../docs/src/backends/noop.md";
    Guaranteed = "../../docs/src/guaranteed.md";
    CircuitBreaker = "../../docs/src/circuit-breaker.md";
    FailureBehaviour = "../../docs/src/failure-behaviour.md";
    Observability = "../../docs/src/observability.md";
    Troubleshooting = "../../docs/src/troubleshooting.md";
    Testing = "../../docs/src/testing.md";
    WritingABackend = "../../docs/src/writing-a-backend.md";
    Migrating = "../../docs/src/migrating.md";
    Costs = "../../docs/src/costs.md";
    Architecture = "../../docs/src/architecture.md";
    Faq = "../../docs/src/faq.md";
}
