//! The environment that Terraform gives each function. The function's code needs every variable of
//! it, and no other variable.

use std::collections::BTreeSet;
use std::process::Command;

use tests::function;

use crate::source::{MODULE, Terraform, attribute, block, names};

/// The functions, each with the folder of its Terraform.
const FUNCTIONS: [(&str, &str); 4] = [
    ("api", MODULE),
    ("consumer", MODULE),
    ("notifier", MODULE),
    ("shipping", "infra/examples/subscriber"),
];

/// The variables that Terraform sets for a function.
fn given(name: &str, folder: &str) -> BTreeSet<String> {
    let terraform = Terraform::folder(folder);
    let function = terraform.resource("aws_lambda_function", name);
    names(attribute(block(function, "environment"), "variables"))
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
    for (name, folder) in FUNCTIONS {
        let said = start(name, &given(name, folder));
        assert!(!said.contains("setting "), "{name}: {said}");
        assert!(said.contains("the Lambda runtime failed"), "{name}: {said}");
    }
}

#[test]
fn no_function_is_given_a_variable_that_its_code_does_not_read() {
    for (name, folder) in FUNCTIONS {
        let given = given(name, folder);
        assert!(given.len() >= 3, "{name}: {given:?}");
        // The code reads an optional variable if the function refuses a wrong value of it.
        let optional = |variable: &&String| *variable == "BASE_PATH";
        for variable in given.iter().filter(optional) {
            let said = start_with(name, &given, &[(variable, "//")]);
            let wrong = format!("setting {variable} is wrong");
            assert!(
                said.contains(&wrong),
                "{name} with a wrong {variable}: {said}"
            );
        }
        for variable in given.iter().filter(|variable| !optional(variable)) {
            let mut others = given.clone();
            others.remove(variable);
            let said = start(name, &others);
            let missing = format!("setting {variable} is missing");
            assert!(said.contains(&missing), "{name} without {variable}: {said}");
        }
    }
}
