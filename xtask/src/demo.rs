//! `demo`: runs the demo as the README tells people to, only shorter, and checks its figures.

use serde::Deserialize;

use crate::process::{self, Result, heading};
use crate::workspace::Workspace;

/// The part of the demo's JSON that must hold on any machine.
#[derive(Debug, Deserialize)]
struct Figures {
    without_cache: Half,
    with_cache: Half,
}

/// One half of the demo's run.
#[derive(Debug, Deserialize)]
struct Half {
    requests: u64,
    hits: u64,
    stale_answers: u64,
    errors: u64,
}

/// Runs the demo for four seconds.
pub(crate) fn run() -> Result<bool> {
    let workspace = Workspace::load()?;
    heading("demo");
    let mut command = workspace.cargo("run");
    command.args(["--release", "--package", "tasker-cache-demo"]);
    command.args(["--", "--json", "--seconds", "4"]);
    println!("$ {}", process::typed(&command));
    let json = process::output_of(&mut command)?;
    println!("{}", json.trim());
    let complaints = judge(&json)?;
    for complaint in &complaints {
        eprintln!("error: {complaint}");
    }
    Ok(complaints.is_empty())
}

fn judge(json: &str) -> Result<Vec<String>> {
    let figures: Figures = serde_json::from_str(json).map_err(|error| {
        format!("the demo's output is not the JSON object it promises: {error}")
    })?;
    let mut complaints = Vec::new();
    for (half, name) in
        [(&figures.without_cache, "without the cache"), (&figures.with_cache, "with the cache")]
    {
        if half.requests == 0 {
            complaints.push(format!("no request was answered {name}"));
        }
        if half.errors > 0 {
            complaints.push(format!("{} requests failed {name}", half.errors));
        }
        if half.stale_answers > 0 {
            complaints.push(format!("{} answers were stale {name}", half.stale_answers));
        }
    }
    if figures.with_cache.hits == 0 {
        complaints.push("the cache was never hit".to_owned());
    }
    Ok(complaints)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(hits: u64, stale: u64) -> String {
        format!(
            r#"{{"backend": "moka",
                "without_cache": {{"requests": 9, "hits": 0, "stale_answers": 0, "errors": 0}},
                "with_cache": {{"requests": 9, "hits": {hits}, "stale_answers": {stale}, "errors": 0}}}}"#
        )
    }

    #[test]
    fn good_figures_pass() {
        assert!(judge(&json(5, 0)).unwrap().is_empty());
    }

    #[test]
    fn a_cache_without_hits_is_caught() {
        assert_eq!(judge(&json(0, 0)).unwrap(), ["the cache was never hit"]);
    }

    #[test]
    fn a_stale_answer_is_caught() {
        assert_eq!(judge(&json(5, 2)).unwrap(), ["2 answers were stale with the cache"]);
    }

    #[test]
    fn anything_but_one_object_is_an_error() {
        assert!(judge("").is_err());
        assert!(judge("[]").is_err());
        assert!(judge(&format!("{} 1", json(5, 0))).is_err());
    }
}
