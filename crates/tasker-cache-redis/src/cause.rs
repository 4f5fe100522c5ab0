//! From the client's errors to causes: what went wrong, in words without a secret, and what the
//! breaker makes of it.

use std::fmt;

use fred::error::{Error as ClientError, ErrorKind as ClientKind};
use tasker_cache_core::{Error, ErrorKind, Operation};

/// Declares the causes: each has one kind and one fixed wording.
macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident: $kind:ident = $words:literal,)+) => {
        /// Why a request or a connection failed. It holds nothing of what the server or the
        /// client said: that can quote keys and users.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Cause { $($(#[$doc])* $name,)+ }

        impl Cause {
            /// Returns the kind, which decides what a breaker counts.
            pub(crate) const fn kind(self) -> ErrorKind {
                match self { $(Self::$name => ErrorKind::$kind,)+ }
            }

            const fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)+ }
            }
        }
    };
}

causes! {
    Refused: Unavailable = "the connection was refused",
    HostNotFound: Unavailable = "the host was not found",
    NoSuchSocket: Unavailable = "the socket does not exist or may not be opened",
    Closed: Unavailable = "the connection was closed",
    Certificate: Unavailable = "the server's certificate was not accepted",
    Tls: Unavailable = "the TLS handshake failed",
    NotPartOfACluster: Unavailable = "the server is not part of a cluster",
    PartOfACluster: NotReady = "the server is part of a cluster",
    NoRuntime: Unavailable = "there is no tokio runtime to connect on",
    Unreached: Unavailable = "no server could be asked",
    TimedOut: Timeout = "no answer in time",
    Garbled: Protocol = "the answer could not be understood",
    WrongPassword: Authentication = "wrong user or password",
    PasswordMissing: Authentication = "the server wants a password, and none is configured",
    PasswordUnwanted: Authentication = "a password is configured, and the server has none",
    Loading: NotReady = "the server is loading its data",
    ReadOnly: NotReady = "the server is a read-only replica",
    ClusterDown: NotReady = "the cluster is down",
    PrimaryDown: NotReady = "the primary is down",
    Busy: NotReady = "the server is busy or refuses writes",
    TooManyClients: Overloaded = "the server has no room for another client",
    /// Our own limit.
    Crowded: Overloaded = "too much is in flight",
    WrongType: WrongType = "the key holds another type",
    OutOfMemory: OutOfMemory = "the server is out of memory",
    NoPermission: PermissionDenied = "the user may not do this",
    NoSuchDatabase: Other = "the server has no such database",
    /// Redis below 7 says so to `SET … NX GET`.
    Syntax: Other = "the server does not know this form of a command",
    NoScript: Other = "the server does not know the script",
    /// Its keys are neither here nor there as far as can be seen, and soon they will be.
    Moving: Other = "a slot of the cluster is moving to another node",
    Other: Other = "the server refused the command",
}

impl Cause {
    /// Tells what an error of the client means.
    pub(crate) fn of(error: &ClientError) -> Self {
        let text = error.details();
        match error.kind() {
            ClientKind::Timeout => Self::TimedOut,
            ClientKind::IO => Self::of_io(text),
            #[cfg(feature = "rustls")]
            ClientKind::Tls => Self::of_io(text).or_tls(),
            ClientKind::Routing if text.contains("redirections") => Self::Moving,
            ClientKind::Canceled | ClientKind::Routing => Self::Closed,
            ClientKind::Backpressure => Self::Crowded,
            ClientKind::Parse | ClientKind::NotFound => Self::Garbled,
            ClientKind::Protocol if text.contains("cluster state") => Self::ClusterDown,
            ClientKind::Protocol => Self::of_reply(text).unwrap_or(Self::Garbled),
            ClientKind::Sentinel => Self::of_reply(text).unwrap_or(Self::Unreached),
            ClientKind::Unknown => Self::of_reply(text).unwrap_or_else(|| Self::of_client(text)),
            _ => Self::of_reply(text).unwrap_or(Self::Other),
        }
    }

    /// Tells what an error reply means; `None` where it says nothing that is known.
    ///
    /// The code is the first word, but for errors inside a script of Dragonfly or of an old
    /// Redis: there it stands in the middle of the text.
    fn of_reply(text: &str) -> Option<Self> {
        let code = text.split_ascii_whitespace().next().unwrap_or_default();
        let cause = match code {
            "NOAUTH" => Self::PasswordMissing,
            "WRONGPASS" => Self::WrongPassword,
            "LOADING" => Self::Loading,
            "READONLY" => Self::ReadOnly,
            "CLUSTERDOWN" => Self::ClusterDown,
            "MOVED" | "ASK" | "TRYAGAIN" => Self::Moving,
            "MASTERDOWN" => Self::PrimaryDown,
            "BUSY" | "MISCONF" | "NOREPLICAS" => Self::Busy,
            "WRONGTYPE" => Self::WrongType,
            "OOM" => Self::OutOfMemory,
            "NOPERM" => Self::NoPermission,
            "NOSCRIPT" => Self::NoScript,
            "ERR" | "-ERR" => return Self::of_generic_reply(text),
            _ => return None,
        };
        Some(cause)
    }

    fn of_generic_reply(text: &str) -> Option<Self> {
        const IN_SCRIPTS: &[(&str, Cause)] = &[
            ("-WRONGTYPE ", Cause::WrongType),
            ("-OOM ", Cause::OutOfMemory),
            ("-NOPERM ", Cause::NoPermission),
            ("-READONLY ", Cause::ReadOnly),
            ("-LOADING ", Cause::Loading),
            ("-CLUSTERDOWN ", Cause::ClusterDown),
            ("-MISCONF ", Cause::Busy),
            ("Out of memory", Cause::OutOfMemory),
        ];
        const WHOLE: &[(&str, Cause)] = &[
            ("Out of memory", Cause::OutOfMemory),
            ("max number of clients", Cause::TooManyClients),
            ("max number of connections", Cause::TooManyClients),
            ("syntax error", Cause::Syntax),
            ("ACL failure in script", Cause::NoPermission),
            ("The user executing the script", Cause::NoPermission),
            ("invalid password", Cause::WrongPassword),
            ("DB index is out of range", Cause::NoSuchDatabase),
            ("This instance has cluster support disabled", Cause::NotPartOfACluster),
        ];
        let message = text.split_once(' ').map_or("", |(_, message)| message.trim_start());
        if message.starts_with("Error running script") || message.starts_with("Error compiling") {
            return IN_SCRIPTS
                .iter()
                .find(|(part, _)| text.contains(part))
                .map(|(_, cause)| *cause);
        }
        if message.contains("called without any password") {
            return Some(Self::PasswordUnwanted);
        }
        let known = WHOLE.iter().find(|(begin, _)| message.starts_with(begin));
        Some(known.map_or(Self::Other, |(_, cause)| *cause))
    }

    /// Tells what the text of an I/O error means; the client keeps no more of it.
    fn of_io(text: &str) -> Self {
        const PARTS: &[(&str, Cause)] = &[
            ("invalid peer certificate", Cause::Certificate),
            ("InvalidCertificate", Cause::Certificate),
            ("ConnectionRefused", Cause::Refused),
            ("lookup address", Cause::HostNotFound),
            ("Failed to resolve", Cause::HostNotFound),
            ("nodename nor servname", Cause::HostNotFound),
            ("kind: NotFound", Cause::NoSuchSocket),
            ("kind: PermissionDenied", Cause::NoSuchSocket),
            ("kind: TimedOut", Cause::TimedOut),
            ("InvalidData", Cause::Tls),
            ("InvalidContentType", Cause::Tls),
        ];
        PARTS.iter().find(|(part, _)| text.contains(part)).map_or(Self::Closed, |(_, cause)| *cause)
    }

    #[cfg(feature = "rustls")]
    fn or_tls(self) -> Self {
        if self == Self::Closed { Self::Tls } else { self }
    }

    /// Tells what a text of the client's own means.
    fn of_client(text: &str) -> Self {
        const GONE: &[&str] = &["channel closed", "command to router", "not initialized", "route"];
        if GONE.iter().any(|part| text.contains(part)) || text.contains("write attempts") {
            Self::Closed
        } else {
            Self::Other
        }
    }

    /// Tells whether the server itself said so: then the connection works. Of several servers, one
    /// alone says that a slot moves, and the client doesn't wait for the others then.
    pub(crate) const fn is_reply(self) -> bool {
        !matches!(self.kind(), ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Protocol)
            && !matches!(self, Self::Crowded | Self::Moving)
    }

    /// Returns the error of an operation that failed for this cause.
    pub(crate) fn error(self, operation: Operation, backend: &'static str) -> Error {
        Error::new(self.kind(), operation, backend).with_source(self)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl std::error::Error for Cause {}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the client makes an error of a reply.
    fn reply(kind: ClientKind, text: &str) -> Cause {
        Cause::of(&ClientError::new(kind, text.to_owned()))
    }

    #[test]
    fn each_error_reply_has_its_cause() {
        let rows = [
            ("LOADING Redis is loading the dataset in memory", Cause::Loading),
            ("READONLY You can't write against a read only replica.", Cause::ReadOnly),
            ("MASTERDOWN Link with MASTER is down", Cause::PrimaryDown),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Cause::Moving),
            ("ERR max number of clients reached", Cause::TooManyClients),
            ("OOM command not allowed when used memory > 'maxmemory'.", Cause::OutOfMemory),
            ("ERR Out of memory", Cause::OutOfMemory),
            ("NOPERM this user has no permissions to run the 'get' command", Cause::NoPermission),
            ("NOPERM app has no ACL permissions", Cause::NoPermission),
            ("NOSCRIPT No matching script. Please use EVAL.", Cause::NoScript),
            ("MISCONF Redis is configured to save RDB snapshots", Cause::Busy),
            ("BUSY Redis is busy running a script", Cause::Busy),
            ("ERR syntax error", Cause::Syntax),
            ("ERR invalid password", Cause::WrongPassword),
            ("ERR DB index is out of range", Cause::NoSuchDatabase),
            ("ERR unknown command 'GETT', with args beginning with: 'WRONGTYPE '", Cause::Other),
            ("something else", Cause::Other),
        ];

        for (text, expected) in rows {
            assert_eq!(reply(ClientKind::Unknown, text), expected, "{text}");
        }
    }

    #[test]
    fn replies_that_the_client_sorts_itself_have_their_cause() {
        let rows = [
            (ClientKind::Auth, "NOAUTH Authentication required.", Cause::PasswordMissing),
            (ClientKind::Auth, "WRONGPASS invalid username-password pair", Cause::WrongPassword),
            (ClientKind::Cluster, "CLUSTERDOWN The cluster is down", Cause::ClusterDown),
            (ClientKind::Cluster, "MOVED 3999 127.0.0.1:6381", Cause::Moving),
            (ClientKind::InvalidArgument, "WRONGTYPE Operation against a key", Cause::WrongType),
            (ClientKind::InvalidArgument, "Invalid argument(s)", Cause::Other),
            (
                ClientKind::Config,
                "ERR This instance has cluster support disabled",
                Cause::NotPartOfACluster,
            ),
            (ClientKind::Protocol, "Invalid or missing cluster state.", Cause::ClusterDown),
        ];

        for (kind, text, expected) in rows {
            assert_eq!(reply(kind, text), expected, "{text}");
        }
    }

    #[test]
    fn an_error_inside_a_script_has_the_cause_of_the_command_that_failed() {
        let rows = [
            (
                "ERR Error running script (call to f_1): @user_script:2: -WRONGTYPE Operation",
                Cause::WrongType,
            ),
            ("WRONGTYPE Operation against a key script: f_1, on @user_script:1.", Cause::WrongType),
            (
                "ERR Error running script (call to f_1): -OOM command not allowed",
                Cause::OutOfMemory,
            ),
            ("ERR Error running script (call to f_1): Out of memory", Cause::OutOfMemory),
            (
                "ERR ACL failure in script: User app has no permissions to run 'set'",
                Cause::NoPermission,
            ),
            ("ERR The user executing the script can't run this command", Cause::NoPermission),
        ];

        for (text, expected) in rows {
            assert_eq!(reply(ClientKind::Unknown, text), expected, "{text}");
        }
    }

    #[test]
    fn what_the_client_says_by_itself_has_its_cause() {
        let rows = [
            (ClientKind::Timeout, "Request timed out.", Cause::TimedOut),
            (ClientKind::Canceled, "Canceled.", Cause::Closed),
            (ClientKind::Routing, "Max attempts reached.", Cause::Closed),
            (ClientKind::Routing, "Too many redirections.", Cause::Moving),
            (ClientKind::Parse, "Cannot convert to bytes.", Cause::Garbled),
            (ClientKind::Protocol, "Invalid frame", Cause::Garbled),
            (ClientKind::Backpressure, "Max in-flight commands reached.", Cause::Crowded),
            (ClientKind::Unknown, "channel closed", Cause::Closed),
            (ClientKind::Unknown, "Failed to send command to router.", Cause::Closed),
            (ClientKind::IO, "Connection closed.", Cause::Closed),
            (ClientKind::IO, "Os { code: 111, kind: ConnectionRefused, … }", Cause::Refused),
            (
                ClientKind::IO,
                "Custom { kind: Uncategorized, error: \"failed to lookup address\" }",
                Cause::HostNotFound,
            ),
            (ClientKind::IO, "Os { code: 2, kind: NotFound, … }", Cause::NoSuchSocket),
            (ClientKind::IO, "invalid peer certificate: UnknownIssuer", Cause::Certificate),
        ];

        for (kind, text, expected) in rows {
            assert_eq!(reply(kind, text), expected, "{text}");
        }
    }

    #[test]
    fn a_cause_repeats_nothing_of_what_was_said() {
        let error = reply(ClientKind::Unknown, "ERR unknown command, args: 'hunter2'")
            .error(Operation::Get, "redis");

        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
