//! What came of a run, for people: a table of the faults, and each call that must not have been.

use std::collections::BTreeMap;
use std::time::Duration;

use super::clock::Moment;
use super::history::History;
use super::judge::{Promise, Violation, Why};
use super::nemesis::Nemesis;
use super::options::Referee;
use super::record::{Record, What};
use super::rounds::Round;

/// How many violations are told in full.
const TOLD: usize = 3;

/// How many of the calls before a violation are told.
const BEFORE: usize = 12;

/// How many reads there must have been, and how long it must have lasted, for a fault to have had an
/// effect on any machine.
const ENOUGH: u64 = 500;
const LONG: Duration = Duration::from_secs(2);

/// The line of all pairs. One of a pair may keep the other from having an effect.
const PAIRS: &str = "(two at a time)";

/// A run that is over.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) options: &'a Referee,
    /// When all clients had hit.
    pub(crate) begun: Moment,
    pub(crate) lives: &'a [&'a History],
    pub(crate) rounds: &'a [Round],
    pub(crate) violations: &'a [Violation],
}

/// The reads that began in some part of the run.
#[derive(Debug, Default)]
struct Sample {
    reads: u64,
    hits: u64,
    misses: u64,
    /// How long each took that only asked for an entry.
    asked: Vec<Duration>,
    /// How long the slowest took, beyond its own loader.
    slowest: Duration,
    promises: u64,
    deferred: u64,
}

impl Sample {
    /// Adds a call, and whether its process was stopped meanwhile.
    fn add(&mut self, record: &Record, is_paused: bool) {
        if record.what.is_promise() {
            self.promises += u64::from(record.is_first);
            self.deferred += u64::from(record.is_first && record.what == What::Deferred);
            return;
        }
        self.reads += 1;
        self.hits += u64::from(record.what == What::Hit);
        self.misses += u64::from(record.what == What::Miss);
        if is_paused {
            return;
        }
        let took = record.end.since(record.begin);
        if matches!(record.what, What::Hit | What::Miss) {
            self.asked.push(took);
        }
        self.slowest =
            self.slowest.max(took.saturating_sub(Duration::from_micros(record.spent.into())));
    }

    /// Returns the time that 99 of 100 reads that only ask for an entry did not take longer than.
    fn p99(&mut self) -> Duration {
        self.asked.sort_unstable();
        self.asked.get(self.asked.len() * 99 / 100).copied().unwrap_or_default()
    }

    /// Returns which share of the reads that ask for an entry only was answered, in percent.
    fn hit_percent(&self) -> u64 {
        self.hits * 100 / (self.hits + self.misses).max(1)
    }

    /// Returns which share of the invalidations was deferred, in percent.
    fn deferred_percent(&self) -> u64 {
        self.deferred * 100 / self.promises.max(1)
    }
}

/// One line of the table.
#[derive(Debug, Default)]
struct Line {
    rounds: u64,
    lasted: Duration,
    sample: Sample,
    effects: BTreeMap<&'static str, u64>,
    /// How many processes there were, over all rounds, and how many of them opened their circuit.
    processes: u64,
    opened: u64,
    /// How long it took until the last client hit again, by round.
    recoveries: Vec<Duration>,
}

/// Returns the command that runs the same again; what the clients do comes from the seed, the
/// interleaving does not.
pub(crate) fn replay(options: &Referee) -> String {
    let Referee { backend, time, seed, nemeses, pairs, mutant } = options;
    let mut line =
        format!("cargo xtask chaos {} --seconds {} --seed {seed}", backend.name(), time.as_secs());
    if !nemeses.is_empty() {
        let names: Vec<&str> = nemeses.iter().copied().map(Nemesis::name).collect();
        line.extend([" --nemesis ", &names.join(",")]);
    }
    if *pairs {
        line.push_str(" --pairs");
    }
    if let Some(mutant) = mutant {
        line.extend([" --mutant ", mutant]);
    }
    line
}

/// Returns a line on a round.
pub(crate) fn told(round: &Round, started: Moment) -> String {
    let names: Vec<&str> = round.nemeses.iter().copied().map(Nemesis::name).collect();
    let again = round.recovered.map_or("never".to_owned(), |hit| {
        format!("{:.1} s later", hit.since(round.over).as_secs_f64())
    });
    format!(
        "{:6.1} s  {:<28} over after {:.1} s, all hit again {again}",
        round.begin.since(started).as_secs_f64(),
        names.join(" + "),
        round.over.since(round.begin).as_secs_f64(),
    )
}

impl Report<'_> {
    /// Tells whether the run found what it should, and missed nothing.
    pub(crate) fn is_as_expected(&self) -> bool {
        if self.options.mutant.is_some() {
            return self.violations.iter().any(|one| matches!(one.why, Why::TooOld(_)));
        }
        self.violations.is_empty() && self.complaints().is_empty()
    }

    /// Prints everything.
    pub(crate) fn print(&self) {
        let reads = self.count(|record| record.what.is_read());
        let promises = self.count(|record| record.what.is_promise() && record.is_first);
        self.print_table();
        let told = if self.options.mutant.is_some() { 1 } else { TOLD };
        for violation in self.violations.iter().take(told) {
            self.print_violation(violation);
        }
        for complaint in self.complaints() {
            println!("error: {complaint}");
        }
        let faults: usize = self.rounds.iter().map(|round| round.nemeses.len()).sum();
        println!(
            "{}: {reads} reads, {promises} invalidations, {faults} faults, {} violations",
            self.options.backend.name(),
            self.violations.len(),
        );
        if let (Some(mutant), Some(first)) = (&self.options.mutant, self.violations.first()) {
            let after = first.record.end.since(self.begun).as_secs_f64();
            println!("{mutant}: noticed after {after:.1} s");
        }
        if !self.is_as_expected() {
            println!("again: {}", replay(self.options));
        }
    }

    fn count(&self, is_counted: impl Fn(&Record) -> bool) -> usize {
        let records = self.lives.iter().flat_map(|life| &life.records);
        records.filter(|record| is_counted(record)).count()
    }

    /// Returns what is wrong with the run beside single calls.
    fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for round in self.rounds.iter().filter(|round| round.recovered.is_none()) {
            complaints.push(format!("no recovery: {}", told(round, self.begun)));
        }
        for (name, line) in self.lines().0.into_iter().filter(|(name, _)| name != PAIRS) {
            let is_idle = line.effects.values().any(|effect| *effect == 0);
            if is_idle && line.sample.reads >= ENOUGH && line.lasted >= LONG {
                complaints.push(format!("{name} had no effect: {:?}", line.effects));
            }
        }
        if self.rounds.is_empty() {
            complaints.push("nothing happened".to_owned());
        }
        complaints
    }

    /// Returns the table's lines by their names, and the reads while all went well.
    fn lines(&self) -> (BTreeMap<String, Line>, Sample) {
        let mut lines: BTreeMap<String, Line> = BTreeMap::new();
        let mut calm = Sample::default();
        let name = |round: &Round| match round.nemeses[..] {
            [nemesis] => nemesis.name().to_owned(),
            _ => PAIRS.to_owned(),
        };
        for round in self.rounds {
            let line = lines.entry(name(round)).or_default();
            line.rounds += 1;
            line.lasted += round.over.since(round.begin);
            line.recoveries.extend(round.recovered.map(|hit| hit.since(round.over)));
            let looks =
                self.lives.iter().filter_map(|life| life.was_open(round.begin, round.until));
            for is_open in looks {
                line.processes += 1;
                line.opened += u64::from(is_open);
            }
            for (nemesis, effect) in round.nemeses.iter().zip(&round.effects) {
                let unit = nemesis.counted_in().unwrap_or("calls not answered");
                *line.effects.entry(unit).or_default() += effect;
            }
        }
        for life in self.lives {
            let is_told = |record: &&Record| record.what.is_read() || record.what.is_promise();
            for record in life.records.iter().filter(is_told) {
                let is_paused = life.was_paused(record.begin, record.end);
                let count = self.rounds.partition_point(|round| round.begin <= record.begin);
                match count.checked_sub(1).map(|at| &self.rounds[at]) {
                    Some(round) if record.begin < round.over => {
                        let line = lines.entry(name(round)).or_default();
                        line.sample.add(record, is_paused);
                    }
                    Some(round) if record.begin < round.until => {}
                    _ if record.begin < self.begun => {}
                    _ => calm.add(record, is_paused),
                }
            }
        }
        (lines, calm)
    }

    fn print_table(&self) {
        let (lines, mut calm) = self.lines();
        let usual = calm.p99();
        println!(
            "| fault | times | reads meanwhile | hits | p99 added | slowest | deferred | opened | hits again after | effect |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|");
        println!(
            "| none | – | {} | {} % | (p99 {}) | {} | {} % | – | – | – |",
            calm.reads,
            calm.hit_percent(),
            millis(usual),
            millis(calm.slowest),
            calm.deferred_percent(),
        );
        for (name, mut line) in lines {
            let slow = line.sample.p99();
            line.recoveries.sort_unstable();
            let middle = line.recoveries.get(line.recoveries.len() / 2).copied();
            let last = line.recoveries.last().copied().unwrap_or_default();
            let effects: Vec<String> =
                line.effects.iter().map(|(unit, count)| format!("{count} {unit}")).collect();
            println!(
                "| {name} | {} | {} | {} % | {} | {} | {} % | {} % | {:.1} s, at most {:.1} s | {} |",
                line.rounds,
                line.sample.reads,
                line.sample.hit_percent(),
                millis(slow.saturating_sub(usual)),
                millis(line.sample.slowest),
                line.sample.deferred_percent(),
                line.opened * 100 / line.processes.max(1),
                middle.unwrap_or_default().as_secs_f64(),
                last.as_secs_f64(),
                effects.join(", "),
            );
        }
    }

    fn print_violation(&self, violation: &Violation) {
        let Violation { why, life, record } = violation;
        let at = |moment: Moment| format!("{:.6}", moment.since(self.begun).as_secs_f64());
        println!("\nviolation: process {life}, row {}: {why}", record.row);
        if let Why::TooOld(Promise { at: promised, version, life, what }) = why {
            println!(
                "  {what:?} by process {life} at {} s: nothing before {version}",
                at(*promised)
            );
        }
        println!("  what happened to the row before, as process, call, version, from, to (s):");
        let mut row: Vec<(usize, &Record)> = Vec::new();
        for (number, one) in self.lives.iter().enumerate() {
            let records = one.records.iter().filter(|one| {
                one.row == record.row && one.what != What::Counters && one.begin <= record.end
            });
            row.extend(records.map(|one| (number, one)));
        }
        row.sort_by_key(|(_, one)| one.end);
        let from = row.len().saturating_sub(BEFORE);
        for (number, one) in &row[from..] {
            let mark = if number == life && *one == record { "  <- this" } else { "" };
            println!(
                "    {number} {:?} {} {} {}{mark}",
                one.what,
                one.version,
                at(one.begin),
                at(one.end)
            );
        }
        for round in self.rounds.iter().filter(|round| round.begin <= record.end).rev().take(1) {
            println!("  during or after: {}", told(round, self.begun));
        }
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(what: What, took: Duration) -> Record {
        let (begin, end) =
            (Moment(0), Moment(u64::try_from(took.as_nanos()).expect("it is short")));
        Record { what, is_first: true, row: 0, spent: 2_000, version: 1, begin, end }
    }

    #[test]
    fn only_reads_that_ask_for_an_entry_tell_how_long_the_cache_takes() {
        let mut sample = Sample::default();
        for millis in 1..=200 {
            sample.add(&read(What::Hit, Duration::from_millis(millis)), false);
        }
        sample.add(&read(What::Loaded, Duration::from_secs(9)), false);
        sample.add(&read(What::Miss, Duration::from_secs(99)), true);
        assert_eq!(sample.p99(), Duration::from_millis(199));
        assert_eq!(sample.slowest, Duration::from_millis(8_998));
        assert_eq!((sample.reads, sample.hit_percent()), (202, 99));
    }

    #[test]
    fn the_command_to_run_it_again_names_all_that_was_given() {
        let options = Referee {
            seed: 7,
            nemeses: vec![Nemesis::Kill, Nemesis::Hole],
            pairs: true,
            ..Referee::default()
        };
        let line = "cargo xtask chaos redis --seconds 60 --seed 7 --nemesis kill,hole --pairs";
        assert_eq!(replay(&options), line);
    }
}
