//! The pipeline's settings: the file that the local stack reads sets Terraform's variables, and the times that Terraform
//! reckons with are the code's.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::source::{body, number, read};

/// The variables that a file declares.
fn variables(path: &str) -> BTreeSet<String> {
    let text = read(path);
    let lines = text.lines();
    lines
        .filter_map(|line| line.strip_prefix("variable \""))
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect()
}

fn settings() -> Map<String, Value> {
    serde_json::from_str(&read("infra/pipeline.auto.tfvars.json")).unwrap()
}

/// A constant of the code, as a duration: `NAME: Duration = Duration::from_millis(1_500)` or `name: Duration::from_…`.
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
    assert_eq!(variables("infra/pipeline.tf"), keys);
}

#[test]
fn none_of_the_pipelines_variables_has_a_second_value_in_terraform() {
    let defaults: Vec<_> = read("infra/pipeline.tf")
        .lines()
        .filter(|line| line.trim_start().starts_with("default"))
        .map(str::to_owned)
        .collect();
    assert!(defaults.is_empty(), "{defaults:?}");
}

#[test]
fn the_production_setting_sets_variables_that_there_are() {
    let known: BTreeSet<String> =
        &variables("infra/pipeline.tf") | &variables("infra/variables.tf");
    let file = read("infra/settings/production.tfvars");
    let lines = file.lines().filter(|line| !line.starts_with('#'));
    let set: BTreeSet<String> = lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim().to_owned())
        .collect();
    assert!(set.len() > 5, "{set:?}");
    assert!(set.is_subset(&known), "{:?}", set.difference(&known));
}

#[test]
fn every_setting_of_the_pipeline_reaches_a_resource() {
    let terraform: String = ["stream", "functions", "mapping"]
        .map(|name| read(&format!("infra/{name}.tf")))
        .concat();
    for key in settings().keys() {
        assert!(
            terraform.contains(&format!("var.{key}")),
            "{key} sets nothing"
        );
    }
}

#[test]
fn terraform_allows_a_put_the_time_that_the_api_gives_it() {
    let (file, pipeline) = ("crates/api/src/patience.rs", read("infra/pipeline.tf"));
    let attempts = count(file, "MAX_ATTEMPTS");
    let longest = duration(file, "ATTEMPT_TIMEOUT") * attempts
        + duration(file, "LONGEST_BACKOFF") * (attempts - 1);
    let allowed = Duration::from_secs_f64(number(body(&pipeline, "locals "), "put_seconds"));
    assert!(longest <= allowed, "{longest:?} of {allowed:?}");
    assert!(
        allowed < longest + Duration::from_secs(1),
        "{allowed:?} is more than the next whole second after {longest:?}"
    );
}

#[test]
fn the_margins_are_the_codes() {
    let pipeline = read("infra/pipeline.tf");
    for (name, margin) in [
        (
            "api_margin_seconds",
            duration("crates/api/src/request.rs", "MARGIN"),
        ),
        (
            "consumer_margin_seconds",
            duration("crates/keyed-batch/src/limits.rs", "margin"),
        ),
    ] {
        let terraform = Duration::from_secs_f64(number(body(&pipeline, "locals "), name));
        assert_eq!(terraform, margin, "{name}");
    }
    // The consumer takes the library's margin as it is.
    assert!(!read("crates/consumer/src/lib.rs").contains(".margin("));
}

#[test]
fn the_documents_name_the_outage_that_the_shipped_settings_ride_out() {
    let settings = settings();
    let whole = |key: &str| settings[key].as_f64().unwrap();
    let margin = number(
        body(&read("infra/pipeline.tf"), "locals "),
        "consumer_margin_seconds",
    );
    let seconds =
        (whole("maximum_retry_attempts") + 1.0) * (whole("consumer_timeout_seconds") - margin);
    assert!(read("docs/architecture.md").contains(&format!("= {seconds} s")));
    assert!(read("docs/deploy.md").contains(&format!("{seconds} s")));
}
