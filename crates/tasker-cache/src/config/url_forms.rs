//! The forms of URL that the backends take.

use std::fmt;

use super::secret_url::SecretUrl;

/// What a backend's client takes for a server's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UrlForm {
    Redis,
    Memcached,
}

impl UrlForm {
    pub(super) const ALL: [Self; 2] = [Self::Redis, Self::Memcached];

    fn schemes(self) -> &'static [&'static str] {
        match self {
            Self::Redis => &[
                "redis",
                "rediss",
                "redis-cluster",
                "rediss-cluster",
                "redis-sentinel",
                "rediss-sentinel",
                "unix",
            ],
            Self::Memcached => &["tcp", "unix"],
        }
    }

    pub(super) fn knows(self, scheme: &str) -> bool {
        self.schemes().contains(&scheme)
    }

    /// Returns the scheme, in lower case, and what follows after `://`; a socket needs no slashes
    /// but that of its path.
    pub(super) fn split(url: &str) -> (Option<String>, &str) {
        let is_socket = |(scheme, path): &(&str, &str)| {
            scheme.eq_ignore_ascii_case("unix") && path.starts_with('/')
        };
        match url.split_once("://").or_else(|| url.split_once(':').filter(is_socket)) {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, url),
        }
    }

    /// Says why this is not such a URL, as the words that follow its key.
    pub(super) fn refusal(self, url: &SecretUrl) -> Option<&'static str> {
        let (scheme, rest) = Self::split(url.expose());
        match scheme.as_deref() {
            Some(scheme) if !self.knows(scheme) => Some("has a scheme that is not allowed"),
            None if self == Self::Redis => Some("has no scheme"),
            _ if rest.is_empty() => Some("names no server"),
            Some("unix") => None,
            _ if self == Self::Redis => None,
            scheme => not_for_memcached(rest, scheme.is_none()),
        }
    }
}

impl fmt::Display for UrlForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "scheme {}", self.schemes().join(", "))?;
        match self {
            Self::Redis => Ok(()),
            Self::Memcached => f.write_str(", or host:port"),
        }
    }
}

/// The client sends no credentials and opens no IPv6.
fn not_for_memcached(rest: &str, needs_port: bool) -> Option<&'static str> {
    if rest.contains('@') {
        return Some("has credentials, which the Memcached client can't send");
    }
    let server = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if server.contains('[') || server.matches(':').count() > 1 {
        return Some("is an IPv6 address, and the Memcached client opens IPv4 only");
    }
    match server.split_once(':') {
        Some(("", _)) => Some("names no server"),
        Some((_, port)) if !port.parse::<u16>().is_ok_and(|port| port > 0) => {
            Some("has a port that is not 1–65535")
        }
        None if server.is_empty() => Some("names no server"),
        None if needs_port => Some("has neither a scheme nor a port"),
        _ => None,
    }
}
