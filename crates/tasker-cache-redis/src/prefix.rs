//! Deleting: one key, many, or all that a prefix covers.

use std::collections::BTreeMap;

use fred::interfaces::{ClientLike, ClusterInterface, KeysInterface};
use fred::types::{Key as ClientKey, Value};
use fred::util::redis_keyslot;
use tokio::time::{Instant, timeout_at};

use crate::cause::Cause;
use crate::primaries::{self, Primary};
use crate::session::{Session, Timed, size};

/// How many keys the server looks at for one page.
const PAGE: u32 = 1000;

/// How many keys one command deletes at most.
const CHUNK: usize = 512;

/// How many operation timeouts a whole prefix may take; a page has one for itself.
const WHOLE: u32 = 120;

/// Deletes keys; returns how many there were.
pub(crate) async fn unlink(session: &Session, keys: Vec<ClientKey>) -> Result<u64, Cause> {
    if session.core.is_cluster() {
        return unlink_by_slot(session, keys).await;
    }
    let mut deleted = 0;
    for chunk in keys.chunks(CHUNK) {
        let (named, bytes, chunk) = (chunk.len(), size(chunk), chunk.to_vec());
        let unlink = async move |client: Timed| client.unlink(chunk).await;
        let answer: Value = session.request(&[], bytes, unlink).await?;
        deleted += count(session, &answer, named)?;
    }
    Ok(deleted)
}

/// A command may name keys of one slot only, also where one node has several.
async fn unlink_by_slot(session: &Session, mut keys: Vec<ClientKey>) -> Result<u64, Cause> {
    if keys.len() == 1 {
        let key = keys.swap_remove(0);
        let slots = session.slots([key.as_bytes()]);
        let unlink = |client: Timed| {
            let key = key.clone();
            async move { client.unlink(key).await }
        };
        return count(session, &session.follow(&slots, size([&key]), unlink).await?, 1);
    }
    let mut groups: BTreeMap<u16, Vec<ClientKey>> = BTreeMap::new();
    for key in keys {
        groups.entry(redis_keyslot(key.as_bytes())).or_default().push(key);
    }
    let groups: Vec<(u16, Vec<ClientKey>)> = groups.into_iter().collect();
    let mut deleted = 0;
    for some in groups.chunks(CHUNK) {
        let (slots, some): (Vec<u16>, Vec<Vec<ClientKey>>) = some.iter().cloned().unzip();
        let named: Vec<usize> = some.iter().map(Vec::len).collect();
        let bytes = size(some.iter().flatten());
        let unlink = |client: Timed| {
            let some = some.clone();
            async move {
                let pipeline = client.pipeline().with_options(client.options());
                for keys in some {
                    let _: () = pipeline.unlink(keys).await?;
                }
                pipeline.all().await
            }
        };
        deleted += match session.follow(&slots, bytes, unlink).await? {
            Value::Array(answers) if answers.len() == named.len() => {
                let answers = answers.iter().zip(named);
                answers
                    .map(|(answer, named)| count(session, answer, named))
                    .sum::<Result<u64, _>>()?
            }
            answer if named.len() == 1 => count(session, &answer, named[0])?,
            _ => return Err(session.garbled()),
        };
    }
    Ok(deleted)
}

/// Reads how many of so many named keys there were.
fn count(session: &Session, answer: &Value, named: usize) -> Result<u64, Cause> {
    let Value::Integer(number) = answer else {
        return Err(session.garbled());
    };
    let number = u64::try_from(*number).ok().filter(|number| *number <= named as u64);
    number.ok_or_else(|| session.garbled())
}

/// Deletes the key that is the prefix and all below it, on all nodes of a cluster.
///
/// It goes by the text of keys, so where another region has the same text its entries go too:
/// deleting more than was asked for is always safe. In a cluster nothing is said to be deleted that
/// may have been on its way from a node that was not scanned yet to one that was.
pub(crate) async fn delete(session: &Session, prefix: &str) -> Result<u64, Cause> {
    let timeout = session.core.link.connector().operation_timeout;
    let end = Instant::now() + timeout.saturating_mul(WHOLE);
    let itself = unlink(session, vec![ClientKey::from(prefix)]).await?;
    let (first, saw_all) = pass(session, prefix, end).await?;
    if saw_all {
        return Ok(itself + first);
    }
    // Either a slot is moving, or the client has not heard that one has moved.
    let learning = within(session, end)?;
    timeout_at(learning.deadline, learning.live.client.sync_cluster())
        .await
        .map_err(|_| Cause::TimedOut)?
        .map_err(|error| Cause::of(&error))?;
    let (second, saw_all) = pass(session, prefix, end).await?;
    if saw_all { Ok(itself + first + second) } else { Err(Cause::Moving) }
}

/// Deletes what a prefix covers on each primary that the client knows; tells how many keys that
/// were, and whether no other key can be anywhere.
async fn pass(session: &Session, prefix: &str, end: Instant) -> Result<(u64, bool), Cause> {
    let primaries = Primary::all(session);
    let before = primaries::states(&within(session, end)?, &primaries).await?;
    let mut deleted = 0;
    if before.is_none() {
        return Ok((deleted, false));
    }
    for primary in &primaries {
        deleted += below(session, primary, prefix, end).await?;
    }
    let after = primaries::states(&within(session, end)?, &primaries).await?;
    Ok((deleted, before == after))
}

/// Gives a step the budget of a call, if all of them are within theirs.
fn within(session: &Session, end: Instant) -> Result<Session, Cause> {
    let deadline = session.core.deadline();
    if deadline > end { Err(Cause::TimedOut) } else { Ok(Session { deadline, ..session.clone() }) }
}

/// Deletes what a prefix covers on one primary, or on the only server.
///
/// A page whose keys were not all there is looked at once more: they may have gone by themselves,
/// or a name was not what the server had sent.
async fn below(
    session: &Session,
    primary: &Primary,
    prefix: &str,
    end: Instant,
) -> Result<u64, Cause> {
    let mut deleted = 0;
    let (mut cursor, mut is_second_look) = ("0".to_owned(), false);
    loop {
        let session = within(session, end)?;
        let (next, found) = page(&session, primary, cursor.clone(), prefix).await?;
        let named = found.len() as u64;
        let gone = if named == 0 { 0 } else { unlink(&session, found).await? };
        deleted += gone;
        is_second_look = gone < named && !is_second_look;
        if is_second_look {
            continue;
        }
        if next == "0" {
            return Ok(deleted);
        }
        cursor = next;
    }
}

/// Returns the cursor of the next page and the keys of this one that the prefix covers.
async fn page(
    session: &Session,
    primary: &Primary,
    cursor: String,
    prefix: &str,
) -> Result<(String, Vec<ClientKey>), Cause> {
    let pattern = format!("{}:*", escaped(prefix));
    let answer: Value = primary
        .request(session, async move |client: Timed| {
            client.scan_page(cursor, pattern, Some(PAGE), None).await
        })
        .await?;
    let Value::Array(parts) = answer else {
        return Err(session.garbled());
    };
    let mut parts = parts.into_iter();
    let (Some(next), Some(Value::Array(keys)), None) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(session.garbled());
    };
    let next = next.as_string().ok_or_else(|| session.garbled())?;
    let mut covered = Vec::with_capacity(keys.len());
    for key in keys {
        let key = session.bulk(key)?.filter(|key| is_below(prefix, key));
        covered.push(ClientKey::from(key.ok_or_else(|| session.garbled())?));
    }
    Ok((next, covered))
}

/// The rule that the pattern stands for: a server names no key that breaks it.
fn is_below(prefix: &str, key: &[u8]) -> bool {
    key.strip_prefix(prefix.as_bytes()).is_some_and(|rest| rest.starts_with(b":"))
}

/// Takes the meaning from what a pattern means something by.
fn escaped(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 8);
    for c in prefix.chars() {
        if "*?[]\\^-".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pattern_means_something_by_is_escaped() {
        assert_eq!(escaped("app[1]:a*b?c\\d^e-f"), "app\\[1\\]:a\\*b\\?c\\\\d\\^e\\-f");
        assert_eq!(escaped("app:template"), "app:template");
    }

    #[test]
    fn a_prefix_has_below_it_what_goes_on_with_a_separator() {
        assert!(is_below("a:b", b"a:b:c"));
        assert!(!is_below("a:b", b"a:bc"));
        assert!(!is_below("a:b", b"a:b"));
        assert!(!is_below("a[1]", b"a1:b"));
    }
}
