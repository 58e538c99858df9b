//! `POST /notices`: what another program has to say goes to the browsers it is for.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use sockeye::Namespace;
use stage::Secret;

use crate::readers::Readers;
use crate::topics;

/// The longest body of a request, in bytes; beyond it axum answers 413.
pub(crate) const MAX_BODY: usize = 16 * 1024;

const TITLE_CHARS: usize = 80;
const TEXT_CHARS: usize = 2000;

/// What the route needs.
#[derive(Clone)]
pub(crate) struct Office {
    pub(crate) notices: Namespace,
    pub(crate) readers: Arc<Readers>,
    /// Who sends it in the header `x-api-key` may publish.
    pub(crate) key: Secret,
}

/// What a request says. Unknown fields are refused: a misspelt `to` would reach everybody.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Draft {
    title: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    to: To,
}

/// Who gets a notice: `"all"`, `{"topic": "trains"}` or `{"user": "ada"}`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum To {
    #[default]
    All,
    Topic(String),
    User(String),
}

/// A notice as browsers get it.
#[derive(Debug, Serialize)]
struct Notice {
    id: String,
    title: String,
    text: String,
    to: To,
    /// Milliseconds since 1970, by the server's clock.
    at: u64,
}

/// The answer to a request: the notice's id, and how many devices it was sent to.
#[derive(Debug, Serialize)]
pub(crate) struct Published {
    id: String,
    devices: usize,
}

type Refusal = (StatusCode, String);

pub(crate) async fn publish(
    _: Authorized,
    State(office): State<Office>,
    Json(draft): Json<Draft>,
) -> Result<(StatusCode, Json<Published>), Refusal> {
    check("title", &draft.title, 1, TITLE_CHARS)?;
    check("text", &draft.text, 0, TEXT_CHARS)?;
    let target = match &draft.to {
        To::All => office.notices.broadcast(),
        To::Topic(topic) if topics::exists(topic) => office.notices.to(topics::room(topic)),
        To::User(name) if office.readers.knows(name) => office.notices.user(name),
        To::Topic(_) | To::User(_) => return Err((StatusCode::NOT_FOUND, "`to` names nobody that there is\n".into())),
    };
    let Draft { title, text, to } = draft;
    let notice = Notice { id: Secret::random().reveal().to_owned(), title, text, to, at: stage::now() };
    target.emit("notice", &notice).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")))?;
    Ok((StatusCode::ACCEPTED, Json(Published { id: notice.id, devices: target.sockets().len() })))
}

fn check(field: &str, value: &str, least: usize, most: usize) -> Result<(), Refusal> {
    let chars = value.chars().count();
    if (least..=most).contains(&chars) {
        return Ok(());
    }
    let why = format!("`{field}` has {chars} characters: expected {least} to {most}\n");
    Err((StatusCode::UNPROCESSABLE_ENTITY, why))
}

/// Proof that the request has the key. It stands before the body among the arguments: nobody's body is read without it.
pub(crate) struct Authorized;

impl FromRequestParts<Office> for Authorized {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, office: &Office) -> Result<Self, Self::Rejection> {
        let given = parts.headers.get("x-api-key").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if office.key.is(given) { Ok(Self) } else { Err((StatusCode::UNAUTHORIZED, "wrong or missing x-api-key\n")) }
    }
}
