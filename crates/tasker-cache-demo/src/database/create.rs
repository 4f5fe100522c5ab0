//! Makes the database file, once, however many processes start at the same time.

use std::io;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, QueryBuilder, SqlitePool};

use crate::report::grouped;
use crate::seed::{self, Execution};

/// Says in the file's header whose it is and of which layout: `TSK` and a number.
const USER_VERSION: i32 = 0x5453_4b01;

/// How many rows one statement inserts.
const ROWS_PER_INSERT: usize = 500;

/// Why there is no database to work with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The file cannot be made.
    #[error("cannot create {}; name another file with --database", .path.display())]
    Create { path: PathBuf, source: io::Error },
    /// A file that belongs to a database that is gone would be taken for this one's.
    #[error("{} is left over from a deleted database; delete it too", .0.display())]
    LeftOver(PathBuf),
    /// The file is something else.
    #[error(
        "{} was not made by this version of the demo; delete it or name another file with --database",
        .0.display()
    )]
    Foreign(PathBuf),
    /// SQLite refused.
    #[error("cannot use {} as the database; delete it or name another file with --database",
        .path.display())]
    Sqlite { path: PathBuf, source: sqlx::Error },
}

impl OpenError {
    /// Returns what makes an error of SQLite one about the file at `path`.
    pub(super) fn sqlite(path: &Path) -> impl FnOnce(sqlx::Error) -> Self {
        |source| OpenError::Sqlite { path: path.to_owned(), source }
    }
}

/// Makes the database at `path`, complete or not at all, unless there is one.
///
/// It is filled under another name and then given its own, so a second process that starts
/// meanwhile finds either nothing or the whole; the one that comes last uses the other's.
pub(super) async fn create_if_missing(path: &Path, executions: u32) -> Result<(), OpenError> {
    // SQLite would replay a log that a killed process left behind onto the new file. Looked for
    // before the database itself: a log beside a database that another process has just made
    // is no leftover.
    let log = with_suffix(path, "-wal");
    let log_exists = log.metadata().is_ok_and(|log| log.len() > 0);
    if path.exists() {
        return Ok(());
    }
    if log_exists {
        return Err(OpenError::LeftOver(log));
    }
    let failed = |source| OpenError::Create { path: path.to_owned(), source };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let unfinished = tempfile::Builder::new()
        .prefix(".tasker-cache-demo-")
        .tempfile_in(directory.unwrap_or(Path::new(".")))
        .map_err(failed)?
        .into_temp_path();
    eprintln!(
        "filling {} with {} templates and {} step executions",
        path.display(),
        seed::TEMPLATES,
        grouped(executions.into()),
    );
    fill(&unfinished, executions).await.map_err(OpenError::sqlite(&unfinished))?;
    match unfinished.persist_noclobber(path) {
        Err(refused) if refused.error.kind() != io::ErrorKind::AlreadyExists => {
            Err(failed(refused.error))
        }
        _ => Ok(()),
    }
}

/// Checks that the open database is one that this program made.
pub(super) async fn check(pool: &SqlitePool, path: &Path) -> Result<(), OpenError> {
    let version: i32 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(pool)
        .await
        .map_err(OpenError::sqlite(path))?;
    if version == USER_VERSION { Ok(()) } else { Err(OpenError::Foreign(path.to_owned())) }
}

async fn fill(path: &Path, executions: u32) -> Result<(), sqlx::Error> {
    // Nobody reads the file before it is complete, and nobody misses it if it never is.
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(include_str!("schema.sql")).execute(&mut *transaction).await?;
    insert_templates(&mut transaction).await?;
    insert_executions(&mut transaction, executions).await?;
    sqlx::raw_sql(include_str!("indexes.sql")).execute(&mut *transaction).await?;
    sqlx::raw_sql(&format!("PRAGMA user_version = {USER_VERSION}"))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    // Last, and here: processes that open a finished file at the same time need not agree on it.
    sqlx::raw_sql("PRAGMA journal_mode = WAL").execute(&mut connection).await?;
    connection.close().await
}

async fn insert_templates(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    for index in 0..seed::TEMPLATES {
        let template = seed::template(index);
        let document =
            serde_json::to_string(&template).map_err(|e| sqlx::Error::Encode(e.into()))?;
        sqlx::query(
            "INSERT INTO templates (namespace, name, version, document) VALUES (?, ?, ?, ?)",
        )
        .bind(template.namespace)
        .bind(template.name)
        .bind(template.version)
        .bind(document)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn insert_executions(
    connection: &mut SqliteConnection,
    count: u32,
) -> Result<(), sqlx::Error> {
    let mut executions = seed::executions(count);
    loop {
        let rows: Vec<Execution> = executions.by_ref().take(ROWS_PER_INSERT).collect();
        if rows.is_empty() {
            return Ok(());
        }
        QueryBuilder::new(
            "INSERT INTO step_executions \
             (namespace, template, step, worker, status, started_at, duration_ms) ",
        )
        .push_values(rows, |mut row, execution| {
            row.push_bind(execution.namespace)
                .push_bind(execution.template)
                .push_bind(execution.step)
                .push_bind(execution.worker)
                .push_bind(execution.status)
                .push_bind(execution.started_at)
                .push_bind(execution.duration_ms);
        })
        .build()
        .execute(&mut *connection)
        .await?;
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
