//! A function's settings, from its environment variables.

use std::fmt;

/// The place where the settings are read. It is a value, so that tests give settings without
/// touching the process.
pub struct Environment {
    lookup: Box<Lookup>,
}

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Why a function cannot start or go on. Its text is one line that names the setting or the step.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is missing or empty.
    #[error("setting {0} is missing")]
    Missing(&'static str),
    /// A setting has a value that it cannot have.
    #[error("setting {name} is wrong: {expected}")]
    Wrong {
        /// The environment variable.
        name: &'static str,
        /// The form that the setting has to have.
        expected: String,
    },
    /// Lambda's Runtime API failed or went away.
    #[error("the Lambda runtime failed: {reason}")]
    Runtime {
        /// The reason, without anything of an event.
        reason: String,
        /// The runtime's own error, which may quote an event and does not belong into a log.
        source: lambda_runtime::Error,
    },
}

impl Environment {
    /// The environment of this process. Bytes of a value that are not UTF-8 become U+FFFD,
    /// so that the value is wrong and not missing.
    #[must_use]
    pub fn of_process() -> Self {
        Self::from_lookup(|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
    }

    /// Settings from anywhere else.
    #[must_use]
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self {
            lookup: Box::new(lookup),
        }
    }

    /// A setting.
    ///
    /// # Errors
    /// [`StartError::Missing`] if it is not set or empty.
    pub fn required(&self, name: &'static str) -> Result<String, StartError> {
        (self.lookup)(name)
            .filter(|value| !value.is_empty())
            .ok_or(StartError::Missing(name))
    }

    /// A setting that `parse` reads. If the setting is wrong, `parse` says what it has to be.
    ///
    /// # Errors
    /// [`StartError::Missing`] if it is not set or empty, [`StartError::Wrong`] if `parse` refuses
    /// it.
    pub fn parsed<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, StartError> {
        parse(&self.required(name)?).map_err(|expected| StartError::Wrong { name, expected })
    }

    /// A setting that `parse` reads and that may be missing or empty.
    ///
    /// # Errors
    /// [`StartError::Wrong`] if it is there and `parse` refuses it.
    pub fn parsed_or_default<T: Default>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, StartError> {
        match self.parsed(name, parse) {
            Err(StartError::Missing(_)) => Ok(T::default()),
            result => result,
        }
    }

    /// A setting that is `on` or `off`, or `true` or `false`, which mean the same. It is `default`
    /// if it is missing or empty.
    ///
    /// # Errors
    /// [`StartError::Wrong`] if it is anything else.
    pub fn is_on(&self, name: &'static str, default: bool) -> Result<bool, StartError> {
        let is_on = self.parsed_or_default(name, |text| match text {
            "on" | "true" => Ok(Some(true)),
            "off" | "false" => Ok(Some(false)),
            _ => Err("must be on or off".to_owned()),
        })?;
        Ok(is_on.unwrap_or(default))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &'static str, value: &'static str) -> Environment {
        Environment::from_lookup(move |asked| (asked == name).then(|| value.to_owned()))
    }

    fn number(text: &str) -> Result<u32, String> {
        text.parse().map_err(|_| "must be a number".to_owned())
    }

    #[test]
    fn a_missing_and_an_empty_setting_are_named() {
        for environment in [environment("OTHER", "x"), environment("TABLE_NAME", "")] {
            let error = environment.required("TABLE_NAME").unwrap_err();
            assert_eq!(error.to_string(), "setting TABLE_NAME is missing");
        }
    }

    #[test]
    fn a_setting_that_may_be_missing_is_refused_only_if_it_is_wrong() {
        let read = |value| environment("LIMIT", value).parsed_or_default("LIMIT", number);
        assert_eq!(read("").unwrap(), 0);
        assert_eq!(read("7").unwrap(), 7);
        assert!(read("many").is_err());
    }

    #[test]
    fn a_switch_is_on_or_off_and_has_a_default() {
        for (value, default, is_on) in [
            ("on", false, true),
            ("true", false, true),
            ("off", true, false),
            ("false", true, false),
            ("", true, true),
            ("", false, false),
        ] {
            let read = environment("ESCAPE", value).is_on("ESCAPE", default);
            assert_eq!(read.unwrap(), is_on, "{value:?}");
        }
        let error = environment("ESCAPE", "yes").is_on("ESCAPE", true);
        assert_eq!(
            error.unwrap_err().to_string(),
            "setting ESCAPE is wrong: must be on or off"
        );
    }

    #[test]
    fn a_wrong_setting_is_named_with_what_it_has_to_be() {
        let error = environment("MAX_IN_FLIGHT", "many").parsed("MAX_IN_FLIGHT", number);
        assert_eq!(
            error.unwrap_err().to_string(),
            "setting MAX_IN_FLIGHT is wrong: must be a number"
        );
    }
}
