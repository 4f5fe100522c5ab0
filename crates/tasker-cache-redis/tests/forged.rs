//! Replies into which something has got on their way, and that still look like replies.

mod common;

use common::{Forger, connected, entry, eventually, leased, minute};
use tasker_cache_core::{Backend, Fill, KeyBuilder};
use tasker_cache_redis::Redis;
use tasker_cache_testkit::server::RedisServer;

async fn behind_a_forger() -> (RedisServer, Forger, Redis) {
    let server = RedisServer::start().await;
    let forger = Forger::start(server.address()).await;
    let backend = connected(&server.url_at(forger.address())).await;
    (server, forger, backend)
}

/// Puts four bytes into a key of a page. The client reads as many as were announced, skips two for
/// the end of the line without looking at them, and has an integer left, as what comes next.
fn grown(key: &str, at: usize) -> String {
    assert!(key.ends_with(":3") && at <= key.len() - 6);
    format!("{}four{}", &key[..at], &key[at..])
}

#[tokio::test]
async fn a_key_that_was_not_read_right_is_not_said_to_be_deleted_with_its_prefix() {
    let (server, forger, backend) = behind_a_forger().await;
    let region = || KeyBuilder::raw("test").segment("region");

    let key = region().segment("some-key").segment("3").key();

    // As one of two keys, in whatever order, and alone.
    for (at, others) in [(2, 1), (2, 0), ("test:region:".len(), 1), ("test:region:".len(), 0)] {
        for other in (0..others).map(|number| region().segment(number).key()).chain([key.clone()]) {
            backend.set(&other, entry("value"), minute()).await.expect("a server");
        }
        forger.once(key.as_str(), grown(key.as_str(), at));

        let deleted = backend.delete_prefix(&region().prefix()).await;

        assert!(forger.is_done(), "no page had the key");
        let there = server.command(&["EXISTS", key.as_str()]).await.integer();
        assert!(deleted.is_err() || there == Some(0), "{deleted:?}, but the key is there");
        eventually("a prefix is deleted", async || {
            backend.delete_prefix(&region().prefix()).await.is_ok()
        })
        .await;
        assert_eq!(server.command(&["EXISTS", key.as_str()]).await.integer(), Some(0));
    }
}

#[tokio::test]
async fn more_keys_than_were_named_are_not_said_to_be_deleted() {
    let (server, forger, backend) = behind_a_forger().await;
    let keys = [common::key("a"), common::key("b")];

    for (answer, forged) in [(":1\r\n", ":10\r\n"), (":1\r\n", ":-1\r\n"), (":1\r\n", ":3\r\n")] {
        backend.set(&keys[0], entry("value"), minute()).await.expect("a server");
        forger.once(answer, forged);

        assert!(backend.delete_many(&keys).await.is_err(), "{forged:?} of two keys");

        assert!(forger.is_done(), "nothing was deleted");
        assert!(server.command(&["EXISTS", keys[0].as_str()]).await.integer() == Some(0));
        eventually("it is used again", async || backend.ping().await.is_ok()).await;
    }
}

#[tokio::test]
async fn a_refused_fill_is_not_said_to_be_stored() {
    let (server, forger, backend) = behind_a_forger().await;

    for answer in [":1\r\n", ":70\r\n", "$2\r\n00\r\n", "+OK\r\n", "_\r\n"] {
        let key = common::key("k");
        let lease = leased(&backend, &key).await;
        server.command(&["DEL", key.as_str()]).await;
        forger.once(":0\r\n", answer);

        let fill = backend.fill(lease, entry("value"), minute()).await;

        assert!(forger.is_done(), "the script was not asked");
        assert!(!matches!(fill, Ok(Fill::Stored)), "{answer:?} was taken for a success");
        eventually("it is used again", async || backend.ping().await.is_ok()).await;
    }
}
