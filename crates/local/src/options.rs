//! What the user asks for on the command line and in the environment of `local`.

use std::ffi::OsString;
use std::path::PathBuf;

use http::uri::Authority;

/// Shown by `local --help`.
pub const HELP: &str = "\
The order service on one machine: HTTP API, Kinesis, event source mapping, DynamoDB, SQS.

Usage: local [--settings PATH] [--logs] [--ready-file PATH]

  --settings PATH    the pipeline's settings (default infra/pipeline.auto.tfvars.json)
  --logs             show every log line of the functions, not only warnings and errors
  --ready-file PATH  when everything is ready, write {\"port\", \"aws_port\", \"pid\"} as JSON there
  --help             this text

Environment:
  PORT       port of the HTTP API (default 3000; 0 is any free port)
  AWS_PORT   port of the AWS APIs (default 4566; 0 is any free port)
  CALLER     where the caller's identity is read: none (default), jwt:CLAIM, iam, lambda:FIELD
  BASE_PATH  what precedes /orders in the paths that clients see, such as /v1 (default nothing)
  LOG_LEVEL  log level of the functions (default info)
  LOGS       1 is the same as --logs
  NO_COLOR   anything: no colours
  ALLOWED_HOSTS  further names, separated by commas, under which the ports may be called

Both ports listen on the loopback interface only, IPv4 and IPv6. Requests under another name than
localhost, and those of foreign web pages, are refused with 403. Ctrl-C stops everything.
Exit code: 0 stopped on request, 1 failed, 2 wrong usage.
";

/// How to run the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The settings file, relative to the current directory.
    pub settings: PathBuf,
    /// Port of the HTTP API on the loopback interface; 0 is any free port.
    pub port: u16,
    /// Port of the AWS APIs on the loopback interface; 0 is any free port.
    pub aws_port: u16,
    /// Passed to `api` as `CALLER`.
    pub caller: String,
    /// Passed to `api` as `BASE_PATH`.
    pub base_path: String,
    /// Passed to both functions as `LOG_LEVEL`.
    pub log_level: String,
    /// True if all log lines of the functions are shown; else warnings, errors and lines that are
    /// no JSON.
    pub logs: bool,
    /// Where to write that everything is ready, for programs that start the stack.
    pub ready_file: Option<PathBuf>,
    /// True if colours may be used if the output is a terminal.
    pub color: bool,
    /// Names besides those of this machine under which the ports may be called
    /// ([`crate::servers::foreign::Hosts`]).
    pub allowed_hosts: Vec<String>,
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Run the stack.
    Run(Options),
    /// Print [`HELP`].
    Help,
}

/// A command line or environment variable that makes no sense; exit code 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// An argument that `local` does not know.
    #[error("unknown argument {0:?}; see local --help")]
    UnknownArgument(String),
    /// An argument that needs a value stands last.
    #[error("{0} needs a value; see local --help")]
    MissingValue(&'static str),
    /// A port variable that is no port.
    #[error("{name} is {value:?}, but must be a port from 0 to 65535")]
    NotAPort {
        /// `PORT` or `AWS_PORT`.
        name: &'static str,
        /// What it says.
        value: String,
    },
    /// `ALLOWED_HOSTS` has an entry that is no host.
    #[error(
        "ALLOWED_HOSTS has {0:?}, but must be names or addresses without a port, such as dev.example,192.168.0.1"
    )]
    NotAHost(String),
    /// `PORT` and `AWS_PORT` are the same.
    #[error("PORT and AWS_PORT are both {0}")]
    SamePort(u16),
}

impl Request {
    /// Reads the arguments that follow the program's name, and the environment by `variable`. A
    /// variable that is set but empty counts as not set.
    ///
    /// # Errors
    /// When an argument is unknown or lacks its value, or a port is no port.
    pub fn read(
        arguments: impl IntoIterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, UsageError> {
        let variable = &|name: &str| variable(name).filter(|value| !value.is_empty());
        let mut options = Options {
            settings: PathBuf::from("infra/pipeline.auto.tfvars.json"),
            port: port(variable, "PORT", 3000)?,
            aws_port: port(variable, "AWS_PORT", 4566)?,
            caller: variable("CALLER").unwrap_or_else(|| "none".into()),
            base_path: variable("BASE_PATH").unwrap_or_default(),
            log_level: variable("LOG_LEVEL").unwrap_or_else(|| "info".into()),
            logs: variable("LOGS").is_some_and(|value| value != "0"),
            ready_file: None,
            color: variable("NO_COLOR").is_none(),
            allowed_hosts: allowed_hosts(variable("ALLOWED_HOSTS"))?,
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--settings") => {
                    options.settings = arguments
                        .next()
                        .ok_or(UsageError::MissingValue("--settings"))?
                        .into();
                }
                Some("--ready-file") => {
                    let path = arguments
                        .next()
                        .ok_or(UsageError::MissingValue("--ready-file"))?;
                    options.ready_file = Some(path.into());
                }
                Some("--logs") => options.logs = true,
                Some("--help" | "-h") => return Ok(Self::Help),
                _ => {
                    return Err(UsageError::UnknownArgument(
                        argument.to_string_lossy().into_owned(),
                    ));
                }
            }
        }
        if options.port == options.aws_port && options.port != 0 {
            return Err(UsageError::SamePort(options.port));
        }
        Ok(Self::Run(options))
    }
}

fn allowed_hosts(variable: Option<String>) -> Result<Vec<String>, UsageError> {
    let Some(hosts) = variable else {
        return Ok(Vec::new());
    };
    let hosts = hosts.split(',').map(|host| {
        let host = host.trim();
        let is_bare = host.parse().is_ok_and(|authority: Authority| {
            authority.host() == host && !host.is_empty() && !host.contains('*')
        });
        if is_bare {
            Ok(host.to_owned())
        } else {
            Err(UsageError::NotAHost(host.to_owned()))
        }
    });
    hosts.collect()
}

fn port(
    variable: impl Fn(&str) -> Option<String>,
    name: &'static str,
    default: u16,
) -> Result<u16, UsageError> {
    match variable(name) {
        None => Ok(default),
        Some(value) => value
            .parse()
            .map_err(|_| UsageError::NotAPort { name, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Request, UsageError> {
        Request::read(arguments.iter().map(OsString::from), |name| {
            environment
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    fn options(arguments: &[&str], environment: &[(&str, &str)]) -> Options {
        match read(arguments, environment) {
            Ok(Request::Run(options)) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_anything_the_documented_defaults_hold() {
        let expected = Options {
            settings: PathBuf::from("infra/pipeline.auto.tfvars.json"),
            port: 3000,
            aws_port: 4566,
            caller: "none".into(),
            base_path: String::new(),
            log_level: "info".into(),
            logs: false,
            ready_file: None,
            color: true,
            allowed_hosts: Vec::new(),
        };
        assert_eq!(options(&[], &[]), expected);
    }

    #[test]
    fn a_variable_that_is_empty_counts_as_not_set() {
        let unset = options(&[], &[]);
        assert_eq!(
            options(
                &[],
                &[("PORT", ""), ("CALLER", ""), ("LOGS", ""), ("NO_COLOR", "")]
            ),
            unset
        );
    }

    #[test]
    fn arguments_and_environment_are_read() {
        let options = options(
            &[
                "--settings",
                "s.json",
                "--logs",
                "--ready-file",
                "/tmp/ready",
            ],
            &[
                ("PORT", "0"),
                ("AWS_PORT", "0"),
                ("CALLER", "jwt:sub"),
                ("BASE_PATH", "/v1"),
                ("LOG_LEVEL", "debug"),
                ("NO_COLOR", "1"),
                ("ALLOWED_HOSTS", "dev.example, [2001:db8::1]"),
            ],
        );
        assert_eq!(options.settings, PathBuf::from("s.json"));
        assert_eq!(
            (options.port, options.aws_port),
            (0, 0),
            "any free port, twice, is no conflict"
        );
        assert_eq!(
            (options.caller.as_str(), options.log_level.as_str()),
            ("jwt:sub", "debug")
        );
        assert_eq!(options.ready_file, Some(PathBuf::from("/tmp/ready")));
        assert_eq!(options.base_path, "/v1");
        assert!(options.logs && !options.color);
        assert_eq!(options.allowed_hosts, ["dev.example", "[2001:db8::1]"]);
    }

    #[test]
    fn logs_can_be_asked_for_by_the_environment() {
        assert!(options(&[], &[("LOGS", "1")]).logs);
        assert!(!options(&[], &[("LOGS", "0")]).logs);
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error_that_names_it() {
        let message = |arguments: &[&str], environment: &[(&str, &str)]| {
            read(arguments, environment).unwrap_err().to_string()
        };
        assert_eq!(
            message(&["--prot"], &[]),
            "unknown argument \"--prot\"; see local --help"
        );
        assert_eq!(
            message(&["--settings"], &[]),
            "--settings needs a value; see local --help"
        );
        assert_eq!(
            message(&[], &[("PORT", "http")]),
            "PORT is \"http\", but must be a port from 0 to 65535"
        );
        assert_eq!(
            message(&[], &[("AWS_PORT", "65536")]),
            "AWS_PORT is \"65536\", but must be a port from 0 to 65535"
        );
        assert_eq!(
            message(&[], &[("PORT", "4566")]),
            "PORT and AWS_PORT are both 4566"
        );
    }

    #[test]
    fn an_allowed_host_is_a_name_or_an_address_and_nothing_else() {
        for host in ["dev.example:3000", "http://dev.example", "*", "a,,b", "a@b"] {
            let error = read(&[], &[("ALLOWED_HOSTS", host)]).unwrap_err();
            assert!(
                error.to_string().starts_with("ALLOWED_HOSTS has "),
                "{error}"
            );
        }
    }

    #[test]
    fn help_is_asked_for_with_or_without_other_arguments() {
        assert_eq!(read(&["--help"], &[]), Ok(Request::Help));
        assert_eq!(read(&["--logs", "-h"], &[]), Ok(Request::Help));
    }
}
