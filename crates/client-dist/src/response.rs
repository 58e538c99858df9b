//! What a request for a bundle is answered.

use std::borrow::Cow;

use sockeye_protocol::engine::ContentCoding;

use crate::Bundle;

/// The smallest first.
const CODINGS: [ContentCoding; 3] = [ContentCoding::Brotli, ContentCoding::Gzip, ContentCoding::Deflate];

/// An answer, in no HTTP library's types.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// HTTP status: 200, or 304 if the browser has this version already.
    pub status: u16,
    /// Names in their usual case, with their values. `Vary` is among them: append to it where CORS adds its own.
    pub headers: Vec<(&'static str, String)>,
    /// The file in the form that `Content-Encoding` names; empty with 304.
    pub body: Cow<'static, [u8]>,
}

impl Bundle {
    /// Answers a GET by the values of its `Accept-Encoding` and `If-None-Match` headers.
    ///
    /// The same headers as Node's server: `Cache-Control: public, max-age=0`, so browsers ask each time and mostly hear 304.
    ///
    /// ```
    /// # if let Some(bundle) = sockeye_client_dist::bundle("socket.io.js") {
    /// let known = bundle.respond(None, Some(sockeye_client_dist::etag()));
    /// assert_eq!((known.status, known.body.len()), (304, 0));
    /// # }
    /// ```
    pub fn respond(&self, accept_encoding: Option<&str>, if_none_match: Option<&str>) -> Response {
        let mut headers = vec![
            ("Cache-Control", "public, max-age=0".to_owned()),
            ("ETag", self.etag.to_owned()),
            ("Vary", "Accept-Encoding".to_owned()),
        ];
        if if_none_match.is_some_and(|tags| self.matches(tags)) {
            return Response { status: 304, headers, body: Cow::Borrowed(&[]) };
        }
        let coding = accept_encoding.and_then(|accept| ContentCoding::choose(accept, &CODINGS));
        headers.push(("Content-Type", self.content_type().to_owned()));
        headers.extend(coding.map(|coding| ("Content-Encoding", coding.name().to_owned())));
        let body = match coding {
            Some(ContentCoding::Brotli) => Cow::Borrowed(self.brotli),
            Some(ContentCoding::Gzip) => Cow::Borrowed(self.gzip),
            Some(ContentCoding::Deflate) => Cow::Owned(self.deflate()),
            None => Cow::Owned(self.identity()),
        };
        Response { status: 200, headers, body }
    }

    /// Whether the value of `If-None-Match` names this file, in its weak form too (RFC 9110, 13.1.2).
    fn matches(&self, tags: &str) -> bool {
        tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.etag)
    }
}

#[cfg(test)]
mod tests {
    use crate::bundle::tests::{PLAIN, sample};

    #[track_caller]
    fn check_body(accept_encoding: Option<&str>, encoding: Option<&str>, body: &[u8]) {
        let response = sample("socket.io.js").respond(accept_encoding, None);
        assert_eq!(response.status, 200);
        let found = response.headers.iter().find(|(name, _)| *name == "Content-Encoding");
        assert_eq!(found.map(|(_, value)| value.as_str()), encoding);
        assert_eq!(&*response.body, body);
    }

    #[track_caller]
    fn check_status(if_none_match: &str, status: u16) {
        let response = sample("socket.io.js").respond(Some("br"), Some(if_none_match));
        assert_eq!(response.status, status, "{if_none_match:?}");
        assert_eq!(response.body.is_empty(), status == 304);
    }

    #[test]
    fn the_body_is_in_the_form_the_header_names() {
        let bundle = sample("socket.io.js");
        check_body(Some("gzip, deflate, br"), Some("br"), bundle.brotli());
        check_body(Some("gzip"), Some("gzip"), bundle.gzip());
        check_body(Some("deflate"), Some("deflate"), &bundle.deflate());
        check_body(Some("identity"), None, PLAIN);
        check_body(None, None, PLAIN);
    }

    #[test]
    fn a_known_version_is_not_sent_again() {
        check_status("\"1.2.3\"", 304);
        check_status("W/\"1.2.3\"", 304);
        check_status("\"1.2.2\", W/\"1.2.3\"", 304);
        check_status("*", 304);
    }

    #[test]
    fn another_version_is_sent() {
        for tags in ["\"1.2.2\"", "1.2.3", "W/", ""] {
            check_status(tags, 200);
        }
    }

    #[test]
    fn the_headers_are_those_of_node() {
        let response = sample("socket.io.js.map").respond(Some("br"), None);
        let expected = [
            ("Cache-Control", "public, max-age=0"),
            ("ETag", "\"1.2.3\""),
            ("Vary", "Accept-Encoding"),
            ("Content-Type", "application/json; charset=utf-8"),
            ("Content-Encoding", "br"),
        ];
        assert_eq!(response.headers, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn a_known_version_is_answered_with_its_tag_and_without_a_type() {
        let response = sample("socket.io.js").respond(None, Some("\"1.2.3\""));
        let names: Vec<_> = response.headers.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["Cache-Control", "ETag", "Vary"]);
    }
}
