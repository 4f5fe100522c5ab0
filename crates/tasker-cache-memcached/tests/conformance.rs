//! The contract, over TCP, over a unix socket, and on a ring of three servers.

mod common;

use tasker_cache_testkit::conformance::Fixture;

use crate::common::Servers;

async fn one_server() -> impl Fixture {
    Servers::on_tcp(1).await
}

async fn unix_socket() -> impl Fixture {
    Servers::on_a_unix_socket().await
}

async fn three_servers() -> impl Fixture {
    Servers::on_tcp(3).await
}

mod tcp {
    tasker_cache_testkit::conformance!(super::one_server);
}

mod unix {
    tasker_cache_testkit::conformance!(super::unix_socket);
}

mod ring {
    tasker_cache_testkit::conformance!(super::three_servers);
}
