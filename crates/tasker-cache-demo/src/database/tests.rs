//! The database file, made by one process or several.

use std::fs;

use tempfile::tempdir;

use super::*;
use crate::seed;

#[tokio::test]
async fn two_databases_of_one_size_hold_the_same() {
    let directory = tempdir().expect("a temporary directory");
    let one = Database::open(&directory.path().join("one"), 3_000).await.expect("a database");
    let two = Database::open(&directory.path().join("two"), 3_000).await.expect("a database");
    assert_eq!(one.size().await.expect("a count"), (500, 3_000));
    assert_eq!(two.size().await.expect("a count"), (500, 3_000));
    let id = seed::template_id(42);
    assert_eq!(one.template(&id).await.expect("it"), two.template(&id).await.expect("it"));
    for hours in [24, seed::HISTORY_HOURS] {
        let expected = one.performance(hours).await.expect("an answer");
        assert_eq!(two.performance(hours).await.expect("an answer"), expected);
    }
}

#[tokio::test]
async fn a_performance_covers_the_hours_that_were_asked_for() {
    let directory = tempdir().expect("a temporary directory");
    let database = Database::open(&directory.path().join("it"), 3_360).await.expect("a database");
    for hours in [1_u32, 24, seed::HISTORY_HOURS] {
        let performance = database.performance(hours).await.expect("an answer");
        assert_eq!(performance.executions, i64::from(hours) * 10, "ten an hour");
    }
}

#[tokio::test]
async fn bottlenecks_come_in_order_and_ran_often_enough() {
    let directory = tempdir().expect("a temporary directory");
    let database = Database::open(&directory.path().join("it"), 3_000).await.expect("a database");
    let steps = database.bottlenecks(20, 8).await.expect("an answer").steps;
    assert!(!steps.is_empty());
    assert!(steps.is_sorted_by(|one, next| one.total_ms >= next.total_ms));
    assert!(steps.iter().all(|step| step.executions >= 8));
}

#[tokio::test]
async fn processes_that_start_at_the_same_time_share_one_whole_database() {
    let directory = tempdir().expect("a temporary directory");
    let path = directory.path().join("it");
    let (one, two, three) = tokio::join!(
        Database::open(&path, 1_000),
        Database::open(&path, 1_000),
        Database::open(&path, 1_000),
    );
    let one = one.expect("a database");
    let template = seed::template(7);
    assert_eq!(one.register(&template).await.expect("it is stored"), 2);
    for database in [two, three] {
        let seen = database.expect("a database").template(&template.id()).await;
        assert_eq!(seen.expect("it is there").revision, 2);
    }
    one.close().await;
    let names = fs::read_dir(directory.path())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
    assert!(names.into_iter().all(|name| name.starts_with("it")), "a file was left behind");
}

#[tokio::test]
async fn a_file_of_somebody_else_is_refused_and_left_as_it_is() {
    let directory = tempdir().expect("a temporary directory");
    let path = directory.path().join("notes");
    fs::write(&path, "").expect("a file");
    let refused = Database::open(&path, 10).await.expect_err("it is no database of the demo");
    assert!(matches!(refused, OpenError::Foreign(_)), "{refused:?}");
    assert_eq!(fs::read(&path).expect("it is still there"), b"");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named() {
    let directory = tempdir().expect("a temporary directory");
    let path = directory.path().join("notes");
    fs::write(&path, "buy milk, bread and a great many other things").expect("a file");
    let refused = Database::open(&path, 10).await.expect_err("it is no database");
    assert!(refused.to_string().contains("notes"), "{refused}");
}

#[tokio::test]
async fn the_log_of_a_deleted_database_is_not_taken_for_the_new_ones() {
    let directory = tempdir().expect("a temporary directory");
    fs::write(directory.path().join("it-wal"), "changes").expect("a file");
    let refused = Database::open(&directory.path().join("it"), 10).await;
    let refused = refused.expect_err("the log does not belong to it");
    assert!(matches!(refused, OpenError::LeftOver(_)), "{refused:?}");
}

#[tokio::test]
async fn a_database_that_cannot_be_made_names_the_option() {
    let directory = tempdir().expect("a temporary directory");
    let refused = Database::open(&directory.path().join("no/such/place"), 10).await;
    let message = refused.expect_err("there is no such directory").to_string();
    assert!(message.contains("--database"), "{message}");
}
