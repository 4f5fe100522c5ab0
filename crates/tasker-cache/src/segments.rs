//! What can be given as the segments of a key.

use std::borrow::Cow;
use std::fmt::Display;

use tasker_cache_core::{Key, KeyBuilder};

/// The segments of a key, in order.
///
/// A string or an integer stands alone; several segments are an array, slice, `Vec` or tuple of
/// anything that implements [`Display`]; a [`Key`] stands for its own segments, so a key can be
/// built once and used often.
///
/// ```
/// use tasker_cache::{Cache, Usage};
///
/// let sessions = Cache::noop().region::<String>(Usage::new("session"));
/// assert_eq!(sessions.key(24), sessions.key(["24"]));
/// assert_eq!(sessions.key(("eu", 24)), sessions.key(["eu", "24"]));
/// assert_ne!(sessions.key(["eu:24"]), sessions.key(["eu", "24"]));
/// ```
pub trait Segments {
    /// Appends the segments to a key.
    fn append_to(&self, key: &mut KeyBuilder);
}

impl<T: Segments + ?Sized> Segments for &T {
    fn append_to(&self, key: &mut KeyBuilder) {
        (**self).append_to(key);
    }
}

impl Segments for Key {
    fn append_to(&self, key: &mut KeyBuilder) {
        key.push_segments_of(self);
    }
}

impl Segments for str {
    fn append_to(&self, key: &mut KeyBuilder) {
        key.push_str(self);
    }
}

impl Segments for String {
    fn append_to(&self, key: &mut KeyBuilder) {
        key.push_str(self);
    }
}

impl Segments for Cow<'_, str> {
    fn append_to(&self, key: &mut KeyBuilder) {
        key.push_str(self);
    }
}

/// No segments: the one key of a region that holds a single value, or all of them as a prefix.
impl Segments for () {
    fn append_to(&self, _: &mut KeyBuilder) {}
}

impl<T: Display> Segments for [T] {
    fn append_to(&self, key: &mut KeyBuilder) {
        for segment in self {
            key.push(segment);
        }
    }
}

impl<T: Display, const N: usize> Segments for [T; N] {
    fn append_to(&self, key: &mut KeyBuilder) {
        self.as_slice().append_to(key);
    }
}

impl<T: Display> Segments for Vec<T> {
    fn append_to(&self, key: &mut KeyBuilder) {
        self.as_slice().append_to(key);
    }
}

macro_rules! scalars {
    ($($scalar:ty)*) => {$(
        impl Segments for $scalar {
            fn append_to(&self, key: &mut KeyBuilder) {
                key.push(self);
            }
        }
    )*};
}

scalars!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize bool char);

macro_rules! tuples {
    ($($($name:ident)*;)*) => {$(
        impl<$($name: Display),*> Segments for ($($name,)*) {
            fn append_to(&self, key: &mut KeyBuilder) {
                #[expect(non_snake_case, reason = "the type's name serves as the variable's")]
                let ($($name,)*) = self;
                $(key.push($name);)*
            }
        }
    )*};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}
