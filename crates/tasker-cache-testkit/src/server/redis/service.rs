//! The command lines of Redis, Valkey and Dragonfly, and the way to their administrator.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::server::daemon::Service;
use crate::server::place::Place;
use crate::server::resp::Connection;
use crate::server::{Ports, Program, Reply, StartError, TlsFiles};

/// A user of the server's ACL.
#[derive(Clone)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) password: String,
    pub(super) rules: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// How a server talks TLS.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub(super) files: Arc<TlsFiles>,
    pub(super) asks_clients: bool,
}

/// What a server is started with.
#[derive(Clone)]
pub(super) struct RedisService {
    pub(super) program: Program,
    pub(super) password: Option<String>,
    pub(super) user: Option<User>,
    pub(super) is_unix: bool,
    pub(super) is_node: bool,
    pub(super) primary: Option<SocketAddr>,
    pub(super) tls: Option<Tls>,
    pub(super) extra: Vec<String>,
}

impl fmt::Debug for RedisService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisService")
            .field("program", &self.program)
            .field("has_password", &self.password.is_some())
            .field("user", &self.user)
            .field("is_unix", &self.is_unix)
            .field("is_node", &self.is_node)
            .field("primary", &self.primary)
            .field("tls", &self.tls)
            .field("extra", &self.extra)
            .finish()
    }
}

impl RedisService {
    pub(super) fn new(program: Program) -> Self {
        Self {
            program,
            password: None,
            user: None,
            is_unix: false,
            is_node: false,
            primary: None,
            tls: None,
            extra: Vec::new(),
        }
    }

    /// Refuses options that don't go together.
    pub(super) fn check(&self) -> Result<(), StartError> {
        let refuse = |what| Err(StartError::unfit(what));
        let is_alone = !self.is_node && self.primary.is_none();
        let is_plain = !self.is_unix && self.tls.is_none();
        match self.program {
            Program::Memcached => refuse("memcached is started by `MemcachedServer`"),
            Program::Dragonfly if !is_alone || !is_plain => {
                refuse("the harness starts Dragonfly alone and on plain TCP only")
            }
            _ if self.is_unix && !is_alone => {
                refuse("servers find each other by address: not with `unix_socket()`")
            }
            _ if self.is_unix && self.tls.is_some() => refuse("there is no TLS on a unix socket"),
            _ => Ok(()),
        }
    }

    pub(super) fn url(&self, address: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://{}{address}", self.credentials())
    }

    pub(super) fn unix_url(&self, socket: &Path) -> String {
        format!("unix://{}{}", self.credentials(), socket.display())
    }

    /// Returns what stands before the host in a URL, percent-encoded.
    pub(super) fn credentials(&self) -> String {
        match (&self.user, &self.password) {
            (Some(user), _) => format!("{}:{}@", encoded(&user.name), encoded(&user.password)),
            (None, Some(password)) => format!(":{}@", encoded(password)),
            (None, None) => String::new(),
        }
    }

    /// Runs a command as the default user, by the way that the harness has for itself.
    pub(super) async fn exchange<A: AsRef<[u8]>>(
        &self,
        place: &Place,
        args: &[A],
    ) -> io::Result<Reply> {
        if self.program == Program::Dragonfly {
            self.exchange_on(TcpStream::connect(place.address()).await?, args).await
        } else {
            self.exchange_on(UnixStream::connect(place.socket()).await?, args).await
        }
    }

    async fn exchange_on<S, A>(&self, stream: S, args: &[A]) -> io::Result<Reply>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
        A: AsRef<[u8]>,
    {
        let mut connection = Connection::new(stream);
        if let Some(password) = &self.password {
            connection.demand(&["AUTH", password]).await?;
        }
        connection.call(args).await
    }

    fn redis_args(&self, program: &Path, place: &Place) -> Vec<OsString> {
        let is_plain = !self.is_unix && self.tls.is_none();
        let port = if is_plain { place.address().port() } else { 0 };
        let mut args = Args::default();
        args.option("--port", port.to_string()).option("--bind", "127.0.0.1");
        if let Some(tls) = &self.tls {
            self.tls_args(tls, place, &mut args);
        }
        args.option("--unixsocket", place.socket()).option("--unixsocketperm", "700");
        args.option("--dir", place.data()).option("--dbfilename", SNAPSHOT);
        args.option("--save", "").option("--appendonly", "no").option("--daemonize", "no");
        // The default waits five seconds for further replicas.
        args.option("--repl-diskless-sync-delay", "0");
        if major_version(program).is_none_or(|major| major >= 7) {
            args.option("--enable-debug-command", "yes");
        }
        if let Some(password) = &self.password {
            args.option("--requirepass", password).option("--masterauth", password);
        }
        if let Some(User { name, password, rules }) = &self.user {
            args.option("--user", name).option("on", format!(">{password}"));
            rules.split_whitespace().for_each(|rule| args.word(rule));
        }
        if self.is_node {
            args.option("--cluster-enabled", "yes").option("--cluster-node-timeout", "2000");
        }
        if let Some(primary) = self.primary {
            args.option("--replicaof", "127.0.0.1").word(primary.port().to_string());
        }
        args.0
    }

    fn tls_args(&self, tls: &Tls, place: &Place, args: &mut Args) {
        let Tls { files, asks_clients } = tls;
        args.option("--tls-port", place.address().port().to_string());
        args.option("--tls-ca-cert-file", files.ca());
        args.option("--tls-cert-file", files.server_certificate());
        args.option("--tls-key-file", files.server_key());
        args.option("--tls-auth-clients", if *asks_clients { "yes" } else { "no" });
        args.option("--tls-replication", "yes");
        if self.is_node {
            args.option("--tls-cluster", "yes");
        }
    }

    fn dragonfly_args(&self, place: &Place) -> Vec<OsString> {
        let mut args = Args::default();
        args.option("--bind", "127.0.0.1").option("--port", place.address().port().to_string());
        args.option("--proactor_threads", "1");
        for flag in ["--dbfilename=", "--cache_mode=true", "--version_check=false"] {
            args.word(flag);
        }
        args.word("--maxmemory=512mb");
        if let Some(password) = &self.password {
            args.word(format!("--requirepass={password}"));
        }
        args.0
    }

    /// Gives Dragonfly its user, which its command line can't.
    async fn add_user(&self, place: &Place) -> io::Result<()> {
        if let (Program::Dragonfly, Some(user)) = (self.program, &self.user) {
            let secret = format!(">{}", user.password);
            let mut args = vec!["ACL", "SETUSER", &user.name, "ON", &secret];
            args.extend(user.rules.split_whitespace());
            demanded(self.exchange(place, &args).await?)?;
        }
        Ok(())
    }
}

impl Service for RedisService {
    fn program(&self) -> Program {
        self.program
    }

    fn ports(&self) -> Option<Ports> {
        let ports = if self.is_node { Ports::AndBus } else { Ports::One };
        (!self.is_unix).then_some(ports)
    }

    fn args(&self, program: &Path, place: &Place) -> Vec<OsString> {
        let mut args = match self.program {
            Program::Dragonfly => self.dragonfly_args(place),
            _ => self.redis_args(program, place),
        };
        args.extend(self.extra.iter().map(OsString::from));
        args
    }

    async fn ready(&self, place: &Place) -> io::Result<Option<u32>> {
        demanded(self.exchange(place, &["PING"]).await?)?;
        let info = demanded(self.exchange(place, &["INFO", "server"]).await?)?;
        self.add_user(place).await?;
        Ok(field(info.text().unwrap_or_default(), "process_id").and_then(|pid| pid.parse().ok()))
    }
}

/// The name of the file that a server saves to.
const SNAPSHOT: &str = "dump.rdb";

/// Returns the file that a server saves to.
pub(super) fn snapshot(place: &Place) -> PathBuf {
    place.data().join(SNAPSHOT)
}

pub(super) fn remove_if_there(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Returns a field of what `INFO` answers.
pub(crate) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

fn demanded(reply: Reply) -> io::Result<Reply> {
    if let Reply::Error(error) = reply { Err(io::Error::other(error)) } else { Ok(reply) }
}

/// Reads the version out of `Redis server v=7.0.15 sha=…`.
fn major_version(program: &Path) -> Option<u32> {
    let said = Command::new(program).arg("--version").output().ok()?.stdout;
    let said = String::from_utf8_lossy(&said);
    let (_, version) = said.split_once("v=")?;
    version.split('.').next()?.parse().ok()
}

/// Percent-encodes all but what RFC 3986 calls unreserved.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(['%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
    encoded
}

fn hex(digit: u8) -> char {
    char::from(b"0123456789ABCDEF"[usize::from(digit & 15)])
}

/// A command line.
#[derive(Default)]
struct Args(Vec<OsString>);

impl Args {
    fn option(&mut self, name: &str, value: impl Into<OsString>) -> &mut Self {
        self.word(name);
        self.word(value);
        self
    }

    fn word(&mut self, word: impl Into<OsString>) {
        self.0.push(word.into());
    }
}
