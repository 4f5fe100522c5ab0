//! Which answers came, to tell a node that is silent from one that is slow.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use fred::types::cluster::ClusterRouting;

/// How many slots a cluster has (Redis Cluster specification, "Key distribution model").
pub(crate) const SLOTS: usize = 16_384;

/// Counts the answers on one connection; in a cluster it also knows when each slot had its last.
/// The count is the clock: a request notes what it was, and asks later what came since.
pub(crate) struct Answers {
    count: AtomicU64,
    /// The count at the last answer about a slot; empty where all are of one server.
    slots: Box<[AtomicU64]>,
}

impl Answers {
    pub(crate) fn new(is_cluster: bool) -> Self {
        let slots = if is_cluster { SLOTS } else { 0 };
        Self { count: AtomicU64::new(0), slots: (0..slots).map(|_| AtomicU64::new(0)).collect() }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Notes an answer, and which slots it is about if that is known.
    pub(crate) fn note(&self, slots: &[u16]) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        for slot in slots.iter().filter_map(|slot| self.slots.get(usize::from(*slot))) {
            slot.fetch_max(count, Ordering::Relaxed);
        }
    }

    /// Tells whether nothing came from one of the nodes that have these slots since the count was
    /// `before`; whether nothing came at all, if it isn't known which slots those are.
    pub(crate) fn none_since(
        &self,
        before: u64,
        slots: &[u16],
        routes: Option<&ClusterRouting>,
    ) -> bool {
        let Some(routes) = routes.filter(|_| !slots.is_empty()) else {
            return self.count() == before;
        };
        let nodes: BTreeSet<_> = slots.iter().filter_map(|slot| routes.get_server(*slot)).collect();
        nodes.into_iter().any(|node| {
            let ranges = routes.slots().iter().filter(|range| range.primary == *node);
            let mut slots = ranges.flat_map(|range| range.start..=range.end);
            slots.all(|slot| self.last_about(slot) <= before)
        })
    }

    fn last_about(&self, slot: u16) -> u64 {
        self.slots.get(usize::from(slot)).map_or(0, |last| last.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use fred::types::Value;

    use super::*;

    /// Two nodes: one has the slots 0 to 9, the other 10 to 19.
    fn routes() -> ClusterRouting {
        let range = |first: i64, last: i64, name: &str| {
            let node = vec!["127.0.0.1".into(), Value::Integer(first + 1), name.into()];
            Value::Array(vec![first.into(), last.into(), Value::Array(node)])
        };
        let ranges = Value::Array(vec![range(0, 9, "one"), range(10, 19, "two")]);
        ClusterRouting::from_cluster_slots(ranges, "").expect("what a node answers")
    }

    #[test]
    fn an_answer_about_one_slot_speaks_for_its_node_and_for_no_other() {
        let (answers, routes) = (Answers::new(true), routes());
        let before = answers.count();

        answers.note(&[3]);

        assert!(!answers.none_since(before, &[7], Some(&routes)));
        assert!(answers.none_since(before, &[15], Some(&routes)));
        assert!(answers.none_since(before, &[7, 15], Some(&routes)));
        answers.note(&[10, 11]);
        assert!(!answers.none_since(before, &[7, 15], Some(&routes)));
        assert!(answers.none_since(answers.count(), &[7, 15], Some(&routes)));
    }

    #[test]
    fn where_the_slots_are_not_known_any_answer_will_do() {
        let (cluster, single) = (Answers::new(true), Answers::new(false));
        for (answers, slots, routes) in
            [(&cluster, &[][..], Some(routes())), (&cluster, &[3], None), (&single, &[], None)]
        {
            let before = answers.count();
            assert!(answers.none_since(before, slots, routes.as_ref()));
            answers.note(&[15]);
            assert!(!answers.none_since(before, slots, routes.as_ref()));
        }
    }

    #[test]
    fn nobody_is_silent_for_a_slot_that_no_node_has() {
        assert!(!Answers::new(true).none_since(0, &[16_000], Some(&routes())));
    }
}
