//! What can go wrong in a backend, as kind × operation × backend × source.

use std::error::Error as StdError;
use std::fmt;

/// The result of a backend operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A backend operation that did not do what it was asked to.
///
/// Neither `Display` nor `Debug` ever holds a key's text or a URL: an error may be logged as it
/// is. Whoever constructs one keeps that promise for the [`source`](Error::with_source).
pub struct Error {
    kind: ErrorKind,
    operation: Operation,
    backend: &'static str,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Creates an error without a source.
    #[must_use]
    pub fn new(kind: ErrorKind, operation: Operation, backend: &'static str) -> Self {
        Self { kind, operation, backend, source: None }
    }

    /// Attaches the underlying error.
    ///
    /// The source must be free of key text, values and credentials in `Display` and `Debug`.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns what kind of error this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the operation that failed.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// Returns the name of the backend that failed, as in its [`Profile`](crate::Profile).
    #[must_use]
    pub fn backend(&self) -> &'static str {
        self.backend
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.backend, self.operation, self.kind)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("operation", &self.operation)
            .field("backend", &self.backend)
            .field("source", &self.source.as_ref().map(ToString::to_string))
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Declares an enum whose variants each have one fixed wording.
macro_rules! worded {
    ($(#[$meta:meta])* pub enum $name:ident {
        $($(#[$doc:meta])* $variant:ident = $words:literal,)+
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every variant, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the wording used in messages and as a metric label.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $words,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

worded! {
    /// The kinds of [`Error`].
    ///
    /// A kind says whether the backend is unwell ([`is_failure`](ErrorKind::is_failure)) or only
    /// declined this one request.
    pub enum ErrorKind {
        /// There is no usable connection, or it broke.
        Unavailable = "unavailable",
        /// The operation did not end within its time.
        Timeout = "timed out",
        /// The reply could not be understood.
        Protocol = "protocol error",
        /// The credentials were refused.
        Authentication = "authentication refused",
        /// The server answers, but can't serve now: loading, read-only, cluster or primary down.
        NotReady = "not ready",
        /// The server refuses more clients or more work.
        Overloaded = "overloaded",
        /// The circuit breaker is open; nothing was sent.
        CircuitOpen = "circuit open",
        /// The backend can't do this at all.
        Unsupported = "unsupported",
        /// The key or value is over the backend's limit.
        TooLarge = "too large",
        /// The key holds something that no cache wrote.
        WrongType = "wrong type",
        /// The server has no memory left for this value.
        OutOfMemory = "out of memory",
        /// The credentials don't allow this operation.
        PermissionDenied = "permission denied",
        /// Anything else that says nothing about the backend's health.
        Other = "failed",
    }
}

impl ErrorKind {
    /// Tells whether a circuit breaker counts this kind as a failure of the backend.
    ///
    /// The others are neutral: the backend works and declined one request.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(
            self,
            Self::Unavailable
                | Self::Timeout
                | Self::Protocol
                | Self::Authentication
                | Self::NotReady
                | Self::Overloaded
        )
    }
}

worded! {
    /// The operations of a [`Backend`](crate::Backend).
    pub enum Operation {
        /// [`Backend::get`](crate::Backend::get).
        Get = "get",
        /// [`Backend::get_many`](crate::Backend::get_many).
        GetMany = "get_many",
        /// [`Backend::get_or_lease`](crate::Backend::get_or_lease).
        GetOrLease = "get_or_lease",
        /// [`Backend::fill`](crate::Backend::fill).
        Fill = "fill",
        /// [`Backend::release`](crate::Backend::release).
        Release = "release",
        /// [`Backend::set`](crate::Backend::set).
        Set = "set",
        /// [`Backend::delete`](crate::Backend::delete).
        Delete = "delete",
        /// [`Backend::delete_many`](crate::Backend::delete_many).
        DeleteMany = "delete_many",
        /// [`Backend::delete_prefix`](crate::Backend::delete_prefix).
        DeletePrefix = "delete_prefix",
        /// [`Backend::ping`](crate::Backend::ping).
        Ping = "ping",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_lowercase_line_and_keeps_the_source_apart() {
        let error = Error::new(ErrorKind::Timeout, Operation::Get, "redis")
            .with_source(std::io::Error::other("socket closed"));

        assert_eq!(error.to_string(), "redis get: timed out");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("socket closed"));
        assert!(format!("{error:?}").contains("socket closed"));
    }

    #[test]
    fn every_kind_and_operation_has_a_wording_of_its_own() {
        let mut words: Vec<_> = ErrorKind::ALL.iter().map(|kind| kind.as_str()).collect();
        words.extend(Operation::ALL.iter().map(|operation| operation.as_str()));
        let count = words.len();
        words.sort_unstable();
        words.dedup();

        assert_eq!(words.len(), count);
    }

    #[test]
    fn declining_one_request_is_no_failure() {
        let failures: Vec<_> = ErrorKind::ALL
            .iter()
            .filter(|kind| kind.is_failure())
            .map(|kind| kind.as_str())
            .collect();

        assert_eq!(
            failures,
            [
                "unavailable",
                "timed out",
                "protocol error",
                "authentication refused",
                "not ready",
                "overloaded"
            ]
        );
    }
}
