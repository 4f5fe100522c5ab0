//! The backends by the names that a configuration gives them.

use std::fmt;

use crate::backends::with_backends;

macro_rules! names {
    ($($(#[$documentation:meta])+
        $variant:ident: [$own:literal $(, $alias:literal)*], $feature:tt, $make:path;)+) => {
        /// The backend that a configuration names.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum BackendName {
            $($(#[$documentation])+ $variant,)+
            /// Anything else; the name as it may be shown, which a longer text or one with other
            /// characters than letters, digits, `-` and `_` may not.
            Unknown(String),
        }

        impl BackendName {
            /// The names that are understood, in any case.
            pub const KNOWN: &'static [&'static str] = &[$($own, $($alias,)*)+];

            pub(super) fn of(text: &str) -> Self {
                let name = text.trim().to_ascii_lowercase();
                match name.as_str() {
                    $($own $(| $alias)* => Self::$variant,)+
                    _ if is_plain(&name) => Self::Unknown(name),
                    _ => Self::Unknown("…".to_owned()),
                }
            }

            /// Returns the backend's own name; aliases have none.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $own,)+
                    Self::Unknown(name) => name,
                }
            }
        }
    };
}

with_backends!(names);

impl fmt::Display for BackendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_plain(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    (1..=32).contains(&name.len()) && name.chars().all(is_plain)
}
