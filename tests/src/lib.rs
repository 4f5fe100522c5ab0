//! What the workspace's own tests share: a simulated shared store, the rule they check by, a checker
//! over real processes and servers, and how they read what is documented and recorded.

pub mod chaos;
#[cfg(doctest)]
mod documentation;
pub mod exposition;
pub mod history;
pub mod limited;
pub mod log_lines;
pub mod model;
pub mod server;
pub mod sim;
pub mod simulation;
pub mod tree;
