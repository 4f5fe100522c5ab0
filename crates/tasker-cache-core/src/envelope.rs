//! What a shared store holds under a key: a header that proves whose value it is, and the value.
//!
//! | bytes | field |
//! |---|---|
//! | 0–1 | magic `TC` |
//! | 2 | format version |
//! | 3 | kind: 1 value, 2 lease stub |
//! | 4–19 | random nonce |
//! | 20–27 | reserved, written as zero and not read |
//! | 28–43 | fingerprint of the key |
//! | 44–47 | payload length, little endian |
//! | 48–55 | xxh3 over bytes 0–47 and the xxh3 of the payload, little endian |
//! | 56– | payload |
//!
//! The first [`IDENTITY_LEN`] bytes are what a compare-and-set compares. Whatever doesn't decode
//! is a miss: a reply meant for another key, region, version or deployment, a value that
//! something else wrote, a truncated one.

use bytes::{BufMut, Bytes, BytesMut};
use xxhash_rust::xxh3::xxh3_64;

use crate::{Key, Nonce};

/// Bytes in front of the payload.
pub const HEADER_LEN: usize = 56;

/// Bytes that tell one stub or value from every other: magic, version, kind and nonce.
pub const IDENTITY_LEN: usize = 20;

const MAGIC: &[u8; 2] = b"TC";
const VERSION: u8 = 1;
const VALUE: u8 = 1;
const STUB: u8 = 2;
const FINGERPRINT: std::ops::Range<usize> = 28..44;
const LENGTH: std::ops::Range<usize> = 44..48;
const CHECKSUM: std::ops::Range<usize> = 48..HEADER_LEN;

/// What the bytes under a key turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded<P = Bytes> {
    /// A value of this key.
    Value {
        /// The encoded value, a part of the bytes that were decoded.
        payload: P,
        /// The nonce it was stored under.
        nonce: Nonce,
    },
    /// A lease stub of this key.
    Stub(Nonce),
    /// A newer format version; it is left alone.
    Newer,
    /// Anything else; it may be replaced.
    Unreadable,
}

/// Encodes a value; `None` when the payload is 4 GiB or more.
#[must_use]
pub fn value(key: &Key, nonce: Nonce, payload: &[u8]) -> Option<Bytes> {
    encode(VALUE, key, nonce, payload)
}

/// Encodes a lease stub.
#[must_use]
pub fn stub(key: &Key, nonce: Nonce) -> Bytes {
    encode(STUB, key, nonce, &[]).unwrap_or_default()
}

/// Returns the bytes that a stub of this nonce begins with, for a compare-and-set.
#[must_use]
pub fn stub_identity(nonce: Nonce) -> [u8; IDENTITY_LEN] {
    let mut identity = [0; IDENTITY_LEN];
    identity[..2].copy_from_slice(MAGIC);
    identity[2] = VERSION;
    identity[3] = STUB;
    identity[4..].copy_from_slice(nonce.as_bytes());
    identity
}

/// Decodes what was found under `key`.
#[must_use]
pub fn decode(key: &Key, bytes: &Bytes) -> Decoded {
    match decode_slice(key, bytes) {
        Decoded::Value { payload, nonce } => {
            Decoded::Value { payload: bytes.slice_ref(payload), nonce }
        }
        Decoded::Stub(nonce) => Decoded::Stub(nonce),
        Decoded::Newer => Decoded::Newer,
        Decoded::Unreadable => Decoded::Unreadable,
    }
}

/// Decodes what was found under `key`, without a share in its bytes.
#[must_use]
pub fn decode_slice<'a>(key: &Key, bytes: &'a [u8]) -> Decoded<&'a [u8]> {
    let Some((header, payload)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return Decoded::Unreadable;
    };
    if &header[..2] != MAGIC {
        return Decoded::Unreadable;
    }
    if header[2] > VERSION {
        return Decoded::Newer;
    }
    if header[2] != VERSION
        || header[FINGERPRINT] != *key.fingerprint().as_bytes()
        || u32::try_from(payload.len()).map(u32::to_le_bytes).as_ref().map(<[u8; 4]>::as_slice)
            != Ok(&header[LENGTH])
        || header[CHECKSUM] != checksum(&header[..CHECKSUM.start], payload)
    {
        return Decoded::Unreadable;
    }
    let mut nonce = [0; 16];
    nonce.copy_from_slice(&header[4..IDENTITY_LEN]);
    match header[3] {
        VALUE => Decoded::Value { payload, nonce: Nonce::new(nonce) },
        STUB if payload.is_empty() => Decoded::Stub(Nonce::new(nonce)),
        _ => Decoded::Unreadable,
    }
}

fn encode(kind: u8, key: &Key, nonce: Nonce, payload: &[u8]) -> Option<Bytes> {
    let length = u32::try_from(payload.len()).ok()?;
    let mut bytes = BytesMut::with_capacity(HEADER_LEN + payload.len());
    bytes.put_slice(MAGIC);
    bytes.put_u8(VERSION);
    bytes.put_u8(kind);
    bytes.put_slice(nonce.as_bytes());
    bytes.put_bytes(0, 8);
    bytes.put_slice(key.fingerprint().as_bytes());
    bytes.put_u32_le(length);
    let checksum = checksum(&bytes, payload);
    bytes.put_slice(&checksum);
    bytes.put_slice(payload);
    Some(bytes.freeze())
}

fn checksum(header: &[u8], payload: &[u8]) -> [u8; 8] {
    // Two hashes of what lies together: a hasher that is fed piece by piece copies the pieces.
    let mut whole = [0; CHECKSUM.start + 8];
    whole[..CHECKSUM.start].copy_from_slice(header);
    whole[CHECKSUM.start..].copy_from_slice(&xxh3_64(payload).to_le_bytes());
    xxh3_64(&whole).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyBuilder;

    const NONCE: Nonce = Nonce::new([7; 16]);

    fn key(segment: &str) -> Key {
        KeyBuilder::region("app", "session", 0).segment(segment).key()
    }

    fn encoded(payload: &[u8]) -> Bytes {
        value(&key("1"), NONCE, payload).expect("far below 4 GiB")
    }

    #[test]
    fn a_value_comes_back_whole() {
        let expected = Decoded::Value { payload: Bytes::from_static(b"hello"), nonce: NONCE };

        assert_eq!(decode(&key("1"), &encoded(b"hello")), expected);
    }

    #[test]
    fn an_empty_value_is_no_stub_and_a_stub_is_no_value() {
        assert!(matches!(decode(&key("1"), &encoded(b"")), Decoded::Value { .. }));
        assert_eq!(decode(&key("1"), &stub(&key("1"), NONCE)), Decoded::Stub(NONCE));
    }

    #[test]
    fn a_stub_begins_with_its_identity() {
        assert!(stub(&key("1"), NONCE).starts_with(&stub_identity(NONCE)));
        assert!(!encoded(b"").starts_with(&stub_identity(NONCE)));
    }

    #[test]
    fn a_value_of_another_key_region_version_or_deployment_is_unreadable() {
        let others = [
            key("2"),
            KeyBuilder::region("app", "session", 1).segment("1").key(),
            KeyBuilder::region("app", "profile", 0).segment("1").key(),
            KeyBuilder::region("other", "session", 0).segment("1").key(),
            KeyBuilder::raw("app").segment("session").segment("1").key(),
        ];

        for other in others {
            assert_eq!(decode(&other, &encoded(b"hello")), Decoded::Unreadable, "{other:?}");
        }
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed() {
        let good = encoded(b"hello");

        for bit in 0..good.len() * 8 {
            let mut bad = good.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            let decoded = decode(&key("1"), &Bytes::from(bad));
            assert!(matches!(decoded, Decoded::Unreadable | Decoded::Newer), "bit {bit}");
        }
    }

    #[test]
    fn no_truncated_or_longer_value_decodes() {
        let good = encoded(b"hello");

        for end in 0..good.len() {
            assert_eq!(decode(&key("1"), &good.slice(..end)), Decoded::Unreadable);
        }
        let longer = [good.as_ref(), b"!"].concat();
        assert_eq!(decode(&key("1"), &Bytes::from(longer)), Decoded::Unreadable);
    }

    #[test]
    fn a_newer_format_is_told_apart() {
        let mut newer = encoded(b"hello").to_vec();
        newer[2] += 1;

        assert_eq!(decode(&key("1"), &Bytes::from(newer)), Decoded::Newer);
    }

    #[test]
    fn reserved_bytes_may_carry_something_later() {
        let mut later = encoded(b"hello").to_vec();
        later[20] = 1;
        let checksum = checksum(&later[..48], b"hello");
        later[48..56].copy_from_slice(&checksum);

        assert!(matches!(decode(&key("1"), &Bytes::from(later)), Decoded::Value { .. }));
    }
}
