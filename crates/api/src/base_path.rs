//! The setting `BASE_PATH`, which is the part before `/orders` in the paths that clients see.

/// The path at which a custom domain maps the API (API Gateway's API mapping key, or a proxy's), or
/// nothing.
///
/// For a custom domain AWS says of payload format 2.0 that "`rawPath` won't provide the API mapping
/// value" ("Create AWS Lambda proxy integrations for HTTP APIs",
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>).
/// Events with that value have been seen all the same, and a proxy in front of a function URL
/// leaves it. So the path is taken off where it is there, and `Location` has it in either case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(String);

impl BasePath {
    /// Reads the setting, which is `/v1`, or `v1` as API Gateway spells it, or several segments. An
    /// empty setting means no base path.
    ///
    /// # Errors
    /// The error says what form the setting must have.
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

    /// The path, which begins with a slash and ends without one. It is empty if there is none.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Splits `path` into the part before the API's own path, and that path, which `is_path`
    /// recognizes.
    ///
    /// API Gateway leaves the stage's name in front of the path unless the stage is `$default`, and
    /// a custom domain's mapping too. Either may be called as the API's own paths begin, so the
    /// longest part that leaves a path of the API is taken off. Nothing is if none does.
    pub(crate) fn split<'p>(
        &self,
        path: &'p str,
        stage: &str,
        is_path: impl Fn(&str) -> bool,
    ) -> (&'p str, &'p str) {
        let stage = if stage.is_empty() {
            String::new()
        } else {
            format!("/{stage}")
        };
        let mut parts = [
            format!("{stage}{}", self.0),
            format!("{}{stage}", self.0),
            self.0.clone(),
            stage,
        ];
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        parts
            .iter()
            .filter_map(|part| {
                path.split_at_checked(part.len())
                    .filter(|(base, _)| base == part)
            })
            .find(|(_, rest)| is_path(rest))
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

    fn split(base_path: &str, stage: &str, path: &'static str) -> (&'static str, &'static str) {
        let base_path = BasePath::parse(base_path).unwrap();
        base_path.split(path, stage, crate::route::Route::is_path)
    }

    #[test]
    fn only_a_whole_segment_is_taken_off() {
        assert_eq!(split("/v1", "", "/v1/orders"), ("/v1", "/orders"));
        for other in [
            "/orders",
            "/v10/orders",
            "/v1",
            "",
            "/v/1",
            "/ä1/orders",
            "/v1orders",
        ] {
            assert_eq!(split("/v1", "", other), ("", other));
        }
        assert_eq!(split("", "", "/orders"), ("", "/orders"));
    }

    #[test]
    fn a_stage_and_a_base_path_are_told_apart_by_what_they_leave() {
        for (base_path, stage, path, base) in [
            ("/v1", "v1", "/v1/orders", "/v1"),
            ("/shop/v1", "shop", "/shop/v1/orders", "/shop/v1"),
            ("/v1", "prod", "/prod/v1/orders", "/prod/v1"),
            ("/v1", "prod", "/prod/orders", "/prod"),
            ("/v1", "prod", "/v1/orders", "/v1"),
            ("", "orders", "/orders/orders", "/orders"),
            ("", "orders", "/orders", ""),
            ("", "orders", "/orders/1/cancel", ""),
            ("/orders", "", "/orders/1/cancel", ""),
            ("/orders", "", "/orders/orders/1/cancel", "/orders"),
        ] {
            let (taken_off, rest) = split(base_path, stage, path);
            assert_eq!(taken_off, base, "{base_path} {stage} {path}");
            assert!(rest.starts_with("/orders"), "{rest}");
        }
    }
}
