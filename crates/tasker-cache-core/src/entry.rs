//! A stored value: its encoded bytes and, once somebody decoded them, the value itself.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

/// A stored value; cloning one is a reference count.
///
/// An entry remembers its decoded form, so a backend that keeps entries in memory makes a typed
/// hit cost no decoding: the second reader clones an `Arc`.
#[derive(Clone)]
pub struct Entry(Arc<Inner>);

struct Inner {
    payload: Bytes,
    decoded: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Entry {
    /// Creates an entry from its encoded form.
    #[must_use]
    pub fn new(payload: impl Into<Bytes>) -> Self {
        Self(Arc::new(Inner { payload: payload.into(), decoded: OnceLock::new() }))
    }

    /// Creates an entry whose decoded form is known, as it is at a fill.
    #[must_use]
    pub fn with_decoded<V: Send + Sync + 'static>(
        payload: impl Into<Bytes>,
        value: Arc<V>,
    ) -> Self {
        let decoded: Arc<dyn Any + Send + Sync> = value;
        Self(Arc::new(Inner { payload: payload.into(), decoded: OnceLock::from(decoded) }))
    }

    /// Returns the encoded form.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.0.payload
    }

    /// Returns the decoded form if it is known and is a `V`.
    #[must_use]
    pub fn decoded<V: Send + Sync + 'static>(&self) -> Option<Arc<V>> {
        let decoded = self.0.decoded.get()?;
        Arc::clone(decoded).downcast().ok()
    }

    /// Returns the decoded form, decoding and remembering it if need be.
    ///
    /// Where another type has been remembered the bytes are decoded each time: two types can
    /// read one entry, and neither ever sees the other's form.
    ///
    /// # Errors
    ///
    /// Returns what `decode` returns; nothing is remembered then.
    pub fn decode<V, E>(&self, decode: impl FnOnce(&[u8]) -> Result<V, E>) -> Result<Arc<V>, E>
    where
        V: Send + Sync + 'static,
    {
        if let Some(value) = self.decoded() {
            return Ok(value);
        }
        let value = Arc::new(decode(&self.0.payload)?);
        // Whoever loses this race has a value of its own; both are right.
        let _ = self.0.decoded.set(Arc::<V>::clone(&value));
        Ok(value)
    }
}

impl fmt::Debug for Entry {
    /// Shows sizes only: a cached value may be anybody's personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("bytes", &self.0.payload.len())
            .field("decoded", &self.0.decoded.get().is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::str::Utf8Error;

    use super::*;

    fn text(bytes: &[u8]) -> Result<String, Utf8Error> {
        std::str::from_utf8(bytes).map(str::to_owned)
    }

    #[test]
    fn the_second_reader_does_not_decode() {
        let entry = Entry::new("42");
        let first = entry.decode(text).expect("valid UTF-8");

        let second = entry.clone().decode(|_| -> Result<String, ()> { Err(()) });

        assert!(Arc::ptr_eq(&first, &second.expect("remembered")));
    }

    #[test]
    fn a_known_form_is_never_decoded() {
        let value = Arc::new(42_u32);
        let entry = Entry::with_decoded("42", Arc::clone(&value));

        assert!(Arc::ptr_eq(&value, &entry.decoded::<u32>().expect("preset")));
    }

    #[test]
    fn another_type_decodes_for_itself() {
        let entry = Entry::with_decoded("42", Arc::new(42_u32));

        assert!(entry.decoded::<String>().is_none());
        assert_eq!(*entry.decode(text).expect("valid UTF-8"), "42");
        assert_eq!(entry.decoded::<u32>().as_deref(), Some(&42));
    }

    #[test]
    fn a_failed_decode_is_not_remembered() {
        let entry = Entry::new("42");

        assert_eq!(entry.decode(|_| Err::<u32, _>("no")), Err("no"));
        assert_eq!(*entry.decode(text).expect("valid UTF-8"), "42");
    }

    #[test]
    fn debug_shows_no_content() {
        assert_eq!(format!("{:?}", Entry::new("hunter2")), "Entry { bytes: 7, decoded: false }");
    }
}
