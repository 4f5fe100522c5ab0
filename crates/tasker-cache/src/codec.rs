//! How values become bytes and bytes become values.

use std::error::Error;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a value could not be encoded or decoded.
///
/// It is never logged: messages of this kind tend to quote the value.
pub type CodecError = Box<dyn Error + Send + Sync>;

/// Turns values of one type into bytes and back.
///
/// A value that doesn't decode is a miss, and is replaced by the next load.
pub trait Codec<V>: Send + Sync + 'static {
    /// Encodes a value.
    ///
    /// # Errors
    ///
    /// When the value has no encoded form. It is then not stored.
    fn encode(&self, value: &V) -> Result<Bytes, CodecError>;

    /// Decodes a value.
    ///
    /// # Errors
    ///
    /// When the bytes are not the encoded form of a `V`.
    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError>;
}

/// JSON, the default codec.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl<V: Serialize + DeserializeOwned> Codec<V> for Json {
    fn encode(&self, value: &V) -> Result<Bytes, CodecError> {
        Ok(serde_json::to_vec(value)?.into())
    }

    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError> {
        Ok(serde_json::from_slice(bytes)?)
    }
}
