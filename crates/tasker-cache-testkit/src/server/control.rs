//! What every server's handle can do to its process.

/// Writes these methods for a handle whose field `daemon` is a
/// [`Daemon`](crate::server::daemon::Daemon): one text for all handles, and documentation at each.
macro_rules! control {
    ($server:ty) => {
        impl $server {
            /// Returns the address it listens on; it is kept over restarts.
            ///
            /// # Panics
            ///
            /// If it listens on a unix socket only.
            #[must_use]
            pub fn address(&self) -> ::std::net::SocketAddr {
                let is_unix = self.socket().is_some();
                assert!(!is_unix, "a server on a unix socket has no address: use its `socket()`");
                self.daemon.place().address()
            }

            /// Returns the port it listens on; it is kept over restarts.
            ///
            /// # Panics
            ///
            /// If it listens on a unix socket only.
            #[must_use]
            pub fn port(&self) -> u16 {
                self.address().port()
            }

            /// Returns the file of its unix socket, if it was started with one.
            #[must_use]
            pub fn socket(&self) -> Option<::std::path::PathBuf> {
                self.daemon.has_no_port().then(|| self.daemon.place().socket())
            }

            /// Returns the pid of the server's process; each start has another.
            ///
            /// # Panics
            ///
            /// If it was stopped or killed.
            #[must_use]
            pub fn pid(&self) -> u32 {
                self.daemon.pid()
            }

            /// Tells whether the process is there, paused or not.
            #[must_use]
            pub fn is_running(&self) -> bool {
                self.daemon.is_running()
            }

            /// Stops the process where it is (SIGSTOP); returns when it stands.
            ///
            /// Its connections stay open, and the kernel accepts further ones, but nobody answers.
            ///
            /// # Panics
            ///
            /// If it does not run.
            pub fn pause(&self) {
                self.daemon.pause();
            }

            /// Lets a paused process go on (SIGCONT): it then answers all that was sent meanwhile.
            ///
            /// # Panics
            ///
            /// If it does not run.
            pub fn resume(&self) {
                self.daemon.resume();
            }

            /// Kills the process (SIGKILL) and waits until it is gone; nothing if it does not run.
            pub async fn kill(&self) {
                self.daemon.kill().await;
            }

            /// Asks the process to end (SIGTERM) and waits until it is gone; nothing if it does not
            /// run.
            ///
            /// # Panics
            ///
            /// If it is still there after 20 s, as a paused one is.
            pub async fn stop(&self) {
                self.daemon.stop().await;
            }

            /// Returns the folder that holds the server's log and data; it is removed with the
            /// server.
            #[must_use]
            pub fn folder(&self) -> &::std::path::Path {
                self.daemon.place().folder()
            }
        }
    };
}

pub(crate) use control;
