//! What the sources log: each event and span that a macro of `tracing` makes.

use std::collections::BTreeMap;

/// One event, or a span.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogLine {
    /// Its level, in capitals, as it is printed.
    pub level: String,
    /// Its target; empty if the macro leaves it to the module.
    pub target: String,
    /// Its message, or a span's name, with `<>` for whatever differs from line to line.
    pub message: String,
    /// The names of its fields.
    pub fields: Vec<String>,
}

/// Which of both is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Log lines.
    Events,
    /// Spans.
    Spans,
}

/// Finds what the sources of one crate log, by their paths; their unit tests don't count.
#[must_use]
pub fn found(sources: &BTreeMap<String, String>, what: What) -> Vec<LogLine> {
    let texts: Vec<String> = sources.values().map(|text| joined(text)).collect();
    let named: BTreeMap<&str, &str> = texts.iter().flat_map(|text| constants(text)).collect();
    let mut lines: Vec<LogLine> =
        texts.iter().flat_map(|text| in_source(text, &named, what)).collect();
    lines.sort();
    lines
}

/// Replaces what stands between two characters, them included, by `<>`.
#[must_use]
pub fn skeleton(message: &str, open: char, close: char) -> String {
    let mut parts = message.split(open);
    let mut skeleton = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        skeleton.push_str("<>");
        skeleton.push_str(part.split_once(close).map_or(part, |(_, rest)| rest));
    }
    skeleton
}

/// The text without its unit tests, and with each string literal on one line.
fn joined(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\n").next().unwrap_or_default();
    let mut lines = text.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |joined, line| joined + line.trim_start())
}

/// The string constants of a source by their names.
fn constants(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("const ").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once(": &str =")?;
        let value = rest.trim_start().strip_prefix('"')?.split('"').next()?;
        Some((name, value))
    })
}

fn in_source(text: &str, named: &BTreeMap<&str, &str>, what: What) -> Vec<LogLine> {
    let mut lines = Vec::new();
    for level in ["error", "warn", "info", "debug", "trace"] {
        let call = match what {
            What::Events => format!("tracing::{level}!("),
            What::Spans => format!("tracing::{level}_span!("),
        };
        for (at, _) in text.match_indices(&call) {
            let line = line(&level.to_uppercase(), &text[at + call.len()..], named);
            if line.message == "<>" {
                // The message is passed on: it is one of the sentences that the file names.
                let sentences = constants(text).map(|(_, value)| value);
                lines.extend(
                    sentences
                        .filter(|value| value.contains(' '))
                        .map(|sentence| LogLine { message: sentence.to_owned(), ..line.clone() }),
                );
            } else {
                lines.push(line);
            }
        }
    }
    lines
}

/// Reads the arguments of a macro.
fn line(level: &str, text: &str, named: &BTreeMap<&str, &str>) -> LogLine {
    let mut line = LogLine {
        level: level.to_owned(),
        target: String::new(),
        message: String::new(),
        fields: Vec::new(),
    };
    for argument in arguments(text) {
        if let Some(target) = argument.strip_prefix("target: ") {
            let constant = target.rsplit("::").next().unwrap_or_default();
            let target = named.get(constant).copied().unwrap_or_else(|| target.trim_matches('"'));
            target.clone_into(&mut line.target);
        } else if let Some(message) = argument.strip_prefix('"') {
            line.message = skeleton(message.trim_end_matches('"'), '{', '}');
        } else if !line.message.contains("<>") {
            // Behind a message with placeholders stands what fills them, and no field.
            let name = argument.split(" = ").next().unwrap_or_default();
            line.fields.push(name.trim_start_matches(['%', '?']).to_owned());
        }
    }
    line
}

/// Splits the arguments of a call at the commas between them, up to its closing parenthesis.
fn arguments(text: &str) -> Vec<String> {
    let mut arguments = vec![String::new()];
    let (mut depth, mut quoted) = (0_u32, false);
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted && depth == 0 => break,
            ')' | ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(argument) = arguments.last_mut() {
            argument.push(character);
        }
    }
    let trimmed = arguments.iter().map(|argument| argument.trim().to_owned());
    trimmed.filter(|argument| !argument.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
const TARGET: &str = "a::target";
const SORRY: &str =
    "It did not work, sorry";
fn f(name: &str, warning: &str) {
    tracing::warn!(
        target: TARGET,
        name,
        size = name.len().max(size("a, b")),
        "'{name}' is too \
         long, {}", other(name)
    );
    tracing::info!(%name, "{warning}");
    let span = tracing::debug_span!(target: "b", "load", region = name);
}

#[cfg(test)]
mod tests {
    fn g() { tracing::error!("Not counted") }
}
"#;

    fn read(what: What) -> Vec<LogLine> {
        found(&BTreeMap::from([("lib.rs".to_owned(), SOURCE.to_owned())]), what)
    }

    fn line(level: &str, target: &str, message: &str, fields: &[&str]) -> LogLine {
        LogLine {
            level: level.to_owned(),
            target: target.to_owned(),
            message: message.to_owned(),
            fields: fields.iter().map(|&field| field.to_owned()).collect(),
        }
    }

    #[test]
    fn an_event_is_found_with_target_fields_and_message() {
        let expected = [
            line("INFO", "", "It did not work, sorry", &["name"]),
            line("WARN", "a::target", "'<>' is too long, <>", &["name", "size"]),
        ];
        assert_eq!(read(What::Events), expected);
    }

    #[test]
    fn a_span_is_found_by_its_name() {
        assert_eq!(read(What::Spans), [line("DEBUG", "b", "load", &["region"])]);
    }

    #[test]
    fn a_placeholder_of_either_kind_leaves_the_same() {
        assert_eq!(skeleton("'{a}' and {}", '{', '}'), skeleton("'<b>' and <c>", '<', '>'));
    }
}
