//! What was logged, kept for a test to look at.

use std::fmt::{self, Write};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::subscriber::{self, DefaultGuard, NoSubscriber};
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry;

/// Keeps what is logged: a tracing layer; clones share one record.
///
/// ```
/// use tasker_cache_testkit::Recorder;
///
/// let recorder = Recorder::default();
/// let guard = recorder.install();
/// tracing::warn!(backend = "redis", "It is down");
/// drop(guard);
///
/// let lines = recorder.lines();
/// assert_eq!(lines[0].to_string(), "WARN It is down backend=redis");
/// assert_eq!(recorder.count("It is down"), 1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Vec<Recorded>>>);

/// A subscriber beside the one that records. Where there is one alone, what another thread without
/// any logs first is taken for something that nobody listens to, from then on.
static OTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::default()));

/// One event that was logged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// Its level.
    pub level: Level,
    /// Where it comes from: the path of a module, or what the event names.
    pub target: String,
    /// Its message.
    pub message: String,
    /// Its other fields, in order, each as it would be printed.
    pub fields: Vec<(&'static str, String)>,
}

impl Recorder {
    /// Makes this the current thread's only subscriber until the guard is dropped.
    ///
    /// Tasks of a multi-threaded runtime run on other threads: keep to a current-thread runtime,
    /// or add the recorder as a layer to a global subscriber.
    #[must_use = "it records until the guard is dropped"]
    pub fn install(&self) -> DefaultGuard {
        LazyLock::force(&OTHER);
        subscriber::set_default(registry().with(self.clone()))
    }

    /// Returns everything recorded so far.
    #[must_use]
    pub fn lines(&self) -> Vec<Recorded> {
        self.record().clone()
    }

    /// Returns how many events have exactly this message.
    #[must_use]
    pub fn count(&self, message: &str) -> usize {
        self.record().iter().filter(|line| line.message == message).count()
    }

    /// Forgets everything recorded so far.
    pub fn clear(&self) {
        self.record().clear();
    }

    fn record(&self) -> MutexGuard<'_, Vec<Recorded>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut line = Recorded {
            level: *metadata.level(),
            target: metadata.target().to_owned(),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut line);
        self.record().push(line);
    }
}

impl Recorded {
    /// Returns a field as it would be printed; `None` if the event has none of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let (_, value) = self.fields.iter().find(|(field, _)| *field == name)?;
        Some(value)
    }

    fn add(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else {
            self.fields.push((field.name(), value));
        }
    }
}

impl Visit for Recorded {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Writing to a string fails only where the value's own `Debug` does.
        let _ = write!(text, "{value:?}");
        self.add(field, text);
    }
}

/// `LEVEL message name=value …`
impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.level, self.message)?;
        for (name, value) in &self.fields {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}
