//! Every alarm has its section in the runbook, and every section its alarm.

use std::collections::BTreeSet;

use hcl::Expression;

use crate::source::{Terraform, entries, names, parts, read, references, texts};

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

/// The alarms in the runbook's table of severities. Each has its severity, and true if it is
/// one-shot.
fn severities() -> BTreeSet<(String, String, bool)> {
    let runbook = read("docs/runbook.md");
    let (_, table) = runbook.split_once("\n| severity |").unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let rows = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    rows.flat_map(|row| {
        let severity = row[1].to_owned();
        [(row[2], false), (row[3], true)].map(|(cell, is_one_shot)| {
            let alarms = cell
                .split(", ")
                .map(|alarm| alarm.trim_matches('`').to_owned());
            let severity = severity.clone();
            alarms
                .map(|alarm| (alarm, severity.clone(), is_one_shot))
                .collect::<Vec<_>>()
        })
    })
    .flatten()
    .collect()
}

#[test]
fn the_runbook_has_the_severity_of_each_alarm_and_whether_it_tells_of_ok() {
    let terraform = Terraform::all();
    let locals = terraform
        .locals()
        .filter(|local| {
            let name = local.key();
            name.starts_with("alarms_") || name.starts_with("composites")
        })
        .filter(|local| matches!(local.expr(), Expression::Object(_)));
    let alarms = locals.flat_map(|local| entries(local.expr()));
    let told: BTreeSet<_> = alarms
        .map(|(alarm, given)| {
            let given = entries(given);
            let of = |name: &str| {
                given
                    .iter()
                    .find(|(key, _)| key == name)
                    .map(|(_, value)| *value)
            };
            let severity = texts(of("severity").unwrap()).concat();
            (alarm, severity, of("one_shot").is_some())
        })
        .filter(|(_, severity, _)| severity != "none")
        .collect();
    assert!(told.len() > 30, "{told:?}");
    assert_eq!(told, severities());
}

#[test]
fn the_first_page_of_the_runbook_has_exactly_the_alarms_that_page() {
    let runbook = read("docs/runbook.md");
    let (_, table) = runbook.split_once("\n| page |").unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let first: BTreeSet<_> = rows
        .flat_map(|row| row.split('|').nth(1).unwrap().split(", "))
        .map(|link| {
            link.trim()
                .trim_start_matches('[')
                .split_once(']')
                .unwrap()
                .0
        })
        .map(str::to_owned)
        .collect();
    let pages = severities()
        .into_iter()
        .filter(|(_, severity, _)| severity == "page");
    let pages: BTreeSet<_> = pages.map(|(alarm, _, _)| alarm).collect();
    assert_eq!(first, pages);
}

#[test]
fn every_section_says_what_it_means_where_to_look_and_what_to_do() {
    for (title, text) in sections() {
        for part in ["**Means.**", "**Look.**", "**Do.**"] {
            assert!(text.contains(part), "{title} has no {part}");
        }
    }
}
