//! Every alarm has its section in the runbook, and every section its alarm.

use std::collections::BTreeSet;

use crate::source::{Terraform, names, parts, read, references};

/// The alarms that tell somebody. The parts of an alarm of two parts tell nobody.
fn alarms() -> BTreeSet<String> {
    let terraform = Terraform::all();
    [
        "alarms_always",
        "composites",
        "composites_of_facts",
        "alarms_of_archive",
        "alarms_of_gateway",
        "alarms_of_traffic",
        "alarms_of_reader",
        "alarms_of_reserved_reader",
        "alarms_of_provisioned_stream",
        "alarms_of_facts",
        "alarms_of_provisioned_facts",
    ]
    .map(|local| names(terraform.local(local)))
    .into_iter()
    .flatten()
    .collect()
}

/// The sections of the runbook that are named like an alarm. A section begins with `## name`, and
/// ends before the next heading.
fn sections() -> Vec<(String, String)> {
    let runbook = read("docs/runbook.md");
    runbook
        .split("\n## ")
        .skip(1)
        .filter_map(|section| section.split_once('\n'))
        .map(|(title, text)| (title.to_owned(), text.to_owned()))
        .filter(|(title, _)| !title.contains(' '))
        .collect()
}

#[test]
fn every_alarm_has_a_section_in_the_runbook_and_every_section_an_alarm() {
    let titles: BTreeSet<String> = sections().into_iter().map(|(title, _)| title).collect();
    assert!(titles.len() > 15, "{titles:?}");
    assert_eq!(alarms(), titles);
}

#[test]
fn no_alarm_is_left_out_of_those_that_are_made() {
    let terraform = Terraform::all();
    let mut merged = references(parts(terraform.local("alarms")), "local");
    merged.retain(|name| name.starts_with("alarms_"));
    let locals = terraform.locals().map(|local| local.key());
    let alarms: BTreeSet<String> = locals
        .filter(|name| name.starts_with("alarms_"))
        .map(str::to_owned)
        .collect();
    assert_eq!(merged, alarms);
}

#[test]
fn every_section_says_what_it_means_where_to_look_and_what_to_do() {
    for (title, text) in sections() {
        for part in ["**Means.**", "**Look.**", "**Do.**"] {
            assert!(text.contains(part), "{title} has no {part}");
        }
    }
}
