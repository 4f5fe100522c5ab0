//! The servers that hold keys, each by itself: the primaries of a cluster, or the only one.

use std::collections::BTreeMap;

use fred::interfaces::{ClientLike, ClusterInterface, FredResult};
use fred::types::Value;
use fred::types::cluster::ClusterRouting;
use fred::types::config::Server;
use tasker_cache_core::Nonce;

use crate::answers::SLOTS;
use crate::cause::Cause;
use crate::owned;
use crate::session::{Session, Timed};

/// First and last slot.
type Range = (u16, u16);

/// A primary of a cluster and its slots, or the only server, which needs no name.
#[derive(Clone)]
pub(crate) struct Primary {
    server: Option<Server>,
    slots: Vec<Range>,
}

/// The slots of a node, and the epoch of its configuration: if both are the same again, no slot
/// has come or gone for good meanwhile.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    slots: Vec<Range>,
    epoch: u64,
}

impl Primary {
    /// Returns those that the client knows.
    pub(crate) fn all(session: &Session) -> Vec<Self> {
        if !session.core.is_cluster() {
            return vec![Self { server: None, slots: Vec::new() }];
        }
        let mut slots: BTreeMap<Server, Vec<Range>> = BTreeMap::new();
        for range in routes(session).slots() {
            slots.entry(range.primary.clone()).or_default().push((range.start, range.end));
        }
        slots.into_iter().map(|(server, slots)| Self { server: Some(server), slots }).collect()
    }

    /// Makes one request of it.
    pub(crate) async fn request<R, F>(
        &self,
        session: &Session,
        request: impl FnOnce(Timed) -> F,
    ) -> Result<R, Cause>
    where
        F: Future<Output = FredResult<R>>,
    {
        if let Some(server) = &self.server
            && routes(session).slots().iter().all(|range| range.primary != *server)
        {
            // The client gives up all of its connections where it has none to who is asked.
            return Err(Cause::Moving);
        }
        let slot: Vec<u16> = self.slots.first().map(|(first, _)| *first).into_iter().collect();
        session.request_to(self.server.clone(), &slot, 0, request).await
    }

    /// Makes a round trip that only this question can have caused.
    pub(crate) async fn ping(&self, session: &Session) -> Result<(), Cause> {
        let nonce = Nonce::random().map_or(0, |nonce| u128::from_le_bytes(*nonce.as_bytes()));
        let word = format!("{nonce:032x}");
        let sent = word.clone();
        let answer: Value =
            self.request(session, async move |client: Timed| client.ping(Some(sent)).await).await?;
        match session.bulk(answer)? {
            Some(said) if said == word.as_bytes() => Ok(()),
            _ => Err(session.garbled()),
        }
    }

    /// Asks it for its slots; `None` if they are not those that it is known for, or while one is on
    /// its way. The only server need not be asked.
    async fn state(&self, session: &Session) -> Result<Option<State>, Cause> {
        if self.server.is_none() {
            return Ok(Some(State::default()));
        }
        let told: Value =
            self.request(session, async |client: Timed| client.cluster_nodes().await).await?;
        let told = session.bulk(told)?.unwrap_or_default();
        let state = state_in(&String::from_utf8_lossy(&told));
        Ok(state.filter(|state| state.slots == self.slots))
    }
}

fn routes(session: &Session) -> ClusterRouting {
    session.live.client.cached_cluster_state().unwrap_or_else(ClusterRouting::new)
}

/// Returns the state of each; `None` unless together they have all keys, where they are.
pub(crate) async fn states(
    session: &Session,
    primaries: &[Primary],
) -> Result<Option<Vec<State>>, Cause> {
    let asking = primaries.iter().cloned().map(|primary| {
        let session = session.clone();
        async move { primary.state(&session).await }
    });
    let told: Option<Vec<State>> =
        owned::all(asking).await.into_iter().collect::<Result<_, _>>()?;
    Ok(told.filter(|states| !session.core.is_cluster() || have_all_slots(states)))
}

fn have_all_slots(states: &[State]) -> bool {
    let ranges = states.iter().flat_map(|state| &state.slots);
    ranges.map(|(first, last)| usize::from(last - first) + 1).sum::<usize>() == SLOTS
}

/// Reads the answer to `CLUSTER NODES` ("Serialization format" in its documentation): the line of
/// who was asked; `None` while a slot is on its way to or from it, as in `[93->-292f8b…]`.
fn state_in(nodes: &str) -> Option<State> {
    const FLAGS: usize = 2;
    const EPOCH: usize = 6;
    const RANGES: usize = 8;
    let is_own = |words: &Vec<&str>| {
        words.get(FLAGS).is_some_and(|flags| flags.split(',').any(|flag| flag == "myself"))
    };
    let own = nodes.lines().map(|line| line.split(' ').collect()).find(is_own)?;
    let epoch = own.get(EPOCH)?.parse().ok()?;
    let range = |slots: &&str| {
        let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
        let range: Range = (first.parse().ok()?, last.parse().ok()?);
        (range.0 <= range.1).then_some(range)
    };
    let slots = own.iter().skip(RANGES).map(range).collect::<Option<_>>()?;
    Some(State { slots, epoch })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_is_nobodys_is_missed() {
        let state = |slots| State { slots, epoch: 1 };
        let first = || state(vec![(0, 8_000), (8_002, 8_191)]);

        assert!(have_all_slots(&[first(), state(vec![(8_001, 8_001), (8_192, 16_383)])]));
        assert!(!have_all_slots(&[first(), state(vec![(8_192, 16_383)])]));
        assert!(!have_all_slots(&[]));
    }

    #[test]
    fn a_node_tells_its_own_slots_if_none_is_on_its_way() {
        let nodes = |own: &str| {
            format!(
                "07c3 127.0.0.1:1@2,host slave 6ec2 0 1426238317239 4 connected\n\
                 67ed 127.0.0.1:3@4 master - 0 1426238316232 2 connected 5461-10922 [7-<-e7d1]\n\
                 e7d1 127.0.0.1:5@6 myself,master - 0 0 7 connected{own}\n"
            )
        };
        let state = |slots: &[Range]| Some(State { slots: slots.to_vec(), epoch: 7 });

        assert_eq!(state_in(&nodes(" 0-5460 5462")), state(&[(0, 5460), (5462, 5462)]));
        assert_eq!(state_in(&nodes("")), state(&[]));
        assert_eq!(state_in(&nodes(" 0-5460 [93->-67ed]")), None);
        assert_eq!(state_in(&nodes(" 0-5460 [5461-<-67ed]")), None);
        assert_eq!(state_in("ERR"), None);
    }
}
