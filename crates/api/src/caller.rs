//! Who calls: where the front door's word on it is read.

use aws_lambda_events::apigw::ApiGatewayV2httpRequestContext;
use orders::Caller;
use serde_json::Value;

/// Where a caller's identity is read in the request context: the setting `CALLER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerSource {
    /// `none`: everyone is `anonymous`, and whoever knows an order's id may read and cancel it.
    Nobody,
    /// `jwt:CLAIM`: this claim of the token that API Gateway's JWT authorizer has checked. The claim alone is the owner
    /// of an order, so an API has to have one issuer, as a JWT authorizer does.
    Jwt {
        /// The claim, usually `sub`.
        claim: String,
    },
    /// `iam`: the principal that signed the request, by API Gateway's or the function URL's IAM authorization.
    ///
    /// For an assumed role it is the role, not the session: all instances of a service are one caller, and when one of
    /// them retries what another one sent it stays one order. So whoever may assume a role shares its orders; where
    /// people share one (single sign-on, a Cognito identity pool), use `jwt`.
    Iam,
    /// `lambda:FIELD`: this field of the context that a Lambda authorizer returns.
    Lambda {
        /// The field.
        field: String,
    },
}

/// A caller and who vouches for the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The token's issuer, or the kind of authorizer.
    pub issuer: String,
    /// The caller.
    pub caller: Caller,
    /// Whether the front door knows callers at all.
    pub is_known: bool,
}

impl CallerSource {
    /// Reads the setting.
    ///
    /// # Errors
    /// What the setting has to be.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "none" => Ok(Self::Nobody),
            None if text == "iam" => Ok(Self::Iam),
            Some(("jwt", claim)) if !claim.is_empty() => Ok(Self::Jwt {
                claim: claim.to_owned(),
            }),
            Some(("lambda", field)) if !field.is_empty() => Ok(Self::Lambda {
                field: field.to_owned(),
            }),
            _ => Err("must be none, jwt:CLAIM, iam or lambda:FIELD".to_owned()),
        }
    }

    /// The caller of a request; `None` if a caller is required and the context names none (or none that
    /// [`Caller::parse`] takes, or `anonymous`). It is never anonymous then.
    #[must_use]
    pub fn identify(&self, context: &ApiGatewayV2httpRequestContext) -> Option<Identity> {
        let authorizer = context.authorizer.as_ref();
        let (issuer, name) = match self {
            Self::Nobody => {
                return Some(Identity {
                    issuer: String::new(),
                    caller: Caller::anonymous(),
                    is_known: false,
                });
            }
            Self::Jwt { claim } => {
                let claims = &authorizer?.jwt.as_ref()?.claims;
                let issuer = claims.get("iss").cloned().unwrap_or_default();
                (issuer, claims.get(claim)?.clone())
            }
            Self::Iam => {
                let arn = authorizer?.iam.as_ref()?.user_arn.as_deref()?;
                ("iam".to_owned(), principal(arn).to_owned())
            }
            Self::Lambda { field } => {
                let name = match authorizer?.fields.get(field)? {
                    Value::String(name) => name.clone(),
                    Value::Number(number) => number.to_string(),
                    _ => return None,
                };
                ("lambda".to_owned(), name)
            }
        };
        let caller = Caller::parse(&name)?;
        // Nobody may take the name under which everyone's orders stand.
        (caller != Caller::anonymous()).then_some(Identity {
            issuer,
            caller,
            is_known: true,
        })
    }

    /// The scheme that a 401 names.
    pub(crate) fn scheme(&self) -> &'static str {
        match self {
            Self::Iam => "AWS4-HMAC-SHA256",
            _ => "Bearer",
        }
    }
}

/// The principal behind an ARN: of `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION` all but the session; any other ARN
/// as it is.
fn principal(arn: &str) -> &str {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    match resource.split('/').collect::<Vec<_>>()[..] {
        ["assumed-role", _, session] => arn
            .strip_suffix(session)
            .and_then(|arn| arn.strip_suffix('/'))
            .unwrap_or(arn),
        _ => arn,
    }
}
