//! A password that nobody can read anywhere, in no encoding.

mod common;

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use common::{entry, idle, key, minute};
use tasker_cache_core::Backend;
use tasker_cache_redis::RedisConfig;
use tasker_cache_testkit::server::RedisServer;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Everything that was logged, at every level, through either way of logging.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<String>>);

impl Heard {
    fn add(&self, text: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(all, "{text}");
    }

    fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl log::Log for Heard {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.add(&format!("{} {}", record.level(), record.args()));
    }

    fn flush(&self) {}
}

impl<S: tracing::Subscriber> Layer<S> for Heard {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Fields<'a>(&'a Heard);
        impl Visit for Fields<'_> {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                self.0.add(&format!("{}={value:?}", field.name()));
            }
        }
        event.record(&mut Fields(self));
    }
}

/// The secret as it is, as it stands in URLs, and as bytes are shown.
fn assert_free(what: &str, text: &str) {
    let hex: String = SECRET.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let list = format!("{:?}", SECRET.as_bytes());
    for form in [SECRET, ENCODED, &ENCODED.to_ascii_lowercase(), "cEBzczovczNjcjN0", &hex, &list] {
        assert!(!text.contains(form), "{what} holds the password as {form}");
    }
}

const SECRET: &str = "p@ss:/s3cr3t";
const ENCODED: &str = "p%40ss%3A%2Fs3cr3t";

#[tokio::test]
async fn it_is_in_no_log_no_error_and_no_debug() {
    let heard = Heard::default();
    log::set_boxed_logger(Box::new(heard.clone())).expect("the only test of this binary");
    log::set_max_level(log::LevelFilter::Trace);
    let subscriber = tracing_subscriber::registry().with(heard.clone());
    tracing::subscriber::set_global_default(subscriber).expect("the only test of this binary");
    let server = RedisServer::builder().user("app", SECRET, "~* +@all").start().await;
    let other = RedisServer::builder().password("another").start().await;
    let url = |at: std::net::SocketAddr| format!("redis://app:{ENCODED}@{at}");

    let good = idle(&url(server.address()));
    good.ready().await.expect("the right password");
    good.set(&key("k"), entry("v"), minute()).await.expect("a server");
    server.kill().await;
    let failed = good.get(&key("k")).await.expect_err("it is gone");
    let wrong = idle(&url(other.address()));
    let refused = wrong.ready().await.expect_err("the wrong password");

    assert_free("an error", &format!("{failed} {failed:?} {refused} {refused:?}"));
    let config = RedisConfig::new(&url(server.address())).expect("a URL");
    assert_free("Debug", &format!("{config:?} {config:#?} {good:?} {wrong:#?}"));
    let odd = RedisConfig::new(&format!("redis://user:{ENCODED}@ho$t")).expect_err("no host");
    assert_free("a refused URL", &format!("{odd} {odd:?}"));
    let heard = heard.text();
    assert!(heard.contains("Authenticating"), "the client's own log was heard");
    assert!(heard.contains("Connected to the server"), "this crate's log was heard");
    assert_free("the log", &heard);
}
