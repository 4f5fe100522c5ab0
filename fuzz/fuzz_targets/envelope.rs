//! Whatever bytes stand under a key: they decode to what was stored there under it, or to nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tasker_cache_core::envelope::{self, Decoded};
use tasker_cache_core::{Bytes, Key, KeyBuilder, Nonce};

fn key(segment: &str) -> Key {
    KeyBuilder::region("fuzz", "envelope", 0).segment(segment).key()
}

fuzz_target!(|bytes: &[u8]| {
    let found = Bytes::copy_from_slice(bytes);
    let (own, foreign) = (key("own"), key("foreign"));
    let encoded_again = match envelope::decode(&own, &found) {
        Decoded::Value { payload, nonce } => envelope::value(&own, nonce, &payload),
        Decoded::Stub(nonce) => Some(envelope::stub(&own, nonce)),
        Decoded::Newer | Decoded::Unreadable => None,
    };
    if let Some(again) = encoded_again {
        // The reserved bytes are not read; all others are what they were.
        assert_eq!((&found[..20], &found[28..48]), (&again[..20], &again[28..48]));
        assert_eq!(found[56..], again[56..]);
        assert_eq!(envelope::decode(&foreign, &found), Decoded::Unreadable);
    }

    let nonce = Nonce::new([bytes.first().copied().unwrap_or_default(); 16]);
    let stored = envelope::value(&own, nonce, bytes).expect("the payload is below 4 GiB");
    assert_eq!(envelope::decode(&own, &stored), Decoded::Value { payload: found, nonce });
    assert_eq!(envelope::decode(&foreign, &stored), Decoded::Unreadable);
    assert_eq!(envelope::decode(&own, &stored.slice(1..)), Decoded::Unreadable);
    if let Some(at) = bytes.last().map(|last| usize::from(*last) % stored.len()) {
        let mut flipped = stored.to_vec();
        flipped[at] ^= 1;
        let decoded = envelope::decode(&own, &Bytes::from(flipped));
        assert!(matches!(decoded, Decoded::Unreadable | Decoded::Newer), "byte {at}: {decoded:?}");
    }
});
