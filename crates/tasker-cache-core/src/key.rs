//! Keys and prefixes, built from segments so that two of them never meet.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::hash::{Hash, Hasher};
use std::iter;

/// Separates the parts of a key.
const SEPARATOR: char = ':';

/// Marks the hash that ends a shortened key. An escape has two upper-case hex digits behind its
/// `%`, so no segment can look like this.
const HASH_MARK: &str = "%h";

/// A key: prefix, region path and segments, such as `tasker:template:payments:refund:1.0.0`.
///
/// # Text
///
/// Segments are joined by `:`. Within a segment `%`, `:`, whitespace, control and non-ASCII bytes
/// are percent-escaped (two upper-case hex digits a byte) and an empty one is a lone `%`, so two
/// different lists of segments never give one text. A region path may have several parts; a `@`
/// in one is escaped, because a region version above zero follows the path as `@3`.
///
/// # Identity
///
/// Region `a` with segments `b`, `c` and region `a:b` with segment `c` have one text, and so does
/// the raw key of segments `a`, `b`, `c`. Equality tells them apart, and so does the
/// [`Fingerprint`] that a shared store keeps beside the value: they may evict each other, but
/// none reads another's value.
///
/// ```
/// use tasker_cache_core::KeyBuilder;
///
/// let key = KeyBuilder::region("tasker", "template", 0)
///     .segment("payments")
///     .segment("50% off")
///     .key();
/// assert_eq!(key.as_str(), "tasker:template:payments:50%25%20off");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    text: String,
    shape: Shape,
}

/// All keys that begin with the same segments: the one that has just these, and all below it.
///
/// `a` covers `a` and `a:b`, and never `ab`. The [`root`](Prefix::root) alone covers more than one
/// region.
#[derive(Clone, PartialEq, Eq)]
pub struct Prefix {
    text: String,
    shape: Shape,
}

/// A 128-bit identity of a key: BLAKE3 over where its prefix and region path end, its region
/// version, and its text, in which no two lists of segments look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Returns the 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Where the parts of a text end.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shape {
    /// End of the prefix.
    prefix: usize,
    /// End of the region path, without the version; equals `prefix` in a raw key, and is 0 in the
    /// root, which is of no region and of all.
    path: usize,
    /// Start of the segments: their separator, or the end of the text.
    segments: usize,
    /// The region's version; 0 in a raw key.
    version: u32,
}

impl Shape {
    fn is_raw(self) -> bool {
        self.path == self.prefix
    }

    /// Returns where the part ends that names the region; that of a raw key is its first segment.
    fn region_end(self, text: &str) -> usize {
        if !self.is_raw() {
            return self.segments;
        }
        let rest = &text[self.segments..];
        let first = rest.get(1..).and_then(|rest| rest.find(SEPARATOR));
        self.segments + first.map_or(rest.len(), |at| at + 1)
    }

    fn root(self) -> Self {
        Self { prefix: self.prefix, path: 0, segments: self.prefix, version: 0 }
    }

    /// Tells whether a prefix of this shape may cover what has the other.
    fn reaches(self, other: Self) -> bool {
        self == other || self == other.root()
    }
}

/// Builds keys and prefixes segment by segment.
///
/// A builder that holds a region's part can be cloned for each of its keys; the clone comes with
/// room for the segments.
pub struct KeyBuilder {
    text: String,
    shape: Shape,
}

impl KeyBuilder {
    /// Room for the segments of a usual key, so that building one allocates once.
    const ROOM: usize = 48;

    /// Starts a key that belongs to no region.
    #[must_use]
    pub fn raw(prefix: &str) -> Self {
        let mut text = String::with_capacity(prefix.len() + Self::ROOM);
        push_escaped(&mut text, prefix);
        let end = text.len();
        Self { text, shape: Shape { prefix: end, path: end, segments: end, version: 0 } }
    }

    /// Starts a key of the region at `path`, whose parts are separated by `:`.
    #[must_use]
    pub fn region(prefix: &str, path: &str, version: u32) -> Self {
        let mut this = Self::raw(prefix);
        for part in path.split(SEPARATOR) {
            this.text.push(SEPARATOR);
            let start = this.text.len();
            push_escaped(&mut this.text, part);
            if part.contains('@') {
                let escaped = this.text[start..].replace('@', "%40");
                this.text.replace_range(start.., &escaped);
            }
        }
        this.shape.path = this.text.len();
        if version > 0 {
            let _ = write!(this.text, "@{version}");
        }
        this.shape.segments = this.text.len();
        this.shape.version = version;
        this
    }

    /// Adds a segment.
    #[must_use]
    pub fn segment(mut self, segment: impl fmt::Display) -> Self {
        self.push(segment);
        self
    }

    /// Adds a segment in place.
    pub fn push(&mut self, segment: impl fmt::Display) {
        self.text.push(SEPARATOR);
        let start = self.text.len();
        // Writing to a string fails only where the value's own `Display` does; what it wrote
        // until then is its text.
        let _ = write!(Escaping(&mut self.text), "{segment}");
        if self.text.len() == start {
            self.text.push('%');
        }
    }

    /// Adds a segment that is text already; the same as [`push`](KeyBuilder::push) and faster.
    pub fn push_str(&mut self, segment: &str) {
        self.text.push(SEPARATOR);
        push_escaped(&mut self.text, segment);
    }

    /// Adds the segments of another key, whatever its region.
    pub fn push_segments_of(&mut self, key: &Key) {
        self.text.push_str(&key.text[key.shape.segments..]);
    }

    /// Finishes the key.
    #[must_use]
    pub fn key(self) -> Key {
        Key { text: self.text, shape: self.shape }
    }

    /// Finishes the prefix that covers this key and all below it.
    #[must_use]
    pub fn prefix(self) -> Prefix {
        Prefix { text: self.text, shape: self.shape }
    }
}

impl Clone for KeyBuilder {
    fn clone(&self) -> Self {
        let mut text = String::with_capacity(self.text.len() + Self::ROOM);
        text.push_str(&self.text);
        Self { text, shape: self.shape }
    }
}

impl fmt::Debug for KeyBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "KeyBuilder", &self.text, self.shape)
    }
}

impl Key {
    /// Room for what a usual key's fingerprint tells of its shape.
    const NUMBERS: usize = 8;

    /// Returns the whole text: printable ASCII without spaces.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the text within a backend's limit.
    ///
    /// A longer one keeps as many of its leading parts as fit and ends in a hash of the whole
    /// key. No other key has that text.
    #[must_use]
    pub fn fit(&self, max_bytes: usize) -> Cow<'_, str> {
        if self.text.len() <= max_bytes {
            return Cow::Borrowed(&self.text);
        }
        let mut hash = String::from(HASH_MARK);
        for byte in self.fingerprint().as_bytes() {
            let _ = write!(hash, "{byte:02x}");
        }
        let kept = self
            .text
            .match_indices(SEPARATOR)
            .map(|(at, _)| at)
            .take_while(|at| at + 1 + hash.len() <= max_bytes)
            .last();
        Cow::Owned(match kept {
            Some(end) => format!("{}{SEPARATOR}{hash}", &self.text[..end]),
            None => hash,
        })
    }

    /// Returns the identity that a shared store keeps beside the value.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        // One update of one short message: the hash is most of what a hit costs to verify. The text
        // tells its segments apart by itself, as none has a separator in it.
        let mut message = Vec::with_capacity(Self::NUMBERS + self.text.len());
        push_number(&mut message, self.shape.prefix as u64);
        push_number(&mut message, self.shape.path as u64);
        push_number(&mut message, self.shape.version.into());
        message.extend_from_slice(self.text.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&blake3::hash(&message).as_bytes()[..16]);
        Fingerprint(bytes)
    }

    /// Returns the prefix of everything in this key's region; a raw key's region is its first
    /// segment.
    #[must_use]
    pub fn region_prefix(&self) -> Prefix {
        Prefix { text: self.region_str().to_owned(), shape: self.shape }
    }

    /// Returns the text of [`region_prefix`](Self::region_prefix). A raw key and one of a region
    /// may have the same.
    #[must_use]
    pub fn region_str(&self) -> &str {
        &self.text[..self.shape.region_end(&self.text)]
    }

    /// Tells whether it belongs to no region.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        self.shape.is_raw()
    }

    /// Returns every prefix that covers this key, the widest first.
    pub fn prefixes(&self) -> impl Iterator<Item = Prefix> {
        let start = self.shape.segments;
        let inner = self.text[start..].match_indices(SEPARATOR).map(move |(at, _)| start + at);
        let inner = inner
            .chain([self.text.len()])
            .map(|end| Prefix { text: self.text[..end].to_owned(), shape: self.shape });
        iter::once(self.root()).chain(inner)
    }

    /// Returns the prefix that covers every key of the same key prefix: raw ones and those of all
    /// regions.
    #[must_use]
    pub fn root(&self) -> Prefix {
        Prefix { text: self.text[..self.shape.prefix].to_owned(), shape: self.shape.root() }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for Key {
    /// Shows the prefix and region, never the segments: they may be personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "Key", &self.text, self.shape)
    }
}

impl Prefix {
    /// Returns the text of the key that has just these segments.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Tells whether `key` has these segments or begins with them.
    #[must_use]
    pub fn covers(&self, key: &Key) -> bool {
        self.shape.reaches(key.shape)
            && key.text.strip_prefix(self.text.as_str()).is_some_and(is_below_or_same)
    }

    /// Tells whether every key that `other` covers is covered by this one too.
    #[must_use]
    pub fn covers_prefix(&self, other: &Self) -> bool {
        self.shape.reaches(other.shape)
            && other.text.strip_prefix(self.text.as_str()).is_some_and(is_below_or_same)
    }

    /// Returns the prefix of everything in this prefix's region, as
    /// [`Key::region_prefix`] does.
    #[must_use]
    pub fn region_prefix(&self) -> Self {
        Self { text: self.region_str().to_owned(), shape: self.shape }
    }

    /// Returns the text of [`region_prefix`](Self::region_prefix), as [`Key::region_str`] does.
    #[must_use]
    pub fn region_str(&self) -> &str {
        &self.text[..self.shape.region_end(&self.text)]
    }

    /// Tells whether it covers raw keys only.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        self.shape.is_raw()
    }

    /// Returns the prefix that covers every raw key; `None` unless this one covers raw keys only.
    #[must_use]
    pub fn raw_root(&self) -> Option<Self> {
        let text = self.text[..self.shape.prefix].to_owned();
        let shape = self.shape;
        shape.is_raw().then_some(Self { text, shape })
    }

    /// Returns the prefix that covers every key of the same key prefix: raw ones and those of all
    /// regions.
    ///
    /// ```
    /// use tasker_cache_core::KeyBuilder;
    ///
    /// let root = KeyBuilder::region("tasker", "template", 2).prefix().root();
    /// assert!(root.covers(&KeyBuilder::raw("tasker").segment("greeting").key()));
    /// assert!(root.covers(&KeyBuilder::region("tasker", "session", 0).segment(7).key()));
    /// assert!(!root.covers(&KeyBuilder::raw("taskers").segment("greeting").key()));
    /// ```
    #[must_use]
    pub fn root(&self) -> Self {
        Self { text: self.text[..self.shape.prefix].to_owned(), shape: self.shape.root() }
    }
}

impl Hash for Prefix {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "Prefix", &self.text, self.shape)
    }
}

fn is_below_or_same(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(SEPARATOR)
}

fn debug(f: &mut fmt::Formatter<'_>, name: &str, text: &str, shape: Shape) -> fmt::Result {
    let segments = text[shape.segments..].matches(SEPARATOR).count();
    write!(f, "{name}({}, {segments} segments)", &text[..shape.segments])
}

/// Appends a number so that no other begins with it: seven bits a byte, the lowest first, and the
/// top bit where more follow.
fn push_number(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    to.push(number.to_le_bytes()[0]);
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'%' && byte != b':'
}

/// Appends a whole part, escaped.
fn push_escaped(text: &mut String, part: &str) {
    if part.is_empty() {
        text.push('%');
    } else {
        // A string accepts every write.
        let _ = Escaping(text).write_str(part);
    }
}

/// Escapes what is written through it.
struct Escaping<'a>(&'a mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, mut part: &str) -> fmt::Result {
        while let Some(at) = part.bytes().position(|byte| !is_plain(byte)) {
            self.0.push_str(&part[..at]);
            let odd = part[at..].chars().next().map_or(1, char::len_utf8);
            for byte in &part.as_bytes()[at..at + odd] {
                write!(self.0, "%{byte:02X}")?;
            }
            part = &part[at + odd..];
        }
        self.0.push_str(part);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_fingerprint_knows_where_each_part_ends_however_long_it_is() {
        const WHOLE: usize = 40_000;
        let ends = [1, 2, 126, 127, 128, 129, 255, 256, 16_383, 16_384, 16_385, 39_999];
        let parts = |end: usize| ("x".repeat(end), "x".repeat(WHOLE - end));
        let segments = ends.map(|end| {
            let (first, second) = parts(end);
            KeyBuilder::raw("app").segment(first).segment(second).key()
        });
        let regions = ends.map(|end| {
            let (path, segment) = parts(end);
            KeyBuilder::region("app", &path, 0).segment(segment).key()
        });

        let all = segments.iter().chain(&regions);
        let apart: HashSet<_> = all.map(Key::fingerprint).collect();

        assert_eq!(apart.len(), 2 * ends.len());
    }
}
