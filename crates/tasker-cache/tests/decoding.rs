//! A hit in memory decodes nothing: the entry keeps its decoded form.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tasker_cache::{Bytes, Cache, Codec, CodecError, Consistency, Json, Region, Usage};

/// JSON that counts how often it is decoded.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicUsize>);

impl Codec<String> for Counted {
    fn encode(&self, value: &String) -> Result<Bytes, CodecError> {
        Json.encode(value)
    }

    fn decode(&self, bytes: &[u8]) -> Result<String, CodecError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Json.decode(bytes)
    }
}

impl Counted {
    fn decodes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn region(cache: &Cache, codec: &Counted) -> Region<String> {
    cache.region_with(Usage::new("text").consistency(Consistency::Local), codec.clone())
}

async fn read(region: &Region<String>) -> Arc<String> {
    let Ok(value) = region.get_or_load("a", || async { Ok::<_, Infallible>("x".to_owned()) }).await;
    value
}

#[tokio::test]
async fn a_loaded_value_is_never_decoded_and_every_hit_is_the_same_one() {
    let (cache, codec) = (Cache::in_memory(100), Counted::default());
    let loaded = read(&region(&cache, &codec)).await;

    for _ in 0..100 {
        assert!(Arc::ptr_eq(&loaded, &read(&region(&cache, &codec)).await));
    }

    assert!(region(&cache, &codec).get("a").await.is_some_and(|hit| Arc::ptr_eq(&loaded, &hit)));
    assert_eq!(codec.decodes(), 0);
    assert_eq!(cache.status().counters.hits, 101);
}

#[tokio::test]
async fn a_value_that_was_put_is_decoded_once_at_most() {
    let (cache, codec) = (Cache::in_memory(100), Counted::default());
    region(&cache, &codec).put("a", &"put".to_owned()).await;

    for _ in 0..100 {
        assert_eq!(*read(&region(&cache, &codec)).await, "put");
    }

    assert_eq!(codec.decodes(), 1);
}
