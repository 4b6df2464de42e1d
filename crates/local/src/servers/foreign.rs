//! Refuses requests that somebody else's web page could have sent, on every port.
//!
//! Any page that is open in a browser on this machine can send requests to loopback ports, and
//! nothing here checks who calls. A foreign page is known by one of two things.
//!
//! - The requests of a page carry the page's own origin (the Fetch standard, "`Origin` header", and
//!   W3C, "Fetch Metadata Request Headers").
//! - The page's own name was made to resolve to 127.0.0.1, which is called DNS rebinding. Then
//!   `Host` has that name.
//!
//! Programs send neither an origin nor a foreign name.
//!
//! API Gateway has no such check. The front door has it all the same, because nobody intends a page
//! that places orders here, or reads them.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HOST, HeaderName, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Response, StatusCode, Uri, Version};
use serde_json::json;

use crate::servers::json_response::json_response;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names under which a server may be called. The port does not matter.
///
/// - `localhost` and every name below `.localhost` (RFC 6761, section 6.3, keeps both on this
///   machine)
/// - Loopback addresses
/// - Further names that are allowed
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    further: Arc<[String]>,
}

/// The reason why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `Host`, `:authority` or the request's target names another machine.
    #[error("the host is not a name of this machine, and ALLOWED_HOSTS does not name it")]
    ForeignHost,
    /// `Origin` names a page of another machine, or no page (`null`).
    #[error("the origin is not a page of this machine, and ALLOWED_HOSTS does not name its host")]
    ForeignOrigin,
    /// `Sec-Fetch-Site` says that a page of another site caused the request.
    #[error("a page of another site caused this request")]
    CrossSite,
    /// A request of HTTP/1.1 has no `Host`, or a request has several (RFC 9112, section 3.2).
    #[error("a request of HTTP/1.1 has one Host header")]
    NotOneHost,
}

impl Refusal {
    /// The response, which is 403 with the reason, or 400 if the request is malformed.
    #[must_use]
    pub fn response(self) -> Response<Bytes> {
        let status = match self {
            Self::ForeignHost | Self::ForeignOrigin | Self::CrossSite => StatusCode::FORBIDDEN,
            Self::NotOneHost => StatusCode::BAD_REQUEST,
        };
        json_response(status, &json!({ "message": self.to_string() }))
    }
}

impl Hosts {
    /// The names of this machine and the names in `further`. These are names or addresses without a
    /// port, in upper or lower case.
    #[must_use]
    pub fn and(further: &[String]) -> Self {
        Self {
            further: further.iter().map(|host| host.to_lowercase()).collect(),
        }
    }

    /// The reason why a request with this head is refused, or `None` if it is not refused.
    #[must_use]
    pub fn refuse(&self, head: &http::request::Parts) -> Option<Refusal> {
        let hosts = head.headers.get_all(HOST);
        let named = || hosts.iter().map(|host| host.to_str().unwrap_or_default());
        // The target is HTTP/2's `:authority`, or the target of HTTP/1 in absolute form.
        let target = head.uri.authority().map(Authority::as_str);
        if !target
            .into_iter()
            .chain(named())
            .all(|host| self.is_ours(host))
        {
            return Some(Refusal::ForeignHost);
        }
        let origins = head.headers.get_all(ORIGIN);
        let is_page_of_ours = |origin: &str| {
            let uri: Option<Uri> = origin.parse().ok();
            let authority = uri.as_ref().and_then(Uri::authority);
            authority.is_some_and(|authority| self.is_ours(authority.as_str()))
        };
        let mut origins = origins
            .iter()
            .map(|origin| origin.to_str().unwrap_or_default());
        if !origins.all(is_page_of_ours) {
            return Some(Refusal::ForeignOrigin);
        }
        if is_cross_site(&head.headers) && !head.headers.contains_key(ORIGIN) {
            return Some(Refusal::CrossSite);
        }
        let expected = match head.version {
            Version::HTTP_11 => 1..=1,
            _ => 0..=1,
        };
        (!expected.contains(&named().count())).then_some(Refusal::NotOneHost)
    }

    /// True if `host`, with or without a port, is a name of this machine.
    fn is_ours(&self, host: &str) -> bool {
        // `Authority` takes user information, which a host does not have.
        if host.contains('@') {
            return false;
        }
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        let name = authority.host().to_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let address = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'))
            .map(|v6| v6.parse::<Ipv6Addr>().map(|v6| v6.to_canonical()))
            .unwrap_or_else(|| name.parse::<std::net::Ipv4Addr>().map(IpAddr::V4));
        name == "localhost"
            || name.ends_with(".localhost")
            || address.is_ok_and(|address| address.is_loopback())
            || self.further.iter().any(|further| further == name)
    }
}

/// True if a page of another site caused the request. The page may still have an origin that is
/// ours, because `app.localhost` and 127.0.0.1 are two sites.
fn is_cross_site(headers: &HeaderMap) -> bool {
    headers
        .get_all(SEC_FETCH_SITE)
        .iter()
        .any(|site| site == "cross-site")
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn refusal(
        hosts: &Hosts,
        version: Version,
        uri: &str,
        headers: &[(&str, &str)],
    ) -> Option<Refusal> {
        let mut request = Request::post(uri).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        hosts.refuse(&request.body(()).unwrap().into_parts().0)
    }

    fn with(headers: &[(&str, &str)]) -> Option<Refusal> {
        refusal(&Hosts::default(), Version::HTTP_11, "/", headers)
    }

    #[test]
    fn every_name_of_this_machine_is_taken_with_and_without_a_port() {
        for name in [
            "localhost",
            "LocalHost",
            "localhost.",
            "127.0.0.1",
            "127.0.0.2",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "000000000000.localhost",
            "sqs.us-east-1.localhost",
        ] {
            for host in [name.to_owned(), format!("{name}:4566")] {
                assert_eq!(with(&[("host", &host)]), None, "{host}");
                let origin = format!("http://{host}");
                let headers = [("host", "localhost"), ("origin", &origin)];
                assert_eq!(with(&headers), None, "{origin}");
            }
        }
    }

    #[test]
    fn a_foreign_host_is_refused_whatever_it_is_made_to_look_like() {
        for host in [
            "evil.example",
            "evil.example:4566",
            "localhost.evil.example",
            "evillocalhost",
            "127.0.0.1.evil.example",
            "127.0.0.1.nip.io:3000",
            "192.168.0.1",
            "0.0.0.0",
            "[::]",
            "[2001:db8::1]",
            "evil.example@localhost",
            "localhost@evil.example",
            "localhost/evil.example",
            "localhost, evil.example",
            "",
            ":4566",
        ] {
            let refused = Some(Refusal::ForeignHost);
            assert_eq!(with(&[("host", host)]), refused, "{host:?}");
            let both = [("host", "localhost"), ("host", host)];
            assert_eq!(with(&both), refused, "{host:?}");
        }
    }

    #[test]
    fn a_foreign_origin_is_refused_and_so_is_none() {
        for origin in [
            "http://evil.example",
            "https://localhost.evil.example:4566",
            "null",
            "",
            "file://",
            "http://localhost@evil.example",
        ] {
            let headers = [("host", "localhost:4566"), ("origin", origin)];
            assert_eq!(with(&headers), Some(Refusal::ForeignOrigin), "{origin:?}");
        }
        let two = [
            ("host", "localhost"),
            ("origin", "http://localhost"),
            ("origin", "http://evil.example"),
        ];
        assert_eq!(with(&two), Some(Refusal::ForeignOrigin));
    }

    #[test]
    fn a_request_that_a_foreign_page_caused_without_an_origin_is_refused() {
        let site = |site| with(&[("host", "localhost"), ("sec-fetch-site", site)]);
        assert_eq!(site("cross-site"), Some(Refusal::CrossSite));
        for harmless in ["none", "same-origin", "same-site"] {
            assert_eq!(site(harmless), None, "{harmless}");
        }
        let app = [
            ("host", "127.0.0.1:3000"),
            ("origin", "http://app.localhost:5173"),
            ("sec-fetch-site", "cross-site"),
        ];
        assert_eq!(with(&app), None);
    }

    #[test]
    fn the_target_counts_as_the_host_does() {
        let target =
            |version, uri, headers: &[_]| refusal(&Hosts::default(), version, uri, headers);
        let foreign = Some(Refusal::ForeignHost);
        let host = [("host", "localhost")];
        assert_eq!(
            target(Version::HTTP_11, "http://evil.example/", &host),
            foreign
        );
        assert_eq!(target(Version::HTTP_11, "http://localhost:1/", &host), None);
        assert_eq!(
            target(Version::HTTP_2, "http://evil.example/", &[]),
            foreign
        );
        assert_eq!(target(Version::HTTP_2, "http://localhost/", &[]), None);
    }

    #[test]
    fn without_a_host_only_http_1_1_is_malformed() {
        let hosts = Hosts::default();
        assert_eq!(with(&[]), Some(Refusal::NotOneHost));
        let two = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(with(&two), Some(Refusal::NotOneHost));
        assert_eq!(refusal(&hosts, Version::HTTP_10, "/", &[]), None);
        assert_eq!(
            Refusal::NotOneHost.response().status(),
            StatusCode::BAD_REQUEST
        );
        assert_eq!(
            Refusal::ForeignHost.response().status(),
            StatusCode::FORBIDDEN
        );
    }

    #[test]
    fn a_further_host_is_taken_when_it_is_named() {
        let hosts = Hosts::and(&["Dev.Example".into(), "192.168.0.1".into()]);
        for (host, expected) in [
            ("dev.example:4566", None),
            ("192.168.0.1", None),
            ("localhost", None),
            ("a.dev.example", Some(Refusal::ForeignHost)),
        ] {
            let headers = [("host", host)];
            assert_eq!(refusal(&hosts, Version::HTTP_11, "/", &headers), expected);
        }
    }
}
