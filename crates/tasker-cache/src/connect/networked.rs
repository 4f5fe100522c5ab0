//! The backends on a network, which may not be reachable when the cache is made.

use std::fmt;

use tasker_cache_core::Backend;

use super::{configured, stand_in, warn_of_configuration};
use crate::builder::Builder;
use crate::config::Resolved;
use crate::{Cache, targets};

#[cfg(feature = "redis")]
const NO_REDIS: &str =
    "Failed to connect to Redis, falling back to NoOp cache (graceful degradation)";

#[cfg(feature = "memcached")]
const NO_MEMCACHED: &str =
    "Failed to connect to Memcached, falling back to NoOp cache (graceful degradation)";

#[cfg(feature = "redis")]
pub(super) async fn redis(name: &'static str, resolved: &Resolved) -> Cache {
    use tasker_cache_redis::{ConfigError, Redis, RedisConfig};

    let make = || -> Result<Redis, ConfigError> {
        let settings = &resolved.redis;
        let mut config = RedisConfig::new(settings.url.expose())?
            .database(settings.database)
            .max_connections(settings.max_connections)
            .connection_timeout(settings.connection_timeout)
            .operation_timeout(resolved.operation_timeout);
        if let Some(path) = &settings.tls_ca_file {
            config = config.tls_ca_file(path);
        }
        if let (Some(certificate), Some(key)) = (&settings.tls_cert_file, &settings.tls_key_file) {
            config = config.tls_identity(certificate, key);
        }
        Redis::new(config)
    };
    match make() {
        Ok(backend) => {
            let ready = backend.ready().await;
            made(backend, name, NO_REDIS, ready, resolved).build()
        }
        Err(error) => refused(&error, resolved),
    }
}

#[cfg(feature = "memcached")]
pub(super) async fn memcached(name: &'static str, resolved: &Resolved) -> Cache {
    use tasker_cache_memcached::{ConfigError, Memcached, MemcachedConfig, Ring};

    use super::breaker;

    let settings = &resolved.memcached;
    let make = |url: &crate::config::SecretUrl| -> Result<Memcached, ConfigError> {
        let config = MemcachedConfig::new(url.expose())?
            .max_connections(settings.max_connections)
            .connection_timeout(settings.connection_timeout)
            .operation_timeout(resolved.operation_timeout)
            .max_value_bytes(resolved.max_value_bytes);
        Ok(Memcached::new(config))
    };
    match settings.urls.iter().map(make).collect::<Result<Vec<_>, _>>() {
        Ok(servers) if servers.len() > 1 => {
            let ring = Ring::new(servers, resolved.breaker.map(breaker));
            let ready = ring.ready().await;
            let members = ring.clone();
            let cache = made(ring, name, NO_MEMCACHED, ready, resolved);
            cache.circuits(move || members.circuits()).build()
        }
        Ok(servers) => match servers.into_iter().next() {
            Some(server) => {
                let ready = server.ready().await;
                made(server, name, NO_MEMCACHED, ready, resolved).build()
            }
            None => stand_in(resolved),
        },
        Err(error) => refused(&error, resolved),
    }
}

/// Prepares the cache over a backend that keeps the time of its operations itself, and logs whether
/// it could be reached.
fn made(
    backend: impl Backend,
    name: &'static str,
    warning: &str,
    ready: Result<(), impl fmt::Display>,
    resolved: &Resolved,
) -> Builder {
    let builder =
        configured(Cache::builder(backend), resolved).name(name).without_operation_timeout();
    match ready {
        Ok(()) => {
            tracing::info!(
                target: targets::CONNECT,
                backend = name,
                "Distributed cache provider initialized successfully"
            );
            builder
        }
        Err(cause) => {
            tracing::warn!(
                target: targets::CONNECT,
                backend = name,
                %cause,
                "{warning}"
            );
            builder.unreachable()
        }
    }
}

fn refused(error: &dyn fmt::Display, resolved: &Resolved) -> Cache {
    warn_of_configuration(error);
    stand_in(resolved)
}
