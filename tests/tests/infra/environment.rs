//! The environment that Terraform gives each function. The function's code needs every variable of
//! it, and no other variable.

use std::collections::BTreeSet;
use std::process::Command;

use hcl::Expression;
use tests::function;

use crate::source::{MODULE, Terraform, attribute, block, names, parts, texts};

/// A function of Terraform's.
struct Function {
    name: &'static str,
    /// The binary that it runs.
    binary: &'static str,
    folder: &'static str,
    /// The value of `SERVES`, where the binary serves a part of the API.
    serves: Option<&'static str>,
}

const fn function_of(name: &'static str, folder: &'static str) -> Function {
    Function {
        name,
        binary: name,
        folder,
        serves: None,
    }
}

const fn of_the_api(name: &'static str, serves: &'static str) -> Function {
    Function {
        name,
        binary: "api",
        folder: MODULE,
        serves: Some(serves),
    }
}

const FUNCTIONS: [Function; 6] = [
    of_the_api("api", "writes"),
    of_the_api("reader", "reads"),
    // This is the one function behind a function URL.
    of_the_api("api", "all"),
    function_of("consumer", MODULE),
    function_of("notifier", MODULE),
    function_of("shipping", "infra/examples/subscriber"),
];

impl Function {
    /// The variables that Terraform sets for the function. Some are in an object of their own,
    /// which only the one function behind a function URL gets.
    fn given(&self) -> BTreeSet<String> {
        let terraform = Terraform::folder(self.folder);
        let function = terraform.resource("aws_lambda_function", self.name);
        let variables = attribute(block(function, "environment"), "variables");
        let objects = parts(variables)
            .into_iter()
            .filter(|part| matches!(part, Expression::Object(_)));
        let count = if self.serves == Some("all") {
            usize::MAX
        } else {
            1
        };
        objects.take(count).flat_map(names).collect()
    }

    /// The output of the function with these variables, and with others.
    fn start(&self, variables: &BTreeSet<String>, others: &[(&str, &str)]) -> String {
        let serves = self.serves.map(|serves| ("SERVES", serves));
        let others: Vec<_> = serves.into_iter().chain(others.iter().copied()).collect();
        start_with(self.binary, variables, &others)
    }
}

/// The output of a function that is started with these variables and with Lambda's own variables.
pub(crate) fn start(name: &str, variables: &BTreeSet<String>) -> String {
    start_with(name, variables, &[])
}

/// The same output with further variables, or with other values.
fn start_with(name: &str, variables: &BTreeSet<String>, others: &[(&str, &str)]) -> String {
    let lambda = [
        ("AWS_LAMBDA_FUNCTION_NAME", "f"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        // Nobody listens on this port, so a function that has read its settings ends there.
        ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
    ];
    let value = |variable: &str| match variable {
        "LOG_LEVEL" => "info",
        "CALLER" => "none",
        "MAX_IN_FLIGHT" => "32",
        "MAX_WAIT_SECONDS" => "5",
        "BASE_PATH" => "/",
        _ => "orders",
    };
    let mut command = Command::new(function(name));
    command.env_clear().envs(lambda);
    for variable in variables {
        command.env(variable, value(variable));
    }
    command.envs(others.iter().copied());
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn no_function_lacks_a_variable_that_its_code_reads() {
    for function in FUNCTIONS {
        let (name, said) = (function.name, function.start(&function.given(), &[]));
        assert!(!said.contains("setting "), "{name}: {said}");
        assert!(said.contains("the Lambda runtime failed"), "{name}: {said}");
    }
}

#[test]
fn no_function_is_given_a_variable_that_its_code_does_not_read() {
    for function in FUNCTIONS {
        let (name, given) = (function.name, function.given());
        assert!(given.len() >= 3, "{name}: {given:?}");
        // The code reads an optional variable if the function refuses a wrong value of it.
        let optional = |variable: &&String| {
            ["BASE_PATH", "MAX_WAIT_SECONDS", "SERVES"].contains(&variable.as_str())
        };
        for variable in given.iter().filter(optional) {
            let said = function.start(&given, &[(variable, "//")]);
            let wrong = format!("setting {variable} is wrong");
            assert!(
                said.contains(&wrong),
                "{name} with a wrong {variable}: {said}"
            );
        }
        for variable in given.iter().filter(|variable| !optional(variable)) {
            let mut others = given.clone();
            others.remove(variable);
            let said = function.start(&others, &[]);
            let missing = format!("setting {variable} is missing");
            assert!(said.contains(&missing), "{name} without {variable}: {said}");
        }
    }
}

#[test]
fn a_function_that_reads_knows_no_stream_and_one_that_writes_no_table() {
    let [writes, reads, all, ..] = FUNCTIONS.map(|function| function.given());
    assert!(writes.contains("STREAM_NAME") && !writes.contains("TABLE_NAME"));
    assert!(reads.contains("TABLE_NAME") && !reads.contains("STREAM_NAME"));
    assert_eq!(all, &writes | &reads);
    for function in &FUNCTIONS[..3] {
        let terraform = Terraform::folder(function.folder);
        let resource = terraform.resource("aws_lambda_function", function.name);
        let variables = attribute(block(resource, "environment"), "variables");
        assert!(texts(variables).contains(&function.serves.unwrap()));
    }
}
