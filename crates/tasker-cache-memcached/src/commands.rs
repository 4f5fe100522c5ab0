//! The commands of Memcached that the backend is made of, each one round trip.

use async_memcached::{
    AsciiProtocol, Client, Error as ClientError, MetaProtocol, MetaValue, Status,
};
use tasker_cache_core::Bytes;

use crate::error::Failure;
use crate::lease::ConnectionId;
use crate::request::{Command, Found, Outcome, Recache};

/// The longest key.
pub(crate) const MAX_KEY_BYTES: usize = 250;

/// The client writes a whole batch before it reads: with many more keys both sides could end up
/// waiting for the other to read.
pub(crate) const BATCH: usize = 64;

/// How many deletes go out before one acknowledgement.
const REMOVALS: usize = 512;

/// Tells whether a key can stand in a command. The client sends an empty one, after which the
/// server takes the value for commands, and non-ASCII ones, which it can't read back.
pub(crate) fn is_sendable(key: &str) -> bool {
    (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Makes sure that a memcached with the meta commands answers.
///
/// # Errors
///
/// Fails if the line that comes back is no version: the client takes any for one.
pub(crate) async fn prove(client: &mut Client) -> Result<(), Failure> {
    let version = client.version().await?;
    let version = version.trim();
    if !version.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(Failure::instead_of_version(version));
    }
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) < (1, 6) => {
            Err(Failure::too_old(&format!("{major}.{minor}")))
        }
        _ => Ok(()),
    }
}

/// Reads keys that are in order and differ; with `hold`, leases those under which there is
/// nothing. The answers stand in the order of the keys.
pub(crate) async fn read(
    client: &mut Client,
    connection: ConnectionId,
    keys: &[&str],
    hold: Option<u32>,
) -> Result<Vec<Option<Found>>, Failure> {
    let vivify = hold.map(|seconds| format!("N{seconds}"));
    let flags: Vec<&str> = ["v", "c"].into_iter().chain(vivify.as_deref()).collect();
    let values = client.meta_get_multi(keys, Some(&flags)).await?;
    in_order(connection, keys, values).ok_or_else(Failure::misplaced)
}

/// Matches the values with the keys. The server answers in order and leaves out misses; `None` if
/// a value is of no key, or out of order.
fn in_order(
    connection: ConnectionId,
    keys: &[&str],
    values: Vec<MetaValue>,
) -> Option<Vec<Option<Found>>> {
    let mut found = Vec::with_capacity(keys.len());
    for value in values {
        let key = value.key.as_deref()?;
        let skipped = keys[found.len()..].iter().position(|wanted| wanted.as_bytes() == key)?;
        found.extend((0..skipped).map(|_| None));
        found.push(Some(into_found(connection, value)?));
    }
    found.resize_with(keys.len(), || None);
    Some(found)
}

fn into_found(connection: ConnectionId, value: MetaValue) -> Option<Found> {
    Some(Found {
        data: Bytes::from(value.data.unwrap_or_default()),
        cas: value.cas?,
        connection,
        recache: match value.is_recache_winner {
            Some(true) => Recache::Mine,
            Some(false) => Recache::Theirs,
            None => Recache::Nobody,
        },
        stale: value.is_stale == Some(true),
    })
}

/// Executes a command.
pub(crate) async fn execute(client: &mut Client, command: &Command) -> Result<Outcome, Failure> {
    match command {
        Command::Store { key, value, ttl } => {
            let ttl = format!("T{ttl}");
            outcome(client.meta_set(key, &value[..], false, None, Some(&[&ttl])).await)
        }
        Command::Swap { key, value, ttl, cas, .. } => {
            let (ttl, cas) = (format!("T{ttl}"), format!("C{cas}"));
            // Never with `I`, which stores over a newer item too.
            let flags = [ttl.as_str(), cas.as_str(), "c"];
            outcome(client.meta_set(key, &value[..], false, None, Some(&flags)).await)
        }
        Command::Remove { key } => outcome(client.meta_delete(key, false, None, None).await),
        Command::RemoveIf { key, cas, .. } => {
            let cas = format!("C{cas}");
            outcome(client.meta_delete(key, false, None, Some(&[&cas])).await)
        }
        Command::RemoveAll { keys } => {
            for keys in keys.chunks(REMOVALS) {
                client.delete_multi_no_reply(keys).await?;
                // The server works off a connection in order: its answer acknowledges them all.
                prove(client).await?;
            }
            Ok(Outcome::Done { cas: None })
        }
        Command::Prove => prove(client).await.map(|()| Outcome::Done { cas: None }),
    }
}

fn outcome(result: Result<Option<MetaValue>, ClientError>) -> Result<Outcome, Failure> {
    let status = match result {
        Ok(None) => return Ok(Outcome::Done { cas: None }),
        // With the CAS number asked for, a refusal comes as a value too if the server has any.
        Ok(Some(MetaValue { cas, status, .. })) => match status {
            Some(Status::Stored | Status::Deleted) => return Ok(Outcome::Done { cas }),
            Some(status) => status,
            None => return Err(Failure::misplaced()),
        },
        Err(ClientError::Protocol(status)) => status,
        Err(error) => return Err(error.into()),
    };
    match status {
        Status::NotFound | Status::Exists | Status::NotStored => Ok(Outcome::Missed),
        status => Err(ClientError::Protocol(status).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(key: &str) -> MetaValue {
        MetaValue { key: Some(key.as_bytes().to_vec()), cas: Some(1), ..MetaValue::default() }
    }

    fn matched(keys: &[&str], values: &[&str]) -> Option<Vec<bool>> {
        let connection = ConnectionId::draw().expect("randomness");
        let values = values.iter().map(|key| value(key)).collect();
        let found = in_order(connection, keys, values)?;
        Some(found.iter().map(Option::is_some).collect())
    }

    #[test]
    fn values_find_their_keys() {
        assert_eq!(matched(&["a", "b", "c"], &["a", "c"]), Some(vec![true, false, true]));
        assert_eq!(matched(&["a", "b"], &[]), Some(vec![false, false]));
    }

    #[test]
    fn a_value_of_another_key_is_no_answer() {
        assert_eq!(matched(&["a"], &["b"]), None);
        assert_eq!(matched(&["a", "b"], &["b", "a"]), None);
        assert_eq!(matched(&["a"], &["a", "a"]), None);
    }

    #[test]
    fn what_the_client_would_send_and_the_server_misread_is_not_sendable() {
        let long = "k".repeat(251);
        for key in ["", "a b", "a\r\nflush_all", "a\0", "a\t", "\u{e9}", "\x7f", &long] {
            assert!(!is_sendable(key), "{key:?}");
        }
        assert!(is_sendable(&long[..250]));
    }
}
