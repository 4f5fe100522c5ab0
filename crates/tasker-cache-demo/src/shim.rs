//! Stand-in for the facade while it is written.
#![allow(
    missing_docs,
    unused,
    clippy::all,
    clippy::pedantic,
    reason = "goes away"
)]
use std::sync::Arc;
#[derive(Clone, Debug)]
pub(crate) struct Cache;
pub(crate) struct Config;
#[derive(Debug, serde::Serialize, Default)]
pub(crate) struct Counters {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) failed_reads: u64,
}
impl Counters {
    pub(crate) fn bypassed(&self) -> u64 {
        0
    }
    pub(crate) fn hit_ratio(&self) -> Option<f64> {
        None
    }
}
#[derive(Debug, serde::Serialize, Default)]
pub(crate) struct Status {
    pub(crate) counters: Counters,
}
#[derive(Debug)]
pub(crate) struct Leftover;
impl Config {
    pub(crate) fn load(_: impl AsRef<std::path::Path>) -> Result<Self, std::io::Error> {
        Ok(Config)
    }
    pub(crate) fn from_toml_str(_: &str) -> Result<Self, std::io::Error> {
        Ok(Config)
    }
}
impl Cache {
    pub(crate) fn noop() -> Self {
        Cache
    }
    pub(crate) fn in_memory(_: u64) -> Self {
        Cache
    }
    pub(crate) async fn connect(_: &Config) -> Self {
        Cache
    }
    pub(crate) async fn from_path(_: impl AsRef<std::path::Path>) -> Self {
        Cache
    }
    pub(crate) async fn health_check(&self) -> bool {
        true
    }
    pub(crate) fn status(&self) -> Status {
        Status::default()
    }
    pub(crate) fn backend_name(&self) -> &'static str {
        "noop"
    }
    pub(crate) fn is_distributed(&self) -> bool {
        false
    }
    pub(crate) fn is_enabled(&self) -> bool {
        false
    }
    pub(crate) async fn close(&self) -> Leftover {
        Leftover
    }
}
#[derive(Debug, serde::Serialize)]
pub(crate) enum Invalidation {
    Applied,
}
pub(crate) struct Region<V>(std::marker::PhantomData<V>);
impl<V> Region<V> {
    pub(crate) async fn get_or_load<
        K,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
        E,
    >(
        &self,
        _: K,
        f: F,
    ) -> Result<Arc<V>, E> {
        f().await.map(Arc::new)
    }
    pub(crate) async fn invalidate<K>(&self, _: K) -> Invalidation {
        Invalidation::Applied
    }
    pub(crate) async fn invalidate_all(&self) -> Invalidation {
        Invalidation::Applied
    }
    pub(crate) fn is_enabled(&self) -> bool {
        false
    }
}
pub(crate) mod tasker {
    use super::*;
    pub(crate) struct TemplateKey;
    impl TemplateKey {
        pub(crate) fn new(_: &str, _: &str, _: &str) -> Self {
            Self
        }
    }
    pub(crate) fn templates<V>(_: &Cache) -> Region<V> {
        Region(std::marker::PhantomData)
    }
    pub(crate) fn performance_metrics<V>(_: &Cache) -> Region<V> {
        Region(std::marker::PhantomData)
    }
    pub(crate) fn bottlenecks<V>(_: &Cache) -> Region<V> {
        Region(std::marker::PhantomData)
    }
}
pub(crate) type ConfigError = std::io::Error;
impl std::fmt::Display for Leftover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nothing is left")
    }
}
