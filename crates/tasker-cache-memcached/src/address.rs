//! Where a server is: the forms of URL that the client can open, and words for those it can't.

use std::fmt;

/// What the client connects to if the URL names no port.
const DEFAULT_PORT: u16 = 11211;

/// A server's address, in a form that the client opens as it is meant.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address(String);

/// Why a URL can't be used.
///
/// Its text never holds any of the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The scheme is neither `tcp` nor `unix`.
    #[error(
        "the Memcached URL has a scheme that is not allowed: use tcp://host:port or unix:///path"
    )]
    Scheme,
    /// The scheme asks for TLS.
    #[error("the Memcached URL asks for TLS, which the client doesn't have: use tcp://host:port")]
    Tls,
    /// There is a user name or password.
    #[error("the Memcached URL has credentials, which the client can't send: leave them out")]
    Credentials,
    /// The host is an IPv6 address.
    #[error("the Memcached URL names an IPv6 address, and the client opens IPv4 only")]
    Ipv6,
    /// There is no host, or no path of a socket.
    #[error("the Memcached URL names no server")]
    NoServer,
    /// The host has characters that no host has.
    #[error("the Memcached URL has a host that is neither a name nor an IPv4 address")]
    Host,
    /// Neither a scheme nor a port says what a lone word is.
    #[error("the Memcached URL has neither a scheme nor a port: use tcp://host:port")]
    NeitherSchemeNorPort,
    /// The port is not a number from 1 to 65535.
    #[error("the Memcached URL has a port that is not 1-65535")]
    Port,
    /// Something follows the port.
    #[error("the Memcached URL has a path, query or fragment, which mean nothing to Memcached")]
    Trailing,
    /// The path of the socket is relative, or has characters that the client would alter.
    #[error("the Memcached URL has a socket path that is not absolute or not plain ASCII")]
    SocketPath,
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, ConfigError> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return match url.split_once(':') {
                Some((scheme, path)) if scheme.eq_ignore_ascii_case("unix") => socket(path),
                _ => host_and_port(url, true),
            };
        };
        match scheme.to_ascii_lowercase().as_str() {
            "tcp" => host_and_port(rest, false),
            "unix" => socket(rest),
            "tls" | "ssl" | "tcps" | "memcacheds" => Err(ConfigError::Tls),
            _ => Err(ConfigError::Scheme),
        }
    }

    /// What the client takes.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn host_and_port(text: &str, needs_port: bool) -> Result<Address, ConfigError> {
    if text.contains('@') {
        return Err(ConfigError::Credentials);
    }
    let text = text.strip_suffix('/').unwrap_or(text);
    if text.contains(['/', '?', '#']) {
        return Err(ConfigError::Trailing);
    }
    if text.contains('[') || text.matches(':').count() > 1 {
        return Err(ConfigError::Ipv6);
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    if host.is_empty() {
        return Err(ConfigError::NoServer);
    }
    if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        return Err(ConfigError::Host);
    }
    let port = match port {
        None if needs_port => return Err(ConfigError::NeitherSchemeNorPort),
        None => DEFAULT_PORT,
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            port.parse().ok().filter(|&port| port > 0).ok_or(ConfigError::Port)?
        }
        Some(_) => return Err(ConfigError::Port),
    };
    // With the scheme: of `host:port` alone the client takes the host for one.
    Ok(Address(format!("tcp://{}:{port}", host.to_ascii_lowercase())))
}

fn socket(path: &str) -> Result<Address, ConfigError> {
    if path.is_empty() || path == "/" {
        return Err(ConfigError::NoServer);
    }
    // The client would percent-encode what a URL can't hold, and open that.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~+,=:@".contains(&byte);
    if !path.starts_with('/') || !path.bytes().all(plain) {
        return Err(ConfigError::SocketPath);
    }
    Ok(Address(format!("unix://{path}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> String {
        Address::parse(url).expect(url).as_str().to_owned()
    }

    #[test]
    fn each_form_becomes_one_that_the_client_takes() {
        assert_eq!(parsed("tcp://cache.example:11212"), "tcp://cache.example:11212");
        assert_eq!(parsed("TCP://Cache.Example"), "tcp://cache.example:11211");
        assert_eq!(parsed("tcp://127.0.0.1:11211/"), "tcp://127.0.0.1:11211");
        assert_eq!(parsed("127.0.0.1:11211"), "tcp://127.0.0.1:11211");
        assert_eq!(parsed("localhost:1"), "tcp://localhost:1");
        assert_eq!(parsed("unix:///run/memcached.sock"), "unix:///run/memcached.sock");
        assert_eq!(parsed("unix:/run/memcached.sock"), "unix:///run/memcached.sock");
    }

    #[test]
    fn what_the_client_would_ignore_or_misread_is_refused() {
        for (url, expected) in [
            ("tcp://user:hunter2@localhost:11211", ConfigError::Credentials),
            ("hunter2@localhost:11211", ConfigError::Credentials),
            ("tls://localhost:11211", ConfigError::Tls),
            ("memcacheds://localhost", ConfigError::Tls),
            ("memcache://localhost:11211", ConfigError::Scheme),
            ("redis://localhost:6379", ConfigError::Scheme),
            ("tcp://[::1]:11211", ConfigError::Ipv6),
            ("::1", ConfigError::Ipv6),
            ("[::1]:11211", ConfigError::Ipv6),
            ("", ConfigError::NoServer),
            ("tcp://", ConfigError::NoServer),
            ("tcp://:11211", ConfigError::NoServer),
            ("unix://", ConfigError::NoServer),
            ("unix:", ConfigError::NoServer),
            ("unix:11211", ConfigError::SocketPath),
            ("localhost", ConfigError::NeitherSchemeNorPort),
            ("tcp://localhost:0", ConfigError::Port),
            ("tcp://localhost:65536", ConfigError::Port),
            ("tcp://localhost:+80", ConfigError::Port),
            ("tcp://localhost:11211/0", ConfigError::Trailing),
            ("tcp://localhost:11211?timeout=1", ConfigError::Trailing),
            ("tcp://lo cal:11211", ConfigError::Host),
            ("tcp://b\u{fc}cher.example:11211", ConfigError::Host),
            ("unix://run/memcached.sock", ConfigError::SocketPath),
            ("unix:///run/my memcached.sock", ConfigError::SocketPath),
            ("unix:///run/%6d.sock", ConfigError::SocketPath),
        ] {
            assert_eq!(Address::parse(url).expect_err(url), expected, "{url}");
        }
    }

    #[test]
    fn an_error_repeats_nothing_of_the_url() {
        let error = Address::parse("tcp://user:hunter2@localhost").expect_err("credentials");

        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
