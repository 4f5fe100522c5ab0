//! What a server with TLS and its clients need on disk.

#[cfg(feature = "tls")]
mod authority;

use std::path::PathBuf;

use tempfile::TempDir;

/// The certificates of a server with TLS, made for it alone; removed with its last handle.
///
/// The server's certificate is for `127.0.0.1` and `localhost`.
///
/// ```no_run
/// # #[cfg(feature = "tls")]
/// # async fn example() {
/// use tasker_cache_testkit::server::RedisServer;
///
/// let server = RedisServer::builder().tls().start().await;
/// let files = server.tls_files().expect("it was started with TLS");
/// println!("trust {}, and never {}", files.ca().display(), files.wrong_ca().display());
/// # }
/// ```
#[derive(Debug)]
pub struct TlsFiles {
    folder: TempDir,
}

impl TlsFiles {
    /// Returns the certificate of the authority that signed the server's and the client's, as PEM.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// Returns the certificate of an authority that signed nothing, as PEM: who trusts it alone
    /// must not be connected.
    #[must_use]
    pub fn wrong_ca(&self) -> PathBuf {
        self.file("wrong-ca.pem")
    }

    /// Returns the certificate of a client, as PEM, for a server that demands one.
    #[must_use]
    pub fn client_certificate(&self) -> PathBuf {
        self.file("client.pem")
    }

    /// Returns the private key of that client, as PEM (PKCS #8).
    #[must_use]
    pub fn client_key(&self) -> PathBuf {
        self.file("client.key")
    }

    pub(crate) fn server_certificate(&self) -> PathBuf {
        self.file("server.pem")
    }

    pub(crate) fn server_key(&self) -> PathBuf {
        self.file("server.key")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
