//! Deleting: one key, many, or all that a prefix covers.

use std::collections::BTreeMap;
use std::time::Duration;

use fred::interfaces::{ClientLike, ClusterInterface, FredResult, KeysInterface};
use fred::types::cluster::ClusterRouting;
use fred::types::config::Server;
use fred::types::{Key as ClientKey, Value};
use fred::util::redis_keyslot;
use tokio::time::{Instant, sleep, timeout_at};

use crate::cause::Cause;
use crate::session::{Session, Timed};

/// How many keys the server looks at for one page.
const PAGE: u32 = 1000;

/// How many keys one command deletes at most.
const CHUNK: usize = 512;

/// How many operation timeouts a whole prefix may take; a page has one for itself.
const WHOLE: u32 = 120;

/// How long the nodes of a cluster get to tell each other who has which slots.
const RECONSIDERED: Duration = Duration::from_millis(100);

/// Deletes keys; returns how many there were.
pub(crate) async fn unlink(session: &Session, keys: Vec<ClientKey>) -> Result<u64, Cause> {
    if session.core.is_cluster() {
        return unlink_by_slot(session, keys).await;
    }
    let mut deleted = 0;
    for chunk in keys.chunks(CHUNK) {
        let chunk = chunk.to_vec();
        let answer: Value =
            session.request(&[], 0, async move |client: Timed| client.unlink(chunk).await).await?;
        deleted += count(session, &answer)?;
    }
    Ok(deleted)
}

/// A command may name keys of one slot only, also where one node has several.
async fn unlink_by_slot(session: &Session, mut keys: Vec<ClientKey>) -> Result<u64, Cause> {
    if keys.len() == 1 {
        let key = keys.swap_remove(0);
        let slots = session.slots([key.as_bytes()]);
        let answer: Value =
            session.request(&slots, 0, async move |client: Timed| client.unlink(key).await).await?;
        return count(session, &answer);
    }
    let mut groups: BTreeMap<u16, Vec<ClientKey>> = BTreeMap::new();
    for key in keys {
        groups.entry(redis_keyslot(key.as_bytes())).or_default().push(key);
    }
    let groups: Vec<(u16, Vec<ClientKey>)> = groups.into_iter().collect();
    let mut deleted = 0;
    for some in groups.chunks(CHUNK) {
        let (slots, some): (Vec<u16>, Vec<Vec<ClientKey>>) = some.iter().cloned().unzip();
        let expected = some.len();
        let answers: Value = session
            .request(&slots, 0, async move |client: Timed| {
                let pipeline = client.pipeline().with_options(client.options());
                for keys in some {
                    let _: () = pipeline.unlink(keys).await?;
                }
                pipeline.all().await
            })
            .await?;
        deleted += match answers {
            Value::Array(answers) if answers.len() == expected => {
                answers.iter().map(|answer| count(session, answer)).sum::<Result<u64, _>>()?
            }
            answer if expected == 1 => count(session, &answer)?,
            _ => return Err(session.garbled()),
        };
    }
    Ok(deleted)
}

fn count(session: &Session, answer: &Value) -> Result<u64, Cause> {
    match answer {
        Value::Integer(number) => Ok(u64::try_from(*number).unwrap_or(0)),
        _ => Err(session.garbled()),
    }
}

/// Deletes the key that is the prefix and all below it, on all nodes of a cluster.
///
/// It goes by the text of keys, so where another region has the same text its entries go too:
/// deleting more than was asked for is always safe.
pub(crate) async fn delete(session: &Session, prefix: &str) -> Result<u64, Cause> {
    let timeout = session.core.link.connector().operation_timeout;
    let end = Instant::now() + timeout.saturating_mul(WHOLE);
    let mut deleted = unlink(session, vec![ClientKey::from(prefix)]).await?;
    if !session.core.is_cluster() {
        return Ok(deleted + below(session, &Primary::default(), prefix, end).await?);
    }
    loop {
        let routes = session.live.client.cached_cluster_state();
        let routes = routes.unwrap_or_else(ClusterRouting::new);
        let primaries = Primary::all(&routes);
        for primary in &primaries {
            deleted += below(session, primary, prefix, end).await?;
        }
        if are_settled(&within(session, end)?, &primaries).await? {
            return Ok(deleted);
        }
        sleep(RECONSIDERED).await;
        let session = within(session, end).map_err(|_| Cause::Moving)?;
        timeout_at(session.deadline, session.live.client.sync_cluster())
            .await
            .map_err(|_| Cause::TimedOut)?
            .map_err(|error| Cause::of(&error))?;
    }
}

/// First and last slot.
type Range = (u16, u16);

/// A primary of a cluster and its slots, or the only server, which needs no name.
#[derive(Default)]
struct Primary {
    server: Option<Server>,
    slots: Vec<Range>,
}

impl Primary {
    fn all(routes: &ClusterRouting) -> Vec<Self> {
        let mut slots: BTreeMap<&Server, Vec<Range>> = BTreeMap::new();
        for range in routes.slots() {
            slots.entry(&range.primary).or_default().push((range.start, range.end));
        }
        let primary = |(server, slots): (&Server, _)| Self { server: Some(server.clone()), slots };
        slots.into_iter().map(primary).collect()
    }

    /// Makes one request of it.
    async fn request<R, F>(
        &self,
        session: &Session,
        request: impl FnOnce(Timed) -> F,
    ) -> Result<R, Cause>
    where
        F: Future<Output = FredResult<R>>,
    {
        let one: Vec<u16> = self.slots.first().map(|(first, _)| *first).into_iter().collect();
        session.request_to(self.server.clone(), &one, 0, request).await
    }
}

/// Asks each primary whether it has just the slots that it is known for, and whether none of them
/// is on its way. If so, and if it was so before they were scanned, all keys have been seen. Where
/// no primary is known, nothing has.
async fn are_settled(session: &Session, primaries: &[Primary]) -> Result<bool, Cause> {
    for primary in primaries {
        let told: Value =
            primary.request(session, async |client: Timed| client.cluster_nodes().await).await?;
        let told = session.bulk(told)?.unwrap_or_default();
        if slots_in(&String::from_utf8_lossy(&told)).as_ref() != Some(&primary.slots) {
            return Ok(false);
        }
    }
    Ok(!primaries.is_empty())
}

/// Reads the answer to `CLUSTER NODES` ("Serialization format" in its documentation): the slots of
/// who was asked, or nothing while one is on its way to or from it, as in `[93->-292f8b…]`.
fn slots_in(nodes: &str) -> Option<Vec<Range>> {
    let words = nodes.lines().map(|line| line.split(' '));
    let is_own = |flags: &str| flags.split(',').any(|flag| flag == "myself");
    let mut own = words.into_iter().find(|words| words.clone().nth(2).is_some_and(is_own))?;
    let mut ranges = Vec::new();
    for slots in own.by_ref().skip(8) {
        let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
        ranges.push((first.parse().ok()?, last.parse().ok()?));
    }
    Some(ranges)
}

/// Gives a step the budget of a call, if all of them are within theirs.
fn within(session: &Session, end: Instant) -> Result<Session, Cause> {
    let deadline = session.core.deadline();
    if deadline > end { Err(Cause::TimedOut) } else { Ok(Session { deadline, ..session.clone() }) }
}

/// Deletes what a prefix covers on one primary, or on the only server.
async fn below(
    session: &Session,
    primary: &Primary,
    prefix: &str,
    end: Instant,
) -> Result<u64, Cause> {
    let mut deleted = 0;
    let mut cursor = "0".to_owned();
    loop {
        let session = within(session, end)?;
        let (next, found) = page(&session, primary, cursor, prefix).await?;
        if !found.is_empty() {
            deleted += unlink(&session, found).await?;
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
    let next = next.as_string().ok_or(Cause::Garbled)?;
    let mut covered = Vec::with_capacity(keys.len());
    for key in keys {
        if let Some(key) = session.bulk(key)?.filter(|key| is_below(prefix, key)) {
            covered.push(ClientKey::from(key));
        }
    }
    Ok((next, covered))
}

/// The rule itself; the pattern only spares the server to send what doesn't pass.
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
    fn a_node_tells_its_own_slots_if_none_is_on_its_way() {
        let nodes = |own: &str| {
            format!(
                "07c3 127.0.0.1:1@2,host slave 6ec2 0 1426238317239 4 connected\n\
                 67ed 127.0.0.1:3@4 master - 0 1426238316232 2 connected 5461-10922 [7-<-e7d1]\n\
                 e7d1 127.0.0.1:5@6 myself,master - 0 0 1 connected{own}\n"
            )
        };

        assert_eq!(slots_in(&nodes(" 0-5460 5462")), Some(vec![(0, 5460), (5462, 5462)]));
        assert_eq!(slots_in(&nodes("")), Some(vec![]));
        assert_eq!(slots_in(&nodes(" 0-5460 [93->-67ed]")), None);
        assert_eq!(slots_in(&nodes(" 0-5460 [5461-<-67ed]")), None);
        assert_eq!(slots_in("ERR"), None);
    }

    #[test]
    fn a_prefix_has_below_it_what_goes_on_with_a_separator() {
        assert!(is_below("a:b", b"a:b:c"));
        assert!(!is_below("a:b", b"a:bc"));
        assert!(!is_below("a:b", b"a:b"));
        assert!(!is_below("a[1]", b"a1:b"));
    }
}
