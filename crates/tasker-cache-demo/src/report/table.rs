//! What the comparison found, for people.

use std::fmt;

use super::{Report, RouteRun, Run};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} clients over HTTP, {} without and {} with the cache ({})",
            self.setting.clients,
            seconds(self.without_cache.seconds),
            seconds(self.with_cache.seconds),
            self.with_cache.backend,
        )?;
        writeln!(
            f,
            "{} templates and {} step executions in {}",
            grouped(self.setting.templates.unsigned_abs()),
            grouped(self.setting.step_executions.unsigned_abs()),
            self.setting.database.display(),
        )?;
        self.totals(f)?;
        self.routes(f)?;
        self.explanations(f)
    }
}

impl Report {
    fn totals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (without, with) = (&self.without_cache, &self.with_cache);
        let row = |f: &mut fmt::Formatter<'_>, title: &str, cell: fn(&Run) -> String| {
            writeln!(f, "{title:<28}{:>16}{:>16}", cell(without), cell(with))
        };
        writeln!(f)?;
        writeln!(f, "{:<28}{:>16}{:>16}", "", "without cache", "with cache")?;
        row(f, "requests per second", |run| whole(run.requests_per_second))?;
        row(f, "p50", |run| latency(run.p50_ms))?;
        row(f, "p99", |run| latency(run.p99_ms))?;
        row(f, "database queries", |run| grouped(run.database_queries))?;
        row(f, "  per 100 requests", |run| {
            run.queries_per_100_requests.map_or("-".to_owned(), |queries| format!("{queries:.1}"))
        })?;
        row(f, "cache hit ratio", |run| {
            run.hit_ratio.map_or("-".to_owned(), |ratio| format!("{:.1} %", 100.0 * ratio))
        })?;
        row(f, "stale answers", |run| grouped(run.stale_answers))?;
        row(f, "errors", |run| grouped(run.errors))
    }

    fn routes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        writeln!(f, "{:<40}p50{:<25}p99", "", "")?;
        for (without, with) in self.without_cache.routes.iter().zip(&self.with_cache.routes) {
            let change = |of: fn(&RouteRun) -> Option<f64>| {
                format!("{:>11} → {:<11}", latency(of(without)), latency(of(with)))
            };
            let line = format!(
                "{:<28}{:^26}  {:^26}",
                without.route,
                change(|route| route.p50_ms),
                change(|route| route.p99_ms),
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn explanations(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        for region in &self.usage {
            let cached = if region.cached { "cached" } else { "not cached" };
            let (reads, loads) = (grouped(region.reads()), grouped(region.loads));
            let title = region.region;
            writeln!(f, "{title:<12}{cached}: {reads} reads, {loads} of them from the database")?;
            writeln!(f, "{:<12}{}", "", region.reason)?;
        }
        for (name, run) in [("without", &self.without_cache), ("with", &self.with_cache)] {
            if let Some(error) = &run.first_error {
                writeln!(f, "the first error {name} the cache: {error}")?;
            }
        }
        Ok(())
    }
}

fn seconds(value: f64) -> String {
    format!("{value:.1} s")
}

/// Writes a latency with as many digits as it has meaning.
fn latency(ms: Option<f64>) -> String {
    match ms {
        None => "-".to_owned(),
        Some(ms) if ms < 10.0 => format!("{ms:.2} ms"),
        Some(ms) if ms < 100.0 => format!("{ms:.1} ms"),
        Some(ms) => format!("{} ms", whole(ms)),
    }
}

fn whole(value: f64) -> String {
    grouped_digits(&format!("{value:.0}"))
}

pub(crate) fn grouped(count: u64) -> String {
    grouped_digits(&count.to_string())
}

fn grouped_digits(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
    }

    #[test]
    fn a_latency_has_three_digits_at_most_behind_its_meaning() {
        assert_eq!(latency(Some(0.412)), "0.41 ms");
        assert_eq!(latency(Some(38.24)), "38.2 ms");
        assert_eq!(latency(Some(1_234.5)), "1,234 ms");
        assert_eq!(latency(None), "-");
    }
}
