//! What went wrong, and what it says about the server and the connection.

use std::borrow::Cow;
use std::fmt;

use async_memcached::{Error as ClientError, ErrorKind as ReplyKind, Status};
use tasker_cache_core::{Error, ErrorKind, Operation};

use crate::Memcached;

/// Why the server could not be reached, in words.
///
/// Its text holds neither the address nor a key.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConnectError(pub(crate) Failure);

/// A failed command: cheap to hand to everybody who waited for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) doubt: Doubt,
    words: Cow<'static, str>,
}

/// What a failure says about the connection that it happened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// The reply was read to its end; the connection is as good as before.
    None,
    /// It is gone, or what stood on it is no answer to what was asked. Either may have been so for
    /// long, and the server may be well.
    Broken,
    /// What comes next on it can't be trusted to be the next reply, and the server may be the cause.
    Astray,
}

impl Failure {
    pub(crate) const fn new(kind: ErrorKind, doubt: Doubt, words: &'static str) -> Self {
        Self { kind, doubt, words: Cow::Borrowed(words) }
    }

    pub(crate) const fn timeout() -> Self {
        Self::new(ErrorKind::Timeout, Doubt::Astray, "the server did not answer in time")
    }

    pub(crate) const fn never_answered() -> Self {
        let words = "the server accepted the connection and has not answered";
        Self::new(ErrorKind::Timeout, Doubt::Astray, words)
    }

    pub(crate) const fn never_accepted() -> Self {
        let words = "the server has not accepted the connection";
        Self::new(ErrorKind::Timeout, Doubt::Astray, words)
    }

    pub(crate) const fn no_runtime() -> Self {
        let words = "there is no tokio runtime here, or it has shut down";
        Self::new(ErrorKind::Unavailable, Doubt::None, words)
    }

    pub(crate) const fn no_servers() -> Self {
        Self::new(ErrorKind::Unavailable, Doubt::None, "the ring has no servers")
    }

    pub(crate) const fn misplaced() -> Self {
        let words = "the server answered something else than it was asked";
        Self::new(ErrorKind::Protocol, Doubt::Broken, words)
    }

    pub(crate) const fn no_randomness() -> Self {
        let words = "the operating system has no random numbers to give";
        Self::new(ErrorKind::Other, Doubt::None, words)
    }

    pub(crate) const fn too_large() -> Self {
        let words = "the value is over the limit of an item";
        Self::new(ErrorKind::TooLarge, Doubt::None, words)
    }

    pub(crate) const fn bad_key() -> Self {
        let words = "the key has bytes that Memcached does not take";
        Self::new(ErrorKind::TooLarge, Doubt::None, words)
    }

    pub(crate) fn too_old(version: &str) -> Self {
        let words = format!("memcached {version} is too old: 1.6.10 or newer is needed");
        Self { kind: ErrorKind::Protocol, doubt: Doubt::Astray, words: Cow::Owned(words) }
    }

    /// Reads what the server said in place of its version. The client strips the first eight
    /// bytes of any line, so this begins in the middle of a word.
    pub(crate) fn instead_of_version(line: &str) -> Self {
        if line.contains("many open connections") {
            let words = "the server has as many connections as it accepts";
            return Self::new(ErrorKind::Overloaded, Doubt::Astray, words);
        }
        if line.contains("unauthenticated") {
            return Self::unauthenticated();
        }
        Self::misplaced()
    }

    const fn unauthenticated() -> Self {
        let words = "the server wants a user name and password, which the client can't send";
        Self::new(ErrorKind::Authentication, Doubt::Astray, words)
    }

    pub(crate) fn into_error(self, operation: Operation) -> Error {
        Error::new(self.kind, operation, Memcached::NAME).with_source(ConnectError(self))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl From<ClientError> for Failure {
    /// Classifies an error of the client.
    ///
    /// A server's own words are left out: nothing vouches for what is in them.
    fn from(error: ClientError) -> Self {
        let kind = match error {
            ClientError::Connect(error) | ClientError::Io(error) => {
                return Self {
                    kind: ErrorKind::Unavailable,
                    doubt: Doubt::Broken,
                    words: Cow::Owned(error.to_string()),
                };
            }
            ClientError::ConnectionClosed => {
                let words = "the connection was closed";
                return Self::new(ErrorKind::Unavailable, Doubt::Broken, words);
            }
            ClientError::Protocol(Status::Error(kind)) => kind,
            ClientError::Protocol(_) | ClientError::ParseError(_) => return Self::misplaced(),
        };
        match kind {
            ReplyKind::Server(words) if words.starts_with("object too large") => Self::too_large(),
            ReplyKind::Server(words) if words.starts_with("out of memory") => {
                let words = "the server has no memory for the value";
                Self::new(ErrorKind::OutOfMemory, Doubt::None, words)
            }
            ReplyKind::Server(_) => {
                let words = "the server reported an error of its own";
                Self::new(ErrorKind::NotReady, Doubt::Astray, words)
            }
            ReplyKind::Client(words) if words.contains("unauthenticated") => {
                Self::unauthenticated()
            }
            ReplyKind::Client(_) => {
                let words = "the server did not understand the command";
                Self::new(ErrorKind::Protocol, Doubt::Astray, words)
            }
            ReplyKind::NonexistentCommand => {
                let words = "the server does not know the meta commands";
                Self::new(ErrorKind::Protocol, Doubt::Astray, words)
            }
            ReplyKind::KeyTooLong => Self::bad_key(),
            ReplyKind::Generic(_) | ReplyKind::Protocol(_) | ReplyKind::OpaqueTooLong => {
                Self::misplaced()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn reply(kind: ReplyKind) -> ClientError {
        ClientError::Protocol(Status::Error(kind))
    }

    fn server(words: &str) -> ClientError {
        reply(ReplyKind::Server(words.to_owned()))
    }

    fn client(words: &str) -> ClientError {
        reply(ReplyKind::Client(words.to_owned()))
    }

    #[test]
    fn each_error_has_its_kind_and_says_whether_the_connection_can_stay() {
        let eof = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let text = |words: &str| Some(words.to_owned());
        for (error, kind, doubt) in [
            (ClientError::Connect(eof()), ErrorKind::Unavailable, Doubt::Broken),
            (ClientError::Io(eof()), ErrorKind::Unavailable, Doubt::Broken),
            (ClientError::ConnectionClosed, ErrorKind::Unavailable, Doubt::Broken),
            (server("object too large for cache"), ErrorKind::TooLarge, Doubt::None),
            (server("out of memory storing object"), ErrorKind::OutOfMemory, Doubt::None),
            (server("temporary failure"), ErrorKind::NotReady, Doubt::Astray),
            (client("unauthenticated"), ErrorKind::Authentication, Doubt::Astray),
            (client("bad command line format"), ErrorKind::Protocol, Doubt::Astray),
            (client("invalid flag"), ErrorKind::Protocol, Doubt::Astray),
            (reply(ReplyKind::NonexistentCommand), ErrorKind::Protocol, Doubt::Astray),
            (reply(ReplyKind::Protocol(text("tag"))), ErrorKind::Protocol, Doubt::Broken),
            (reply(ReplyKind::Protocol(None)), ErrorKind::Protocol, Doubt::Broken),
            (reply(ReplyKind::Generic(String::new())), ErrorKind::Protocol, Doubt::Broken),
            (reply(ReplyKind::OpaqueTooLong), ErrorKind::Protocol, Doubt::Broken),
            (reply(ReplyKind::KeyTooLong), ErrorKind::TooLarge, Doubt::None),
            (ClientError::Protocol(Status::Stored), ErrorKind::Protocol, Doubt::Broken),
            (ClientError::Protocol(Status::Value), ErrorKind::Protocol, Doubt::Broken),
        ] {
            let shown = format!("{error:?}");
            let failure = Failure::from(error);
            assert_eq!((failure.kind, failure.doubt), (kind, doubt), "{shown}");
        }
    }

    #[test]
    fn what_stands_in_for_a_version_is_told_apart() {
        for (line, kind) in [
            ("oo many open connections\r\n", ErrorKind::Overloaded),
            ("RROR unauthenticated\r\n", ErrorKind::Authentication),
            ("\r\n", ErrorKind::Protocol),
        ] {
            assert_eq!(Failure::instead_of_version(line).kind, kind, "{line}");
        }
    }

    #[test]
    fn the_words_of_a_server_are_not_repeated() {
        let failure = Failure::from(server("no such key: hunter2"));
        let error = failure.into_error(Operation::Get);

        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
