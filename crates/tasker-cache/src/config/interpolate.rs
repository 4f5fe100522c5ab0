//! Expands `${NAME}` and its relatives in one string.

use super::error::{ConfigErrorKind, Flaw};

/// How deep defaults may be nested in defaults.
const DEEPEST: usize = 32;

/// What opens a variable, and what stands for that text itself.
const OPEN: &str = "${";
const ESCAPED_OPEN: &str = "$${";

/// Returns the value of a variable, or nothing if it is not set.
///
/// # Errors
///
/// A [`Flaw`] if there is a value, but one that can't be used.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Result<Option<&'a str>, Flaw>;

/// Expands every variable of `text`; what a variable holds is not expanded again.
///
/// | written | becomes |
/// |---|---|
/// | `${NAME}` | the variable's value, which may be empty |
/// | `${NAME:-default}` | the default if the variable is unset or empty; it may hold variables |
/// | `${NAME:?message}` | an error with the message if the variable is unset or empty |
/// | `$${` | `${` |
pub(super) fn expand<'a>(text: &'a str, lookup: Lookup<'a>) -> Result<String, Flaw> {
    Expansion { rest: text, lookup }.run(0, true)
}

/// Writes `text` so that it expands to itself.
pub(super) fn escape(text: &str) -> String {
    text.replace(OPEN, ESCAPED_OPEN)
}

struct Expansion<'a> {
    rest: &'a str,
    lookup: Lookup<'a>,
}

impl<'a> Expansion<'a> {
    /// Expands up to the end, or up to the brace that closes the default at this depth. A default
    /// that is not needed is only parsed: nothing is looked up for it.
    fn run(&mut self, depth: usize, needed: bool) -> Result<String, Flaw> {
        let mut out = String::new();
        while let Some(at) = self.rest.find(['$', '}']) {
            out.push_str(self.take(at));
            if self.skip(ESCAPED_OPEN) {
                out.push_str(OPEN);
            } else if self.skip(OPEN) {
                out.push_str(&self.variable(depth, needed)?);
            } else if depth > 0 && self.skip("}") {
                return Ok(out);
            } else {
                out.push_str(self.take(1));
            }
        }
        if depth > 0 {
            return Err(unterminated());
        }
        out.push_str(self.rest);
        Ok(out)
    }

    /// Expands what follows after `${`, including the brace that closes it.
    fn variable(&mut self, depth: usize, needed: bool) -> Result<String, Flaw> {
        let name = self.name()?;
        let value = if needed { (self.lookup)(name)? } else { Some("") };
        let given = value.filter(|value| !value.is_empty());
        if self.skip("}") {
            return value.map(str::to_owned).ok_or_else(|| unset(name));
        }
        if self.skip(":-") {
            if depth == DEEPEST {
                return Err(too_deep());
            }
            let default = self.run(depth + 1, needed && given.is_none())?;
            return Ok(given.map_or(default, str::to_owned));
        }
        if self.skip(":?") {
            let end = self.rest.find('}').ok_or_else(unterminated)?;
            let message = self.take(end);
            self.take(1);
            if given.is_none() && needed {
                return Err(required(name, message));
            }
            return Ok(given.unwrap_or_default().to_owned());
        }
        Err(self.broken())
    }

    fn name(&mut self) -> Result<&'a str, Flaw> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let name = self.take(end);
        if name.starts_with(|c: char| !c.is_ascii_digit()) { Ok(name) } else { Err(self.broken()) }
    }

    fn broken(&self) -> Flaw {
        if self.rest.contains('}') { malformed() } else { unterminated() }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn skip(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

fn flaw(problem: impl Into<String>, remedy: impl Into<String>) -> Flaw {
    Flaw::new(ConfigErrorKind::Variable, problem, remedy)
}

fn unset(name: &str) -> Flaw {
    flaw(
        format!("needs the environment variable {name}, which is not set"),
        format!("set it, or give it a default: ${{{name}:-default}}"),
    )
}

fn required(name: &str, message: &str) -> Flaw {
    let message = message.replace(char::is_control, " ");
    match message.trim() {
        "" => unset(name),
        message => {
            flaw(format!("needs the environment variable {name}"), format!("set it: {message}"))
        }
    }
}

fn unterminated() -> Flaw {
    flaw("has a `${` without its `}`", "close it, or write `$${` for a literal `${`")
}

fn malformed() -> Flaw {
    flaw(
        "has a `${…}` of an unknown form",
        "write `${NAME}`, `${NAME:-default}` or `${NAME:?message}`, or `$${` for a literal `${`",
    )
}

fn too_deep() -> Flaw {
    flaw("nests its defaults too deep", format!("nest at most {DEEPEST}"))
}

#[cfg(test)]
mod tests;
