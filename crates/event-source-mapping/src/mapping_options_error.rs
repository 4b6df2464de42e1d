//! The reasons for which options cannot be used.

/// The options cannot be used, and nothing was started or changed. The error is about the first
/// wrong field, in the sequence of the fields of [`MappingOptions`](crate::MappingOptions).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingOptionsError {
    /// The value lies outside the range that AWS allows.
    #[error("{parameter} is {value}; it must be {range}")]
    OutOfRange {
        /// The parameter, under AWS's name.
        parameter: &'static str,
        /// The value that was given.
        value: i64,
        /// The range that AWS allows.
        range: &'static str,
    },
    /// AWS has the parameter, but this model does not.
    #[error("{parameter} is not modelled; leave it {default}")]
    NotModelled {
        /// The parameter, under AWS's name.
        parameter: &'static str,
        /// The only value that is accepted.
        default: &'static str,
    },
    /// AWS does not allow the value for this kind of stream or destination.
    #[error("{parameter} must be {expected}")]
    Unsupported {
        /// The parameter, under AWS's name.
        parameter: &'static str,
        /// The values that AWS allows.
        expected: &'static str,
    },
    /// The value is not an ARN of the kind that is needed here.
    #[error("{parameter} must be {expected}")]
    NotAnArn {
        /// The parameter, under AWS's name.
        parameter: &'static str,
        /// The form that is needed.
        expected: &'static str,
    },
    /// The parameter was chosen when the mapping was made. UpdateEventSourceMapping does not have
    /// it.
    #[error("{parameter} cannot be changed; create another mapping")]
    Immutable {
        /// The parameter, under AWS's name.
        parameter: &'static str,
    },
}
