//! The pipeline's settings. The file that the local stack reads sets Terraform's variables, and
//! Terraform reckons with the times of the code.

use std::collections::BTreeSet;
use std::time::Duration;

use hcl::Expression;
use serde_json::{Map, Value, json};

use crate::source::{MODULE, Terraform, attribute, names, number, parts, read, references};

/// The variables that a file declares.
fn variables(path: &str) -> BTreeSet<String> {
    let file = Terraform::file(path);
    file.variables().map(|(name, _)| name.to_owned()).collect()
}

/// The files that declare the pipeline's variables.
const PIPELINE: [&str; 2] = [
    "infra/modules/orders/pipeline.tf",
    "infra/modules/orders/pipeline_facts.tf",
];

/// The variables of the pipeline.
fn pipeline() -> BTreeSet<String> {
    PIPELINE.iter().flat_map(|path| variables(path)).collect()
}

/// A number that Terraform reckons with.
fn local(name: &str) -> f64 {
    number(Terraform::all().local(name))
}

fn settings() -> Map<String, Value> {
    serde_json::from_str(&read("infra/pipeline.auto.tfvars.json")).unwrap()
}

/// A constant of the code, as a duration. Its line has the form `NAME: Duration =
/// Duration::from_millis(1_500)` or `name: Duration::from_…`.
fn duration(path: &str, name: &str) -> Duration {
    let text = read(path);
    let line = text
        .lines()
        .find(|line| line.contains(&format!("{name}: ")) && line.contains("Duration::from_"))
        .unwrap_or_else(|| panic!("{path} has no {name}"));
    let (_, value) = line.split_once("Duration::from_").unwrap();
    let (unit, rest) = value.split_once('(').unwrap();
    let number: u64 = rest
        .split(')')
        .next()
        .unwrap()
        .replace('_', "")
        .parse()
        .unwrap();
    match unit {
        "millis" => Duration::from_millis(number),
        "secs" => Duration::from_secs(number),
        other => panic!("{path}: {name} is in {other}"),
    }
}

fn count(path: &str, name: &str) -> u32 {
    let text = read(path);
    let (_, rest) = text.split_once(&format!("const {name}: u32 = ")).unwrap();
    rest.split(';').next().unwrap().parse().unwrap()
}

#[test]
fn the_settings_file_sets_each_of_the_pipelines_variables_and_nothing_else() {
    let keys: BTreeSet<String> = settings().keys().cloned().collect();
    assert_eq!(pipeline(), keys);
}

/// A value that Terraform writes as JSON does.
fn json(expression: &Expression) -> Value {
    match expression {
        Expression::Bool(value) => json!(value),
        Expression::String(value) => json!(value),
        Expression::Number(value) => serde_json::from_str(&value.to_string()).unwrap(),
        Expression::Operation(_) => serde_json::from_str(&expression.to_string()).unwrap(),
        other => panic!("not a plain value: {other:?}"),
    }
}

#[test]
fn the_module_has_the_shipped_settings_as_its_defaults() {
    for path in PIPELINE {
        for (name, variable) in Terraform::file(path).variables() {
            let default = json(attribute(variable, "default"));
            assert_eq!(default, settings()[name], "{name}");
        }
    }
}

#[test]
fn the_root_has_no_value_of_its_own_for_a_setting_of_the_pipeline() {
    let root = Terraform::file("infra/passed_on.tf");
    let pipeline = pipeline();
    let mut passed = root
        .variables()
        .filter(|(name, _)| pipeline.contains(*name));
    assert!(passed.all(|(_, variable)| *attribute(variable, "default") == Expression::Null));
    assert_eq!(&variables("infra/passed_on.tf") & &pipeline, pipeline);
}

#[test]
fn the_production_setting_sets_variables_that_there_are() {
    let known = &variables("infra/passed_on.tf") | &variables("infra/modules/orders/variables.tf");
    let known = &known | &variables("infra/setting.tf");
    let set = Terraform::file("infra/settings/production.tfvars").names();
    assert!(set.len() > 5, "{set:?}");
    assert!(set.is_subset(&known), "{:?}", set.difference(&known));
}

#[test]
fn every_setting_of_the_pipeline_reaches_a_resource() {
    let files = ["stream", "functions", "mapping", "facts_stream", "notifier"];
    let files = files.map(|name| Terraform::file(&format!("{MODULE}/{name}.tf")));
    let read: BTreeSet<String> = files
        .iter()
        .flat_map(|file| references(file.expressions(), "var"))
        .collect();
    // A subscriber is deployed by itself.
    let settings = settings();
    let keys = settings.keys();
    for key in keys.filter(|key| !key.starts_with("subscriber_")) {
        assert!(read.contains(key), "{key} sets nothing");
    }
}

#[test]
fn every_setting_of_a_subscriber_reaches_the_example_by_an_output() {
    let terraform = Terraform::all();
    let given = references(parts(terraform.output("subscriber")), "var");
    let example = read("infra/examples/subscriber/main.tf");
    let settings = settings();
    let keys = settings.keys();
    let names = keys.filter_map(|key| Some((key, key.strip_prefix("subscriber_")?)));
    assert_eq!(names.clone().count(), 10);
    for (key, name) in names {
        assert!(given.contains(key), "{key} is not in the output");
        let used = format!("var.settings.{name}");
        assert!(example.contains(&used), "{key} sets nothing");
    }
}

#[test]
fn the_output_for_a_subscriber_has_each_input_that_the_example_needs_and_no_other() {
    let terraform = Terraform::all();
    let Expression::Conditional(output) = terraform.output("subscriber") else {
        panic!("without facts the output is null");
    };
    let example = Terraform::file("infra/examples/subscriber/variables.tf");
    let needed: BTreeSet<String> = example
        .variables()
        .filter(|(_, variable)| variable.attributes().all(|of| of.key() != "default"))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(names(&output.true_expr), needed);
}

#[test]
fn terraform_allows_a_put_the_time_that_the_api_gives_it() {
    let attempts = "crates/function-runtime/src/attempts.rs";
    let count = count(attempts, "MAX_ATTEMPTS");
    let longest = duration("crates/api/src/stream.rs", "ATTEMPT_TIMEOUT") * count
        + duration(attempts, "LONGEST_BACKOFF") * (count - 1);
    let allowed = Duration::from_secs_f64(local("put_seconds"));
    assert!(longest <= allowed, "{longest:?} of {allowed:?}");
    assert!(
        allowed < longest + Duration::from_secs(1),
        "{allowed:?} is more than the next whole second after {longest:?}"
    );
}

#[test]
fn the_margins_are_the_codes() {
    for (name, margin) in [
        (
            "api_margin_seconds",
            duration("crates/api/src/request.rs", "MARGIN"),
        ),
        (
            "consumer_margin_seconds",
            duration("crates/keyed-batch/src/limits.rs", "LONGEST_DEFAULT_MARGIN"),
        ),
    ] {
        let terraform = Duration::from_secs_f64(local(name));
        assert_eq!(terraform, margin, "{name}");
    }
    // The functions take the library's margin as it is.
    for function in ["consumer", "notifier"] {
        let code = read(&format!("crates/{function}/src/lib.rs"));
        assert!(!code.contains(".margin("), "{function}");
    }
}

#[test]
fn terraform_allows_the_notifier_the_time_of_one_put_and_one_mark() {
    let put = duration("crates/notifier/src/facts_stream.rs", "ATTEMPT_TIMEOUT");
    let mark = duration("crates/orders-table/src/client.rs", "WRITE_TIMEOUT");
    assert_eq!(
        Duration::from_secs_f64(local("publish_seconds")),
        put + mark
    );
}

#[test]
fn the_documents_name_the_outage_that_the_shipped_settings_ride_out() {
    let settings = settings();
    let whole = |key: &str| settings[key].as_f64().unwrap();
    let margin = local("consumer_margin_seconds");
    let seconds =
        (whole("maximum_retry_attempts") + 1.0) * (whole("consumer_timeout_seconds") - margin);
    assert!(read("docs/architecture.md").contains(&format!("= {seconds} s")));
    assert!(read("docs/deploy.md").contains(&format!("{seconds} s")));
}

#[test]
fn the_documents_name_the_outage_of_the_facts_that_the_shipped_settings_ride_out() {
    let settings = settings();
    let whole = |key: &str| settings[key].as_f64().unwrap();
    let margin = local("consumer_margin_seconds");
    let retries = whole("notifier_maximum_retry_attempts");
    let seconds = (retries + 1.0) * (whole("notifier_timeout_seconds") - margin);
    assert!(read("docs/deploy.md").contains(&format!("= {seconds} s")));
}
