//! What requests carry, checked before a handler sees it, and what answers look like.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::{Json, RequestExt};
use serde::{Deserialize, Serialize};

use crate::error::{Error, within};
use crate::model::{Template, TemplateId};
use crate::seed::HISTORY_HOURS;

/// A value that the cache shares, answered as JSON.
#[derive(Debug)]
pub(crate) struct Reply<T>(pub(crate) Arc<T>);

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        Json(&*self.0).into_response()
    }
}

/// A template that was sent to its own address.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) id: TemplateId,
    pub(crate) template: Template,
}

impl<S: Send + Sync> FromRequest<S> for Registration {
    type Rejection = Error;

    async fn from_request(mut request: Request, _: &S) -> Result<Self, Error> {
        let Path(id) = request.extract_parts::<Path<TemplateId>>().await?;
        let Json(template) = request.extract::<Json<Template>, _>().await?;
        if template.id() != id {
            let sent = template.id();
            return Err(Error::BadRequest(format!("{sent} was sent to the address of {id}")));
        }
        Ok(Self { id, template })
    }
}

// The parameters are kept within limits because each of their values is an entry of its own.

/// `?hours=24`: how far back to look.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Window {
    pub(crate) hours: u32,
}

impl Default for Window {
    fn default() -> Self {
        Self { hours: 24 }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Window {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Query(window): Query<Self> = Query::from_request_parts(parts, state).await?;
        within("hours", 1..=HISTORY_HOURS, window.hours)?;
        Ok(window)
    }
}

/// `?limit=10&min_executions=5`: how many steps to name, of those that ran often enough.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Ranking {
    pub(crate) limit: u32,
    pub(crate) min_executions: u32,
}

impl Default for Ranking {
    fn default() -> Self {
        Self { limit: 10, min_executions: 5 }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Ranking {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Query(ranking): Query<Self> = Query::from_request_parts(parts, state).await?;
        within("limit", 1..=100, ranking.limit)?;
        within("min_executions", 1..=10_000, ranking.min_executions)?;
        Ok(ranking)
    }
}
