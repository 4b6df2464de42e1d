//! The command line and the environment of `local`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStr, Resettable};
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser};
use http::uri::Authority;

const AFTER_HELP: &str = "\
A variable that is empty counts as not set, and an option wins over its variable.
Both ports listen on the loopback interface only, IPv4 and IPv6. Requests under another name than
localhost, and requests of foreign web pages, are refused with 403. Ctrl-C stops everything.
Exit code: 0 stopped on request, 1 failed, 2 wrong usage.";

/// The order service on one machine, with HTTP API, Kinesis, event source mapping, DynamoDB and
/// SQS.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(name = "local", after_help = AFTER_HELP, next_line_help = true)]
pub struct Options {
    /// The pipeline's settings file.
    #[arg(
        long,
        value_name = "PATH",
        default_value = "infra/pipeline.auto.tfvars.json"
    )]
    pub settings: PathBuf,
    /// Port of the HTTP API. 0 is any free port.
    #[arg(long, env = "PORT", default_value = "3000", value_parser = port)]
    pub port: u16,
    /// Port of the AWS APIs. 0 is any free port.
    #[arg(long, env = "AWS_PORT", default_value = "4566", value_parser = port)]
    pub aws_port: u16,
    /// Source of the caller's identity, which is none, jwt:CLAIM, iam, lambda:FIELD.
    #[arg(long, env = "CALLER", default_value = "none")]
    pub caller: String,
    /// Text before /orders in the paths that clients see, such as /v1.
    #[arg(long, env = "BASE_PATH", default_value = "", hide_default_value = true)]
    pub base_path: String,
    /// Take orders only with an Idempotency-Key, on or off.
    #[arg(long, env = "REQUIRE_IDEMPOTENCY_KEY", default_value = "off")]
    pub require_idempotency_key: String,
    /// Most requests of a caller in a second, or off. Callers must be known.
    #[arg(long, env = "REQUESTS_PER_CALLER", default_value = "off")]
    pub requests_per_caller: String,
    /// Send the last attempt of a throttled put to another shard, on or off.
    #[arg(long, env = "HOT_SHARD_ESCAPE", default_value = "on")]
    pub hot_shard_escape: String,
    /// The longest that a read waits for an order, in seconds, from 0 to 25.
    #[arg(
        long,
        env = "MAX_WAIT_SECONDS",
        default_value = "",
        hide_default_value = true
    )]
    pub max_wait_seconds: String,
    /// Log level of the functions.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: String,
    /// Show every log line of the functions, not only warnings and errors.
    #[arg(long, env = "LOGS")]
    pub logs: bool,
    /// When everything is ready, write port, aws_port and pid as JSON there.
    #[arg(long, value_name = "PATH")]
    pub ready_file: Option<PathBuf>,
    /// No colours, not even on a terminal.
    #[arg(long, env = "NO_COLOR")]
    pub no_color: bool,
    /// Further names, separated by commas, under which the ports may be called.
    #[arg(
        long,
        env = "ALLOWED_HOSTS",
        default_value = "",
        hide_default_value = true,
        value_parser = allowed_hosts
    )]
    pub allowed_hosts: HostNames,
}

/// The names of further hosts. clap takes a field of type `Vec` for an option that is given several
/// times. Under this name, one value is the whole list.
type HostNames = Vec<String>;

/// The request of the command line.
#[expect(
    clippy::large_enum_variant,
    reason = "a process reads its command line once, so the size does not matter"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Run the stack.
    Run(Options),
    /// Print this text.
    Help(String),
}

/// A command line or an environment variable that cannot be used. The exit code is 2.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// An option is unknown, lacks its value, or has a value that cannot be used.
    #[error("{}; see local --help", first_line(.0))]
    Arguments(#[source] clap::Error),
    /// `PORT` and `AWS_PORT` are the same.
    #[error("PORT and AWS_PORT are both {0}")]
    SamePort(u16),
}

impl Request {
    /// Reads the arguments that follow the program's name, and the environment by `variable`. A
    /// variable that is set but empty counts as not set. An option wins over its variable.
    ///
    /// # Errors
    /// If an option is unknown, lacks its value or has a value that cannot be used, or if both
    /// ports are the same.
    pub fn read(
        arguments: impl IntoIterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, UsageError> {
        let arguments = std::iter::once("local".into())
            .chain(options_of(variable))
            .chain(arguments);
        let matches = command().try_get_matches_from(arguments);
        let options = match matches.and_then(|matches| Options::from_arg_matches(&matches)) {
            Ok(options) => options,
            Err(help) if help.kind() == ErrorKind::DisplayHelp => {
                return Ok(Self::Help(help.to_string()));
            }
            Err(error) => return Err(UsageError::Arguments(error)),
        };
        if options.port == options.aws_port && options.port != 0 {
            return Err(UsageError::SamePort(options.port));
        }
        Ok(Self::Run(options))
    }
}

/// The command, which names each variable but does not read it. To clap, a variable that is empty
/// would count as set. An option that is given again replaces its first value.
fn command() -> clap::Command {
    let command = Options::command().args_override_self(true);
    command.mut_args(|arg| {
        let Some(name) = arg.get_env().and_then(|name| name.to_str()) else {
            return arg;
        };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let help = format!("{help}\n[env: {name}]");
        arg.help(help).env(Resettable::<OsStr>::Reset)
    })
}

/// The variables that are set, as the options with the same meaning.
fn options_of(variable: impl Fn(&str) -> Option<String>) -> Vec<OsString> {
    let command = Options::command();
    let options = command.get_arguments().filter_map(|arg| {
        let name = arg.get_env()?.to_str()?;
        let value = variable(name).filter(|value| !value.is_empty())?;
        let option = arg.get_long()?;
        if arg.get_action().takes_values() {
            return Some(format!("--{option}={value}").into());
        }
        // Any text in NO_COLOR means no colours, "0" too (https://no-color.org).
        let is_set = value != "0" || name == "NO_COLOR";
        is_set.then(|| format!("--{option}").into())
    });
    options.collect()
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

fn port(value: &str) -> Result<u16, &'static str> {
    value.parse().map_err(|_| "must be a port from 0 to 65535")
}

fn allowed_hosts(list: &str) -> Result<Vec<String>, String> {
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let hosts = list.split(',').map(|host| {
        let host = host.trim();
        let is_bare = host.parse().is_ok_and(|authority: Authority| {
            authority.host() == host && !host.is_empty() && !host.contains('*')
        });
        if is_bare {
            Ok(host.to_owned())
        } else {
            Err(format!(
                "{host:?} is not a name or an address without a port"
            ))
        }
    });
    hosts.collect()
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
            require_idempotency_key: "off".into(),
            requests_per_caller: "off".into(),
            hot_shard_escape: "on".into(),
            max_wait_seconds: String::new(),
            log_level: "info".into(),
            logs: false,
            ready_file: None,
            no_color: false,
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
                ("REQUIRE_IDEMPOTENCY_KEY", "on"),
                ("REQUESTS_PER_CALLER", "5"),
                ("HOT_SHARD_ESCAPE", "off"),
                ("MAX_WAIT_SECONDS", "7"),
                ("LOG_LEVEL", "debug"),
                ("NO_COLOR", "1"),
                ("ALLOWED_HOSTS", "dev.example, [2001:db8::1]"),
            ],
        );
        assert_eq!(options.settings, PathBuf::from("s.json"));
        assert_eq!(
            (options.port, options.aws_port),
            (0, 0),
            "any free port, twice, is not a conflict"
        );
        assert_eq!(
            (options.caller.as_str(), options.log_level.as_str()),
            ("jwt:sub", "debug")
        );
        assert_eq!(options.ready_file, Some(PathBuf::from("/tmp/ready")));
        assert_eq!(options.base_path, "/v1");
        assert_eq!(options.require_idempotency_key, "on");
        assert_eq!(options.requests_per_caller, "5");
        assert_eq!(options.hot_shard_escape, "off");
        assert_eq!(options.max_wait_seconds, "7");
        assert!(options.logs && options.no_color);
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
            "unexpected argument '--prot' found; see local --help"
        );
        assert_eq!(
            message(&["--settings"], &[]),
            "a value is required for '--settings <PATH>' but none was supplied; see local --help"
        );
        let no_port = "must be a port from 0 to 65535; see local --help";
        assert_eq!(
            message(&[], &[("PORT", "http")]),
            format!("invalid value 'http' for '--port <PORT>': {no_port}")
        );
        assert_eq!(
            message(&[], &[("AWS_PORT", "65536")]),
            format!("invalid value '65536' for '--aws-port <AWS_PORT>': {no_port}")
        );
        assert_eq!(
            message(&[], &[("PORT", "4566")]),
            "PORT and AWS_PORT are both 4566"
        );
    }

    #[test]
    fn an_option_wins_over_its_variable() {
        let environment = [("PORT", "1"), ("CALLER", "iam"), ("ALLOWED_HOSTS", "a")];
        let arguments = ["--port", "2", "--caller", "none", "--allowed-hosts", "b,c"];
        let options = options(&arguments, &environment);
        assert_eq!((options.port, options.caller.as_str()), (2, "none"));
        assert_eq!(options.allowed_hosts, ["b", "c"]);
    }

    #[test]
    fn any_text_in_no_color_means_no_colours() {
        assert!(options(&[], &[("NO_COLOR", "0")]).no_color);
        assert!(options(&["--no-color"], &[]).no_color);
    }

    #[test]
    fn an_allowed_host_is_a_name_or_an_address_and_nothing_else() {
        for host in ["dev.example:3000", "http://dev.example", "*", "a,,b", "a@b"] {
            let error = read(&[], &[("ALLOWED_HOSTS", host)]).unwrap_err();
            let named = format!("invalid value '{host}' for '--allowed-hosts <ALLOWED_HOSTS>': ");
            assert!(error.to_string().starts_with(&named), "{error}");
        }
    }

    #[test]
    fn help_is_asked_for_with_or_without_other_arguments() {
        for arguments in [&["--help"][..], &["--logs", "-h"]] {
            let help = read(arguments, &[("PORT", "1234")]).unwrap();
            let Request::Help(help) = help else {
                panic!("{help:?}");
            };
            for name in [
                "--ready-file",
                "--logs",
                "[env: PORT]",
                "[env: ALLOWED_HOSTS]",
            ] {
                assert!(help.contains(name), "{name}: {help}");
            }
            for line in help.lines() {
                assert!(line.chars().count() <= 100, "{line}");
            }
        }
    }
}
