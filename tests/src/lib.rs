//! What the workspace's own tests share: a simulated shared store, and the rule they check by.

#[cfg(doctest)]
mod documentation;
pub mod exposition;
pub mod history;
pub mod model;
pub mod sim;
pub mod simulation;
