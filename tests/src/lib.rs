//! What the workspace's own tests share: a simulated shared store, the rule they check by, and the
//! checker that runs real processes over real servers.

pub mod chaos;
#[cfg(doctest)]
mod documentation;
pub mod exposition;
pub mod history;
pub mod model;
pub mod sim;
pub mod simulation;
