//! The commands of Memcached that the backend is made of, each one round trip.
//!
//! Those about an entry bear a mark that their answer must repeat (protocol.txt, the flag `O`): what
//! is left on a connection of an earlier answer, if only because something between the two sent it
//! twice, is never taken for a later one about the same key. What the server can't mark is only ever
//! taken for an error, for a miss, or for a sign that the server lives.

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

/// The first memcached that acknowledges by `HD`, which is what the client understands (git history
/// of memcached, `proto_text.c`). Before 1.6.13 `md` with a CAS number never matches, so that a lease
/// which is given back stays until its time is over.
const OLDEST: [u32; 3] = [1, 6, 10];

/// How many deletes go out before one acknowledgement.
const REMOVALS: usize = 512;

/// Tells whether a key can stand in a command. The client sends an empty one, after which the
/// server takes the value for commands, and non-ASCII ones, which it can't read back.
pub(crate) fn is_sendable(key: &str) -> bool {
    (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A connection whose server has answered on it, and what the next command on it is marked with.
pub(crate) struct Wire {
    client: Client,
    id: ConnectionId,
    mark: u64,
}

impl Wire {
    /// Makes sure that a memcached with the meta commands answers.
    ///
    /// # Errors
    ///
    /// Fails if the line that comes back is no version: the client takes any for one.
    pub(crate) async fn new(mut client: Client) -> Result<Self, Failure> {
        prove(&mut client).await?;
        let id = ConnectionId::draw().ok_or(Failure::no_randomness())?;
        Ok(Self { client, id, mark: id.first_mark() })
    }

    pub(crate) fn id(&self) -> ConnectionId {
        self.id
    }

    /// Reads keys that are in order and differ; with `hold`, leases those under which there is
    /// nothing. The answers stand in the order of the keys.
    pub(crate) async fn read(
        &mut self,
        keys: &[&str],
        hold: Option<u32>,
    ) -> Result<Vec<Option<Found>>, Failure> {
        let mark = self.next_mark();
        let marked = format!("O{mark}");
        let vivify = hold.map(|seconds| format!("N{seconds}"));
        let flags: Vec<&str> =
            ["v", "c", marked.as_str()].into_iter().chain(vivify.as_deref()).collect();
        let values = self.client.meta_get_multi(keys, Some(&flags)).await?;
        in_order(self.id, keys, &mark, values).ok_or_else(Failure::misplaced)
    }

    /// Executes a command.
    pub(crate) async fn execute(&mut self, command: &Command) -> Result<Outcome, Failure> {
        let mark = self.next_mark();
        let (client, opaque) = (&mut self.client, Some(mark.as_bytes()));
        let answer = match command {
            Command::Store { key, value, ttl } => {
                let ttl = format!("T{ttl}");
                client.meta_set(key, &value[..], false, opaque, Some(&[&ttl])).await
            }
            Command::Swap { key, value, ttl, cas, .. } => {
                let (ttl, cas) = (format!("T{ttl}"), format!("C{cas}"));
                // Never with `I`, which stores over a newer item too.
                let flags = [ttl.as_str(), cas.as_str(), "c"];
                client.meta_set(key, &value[..], false, opaque, Some(&flags)).await
            }
            Command::Remove { key } => client.meta_delete(key, false, opaque, None).await,
            Command::RemoveIf { key, cas, .. } => {
                let cas = format!("C{cas}");
                client.meta_delete(key, false, opaque, Some(&[&cas])).await
            }
            Command::RemoveAll { keys } => {
                for keys in keys.chunks(REMOVALS) {
                    self.remove_all(keys).await?;
                }
                return Ok(Outcome::Done { cas: None });
            }
            Command::Prove => {
                return prove(client).await.map(|()| Outcome::Done { cas: None });
            }
        };
        outcome(&mark, answer)
    }

    /// Removes keys. The server works off a connection in order: its answer to the last one
    /// acknowledges them all.
    async fn remove_all(&mut self, keys: &[String]) -> Result<(), Failure> {
        let Some((last, others)) = keys.split_last() else {
            return Ok(());
        };
        self.client.delete_multi_no_reply(others).await?;
        let mark = self.next_mark();
        let answer = self.client.meta_delete(last, false, Some(mark.as_bytes()), None).await;
        outcome(&mark, answer).map(drop)
    }

    fn next_mark(&mut self) -> String {
        self.mark = self.mark.wrapping_add(1);
        format!("{:x}", self.mark)
    }
}

async fn prove(client: &mut Client) -> Result<(), Failure> {
    let version = client.version().await?;
    let version = version.trim();
    match release(version) {
        None => Err(Failure::instead_of_version(version)),
        Some(release) if release < OLDEST => {
            Err(Failure::too_old(&release.map(|number| number.to_string()).join(".")))
        }
        Some(_) => Ok(()),
    }
}

/// Reads the numbers of a version; `None` for a line that is something else.
fn release(version: &str) -> Option<[u32; 3]> {
    let mut numbers = version.splitn(3, '.').map(|part| {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse().ok()
    });
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

/// Matches the values with the keys. The server answers in order and leaves out misses; `None` if
/// a value is of no key, out of order, or not marked as asked for.
fn in_order(
    connection: ConnectionId,
    keys: &[&str],
    mark: &str,
    values: Vec<MetaValue>,
) -> Option<Vec<Option<Found>>> {
    let mut found = Vec::with_capacity(keys.len());
    for value in values {
        let key = value.key.as_deref().filter(|_| is_marked(&value, mark))?;
        let skipped = keys[found.len()..].iter().position(|wanted| wanted.as_bytes() == key)?;
        found.extend((0..skipped).map(|_| None));
        found.push(Some(into_found(connection, value)?));
    }
    found.resize_with(keys.len(), || None);
    Some(found)
}

fn is_marked(value: &MetaValue, mark: &str) -> bool {
    value.opaque_token.as_deref() == Some(mark.as_bytes())
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

/// Reads the answer to a command other than a read. All but errors come as values, because they
/// repeat the mark.
fn outcome(mark: &str, answer: Result<Option<MetaValue>, ClientError>) -> Result<Outcome, Failure> {
    match answer {
        Ok(Some(value)) if is_marked(&value, mark) => match value.status {
            Some(Status::Stored | Status::Deleted) => Ok(Outcome::Done { cas: value.cas }),
            Some(Status::NotFound | Status::Exists | Status::NotStored) => Ok(Outcome::Missed),
            _ => Err(Failure::misplaced()),
        },
        Ok(_) => Err(Failure::misplaced()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "5ca1ab1e";

    fn value(key: &str) -> MetaValue {
        MetaValue {
            key: Some(key.as_bytes().to_vec()),
            cas: Some(1),
            opaque_token: Some(MARK.into()),
            ..MetaValue::default()
        }
    }

    fn matched(keys: &[&str], values: &[&str]) -> Option<Vec<bool>> {
        let connection = ConnectionId::draw().expect("randomness");
        let values = values.iter().map(|key| value(key)).collect();
        let found = in_order(connection, keys, MARK, values)?;
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
    fn a_version_is_told_from_what_else_is_left_of_a_line() {
        for version in ["1.6.18", "1.6.18-dev", "1.6.18_beta1 (fork)"] {
            assert_eq!(release(version), Some([1, 6, 18]), "{version}");
        }
        // What the client leaves of `HD O5ca1b1e5`, of `VA 120 c17 O5ca1 ka`, and of other lines.
        for line in
            ["1b1e5", "17 O5ca1 ka", "", "1", "1.6", "1.6.", "oo many connections", "-1.6.18"]
        {
            assert_eq!(release(line), None, "{line}");
        }
    }

    #[test]
    fn a_value_without_the_mark_is_no_answer() {
        let connection = ConnectionId::draw().expect("randomness");
        for opaque_token in [None, Some("5ca1ab1f".into())] {
            let value = MetaValue { opaque_token, ..value("a") };
            assert!(in_order(connection, &["a"], MARK, vec![value]).is_none());
        }
    }

    #[test]
    fn an_acknowledgement_without_the_mark_is_none() {
        let deleted = |mark: Option<&str>| MetaValue {
            status: Some(Status::Deleted),
            opaque_token: mark.map(Into::into),
            ..MetaValue::default()
        };
        assert_eq!(outcome(MARK, Ok(Some(deleted(Some(MARK))))), Ok(Outcome::Done { cas: None }));
        for answer in [
            Ok(Some(deleted(Some("5ca1ab1f")))),
            Ok(Some(deleted(None))),
            Ok(None),
            Err(ClientError::Protocol(Status::NotFound)),
        ] {
            assert_eq!(outcome(MARK, answer), Err(Failure::misplaced()));
        }
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
