//! What precedes `/orders` in the paths that clients see: the setting `BASE_PATH`.

/// The path at which a custom domain maps the API (API Gateway's API mapping key), or nothing.
///
/// API Gateway leaves that path in front of a request's path ("Map API stages to a custom domain
/// name for HTTP APIs",
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-mappings.html>).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(String);

impl BasePath {
    /// Reads the setting: `/v1`, or `v1` as API Gateway spells it, or several segments; nothing for
    /// none.
    ///
    /// # Errors
    /// What the setting has to be.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text == "/" {
            return Ok(Self::default());
        }
        let path = text.strip_prefix('/').unwrap_or(text);
        let path = path.strip_suffix('/').unwrap_or(path);
        // The characters of an API mapping key (API Gateway developer guide, the page above).
        let is_sound = |segment: &str| {
            let of_key = |byte: u8| byte.is_ascii_alphanumeric() || b"$-_.+!*'()".contains(&byte);
            !segment.is_empty()
                && segment.bytes().all(of_key)
                && !segment.bytes().all(|byte| byte == b'.')
        };
        if path.split('/').all(is_sound) {
            Ok(Self(format!("/{path}")))
        } else {
            Err("must be a path such as /v1, of letters, digits and $-_.+!*'()".to_owned())
        }
    }

    /// This path and the rest of `path`, which begins with a slash; nothing and all of `path` where
    /// it does not begin with this path, as at the API's own address.
    pub(crate) fn split<'p>(&self, path: &'p str) -> (&'p str, &'p str) {
        path.split_at_checked(self.0.len())
            .filter(|(base, rest)| *base == self.0 && rest.starts_with('/'))
            .unwrap_or(("", path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_path_with_or_without_its_outer_slashes() {
        for text in ["/v1", "v1", "/v1/", "v1/"] {
            assert_eq!(BasePath::parse(text), Ok(BasePath("/v1".to_owned())));
        }
        let nested = BasePath::parse("shop/v1.0");
        assert_eq!(nested, Ok(BasePath("/shop/v1.0".to_owned())));
        for none in ["", "/"] {
            assert_eq!(BasePath::parse(none), Ok(BasePath::default()));
        }
    }

    #[test]
    fn what_is_not_a_path_is_refused() {
        for text in [
            "//",
            "/v1//a",
            "a b",
            "/v1?x",
            "..",
            "/v1/../x",
            "https://x/v1",
            "/ä",
        ] {
            assert!(BasePath::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_a_whole_segment_is_taken_off() {
        let base = BasePath("/v1".to_owned());
        assert_eq!(base.split("/v1/orders"), ("/v1", "/orders"));
        for other in ["/orders", "/v10/orders", "/v1", "", "/v/1", "/ä1/orders"] {
            assert_eq!(base.split(other), ("", other));
        }
        assert_eq!(BasePath::default().split("/orders"), ("", "/orders"));
    }
}
