//! What has happened to keys lately, within bounds.

use std::collections::HashMap;
use std::time::Duration;

use tasker_cache_core::Key;
use tokio::time::Instant;

/// A value for each of a bounded number of keys, forgotten when its time is over.
#[derive(Debug)]
pub(super) struct Recent<T> {
    known: HashMap<Key, (T, Instant)>,
}

/// How many keys are remembered; beyond that all are forgotten.
const MOST: usize = 1024;

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self { known: HashMap::new() }
    }
}

impl<T> Recent<T> {
    /// Returns what is remembered of a key.
    pub(super) fn get(&self, key: &Key) -> Option<&T> {
        self.known.get(key).filter(|(_, until)| *until > Instant::now()).map(|(value, _)| value)
    }

    /// Remembers something of a key for a while.
    pub(super) fn note(&mut self, key: &Key, value: T, life: Duration) {
        let now = Instant::now();
        if self.known.len() >= MOST {
            self.known.retain(|_, (_, until)| *until > now);
        }
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(key.clone(), (value, now + life));
    }
}

#[cfg(test)]
mod tests {
    use tasker_cache_core::KeyBuilder;

    use super::*;

    fn key(number: usize) -> Key {
        KeyBuilder::raw("app").segment(number).key()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_over_is_forgotten_and_the_rest_is_bounded() {
        let mut recent = Recent::default();
        let second = Duration::from_secs(1);

        recent.note(&key(0), 7, second);
        assert_eq!((recent.get(&key(0)), recent.get(&key(1))), (Some(&7), None));
        tokio::time::advance(second).await;
        assert_eq!(recent.get(&key(0)), None);

        for number in 0..10 * MOST {
            recent.note(&key(number), number, second);
            assert!(recent.known.len() <= MOST);
        }
        assert!(recent.get(&key(10 * MOST - 1)).is_some());
    }
}
