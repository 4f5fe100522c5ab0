//! Tasker's own three regions, with the keys, TTLs and log lines of its caching guide.
//!
//! | data | key | TTL | on a local backend |
//! |---|---|---|---|
//! | task templates | `{prefix}:template:{namespace}:{name}:{version}` | `template_ttl_seconds` | disabled |
//! | performance metrics | `{prefix}:analytics:performance:{hours}` | `analytics_ttl_seconds` | cached |
//! | bottleneck analysis | `{prefix}:analytics:bottlenecks:{limit}:{min_executions}` | `analytics_ttl_seconds` | cached |

use std::future::Future;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tasker_cache_core::{KeyBuilder, Profile};

use crate::{Cache, Consistency, Invalidation, Region, Segments, Usage, targets};

/// What a value of these regions has to be.
pub trait Value: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<V: Serialize + DeserializeOwned + Send + Sync + 'static> Value for V {}

/// Returns the region of task templates, which are read on every task and invalidated by workers
/// when they register new handler versions.
///
/// It needs a backend that all processes share, or none: on a local one it loads every time.
#[must_use]
pub fn templates<V: Value>(cache: &Cache) -> Templates<V> {
    let usage =
        Usage::new("template").consistency(Consistency::Shared).ttl(cache.settings().template_ttl);
    Templates { region: cache.region_ruled(usage, warn_of_templates) }
}

/// Returns the region of performance metrics, which may be as old as their TTL.
#[must_use]
pub fn performance_metrics<V: Value>(cache: &Cache) -> PerformanceMetrics<V> {
    PerformanceMetrics { region: analytics(cache, "analytics:performance") }
}

/// Returns the region of bottleneck analyses, which may be as old as their TTL.
#[must_use]
pub fn bottlenecks<V: Value>(cache: &Cache) -> Bottlenecks<V> {
    Bottlenecks { region: analytics(cache, "analytics:bottlenecks") }
}

fn analytics<V: Value>(cache: &Cache, path: &str) -> Region<V> {
    cache.region(
        Usage::new(path).consistency(Consistency::Local).ttl(cache.settings().analytics_ttl),
    )
}

fn warn_of_templates(profile: &Profile) {
    let backend = profile.name;
    tracing::warn!(
        target: targets::TASKER,
        backend,
        "Cache provider '{backend}' is not safe for template caching (in-memory cache would drift \
         from worker invalidations). Template caching disabled."
    );
}

/// Names one version of a task template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TemplateKey {
    namespace: String,
    name: String,
    version: String,
}

impl TemplateKey {
    /// Names a template by its namespace, name and version.
    #[must_use]
    pub fn new(
        namespace: impl Into<String>,
        name: impl Into<String>,
        version: impl Into<String>,
    ) -> Self {
        Self { namespace: namespace.into(), name: name.into(), version: version.into() }
    }
}

impl Segments for TemplateKey {
    fn append_to(&self, key: &mut KeyBuilder) {
        [&self.namespace, &self.name, &self.version].append_to(key);
    }
}

/// The region of task templates; made by [`templates`].
///
/// Whoever only invalidates names any type:
/// `tasker::templates::<()>(&cache).invalidate_namespace("payments")`.
#[derive(Clone, Debug)]
pub struct Templates<V> {
    region: Region<V>,
}

impl<V: Value> Templates<V> {
    /// Returns the template from the cache, or else from the loader.
    ///
    /// # Errors
    ///
    /// Returns the loader's own error and no other.
    pub async fn get_or_load<F, Fut, E>(&self, key: &TemplateKey, loader: F) -> Result<Arc<V>, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        self.region.get_or_load(key, loader).await
    }

    /// Invalidates one version of a template.
    pub async fn invalidate(&self, key: &TemplateKey) -> Invalidation {
        self.region.invalidate(key).await
    }

    /// Invalidates every template of a namespace.
    pub async fn invalidate_namespace(&self, namespace: &str) -> Invalidation {
        self.region.invalidate_prefix(namespace).await
    }

    /// Invalidates every template.
    pub async fn invalidate_all(&self) -> Invalidation {
        self.region.invalidate_all().await
    }

    /// Returns the region itself, for whatever else it can do.
    #[must_use]
    pub fn region(&self) -> &Region<V> {
        &self.region
    }

    /// Tells whether templates may be cached: false on a local backend.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.region.is_enabled()
    }
}

/// The region of performance metrics; made by [`performance_metrics`].
#[derive(Clone, Debug)]
pub struct PerformanceMetrics<V> {
    region: Region<V>,
}

impl<V: Value> PerformanceMetrics<V> {
    /// Returns the metrics of the last `hours` from the cache, or else from the loader.
    ///
    /// # Errors
    ///
    /// Returns the loader's own error and no other.
    pub async fn get_or_load<F, Fut, E>(&self, hours: u32, loader: F) -> Result<Arc<V>, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        let miss = || {
            tracing::debug!(
                target: targets::TASKER,
                hours,
                "Performance metrics cache MISS, querying DB"
            );
        };
        let hit =
            || tracing::debug!(target: targets::TASKER, hours, "Performance metrics cache HIT");
        read_logged(&self.region, hours, loader, miss, hit).await
    }

    /// Returns the region itself, for whatever else it can do.
    #[must_use]
    pub fn region(&self) -> &Region<V> {
        &self.region
    }
}

/// The region of bottleneck analyses; made by [`bottlenecks`].
#[derive(Clone, Debug)]
pub struct Bottlenecks<V> {
    region: Region<V>,
}

impl<V: Value> Bottlenecks<V> {
    /// Returns the analysis for a pair of `limit` and `min_executions` from the cache, or else
    /// from the loader.
    ///
    /// # Errors
    ///
    /// Returns the loader's own error and no other.
    pub async fn get_or_load<L, M, F, Fut, E>(
        &self,
        (limit, min_executions): (L, M),
        loader: F,
    ) -> Result<Arc<V>, E>
    where
        L: Into<i64>,
        M: Into<i64>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        let (limit, min_executions) = (limit.into(), min_executions.into());
        let miss = || {
            tracing::debug!(
                target: targets::TASKER,
                limit,
                min_executions,
                "Bottleneck analysis cache MISS, querying DB"
            );
        };
        let hit = || {
            tracing::debug!(
                target: targets::TASKER,
                limit,
                min_executions,
                "Bottleneck analysis cache HIT"
            );
        };
        read_logged(&self.region, (limit, min_executions), loader, miss, hit).await
    }

    /// Returns the region itself, for whatever else it can do.
    #[must_use]
    pub fn region(&self) -> &Region<V> {
        &self.region
    }
}

/// Reads, and logs whether this reader had to ask the database itself.
async fn read_logged<K, V, F, Fut, E>(
    region: &Region<V>,
    key: K,
    loader: F,
    miss: impl FnOnce(),
    hit: impl FnOnce(),
) -> Result<Arc<V>, E>
where
    K: Segments,
    V: Value,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<V, E>>,
{
    let mut asked = false;
    let read = region.get_or_load(key, || {
        asked = true;
        miss();
        loader()
    });
    let value = read.await;
    if !asked {
        hit();
    }
    value
}
