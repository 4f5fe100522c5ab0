//! All that a run consists of: the server, the proxy in front of it, the database, the clients.

use tasker_cache_testkit::proxy::FaultProxy;
use tasker_cache_testkit::server::{MemcachedServer, Program, RedisServer};
use tempfile::TempDir;

use super::Result;
use super::database::Service;
use super::fleet::Fleet;
use super::nemesis::{memcached, redis};
use super::options::{Backend, Client, Referee};

/// The server that is tested.
#[derive(Debug)]
pub(crate) enum Server {
    Redis(RedisServer),
    Memcached(MemcachedServer),
}

/// The running whole; it ends, and leaves nothing behind, when it is dropped.
#[derive(Debug)]
pub(crate) struct Arena {
    pub(crate) fleet: Fleet,
    pub(crate) proxy: FaultProxy,
    pub(crate) server: Server,
    pub(crate) database: Service,
    _folder: TempDir,
}

impl Arena {
    pub(crate) async fn start(options: &Referee) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("database");
        let database = Service::start(&socket)?;
        let server = Server::start(options.backend).await;
        let proxy = FaultProxy::start_with_seed(server.address(), options.seed).await;
        let client = Client {
            url: server.url_at(&proxy),
            database: socket,
            seed: options.seed,
            mutant: options.mutant.clone(),
            ..Client::default()
        };
        let fleet = Fleet::start(client, folder.path())?;
        Ok(Self { fleet, proxy, server, database, _folder: folder })
    }

    /// Ends every fault.
    pub(crate) async fn heal(&self) -> Result<()> {
        self.proxy.clear();
        match &self.server {
            Server::Redis(server) => redis::heal(server).await,
            Server::Memcached(server) => {
                memcached::heal(server).await;
                Ok(())
            }
        }
    }
}

impl Server {
    async fn start(backend: Backend) -> Self {
        let program = match backend {
            Backend::Redis => Program::Redis,
            Backend::Valkey => Program::Valkey,
            Backend::Dragonfly => Program::Dragonfly,
            Backend::Memcached => {
                let server = MemcachedServer::builder()
                    .max_connections(memcached::CONNECTIONS)
                    .memory_mib(memcached::MEMORY);
                return Self::Memcached(server.start().await);
            }
        };
        let mut server = RedisServer::builder().program(program);
        if program != Program::Dragonfly {
            server = server.user(redis::USER, redis::PASSWORD, "~* +@all");
        }
        Self::Redis(server.start().await)
    }

    fn address(&self) -> std::net::SocketAddr {
        match self {
            Self::Redis(server) => server.address(),
            Self::Memcached(server) => server.address(),
        }
    }

    fn url_at(&self, proxy: &FaultProxy) -> String {
        match self {
            Self::Redis(server) => server.url_at(proxy.address()),
            Self::Memcached(server) => server.url_at(proxy.address()),
        }
    }
}
