//! The service's database: SQLite, and a count of what it was asked.

mod create;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{FromRow, Row, SqlitePool};

use crate::error::Error;
use crate::model::{
    Bottleneck, Bottlenecks, NamespacePerformance, Performance, Template, TemplateId,
};

pub(crate) use create::OpenError;

/// What one request may wait for others to write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

const TEMPLATE: &str = "
    SELECT document, revision FROM templates WHERE namespace = ?1 AND name = ?2 AND version = ?3";

const REGISTER: &str = "
    INSERT INTO templates (namespace, name, version, document) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT DO UPDATE SET document = excluded.document, revision = revision + 1
    RETURNING revision";

// Counted back from the last execution, not from today: the history that was made up ends there.
const PERFORMANCE: &str = "
    WITH recent AS (
        SELECT namespace, status, duration_ms,
               row_number() OVER (PARTITION BY namespace ORDER BY duration_ms) AS place,
               count(*) OVER (PARTITION BY namespace) AS executions
        FROM step_executions
        WHERE started_at > (SELECT max(started_at) FROM step_executions) - ?1 * 3600000
    )
    SELECT namespace, executions, sum(status = 'failed') AS failed,
           round(avg(duration_ms), 1) AS average_ms,
           min(CASE WHEN place >= 0.95 * executions THEN duration_ms END) AS p95_ms
    FROM recent
    GROUP BY namespace
    ORDER BY namespace";

const BOTTLENECKS: &str = "
    SELECT namespace, template, step, count(*) AS executions,
           sum(status = 'failed') AS failed, round(avg(duration_ms), 1) AS average_ms,
           max(duration_ms) AS slowest_ms, sum(duration_ms) AS total_ms
    FROM step_executions
    GROUP BY template, namespace, step
    HAVING executions >= ?2
    ORDER BY total_ms DESC, template, namespace, step
    LIMIT ?1";

/// A pool of connections to one SQLite file. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pool: SqlitePool,
    queries: Arc<AtomicU64>,
}

impl Database {
    /// Opens the database at `path`; creates and fills it first if there is none.
    ///
    /// A database that is there is taken as it is, however many executions it holds.
    ///
    /// # Errors
    ///
    /// If the file cannot be made or opened, or is not a database of this program.
    pub(crate) async fn open(path: &Path, executions: u32) -> Result<Self, OpenError> {
        create::create_if_missing(path, executions).await?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(8)
            .connect_with(options)
            .await
            .map_err(OpenError::sqlite(path))?;
        create::check(&pool, path).await?;
        Ok(Self { pool, queries: Arc::default() })
    }

    /// Returns how many queries were asked since the database was opened.
    pub(crate) fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// Reads one template.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownTemplate`] if there is none of that name, else if the database fails.
    pub(crate) async fn template(&self, id: &TemplateId) -> Result<Template, Error> {
        let row: Option<(String, i64)> = sqlx::query_as(TEMPLATE)
            .bind(&id.namespace)
            .bind(&id.name)
            .bind(&id.version)
            .fetch_optional(self.counted())
            .await?;
        let (document, revision) = row.ok_or_else(|| Error::UnknownTemplate(id.clone()))?;
        Ok(Template { revision, ..serde_json::from_str(&document)? })
    }

    /// Stores a template, over the one of that name if there is one, and returns its revision
    /// after the commit.
    ///
    /// # Errors
    ///
    /// If the database fails; then nothing is stored.
    pub(crate) async fn register(&self, template: &Template) -> Result<i64, Error> {
        let mut transaction = self.counted().begin_with("BEGIN IMMEDIATE").await?;
        let revision = sqlx::query_scalar(REGISTER)
            .bind(&template.namespace)
            .bind(&template.name)
            .bind(&template.version)
            .bind(serde_json::to_string(template)?)
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(revision)
    }

    /// Sums up the step executions of the last `hours`, by namespace.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub(crate) async fn performance(&self, hours: u32) -> Result<Performance, Error> {
        let namespaces: Vec<NamespacePerformance> =
            sqlx::query_as(PERFORMANCE).bind(hours).fetch_all(self.counted()).await?;
        Ok(Performance {
            hours,
            executions: namespaces.iter().map(|namespace| namespace.executions).sum(),
            failed: namespaces.iter().map(|namespace| namespace.failed).sum(),
            namespaces,
        })
    }

    /// Finds the `limit` steps that took the most time, of those that ran `min_executions` times.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub(crate) async fn bottlenecks(
        &self,
        limit: u32,
        min_executions: u32,
    ) -> Result<Bottlenecks, Error> {
        let steps = sqlx::query_as(BOTTLENECKS)
            .bind(limit)
            .bind(min_executions)
            .fetch_all(self.counted())
            .await?;
        Ok(Bottlenecks { min_executions, steps })
    }

    /// Asks for nothing but an answer.
    ///
    /// # Errors
    ///
    /// If the database does not give one.
    pub(crate) async fn ping(&self) -> Result<(), Error> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Returns how many templates and step executions are stored.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub(crate) async fn size(&self) -> Result<(i64, i64), Error> {
        let counts =
            "SELECT (SELECT count(*) FROM templates), (SELECT count(*) FROM step_executions)";
        Ok(sqlx::query_as(counts).fetch_one(&self.pool).await?)
    }

    /// Empties the log into the file and closes every connection, after what is running on it.
    pub(crate) async fn close(&self) {
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.pool).await
        {
            tracing::warn!(%error, "The database's log stays");
        }
        self.pool.close().await;
    }

    fn counted(&self) -> &SqlitePool {
        self.queries.fetch_add(1, Ordering::Relaxed);
        &self.pool
    }
}

impl FromRow<'_, SqliteRow> for NamespacePerformance {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            namespace: row.try_get("namespace")?,
            executions: row.try_get("executions")?,
            failed: row.try_get("failed")?,
            average_ms: row.try_get("average_ms")?,
            p95_ms: row.try_get("p95_ms")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for Bottleneck {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            namespace: row.try_get("namespace")?,
            template: row.try_get("template")?,
            step: row.try_get("step")?,
            executions: row.try_get("executions")?,
            failed: row.try_get("failed")?,
            average_ms: row.try_get("average_ms")?,
            slowest_ms: row.try_get("slowest_ms")?,
            total_ms: row.try_get("total_ms")?,
        })
    }
}

#[cfg(test)]
mod tests;
