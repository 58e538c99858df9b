//! Which pages of other origins may read our answers (the Fetch standard's CORS protocol).

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use crate::body::Body;
use crate::config_error::ConfigError;
use crate::origins::{is_origin, origin_text};

/// Which pages of other origins may read the answers of the server. Without it only pages of its own origin may.
///
/// It makes the same answers as the npm package `cors`, which Node's server uses. Browsers ask nobody before they open a
/// WebSocket or load a script, as JSONP does; [`EngineConfig::allowed_origins`](crate::EngineConfig::allowed_origins)
/// covers those too.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use sockeye_engine::{Cors, EngineConfig};
///
/// let config = EngineConfig::default()
///     .cors(Cors::origin("https://app.example").credentials().max_age(Duration::from_secs(600)));
/// ```
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Origins,
    methods: Vec<String>,
    allowed_headers: Option<Vec<String>>,
    exposed_headers: Vec<String>,
    credentials: bool,
    max_age: Option<u64>,
}

/// Whose pages may read.
#[derive(Clone)]
enum Origins {
    /// Everybody's, told by `*`.
    Any,
    /// Everybody's, told by their own name.
    Mirrored,
    /// One, which is told whoever asks, so that answers can be cached for all.
    One(String),
    List(Vec<String>),
    Chosen(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl Cors {
    fn new(origins: Origins) -> Self {
        let methods = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"].map(str::to_owned).into();
        Self { origins, methods, allowed_headers: None, exposed_headers: Vec::new(), credentials: false, max_age: None }
    }

    /// Pages of any origin, without cookies: `Access-Control-Allow-Origin: *`.
    pub fn any() -> Self {
        Self::new(Origins::Any)
    }

    /// Pages of any origin, each told its own name, so that [`credentials`](Self::credentials) work with all of them.
    pub fn mirror_origin() -> Self {
        Self::new(Origins::Mirrored)
    }

    /// Pages of this one origin, such as `https://app.example`.
    ///
    /// The answer names it whoever asks, as Node's does; it is the browser that refuses the others.
    pub fn origin(origin: impl Into<String>) -> Self {
        Self::new(Origins::One(origin.into()))
    }

    /// Pages of these origins; the answers to others carry no permission.
    pub fn origins<O: Into<String>>(origins: impl IntoIterator<Item = O>) -> Self {
        Self::new(Origins::List(origins.into_iter().map(Into::into).collect()))
    }

    /// Pages of the origins for which `allows` says so.
    pub fn origin_fn(allows: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self::new(Origins::Chosen(Arc::new(allows)))
    }

    /// Lets pages send cookies, and read the answers to such requests. Default: no.
    #[must_use]
    pub fn credentials(mut self) -> Self {
        self.credentials = true;
        self
    }

    /// The methods that pages may use. Default: GET, HEAD, PUT, PATCH, POST and DELETE, as in Node.
    #[must_use]
    pub fn methods<M: Into<String>>(mut self, methods: impl IntoIterator<Item = M>) -> Self {
        self.methods = methods.into_iter().map(Into::into).collect();
        self
    }

    /// The headers that pages may send. Default: all that they ask for.
    #[must_use]
    pub fn allowed_headers<H: Into<String>>(mut self, headers: impl IntoIterator<Item = H>) -> Self {
        self.allowed_headers = Some(headers.into_iter().map(Into::into).collect());
        self
    }

    /// The headers of answers that pages may read. Default: those that browsers always let them.
    #[must_use]
    pub fn exposed_headers<H: Into<String>>(mut self, headers: impl IntoIterator<Item = H>) -> Self {
        self.exposed_headers = headers.into_iter().map(Into::into).collect();
        self
    }

    /// How long browsers may keep the permission, in whole seconds. Default: not told, which is 5 s in most.
    #[must_use]
    pub fn max_age(mut self, age: std::time::Duration) -> Self {
        self.max_age = Some(age.as_secs());
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let named = match &self.origins {
            Origins::One(origin) => std::slice::from_ref(origin),
            Origins::List(origins) if origins.is_empty() => return Err(ConfigError::NoOrigin { setting: "cors" }),
            Origins::List(origins) => origins,
            Origins::Any if self.credentials => return Err(ConfigError::CorsCredentials),
            Origins::Any | Origins::Mirrored | Origins::Chosen(_) => &[],
        };
        if let Some(origin) = named.iter().find(|origin| !is_origin(origin)) {
            return Err(ConfigError::Origin { setting: "cors", found: origin.clone() });
        }
        let headers = self.allowed_headers.iter().flatten().chain(&self.exposed_headers);
        let mut headers = headers.map(|name| (name, HeaderName::from_bytes(name.as_bytes()).is_ok()));
        let mut methods = self.methods.iter().map(|name| (name, Method::from_bytes(name.as_bytes()).is_ok()));
        match headers.find(|(_, valid)| !valid).or_else(|| methods.find(|(_, valid)| !valid)) {
            Some((name, _)) => Err(ConfigError::CorsName { found: name.clone() }),
            None => Ok(()),
        }
    }

    /// The answer to a preflight, which is what a request by OPTIONS is: 204 without a body, whatever it asks for.
    pub fn answer_preflight(&self, request: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        self.permit(request, headers);
        insert(headers, header::ACCESS_CONTROL_ALLOW_METHODS, &self.methods.join(","));
        match &self.allowed_headers {
            Some(allowed) if !allowed.is_empty() => {
                insert(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, &allowed.join(","));
            }
            Some(_) => {}
            None => {
                vary(headers, "Access-Control-Request-Headers");
                if let Some(asked) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
                    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
                }
            }
        }
        if let Some(seconds) = self.max_age {
            insert(headers, header::ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
        }
        response
    }

    /// Adds to an answer, of whatever status, who may read it.
    pub fn permit(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        let asking = request.get(header::ORIGIN);
        let allowed = match &self.origins {
            Origins::Any => Some(HeaderValue::from_static("*")),
            Origins::One(origin) => HeaderValue::try_from(origin).ok(),
            Origins::Mirrored | Origins::List(_) | Origins::Chosen(_) => {
                asking.filter(|origin| self.allows(origin_text(origin))).cloned()
            }
        };
        if let Some(allowed) = allowed {
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        }
        if !matches!(self.origins, Origins::Any) {
            vary(answer, "Origin");
        }
        if self.credentials {
            answer.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if !self.exposed_headers.is_empty() {
            insert(answer, header::ACCESS_CONTROL_EXPOSE_HEADERS, &self.exposed_headers.join(","));
        }
    }

    fn allows(&self, origin: Option<&str>) -> bool {
        match (&self.origins, origin) {
            (Origins::Any | Origins::Mirrored, _) => true,
            (Origins::One(one), Some(origin)) => one == origin,
            (Origins::List(list), Some(origin)) => list.iter().any(|listed| listed == origin),
            (Origins::Chosen(allows), Some(origin)) => allows(origin),
            (Origins::One(_) | Origins::List(_) | Origins::Chosen(_), None) => false,
        }
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Names and origins were checked with the configuration, so none is left out.
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// Adds to what caches have to tell apart.
fn vary(headers: &mut HeaderMap, name: &str) {
    let present: Vec<_> = headers.get_all(header::VARY).iter().filter_map(|value| value.to_str().ok()).collect();
    let mut names = present.iter().flat_map(|value| value.split(',')).map(str::trim);
    if names.any(|present| present == "*" || present.eq_ignore_ascii_case(name)) {
        return;
    }
    let all = present.into_iter().chain([name]).collect::<Vec<_>>().join(", ");
    insert(headers, header::VARY, &all);
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("Any"),
            Self::Mirrored => f.write_str("Mirrored"),
            Self::One(origin) => f.debug_tuple("One").field(origin).finish(),
            Self::List(origins) => f.debug_tuple("List").field(origins).finish(),
            Self::Chosen(_) => f.write_str("Chosen(..)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn request(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[track_caller]
    fn check(headers: &HeaderMap, expected: &[(&str, &str)]) {
        let mut found: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let mut expected = expected.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }

    #[track_caller]
    fn check_permit(cors: &Cors, origin: Option<&'static str>, expected: &[(&str, &str)]) {
        let mut headers = HeaderMap::new();
        let asking: Vec<_> = origin.map(|origin| ("origin", origin)).into_iter().collect();
        cors.permit(&request(&asking), &mut headers);
        check(&headers, expected);
    }

    const ALLOW: &str = "access-control-allow-origin";
    const VARY: (&str, &str) = ("vary", "Origin");

    #[test]
    fn who_may_read_is_told_as_the_npm_package_does() {
        check_permit(&Cors::any(), Some("http://a.example"), &[(ALLOW, "*")]);
        check_permit(&Cors::any(), None, &[(ALLOW, "*")]);
        let mirror = Cors::mirror_origin();
        check_permit(&mirror, Some("http://a.example"), &[(ALLOW, "http://a.example"), VARY]);
        check_permit(&mirror, None, &[VARY]);
        let one = Cors::origin("http://a.example");
        check_permit(&one, Some("http://a.example"), &[(ALLOW, "http://a.example"), VARY]);
        check_permit(&one, Some("http://b.example"), &[(ALLOW, "http://a.example"), VARY]);
        check_permit(&one, None, &[(ALLOW, "http://a.example"), VARY]);
        let list = Cors::origins(["http://a.example", "null"]);
        check_permit(&list, Some("http://a.example"), &[(ALLOW, "http://a.example"), VARY]);
        check_permit(&list, Some("null"), &[(ALLOW, "null"), VARY]);
        for other in ["http://b.example", "http://a.example.evil", "http://a.exampl", "HTTP://A.EXAMPLE", ""] {
            check_permit(&list, Some(other), &[VARY]);
        }
        check_permit(&list, None, &[VARY]);
        let chosen = Cors::origin_fn(|origin| origin.ends_with(".example"));
        check_permit(&chosen, Some("http://a.example"), &[(ALLOW, "http://a.example"), VARY]);
        check_permit(&chosen, Some("http://a.evil"), &[VARY]);
    }

    #[test]
    fn credentials_and_exposed_headers_are_told_with_every_answer() {
        let cors = Cors::origin("http://a.example").credentials().exposed_headers(["x-a", "X-B"]);
        let expected = [
            (ALLOW, "http://a.example"),
            VARY,
            ("access-control-allow-credentials", "true"),
            ("access-control-expose-headers", "x-a,X-B"),
        ];
        check_permit(&cors, Some("http://a.example"), &expected);
    }

    #[test]
    fn a_preflight_lets_through_what_is_asked_for() {
        let asking = request(&[
            ("origin", "http://a.example"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,x-own"),
        ]);
        let answer = Cors::mirror_origin().answer_preflight(&asking);
        assert_eq!(answer.status(), 204);
        let expected = [
            (ALLOW, "http://a.example"),
            ("access-control-allow-methods", "GET,HEAD,PUT,PATCH,POST,DELETE"),
            ("access-control-allow-headers", "content-type,x-own"),
            ("vary", "Origin, Access-Control-Request-Headers"),
        ];
        check(answer.headers(), &expected);
    }

    #[test]
    fn a_preflight_tells_what_is_configured() {
        let cors = Cors::origin("http://good.example")
            .methods(["GET", "PUT", "POST"])
            .allowed_headers(["my-header"])
            .exposed_headers(["my-exposed-header"])
            .credentials()
            .max_age(Duration::from_secs(123));
        let answer = cors.answer_preflight(&request(&[("origin", "http://bad.example")]));
        let expected = [
            (ALLOW, "http://good.example"),
            VARY,
            ("access-control-allow-methods", "GET,PUT,POST"),
            ("access-control-allow-headers", "my-header"),
            ("access-control-expose-headers", "my-exposed-header"),
            ("access-control-allow-credentials", "true"),
            ("access-control-max-age", "123"),
        ];
        check(answer.headers(), &expected);
    }

    #[test]
    fn a_preflight_of_a_stranger_gets_no_permission() {
        let answer = Cors::origins(["http://a.example"]).answer_preflight(&request(&[("origin", "http://b.example")]));
        assert_eq!((answer.status(), answer.headers().get(ALLOW)), (StatusCode::NO_CONTENT, None));
    }

    #[test]
    fn what_varies_already_is_kept() {
        let mut headers = request(&[("vary", "Accept-Encoding")]);
        vary(&mut headers, "Origin");
        vary(&mut headers, "origin");
        check(&headers, &[("vary", "Accept-Encoding, Origin")]);
        let mut headers = request(&[("vary", "*")]);
        vary(&mut headers, "Origin");
        check(&headers, &[("vary", "*")]);
    }

    #[test]
    fn bad_settings_are_named() {
        let error = |cors: Cors| cors.check().unwrap_err().to_string();
        assert!(error(Cors::origin("app.example")).starts_with("`cors` names the origin \"app.example\""));
        assert!(error(Cors::origins(["http://a.example/"])).contains("\"http://a.example/\""));
        assert!(error(Cors::origins([""; 0])).starts_with("`cors` names no origin"));
        assert!(error(Cors::any().credentials()).starts_with("`cors` lets any origin"));
        assert!(error(Cors::any().methods(["GE T"])).contains("\"GE T\""));
        assert!(error(Cors::any().allowed_headers(["x:y"])).contains("\"x:y\""));
        assert!(error(Cors::any().exposed_headers(["x\n"])).contains("\"x\\n\""));
        assert_eq!(Cors::mirror_origin().credentials().check(), Ok(()));
    }
}
