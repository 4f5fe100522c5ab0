//! What the workspace's own tests share: a simulated shared store, the rule they check by, and the
//! checker that runs real processes over real servers.

pub mod chaos;
pub mod history;
pub mod model;
pub mod sim;
pub mod simulation;

/// The examples of the front page and of the book, compiled and run.
#[cfg(doctest)]
mod documentation {
    #[doc = include_str!("../../README.md")]
    struct FrontPage;
    #[doc = include_str!("../../docs/src/configuration.md")]
    struct Configuration;
    #[doc = include_str!("../../docs/src/quick-start.md")]
    struct QuickStart;
}
