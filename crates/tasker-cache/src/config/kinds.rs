//! What the value of a key can be: how each kind is read, bounded and shown.

use std::path::PathBuf;
use std::time::Duration;

use config::{Value, ValueKind};

use super::backend_name::BackendName;
use super::error::ConfigErrorKind::{self, NotAllowed, WrongType};
use super::secret_url::SecretUrl;
use super::url_forms::UrlForm;

/// What is wrong with a value, as the words that follow its key.
pub(super) type Problem = (ConfigErrorKind, String);

/// A kind of value.
pub(super) trait Kind: Sync {
    /// What a value is turned into.
    type Out;

    /// Says what is allowed.
    fn range(&self) -> String;

    /// Reads a value, whose texts are expanded.
    fn read(&self, value: &Value) -> Result<Self::Out, Problem>;

    /// Shows a value, unless it could be a secret.
    fn show(&self, value: &Value) -> Option<String>;
}

/// True or false.
pub(super) struct Switch;

impl Kind for Switch {
    type Out = bool;

    fn range(&self) -> String {
        "true, false".to_owned()
    }

    fn read(&self, value: &Value) -> Result<bool, Problem> {
        let text = match &value.kind {
            ValueKind::Boolean(yes) => return Ok(*yes),
            ValueKind::String(text) => text.trim().to_ascii_lowercase(),
            other => return Err(wrong_type(other, "true or false")),
        };
        match text.as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err((WrongType, "is neither true nor false".to_owned())),
        }
    }

    fn show(&self, value: &Value) -> Option<String> {
        self.read(value).ok().map(|yes| yes.to_string())
    }
}

/// A whole number in a range, and what it counts.
pub(super) struct Whole<T> {
    least: u64,
    most: u64,
    make: fn(u64) -> Option<T>,
}

impl<T> Whole<T> {
    pub(super) const fn new(least: u64, most: u64, make: fn(u64) -> Option<T>) -> Self {
        Self { least, most, make }
    }
}

impl Whole<Duration> {
    pub(super) const fn seconds(least: u64, most: u64) -> Self {
        Self::new(least, most, |number| Some(Duration::from_secs(number)))
    }

    pub(super) const fn millis(least: u64, most: u64) -> Self {
        Self::new(least, most, |number| Some(Duration::from_millis(number)))
    }
}

impl<T> Kind for Whole<T> {
    type Out = T;

    fn range(&self) -> String {
        match self.most {
            u64::MAX => format!("at least {}", self.least),
            most => format!("{}–{most}", self.least),
        }
    }

    fn read(&self, value: &Value) -> Result<T, Problem> {
        let number = number(&value.kind)?;
        let in_range = u64::try_from(number).ok().filter(|n| (self.least..=self.most).contains(n));
        in_range.and_then(self.make).ok_or_else(|| (NotAllowed, format!("is {number}")))
    }

    fn show(&self, value: &Value) -> Option<String> {
        number(&value.kind).ok().map(|number| number.to_string())
    }
}

fn number(value: &ValueKind) -> Result<i128, Problem> {
    let whole = "a whole number";
    match value {
        ValueKind::I64(number) => Ok((*number).into()),
        ValueKind::U64(number) => Ok((*number).into()),
        ValueKind::I128(number) => Ok(*number),
        ValueKind::String(text) => {
            text.trim().parse().map_err(|_| (WrongType, format!("is not {whole}")))
        }
        ValueKind::Float(number) => Err((WrongType, format!("is {number}, not {whole}"))),
        other => Err(wrong_type(other, whole)),
    }
}

/// The name of a backend. One that is not known is not refused here: the cache does without.
pub(super) struct Backend;

impl Kind for Backend {
    type Out = BackendName;

    fn range(&self) -> String {
        format!("{} (any case)", BackendName::KNOWN.join(", "))
    }

    fn read(&self, value: &Value) -> Result<BackendName, Problem> {
        text(&value.kind).map(BackendName::of)
    }

    fn show(&self, value: &Value) -> Option<String> {
        self.read(value).ok().map(|name| name.to_string())
    }
}

/// What every key in the store begins with.
pub(super) struct Prefix;

impl Kind for Prefix {
    type Out = String;

    fn range(&self) -> String {
        "1–64 of A–Z a–z 0–9 . _ -".to_owned()
    }

    fn read(&self, value: &Value) -> Result<String, Problem> {
        let text = text(&value.kind)?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if text.is_empty() {
            Err((NotAllowed, "is empty".to_owned()))
        } else if !text.chars().all(is_plain) {
            Err((NotAllowed, "has a character that is not allowed".to_owned()))
        } else if text.len() > 64 {
            Err((NotAllowed, format!("has {} characters", text.len())))
        } else {
            Ok(text.to_owned())
        }
    }

    fn show(&self, value: &Value) -> Option<String> {
        self.read(value).ok()
    }
}

/// The path of a file.
pub(super) struct File;

impl Kind for File {
    type Out = PathBuf;

    fn range(&self) -> String {
        "path of a PEM file".to_owned()
    }

    fn read(&self, value: &Value) -> Result<PathBuf, Problem> {
        let text = text(&value.kind)?;
        if text.starts_with("-----") || text.contains(char::is_control) {
            return Err((NotAllowed, "is not a path but the content of a file".to_owned()));
        }
        if text.contains("://") {
            return Err((NotAllowed, "is not a path but a URL".to_owned()));
        }
        Ok(PathBuf::from(text))
    }

    fn show(&self, _: &Value) -> Option<String> {
        None
    }
}

/// The URL of a server.
pub(super) struct Url(pub(super) UrlForm);

impl Kind for Url {
    type Out = SecretUrl;

    fn range(&self) -> String {
        format!("URL; {}", self.0)
    }

    fn read(&self, value: &Value) -> Result<SecretUrl, Problem> {
        url(text(&value.kind)?)
    }

    fn show(&self, value: &Value) -> Option<String> {
        self.read(value).ok().map(|url| url.to_string())
    }
}

/// The URLs of several servers, as a list or separated by commas.
pub(super) struct Urls(pub(super) UrlForm);

impl Kind for Urls {
    type Out = Vec<SecretUrl>;

    fn range(&self) -> String {
        format!("list of URLs; {}", self.0)
    }

    fn read(&self, value: &Value) -> Result<Vec<SecretUrl>, Problem> {
        let urls: Vec<_> = match &value.kind {
            ValueKind::String(text) => text.split(',').map(url).collect::<Result<_, _>>()?,
            ValueKind::Array(values) => {
                let item = |value: &Value| url(text(&value.kind)?);
                values.iter().map(item).collect::<Result<_, _>>()?
            }
            other => return Err(wrong_type(other, "a list")),
        };
        if urls.is_empty() { Err((NotAllowed, "is an empty list".to_owned())) } else { Ok(urls) }
    }

    fn show(&self, value: &Value) -> Option<String> {
        self.read(value).ok().map(|urls| format!("{urls:?}"))
    }
}

/// A value that need not be there; an empty text is none.
pub(super) struct Maybe<K>(pub(super) K);

impl<K: Kind> Kind for Maybe<K> {
    type Out = Option<K::Out>;

    fn range(&self) -> String {
        self.0.range()
    }

    fn read(&self, value: &Value) -> Result<Option<K::Out>, Problem> {
        match &value.kind {
            ValueKind::String(text) if text.trim().is_empty() => Ok(None),
            _ => self.0.read(value).map(Some),
        }
    }

    fn show(&self, value: &Value) -> Option<String> {
        self.0.show(value)
    }
}

fn url(text: &str) -> Result<SecretUrl, Problem> {
    match text.trim() {
        "" => Err((NotAllowed, "is empty".to_owned())),
        text => Ok(SecretUrl::new(text)),
    }
}

fn text(value: &ValueKind) -> Result<&str, Problem> {
    match value {
        ValueKind::String(text) => Ok(text),
        other => Err(wrong_type(other, "a text")),
    }
}

/// Names the type of a value, never the value.
fn wrong_type(value: &ValueKind, wanted: &str) -> Problem {
    let found = match value {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "a boolean",
        ValueKind::I64(_)
        | ValueKind::I128(_)
        | ValueKind::U64(_)
        | ValueKind::U128(_)
        | ValueKind::Float(_) => "a number",
        ValueKind::String(_) => "a text",
        ValueKind::Table(_) => "a table",
        ValueKind::Array(_) => "a list",
    };
    (WrongType, format!("is {found}, not {wanted}"))
}
