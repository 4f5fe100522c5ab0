//! The referee: lets faults happen, watches how the clients recover, and has it judged.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use futures::future::try_join_all;
use tokio::signal::ctrl_c;
use tokio::time::{Instant, sleep};

use super::Result;
use super::arena::Arena;
use super::clock::Moment;
use super::judge::judge;
use super::options::Referee;
use super::report::{self, Report};
use super::rounds::{Plan, Plans, Round};

/// How long all goes well before the first fault, and between recovery and the next one.
const CALM: Duration = Duration::from_secs(1);

/// How long the clients may take until they hit again.
const RECOVERY: Duration = Duration::from_secs(60);

/// How often the logs are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Runs the checker, and tells whether it found what it should: nothing, or the planted fault.
pub(crate) fn run(options: &Referee) -> Result<bool> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(async {
        tokio::select! {
            done = referee(options) => done,
            // What was started ends and is removed, as at any other end.
            _ = ctrl_c() => Err("it was interrupted".into()),
        }
    });
    done.inspect_err(|_| println!("\nagain: {}", report::replay(options)))
}

async fn referee(options: &Referee) -> Result<bool> {
    println!("{}", report::replay(options));
    let begun = Moment::now();
    let arena = Arena::start(options).await?;
    let started = Instant::now();
    let mut plans = Plans::new(options);
    let mut rounds: Vec<Round> = Vec::new();
    watch(&arena, &rounds, "start", started, all_hit(&arena, begun)).await?;
    let calm = Moment::now();
    let mut violations = Vec::new();
    while started.elapsed() < options.time && violations.is_empty() {
        watch(&arena, &rounds, "calm", started, sleep_well(CALM)).await?;
        let plans = plans.next();
        let names: Vec<&str> = plans.iter().map(|plan| plan.nemesis.name()).collect();
        let name = names.join(" + ");
        let round = watch(&arena, &rounds, &name, started, round(&arena, plans)).await?;
        if !std::io::stdout().is_terminal() {
            println!("{}", report::told(&round, calm));
        }
        rounds.push(round);
        let lives = arena.fleet.lives();
        let histories: Vec<_> = lives.iter().map(|life| &life.history).collect();
        violations = judge(&histories, &arena.database.versions());
    }
    watch(&arena, &rounds, "end", started, arena.fleet.end()).await?;
    println!();
    let lives = arena.fleet.lives();
    let histories: Vec<_> = lives.iter().map(|life| &life.history).collect();
    let violations = judge(&histories, &arena.database.versions());
    let report = Report {
        options,
        begun: calm,
        lives: &histories,
        rounds: &rounds,
        violations: &violations,
    };
    report.print();
    Ok(report.is_as_expected())
}

async fn sleep_well(time: Duration) -> Result<()> {
    sleep(time).await;
    Ok(())
}

/// Does something, and meanwhile takes what the clients note, and tells how it goes.
async fn watch<T>(
    arena: &Arena,
    rounds: &[Round],
    name: &str,
    started: Instant,
    doing: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut doing = std::pin::pin!(doing);
    loop {
        tokio::select! {
            done = &mut doing => return done,
            () = sleep(LOOK) => arena.fleet.look()?,
        }
        if std::io::stdout().is_terminal() {
            let totals = arena.fleet.totals();
            let line = format!(
                "{:5.1?} s, {} faults, {} reads, {} invalidations; {name}",
                started.elapsed().as_secs_f64(),
                rounds.len(),
                totals.reads,
                totals.invalidations,
            );
            print!("\r{line:<78.78}");
            std::io::stdout().flush()?;
        }
    }
}

/// Waits until every client has had a hit.
async fn all_hit(arena: &Arena, since: Moment) -> Result<()> {
    let waited = Instant::now();
    while arena.fleet.all_hit_since(since).is_none() {
        if waited.elapsed() > RECOVERY {
            return Err("the clients had no hit at the beginning".into());
        }
        sleep(LOOK).await;
    }
    Ok(())
}

/// Lets faults happen, and waits until every client hits again.
async fn round(arena: &Arena, plans: Vec<Plan>) -> Result<Round> {
    let nemeses: Vec<_> = plans.iter().map(|plan| plan.nemesis).collect();
    let (begin, before) = (Moment::now(), arena.fleet.totals().disturbed);
    let effects = plans.into_iter().map(async |mut plan: Plan| {
        sleep(plan.delay).await;
        plan.nemesis.happen(arena, plan.lasting, &mut plan.random).await
    });
    let mut effects = try_join_all(effects).await?;
    arena.heal().await?;
    let over = Moment::now();
    let waited = Instant::now();
    let recovered = loop {
        let recovered = arena.fleet.all_hit_since(over);
        if recovered.is_some() || waited.elapsed() > RECOVERY {
            break recovered;
        }
        sleep(LOOK).await;
    };
    sleep(LOOK * 2).await;
    let disturbed = arena.fleet.totals().disturbed - before;
    for (nemesis, effect) in nemeses.iter().zip(&mut effects) {
        if nemesis.counted_in().is_none() {
            *effect = disturbed;
        }
    }
    Ok(Round { nemeses, begin, over, recovered, until: Moment::now(), effects })
}
