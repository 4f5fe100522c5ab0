//! From a URL to the servers it names.

use std::fmt;
use std::path::PathBuf;

use fred::types::config::{ClusterDiscoveryPolicy, Server, ServerConfig};

use crate::ConfigError;

/// The schemes that are known.
pub(crate) const SCHEMES: [&str; 7] = [
    "redis",
    "rediss",
    "redis-cluster",
    "rediss-cluster",
    "redis-sentinel",
    "rediss-sentinel",
    "unix",
];

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// The parameters that may stand behind `?`.
const SERVICE: &str = "sentinelServiceName";
const SENTINEL_USER: &str = "sentinelUsername";
const SENTINEL_PASSWORD: &str = "sentinelPassword";
const NODE: &str = "node";
const DATABASE: &str = "db";

/// A parsed URL. `Debug` shows neither user nor password.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) tls: bool,
    pub(crate) servers: Servers,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: Option<u8>,
}

/// Which servers, and how they belong together.
#[derive(Clone)]
pub(crate) enum Servers {
    One(Node),
    Cluster(Vec<Node>),
    Sentinel { nodes: Vec<Node>, service: String, user: Option<String>, password: Option<String> },
    Socket(PathBuf),
}

/// A host, without the brackets of IPv6, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    host: String,
    port: u16,
}

impl Target {
    pub(crate) fn parse(url: &str) -> Result<Self, ConfigError> {
        let (scheme, rest) = url.trim().split_once(':').ok_or(ConfigError::NoScheme)?;
        // What would follow is no part of the address, and may be the rest of a password.
        if rest.contains('#') {
            return Err(ConfigError::Fragment);
        }
        let scheme = scheme.to_ascii_lowercase();
        let after_slashes = rest.strip_prefix("//");
        if after_slashes.is_none() && scheme != "unix" {
            return Err(ConfigError::NoScheme);
        }
        if !SCHEMES.contains(&scheme.as_str()) {
            return Err(ConfigError::UnknownScheme);
        }
        let (plain, tls) = match scheme.strip_prefix("rediss") {
            Some(kind) => (format!("redis{kind}"), true),
            None => (scheme, false),
        };
        if tls && cfg!(not(feature = "rustls")) {
            return Err(ConfigError::TlsNotCompiled);
        }
        let parts = Parts::split(after_slashes.unwrap_or(rest));
        let (username, password) = parts.credentials()?;
        let (servers, database) = match plain.as_str() {
            "redis" => parts.one()?,
            "redis-cluster" => parts.cluster()?,
            "redis-sentinel" => parts.sentinel()?,
            _ => parts.socket()?,
        };
        Ok(Self { tls, servers, username, password, database })
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.servers, Servers::Cluster(_))
    }

    /// Returns the servers as the client wants them: each node of a cluster and each Sentinel by
    /// itself, as one is enough to find the others. The client would wait for each in turn, in an
    /// order of its own.
    pub(crate) fn to_client(&self) -> Vec<ServerConfig> {
        match &self.servers {
            Servers::One(node) => vec![ServerConfig::Centralized { server: node.to_client() }],
            Servers::Cluster(nodes) => {
                let cluster = |node: &Node| ServerConfig::Clustered {
                    hosts: vec![node.to_client()],
                    policy: ClusterDiscoveryPolicy::ConfigEndpoint,
                };
                nodes.iter().map(cluster).collect()
            }
            Servers::Sentinel { nodes, service, user, password } => {
                let sentinel = |node: &Node| ServerConfig::Sentinel {
                    hosts: vec![node.to_client()],
                    service_name: service.clone(),
                    username: user.clone(),
                    password: password.clone(),
                };
                nodes.iter().map(sentinel).collect()
            }
            Servers::Socket(path) => vec![ServerConfig::Unix { path: path.clone() }],
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Target");
        match &self.servers {
            Servers::One(node) => shown.field("server", node),
            Servers::Cluster(nodes) => shown.field("cluster", nodes),
            Servers::Sentinel { nodes, .. } => shown.field("sentinels", nodes),
            Servers::Socket(path) => shown.field("socket", path),
        };
        shown.field("tls", &self.tls).field("database", &self.database).finish_non_exhaustive()
    }
}

impl Node {
    fn parse(text: &str, default_port: u16) -> Result<Self, ConfigError> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or(ConfigError::Host)?,
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(ConfigError::Port)?,
            None if port.is_empty() => default_port,
            None => return Err(ConfigError::Host),
        };
        let is_address = text.starts_with('[');
        let allowed = |c: char| {
            if is_address {
                c.is_ascii_hexdigit() || ":.%".contains(c)
            } else {
                c.is_alphanumeric() || ".-_".contains(c)
            }
        };
        match host {
            "" => Err(ConfigError::NoServer),
            host if host.chars().all(allowed) => Ok(Self { host: host.to_owned(), port }),
            _ => Err(ConfigError::Host),
        }
    }

    fn to_client(&self) -> Server {
        if !self.host.contains(':') {
            return Server::new(self.host.clone(), self.port);
        }
        // The client joins host and port by a colon, but takes the name that it checks against
        // the certificate as it is.
        let bracketed = format!("[{}]", self.host);
        #[cfg(feature = "rustls")]
        return Server::new_with_tls(bracketed, self.port, Some(self.host.clone()));
        #[cfg(not(feature = "rustls"))]
        Server::new(bracketed, self.port)
    }
}

/// What stands between and behind the slashes, still encoded.
struct Parts<'a> {
    user: Option<&'a str>,
    hosts: &'a str,
    path: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Parts<'a> {
    fn split(rest: &'a str) -> Self {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(user), hosts),
            None => (None, authority),
        };
        let parameters = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .collect();
        Self { user, hosts, path, parameters }
    }

    fn credentials(&self) -> Result<(Option<String>, Option<String>), ConfigError> {
        let Some(user) = self.user else {
            return Ok((None, None));
        };
        let (user, password) = user.split_once(':').ok_or(ConfigError::UserWithoutPassword)?;
        let (user, password) = (decode(user)?, decode(password)?);
        match (user.is_empty(), password.is_empty()) {
            (true, true) => Ok((None, None)),
            (false, true) => Err(ConfigError::UserWithoutPassword),
            (no_user, false) => Ok(((!no_user).then_some(user), Some(password))),
        }
    }

    fn nodes(&self, default_port: u16) -> Result<Vec<Node>, ConfigError> {
        self.hosts.split(',').map(|host| Node::parse(host, default_port)).collect()
    }

    fn parameter(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let found = self.parameters.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| decode(value)).transpose()
    }

    /// Checks that there are no other parameters than these, which are listed in `known`, and that
    /// none but a node is there twice.
    fn only(&self, names: &[&str], known: &'static str) -> Result<(), ConfigError> {
        for (at, (name, _)) in self.parameters.iter().enumerate() {
            if !names.contains(name) {
                return Err(ConfigError::UnknownParameter { known });
            }
            if *name != NODE && self.parameters[..at].iter().any(|(earlier, _)| earlier == name) {
                return Err(ConfigError::ParameterTwice);
            }
        }
        Ok(())
    }

    fn database(&self) -> Result<Option<u8>, ConfigError> {
        let number = match self.path.trim_start_matches('/') {
            "" => return self.database_parameter(),
            number => number.parse().map_err(|_| ConfigError::Database)?,
        };
        if self.database_parameter()?.is_some_and(|other| other != number) {
            return Err(ConfigError::DatabaseConflict);
        }
        Ok(Some(number))
    }

    fn database_parameter(&self) -> Result<Option<u8>, ConfigError> {
        let number = self.parameter(DATABASE)?;
        number.map(|number| number.parse().map_err(|_| ConfigError::Database)).transpose()
    }

    fn one(&self) -> Result<(Servers, Option<u8>), ConfigError> {
        self.only(&[DATABASE], DATABASE)?;
        let mut nodes = self.nodes(REDIS_PORT)?;
        match (nodes.pop(), nodes.is_empty()) {
            (Some(node), true) => Ok((Servers::One(node), self.database()?)),
            _ => Err(ConfigError::SeveralServers),
        }
    }

    fn cluster(&self) -> Result<(Servers, Option<u8>), ConfigError> {
        self.only(&[NODE], NODE)?;
        let mut nodes = self.nodes(REDIS_PORT)?;
        for (_, value) in &self.parameters {
            nodes.push(Node::parse(&decode(value)?, REDIS_PORT)?);
        }
        match self.database()? {
            None | Some(0) => Ok((Servers::Cluster(nodes), None)),
            Some(_) => Err(ConfigError::DatabaseInCluster),
        }
    }

    fn sentinel(&self) -> Result<(Servers, Option<u8>), ConfigError> {
        let known = "sentinelServiceName, sentinelUsername, sentinelPassword, node, db";
        self.only(&[SERVICE, SENTINEL_USER, SENTINEL_PASSWORD, NODE, DATABASE], known)?;
        let mut nodes = self.nodes(SENTINEL_PORT)?;
        for (_, value) in self.parameters.iter().filter(|(name, _)| *name == NODE) {
            nodes.push(Node::parse(&decode(value)?, SENTINEL_PORT)?);
        }
        let service = self.parameter(SERVICE)?.filter(|name| !name.is_empty());
        let servers = Servers::Sentinel {
            nodes,
            service: service.ok_or(ConfigError::NoService)?,
            user: self.parameter(SENTINEL_USER)?,
            password: self.parameter(SENTINEL_PASSWORD)?,
        };
        Ok((servers, self.database()?))
    }

    fn socket(&self) -> Result<(Servers, Option<u8>), ConfigError> {
        self.only(&[DATABASE], DATABASE)?;
        if !self.hosts.is_empty() || self.path.len() < 2 {
            return Err(ConfigError::NoServer);
        }
        Ok((Servers::Socket(decode(self.path)?.into()), self.database_parameter()?))
    }
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Result<String, ConfigError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let digits = after.get(..2).ok_or(ConfigError::Encoding)?;
            let digit = |at: usize| char::from(digits[at]).to_digit(16);
            let (Some(high), Some(low)) = (digit(0), digit(1)) else {
                return Err(ConfigError::Encoding);
            };
            bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
            rest = &after[2..];
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| ConfigError::Encoding)
}

#[cfg(test)]
mod tests;
