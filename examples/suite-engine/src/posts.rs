//! What came with the latest POST of each session, which the client's suite asks about.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, Method};
use sockeye_engine::{HandshakeRequest, SessionId};

/// The headers of the latest POST of each open session.
#[derive(Default)]
pub(crate) struct Posts(Mutex<HashMap<SessionId, HeaderMap>>);

impl Posts {
    /// The session is open: from here on its requests are noted.
    pub(crate) fn open(&self, id: SessionId) {
        self.all().insert(id, HeaderMap::new());
    }

    pub(crate) fn close(&self, id: &SessionId) {
        self.all().remove(id);
    }

    pub(crate) fn note(&self, request: &HandshakeRequest) {
        let id = request.query("sid").and_then(|id| id.parse().ok());
        if let Some(id) = id.filter(|_| request.method() == Method::POST)
            && let Some(headers) = self.all().get_mut(&id)
        {
            headers.clone_from(request.headers());
        }
    }

    /// The headers as a JSON object; what is no text is left out.
    pub(crate) fn to_json(&self, id: &SessionId) -> String {
        let all = self.all();
        let pairs = all.get(id).into_iter().flatten();
        let texts: HashMap<&str, &str> =
            pairs.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
        serde_json::to_string(&texts).unwrap_or_default()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<SessionId, HeaderMap>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
