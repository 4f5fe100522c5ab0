//! The command line, of the referee and of the clients that it starts.

use std::path::PathBuf;
use std::time::Duration;

use super::nemesis::Nemesis;

/// What runs before anybody says how long.
const DEFAULT: Duration = Duration::from_secs(60);

/// The server that is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Redis,
    Valkey,
    Dragonfly,
    Memcached,
}

impl Backend {
    pub(crate) const ALL: [Self; 4] = [Self::Redis, Self::Valkey, Self::Dragonfly, Self::Memcached];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
            Self::Dragonfly => "dragonfly",
            Self::Memcached => "memcached",
        }
    }

    fn named(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|backend| backend.name() == name);
        found.ok_or_else(|| format!("there is no backend `{name}`"))
    }
}

/// What is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Referee(Referee),
    Client(Client),
}

/// A run of the checker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Referee {
    pub(crate) backend: Backend,
    pub(crate) time: Duration,
    pub(crate) seed: u64,
    /// Those that may happen, if not all of them.
    pub(crate) nemeses: Vec<Nemesis>,
    /// Whether two faults happen at a time from the beginning.
    pub(crate) pairs: bool,
    /// The part of the protocol that is left out, which is to be noticed.
    pub(crate) mutant: Option<String>,
}

impl Default for Referee {
    fn default() -> Self {
        Self {
            backend: Backend::Redis,
            time: DEFAULT,
            seed: fastrand::u64(..1_000_000),
            nemeses: Vec::new(),
            pairs: false,
            mutant: None,
        }
    }
}

/// One client process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) number: usize,
    pub(crate) url: String,
    pub(crate) log: PathBuf,
    pub(crate) database: PathBuf,
    pub(crate) seed: u64,
    pub(crate) mutant: Option<String>,
}

/// Returns the help.
pub(crate) fn help() -> String {
    let backends = Backend::ALL.map(Backend::name).join(", ");
    let faults = Nemesis::ALL.map(Nemesis::name);
    let faults: Vec<String> = faults.chunks(8).map(|line| line.join(", ")).collect();
    format!(
        "\
Usage: chaos [BACKEND] [OPTION…]

  --seconds N               Let faults happen for N seconds (60), and the last one end.
  --seed S                  Draw the faults, and what the clients do, from S.
  --nemesis NAME[,NAME]     Let these faults happen only.
  --pairs                   Let two happen at a time from the beginning.
  --mutant NAME             Leave a part of the protocol out, and find that it is noticed.

Backends: {backends}.
Faults: {}.",
        faults.join(",\n        ")
    )
}

impl Command {
    /// Parses the words of a command line.
    ///
    /// # Errors
    ///
    /// Tells in words what is missing or not known.
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.split_first() {
            Some((&("help" | "-h" | "--help"), _)) => Ok(Self::Help),
            Some((&"client", words)) => client(words).map(Self::Client),
            _ => referee(&words).map(Self::Referee),
        }
    }
}

fn referee(words: &[&str]) -> Result<Referee, String> {
    let mut options = Referee::default();
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word {
            "--pairs" => options.pairs = true,
            "--seconds" => options.time = Duration::from_secs(number(word, words.next())?),
            "--seed" => options.seed = number(word, words.next())?,
            "--mutant" => options.mutant = Some(value(word, words.next())?.to_owned()),
            "--nemesis" => {
                for name in value(word, words.next())?.split(',') {
                    options.nemeses.push(Nemesis::named(name)?);
                }
            }
            option if option.starts_with('-') => return Err(format!("what is `{option}`?")),
            name => options.backend = Backend::named(name)?,
        }
    }
    let backend = options.backend;
    if let Some(unfit) = options.nemeses.iter().find(|nemesis| !nemesis.fits(backend)) {
        return Err(format!("`{}` is not tried on {}", unfit.name(), backend.name()));
    }
    Ok(options)
}

fn client(words: &[&str]) -> Result<Client, String> {
    let mut options = Client::default();
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word {
            "--number" => {
                options.number = usize::try_from(number(word, words.next())?).unwrap_or(0);
            }
            "--url" => value(word, words.next())?.clone_into(&mut options.url),
            "--log" => options.log = value(word, words.next())?.into(),
            "--database" => options.database = value(word, words.next())?.into(),
            "--seed" => options.seed = number(word, words.next())?,
            "--mutant" => options.mutant = Some(value(word, words.next())?.to_owned()),
            option => return Err(format!("what is `{option}`?")),
        }
    }
    Ok(options)
}

impl Client {
    /// Returns the words that [`Command::parse`] takes.
    pub(crate) fn words(&self) -> Vec<String> {
        let Self { number, url, log, database, seed, mutant } = self;
        let pairs = [
            ("--number", number.to_string()),
            ("--url", url.clone()),
            ("--log", log.display().to_string()),
            ("--database", database.display().to_string()),
            ("--seed", seed.to_string()),
        ];
        let mutant = mutant.iter().map(|mutant| ("--mutant", mutant.clone()));
        let mut words = vec!["client".to_owned()];
        words.extend(
            pairs.into_iter().chain(mutant).flat_map(|(name, value)| [name.to_owned(), value]),
        );
        words
    }
}

fn value<'a>(option: &str, word: Option<&'a str>) -> Result<&'a str, String> {
    word.ok_or_else(|| format!("`{option}` takes a value"))
}

fn number(option: &str, word: Option<&str>) -> Result<u64, String> {
    let word = value(option, word)?;
    word.parse().map_err(|_| format!("`{option}` takes a number, not `{word}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Command::parse(&words)
    }

    #[test]
    fn every_option_of_a_run_is_taken() {
        let line = "valkey --seconds 5 --seed 7 --nemesis kill,hole --pairs --mutant NoSeal";
        let options = Referee {
            backend: Backend::Valkey,
            time: Duration::from_secs(5),
            seed: 7,
            nemeses: vec![Nemesis::Kill, Nemesis::Hole],
            pairs: true,
            mutant: Some("NoSeal".to_owned()),
        };
        assert_eq!(parse(line), Ok(Command::Referee(options)));
    }

    #[test]
    fn a_client_is_told_all_it_needs() {
        let options = Client {
            number: 2,
            url: "redis://host".to_owned(),
            log: "a/log".into(),
            database: "a/socket".into(),
            seed: 9,
            mutant: Some("NoJournal".to_owned()),
        };
        assert_eq!(Command::parse(&options.words()), Ok(Command::Client(options)));
    }

    #[test]
    fn what_is_not_known_is_named() {
        for line in ["postgres", "--nemesis flood", "--seconds x", "--seed", "--fast"] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert!(parse("memcached --nemesis readonly").is_err_and(|said| said.contains("readonly")));
    }
}
