//! A URL that may hold a password.

use std::fmt;

use super::url_forms::UrlForm;

/// A server's URL. `Display` and `Debug` show its scheme and host at most, and never a user, a
/// password, a path or a query.
///
/// ```
/// use tasker_cache::Config;
///
/// let config = Config::default().redis_url("rediss://app:S3CRET@redis.internal:6379/1");
/// let url = config.resolve()?.redis.url;
/// assert_eq!(url.to_string(), "rediss://redis.internal:6379");
/// assert!(url.expose().contains("S3CRET"));
/// # Ok::<(), tasker_cache::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

impl SecretUrl {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Returns the whole URL, the password included.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UrlForm::split(&self.0) {
            (Some(scheme), rest) if UrlForm::ALL.iter().any(|form| form.knows(&scheme)) => {
                write!(f, "{scheme}://{}", host(rest).unwrap_or("…"))
            }
            _ => f.write_str("…"),
        }
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({self})")
    }
}

/// Returns the host and port if it is certain what they are: a password may hold each of `@`, `/`,
/// `?` and `#` unescaped.
fn host(rest: &str) -> Option<&str> {
    let after_user = match rest.split_once('@') {
        Some((user, _)) if user.contains(['/', '?', '#']) => return None,
        Some((_, after)) if after.contains('@') => return None,
        Some((_, after)) => after,
        None => rest,
    };
    let server = after_user.split(['/', '?', '#']).next()?;
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (server, ""),
    };
    let name = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match name {
        Some(address) => address.chars().all(|c| c.is_ascii_hexdigit() || ":.".contains(c)),
        None => host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)),
    };
    let is_port = port.chars().all(|c| c.is_ascii_digit());
    (!host.is_empty() && is_host && is_port).then_some(server)
}
