//! Reading an operation's input. A refusal names a member that the model does not know. Such a
//! member is never ignored, since a client that sends it counts on its effect.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// The reason why an input could not be read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// The body is not a JSON object.
    NotJson,
    /// A member has another type than the operation's shape says.
    WrongType,
    /// A member that the model does not know.
    Unknown(String),
}

impl Unreadable {
    /// The message of a SerializationException. The message is empty if the body is not JSON, and
    /// never repeats a value.
    pub(crate) fn serialization_message(&self) -> String {
        match self {
            Self::NotJson => String::new(),
            Self::WrongType | Self::Unknown(_) => {
                "A member of the request has the wrong type".to_owned()
            }
        }
    }
}

/// The message of every service about a member that it does not model.
pub(crate) fn not_modelled(member: &str, operation: &str) -> String {
    format!("The member {member} of {operation} is not modelled here")
}

/// Reads an input whose type denies unknown fields.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Unreadable> {
    // serde takes a list for a struct as well, and AWS does not.
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(Unreadable::NotJson);
    }
    match serde_json::from_slice(body) {
        Ok(input) => Ok(input),
        // Null counts as absent, also if the member is unknown. Only a refusal pays for the second
        // look.
        Err(error) if unknown_field(&error).is_some() => {
            let mut value: Value = serde_json::from_slice(body).map_err(|_| Unreadable::NotJson)?;
            drop_nulls(&mut value);
            serde_json::from_value(value).map_err(|error| told(&error))
        }
        Err(error) => Err(told(&error)),
    }
}

fn told(error: &serde_json::Error) -> Unreadable {
    match unknown_field(error) {
        Some(member) => Unreadable::Unknown(member),
        None if error.is_data() => Unreadable::WrongType,
        None => Unreadable::NotJson,
    }
}

/// The name of the unknown field, if there is one. serde has the name in the error's message alone.
fn unknown_field(error: &serde_json::Error) -> Option<String> {
    let message = error.to_string();
    let rest = message.strip_prefix("unknown field `")?;
    let end = rest.rfind("`, expected ")?;
    let name = &rest[..end];
    // The expected names are in backticks as well, so the name ends before the first list of them.
    let name = name.split("`, expected ").next().unwrap_or(name);
    Some(name.to_owned())
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
