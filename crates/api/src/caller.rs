//! The caller of a request, as the front door vouches for it.

use orders::Caller;

use crate::event::Event;

/// The setting `CALLER`, which says where a caller's identity is read in the request context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerSource {
    /// `none` makes everyone `anonymous`. Everybody who knows an order's id may read and cancel the
    /// order.
    Nobody,
    /// `jwt:CLAIM` takes this claim of the token that API Gateway's JWT authorizer has checked. The
    /// claim alone is the owner of an order, so an API has to have one issuer, as a JWT authorizer
    /// does.
    Jwt {
        /// The claim, usually `sub`.
        claim: String,
    },
    /// `iam` takes the principal that signed the request, by API Gateway's or the function URL's
    /// IAM authorization.
    ///
    /// For an assumed role the caller is the role, not the session. All instances of a service are
    /// one caller. If one of them repeats a request of another one, it is still one order.
    /// Everybody who may assume a role therefore shares its orders. Where people share a role
    /// (single sign-on, a Cognito identity pool), use `jwt`.
    Iam,
    /// `lambda:FIELD` takes this field of the context that a Lambda authorizer returns. The field
    /// has to be text. A number names nobody, because it may have lost digits on its way here, and
    /// two callers would be one. The number 7 would also be the caller whose name is the text `7`.
    Lambda {
        /// The field.
        field: String,
    },
}

/// A caller and who vouches for the name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    /// The token's issuer, or the kind of authorizer.
    pub(crate) issuer: String,
    /// The caller.
    pub(crate) caller: Caller,
    /// True if the front door knows callers at all.
    pub(crate) is_known: bool,
}

impl CallerSource {
    /// Reads the setting.
    ///
    /// # Errors
    /// The error says what the setting has to be.
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

    /// The caller of a request. It is `None` if a caller is required and the event names none, or
    /// if [`Caller::parse`] does not take the name, or if the name is `anonymous`. A required
    /// caller is never anonymous.
    pub(crate) fn identify(&self, event: &Event<'_>) -> Option<Identity> {
        let (issuer, name) = match self {
            Self::Nobody => {
                return Some(Identity {
                    issuer: String::new(),
                    caller: Caller::anonymous(),
                    is_known: false,
                });
            }
            Self::Jwt { claim } => {
                let issuer = event.authorizer(&["jwt", "claims", "iss"]);
                let name = event.authorizer(&["jwt", "claims", claim])?;
                (issuer.unwrap_or_default(), name)
            }
            Self::Iam => {
                let arn = event.authorizer(&["iam", "userArn"])?;
                ("iam".to_owned(), principal(&arn).to_owned())
            }
            Self::Lambda { field } => {
                let name = event.authorizer(&["lambda", field])?;
                ("lambda".to_owned(), name)
            }
        };
        let caller = Caller::parse(&name)?;
        // Nobody may take the name under which everyone's orders are kept.
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

/// The principal behind an ARN. For `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION` it is all but
/// the session. Any other ARN is taken as it is.
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
