//! From a configuration to a cache: which backend, and what is logged about it.

#[cfg(any(feature = "redis", feature = "memcached"))]
mod networked;

use std::fmt;
#[cfg(feature = "moka")]
use std::future::{Ready, ready};

use tasker_cache_core::NoOp;

use crate::backends::with_backends;
use crate::builder::Builder;
use crate::config::{BackendName, BreakerValues, Resolved};
use crate::inner::Settings;
use crate::{BreakerSettings, Cache, Config, ConfigError, targets};

/// Makes the cache that a configuration describes, or one that stands in for it.
pub(crate) async fn connect(config: &Config) -> Cache {
    let resolved = match config.resolve() {
        Ok(resolved) => resolved,
        Err(error) => return stand_in_for(&error),
    };
    if !resolved.enabled {
        tracing::info!(target: targets::CONNECT, "Distributed cache disabled by configuration");
        return configured(Cache::builder(NoOp), &resolved).build();
    }
    make(&resolved).await
}

/// Writes a function that makes the configured backend where its feature is there, and names the
/// feature where it is not.
macro_rules! make {
    ($($(#[$documentation:meta])+
        $variant:ident: [$own:literal $(, $alias:literal)*], $feature:tt, $make:path;)+) => {
        #[allow(clippy::unused_async, reason = "without a backend there is nothing to wait for")]
        async fn make(resolved: &Resolved) -> Cache {
            match &resolved.backend {
                $(
                    #[cfg(feature = $feature)]
                    BackendName::$variant => $make($own, resolved).await,
                    #[cfg(not(feature = $feature))]
                    BackendName::$variant => not_compiled(resolved, $feature),
                )+
                BackendName::Unknown(name) => unknown(resolved, name),
            }
        }
    };
}

with_backends!(make);

fn unknown(resolved: &Resolved, name: &str) -> Cache {
    let known = BackendName::KNOWN.join(", ");
    tracing::warn!(
        target: targets::CONNECT,
        backend = name,
        known,
        "Unknown cache backend '{name}', falling back to NoOp cache (graceful degradation); known \
         are {known}"
    );
    stand_in(resolved)
}

/// Makes the cache that stands in for a configuration which can't be used.
pub(crate) fn stand_in_for(error: &ConfigError) -> Cache {
    warn_of_configuration(error);
    Cache::builder(NoOp).stand_in().build()
}

fn warn_of_configuration(error: &dyn fmt::Display) {
    tracing::warn!(
        target: targets::CONNECT,
        %error,
        "Cache configuration can't be used, falling back to NoOp cache (graceful degradation)"
    );
}

#[cfg(feature = "moka")]
fn moka(name: &'static str, resolved: &Resolved) -> Ready<Cache> {
    use tasker_cache_moka::{Moka, MokaConfig};

    let mut limits = MokaConfig::default().max_capacity(resolved.moka.max_capacity);
    if let Some(bytes) = resolved.moka.max_bytes {
        limits = limits.max_bytes(bytes);
    }
    tracing::info!(
        target: targets::CONNECT,
        backend = name,
        max_capacity = resolved.moka.max_capacity,
        "In-memory cache provider initialized"
    );
    ready(configured(Cache::builder(Moka::with_config(limits)), resolved).build())
}

#[allow(dead_code, reason = "there may be no backend that is not compiled in")]
fn not_compiled(resolved: &Resolved, feature: &str) -> Cache {
    let backend = &resolved.backend;
    tracing::warn!(
        target: targets::CONNECT,
        %backend,
        feature,
        "Cache backend '{backend}' is not compiled in, falling back to NoOp cache (graceful \
         degradation); enable the feature '{feature}' of tasker-cache"
    );
    stand_in(resolved)
}

fn stand_in(resolved: &Resolved) -> Cache {
    configured(Cache::builder(NoOp).stand_in(), resolved).build()
}

/// Applies what is configured whatever the backend.
fn configured(builder: Builder, resolved: &Resolved) -> Builder {
    let builder = builder.operation_timeout(resolved.operation_timeout).settings(Settings {
        prefix: resolved.key_prefix.clone(),
        default_ttl: resolved.default_ttl,
        template_ttl: resolved.template_ttl,
        analytics_ttl: resolved.analytics_ttl,
        max_value_bytes: resolved.max_value_bytes,
    });
    match resolved.breaker {
        Some(values) => builder.breaker(breaker(values)),
        None => builder.without_breaker(),
    }
}

fn breaker(values: BreakerValues) -> BreakerSettings {
    BreakerSettings::default()
        .failure_threshold(values.failure_threshold)
        .timeout(values.timeout)
        .success_threshold(values.success_threshold)
}
