//! What a test does to a server, whichever it is.

use tasker_cache_testkit::server::{MemcachedServer, RedisServer};

/// A server that can be stopped and started.
pub trait Server {
    /// Lets it hang: it keeps its connections and answers nothing.
    fn pause(&self);

    /// Lets it go on.
    fn resume(&self);

    /// Kills it.
    fn kill(&self) -> impl Future<Output = ()> + Send;

    /// Starts it again, empty.
    fn restart(&self) -> impl Future<Output = ()> + Send;
}

macro_rules! server {
    ($($server:ty),+) => {$(
        impl Server for $server {
            fn pause(&self) {
                <$server>::pause(self);
            }

            fn resume(&self) {
                <$server>::resume(self);
            }

            async fn kill(&self) {
                <$server>::kill(self).await;
            }

            async fn restart(&self) {
                <$server>::restart(self).await;
            }
        }
    )+};
}

server!(RedisServer, MemcachedServer);
