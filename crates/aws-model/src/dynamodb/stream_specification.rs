//! The `StreamSpecification` of CreateTable and UpdateTable.
//!
//! The words of the refusals were recorded on AWS by the `ack-api-quirks` notes of October 2026
//! (DDB-TABLE-050, DDB-TABLE-437).

use dynoxide::DynoxideError;
use serde_json::Value;

use super::change_stream::VIEW_TYPE;

/// Checks a specification. True if it begins a stream, and false if it ends one or there is to be
/// none. `has_stream` is true if the table has a stream already.
pub(super) fn begins_stream(
    specification: &Value,
    table: &str,
    is_created: bool,
    has_stream: bool,
) -> Result<bool, DynoxideError> {
    let invalid = |message: String| Err(DynoxideError::ValidationException(message));
    let parameter = |words: &str| {
        invalid(format!(
            "One or more parameter values were invalid: {words}"
        ))
    };
    let is_enabled = match &specification["StreamEnabled"] {
        Value::Bool(is_enabled) => *is_enabled,
        Value::Null => {
            return invalid(
                "1 validation error detected: Value null at 'streamSpecification.streamEnabled' failed to satisfy \
                 constraint: Member must not be null"
                    .to_owned(),
            );
        }
        _ => {
            let words = "A member of the request has the wrong type".to_owned();
            return Err(DynoxideError::SerializationException(words));
        }
    };
    let view_type = &specification["StreamViewType"];
    match (is_enabled, view_type.is_null(), is_created) {
        (true, true, true) => {
            parameter("Table is being created with a stream enabled, UpdateViewType is required")
        }
        (true, true, false) => {
            parameter("If stream is being enabled then UpdateViewType is required")
        }
        (false, false, true) => parameter(
            "Table is being created with a stream disabled, UpdateViewType should not be specified",
        ),
        (false, false, false) => {
            parameter("If stream is being disabled, then UpdateViewType must not be specified")
        }
        // CreateTable says that there is such a table, with or without a stream.
        (true, false, false) if has_stream => invalid(enabled_already(table)),
        (false, true, false) if !has_stream => invalid(format!(
            "Table has no stream to disable: TableName: {table}"
        )),
        (true, false, _) if view_type != VIEW_TYPE => invalid(format!(
            "a StreamViewType other than {VIEW_TYPE} is not modelled"
        )),
        _ => Ok(is_enabled),
    }
}

/// The message about a stream for a table that has one.
pub(super) fn enabled_already(table: &str) -> String {
    format!("Table already has an enabled stream: TableName: {table}")
}
