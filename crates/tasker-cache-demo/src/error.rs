//! What can go wrong in a request, and how it is answered.

use std::ops::RangeInclusive;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::model::TemplateId;

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The database holds no such template.
    #[error("there is no template {0}")]
    UnknownTemplate(TemplateId),
    /// The request asks for something the service does not offer.
    #[error("{0}")]
    BadRequest(String),
    /// The database did not answer.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// A stored or given template is not the JSON document it should be.
    #[error("a template's document cannot be read or written")]
    Document(#[from] serde_json::Error),
    /// A task of the service panicked.
    #[error("the service failed")]
    Task(#[from] tokio::task::JoinError),
}

impl Error {
    /// Returns the HTTP status that tells the client whose fault it is.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Error::UnknownTemplate(_) => StatusCode::NOT_FOUND,
            Error::BadRequest(_) => StatusCode::BAD_REQUEST,
            Error::Database(_) | Error::Document(_) | Error::Task(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }
}

impl From<QueryRejection> for Error {
    fn from(rejection: QueryRejection) -> Self {
        Error::BadRequest(rejection.body_text())
    }
}

impl From<PathRejection> for Error {
    fn from(rejection: PathRejection) -> Self {
        Error::BadRequest(rejection.body_text())
    }
}

impl From<JsonRejection> for Error {
    fn from(rejection: JsonRejection) -> Self {
        Error::BadRequest(rejection.body_text())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            tracing::error!(error = ?self, "Request failed");
        }
        (status, Json(json!({ "error": self.to_string() }))).into_response()
    }
}

/// Checks that the value of a request's parameter lies in the range.
///
/// # Errors
///
/// [`Error::BadRequest`] if it does not.
pub(crate) fn within(parameter: &str, range: RangeInclusive<u32>, value: u32) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    let (start, end) = range.into_inner();
    Err(Error::BadRequest(format!("{parameter} must be between {start} and {end}, not {value}")))
}
