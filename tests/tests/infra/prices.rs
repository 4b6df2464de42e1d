//! What docs/deploy.md says that the service costs: its sums, and what it counts of the configuration.

use crate::source::{body, names, read, terraform};

/// An amount in cents.
fn cents(amount: &str) -> u64 {
    let (whole, hundredths) = amount.split_once('.').unwrap();
    assert_eq!(hundredths.len(), 2, "{amount}");
    whole.parse::<u64>().unwrap() * 100 + hundredths.parse::<u64>().unwrap()
}

/// The tables of prices, each without its head, row for row the last cell.
fn tables(document: &str) -> Vec<Vec<&str>> {
    document
        .split("| | arithmetic | $ |\n|---|---|---|\n")
        .skip(1)
        .map(|text| {
            text.lines()
                .take_while(|line| line.starts_with('|'))
                .map(|row| row.trim_end_matches('|').rsplit('|').next().unwrap())
                .map(|cell| cell.trim().trim_matches('*'))
                .collect()
        })
        .collect()
}

#[test]
fn each_sum_is_the_sum_of_its_rows() {
    let document = read("docs/deploy.md");
    let tables = tables(&document);
    assert_eq!(tables.len(), 2);
    for table in tables {
        let (sum, rows) = table.split_last().unwrap();
        let summed: u64 = rows.iter().copied().map(cents).sum();
        assert_eq!(summed, cents(sum), "{rows:?}");
    }
}

#[test]
fn every_metric_is_paid_for() {
    let document = read("docs/deploy.md");
    let priced = |price: String| assert!(document.contains(&price), "no {price:?}");

    // Each stands on a line of its own, and an alarm costs as many of them as it looks at.
    let watched = read("infra/alarms.tf")
        .lines()
        .filter(|line| line.contains("{ namespace = "))
        .count();
    let dollars = format!("{}.{}0", watched / 10, watched % 10);
    priced(format!("| {watched} metrics × 0.10 | {dollars} |"));
    priced(format!("| {dollars} + "));

    let terraform = terraform();
    let own: usize = ["batch_metrics =", "put_metrics ="]
        .map(|local| names(body(&terraform, local)).len())
        .iter()
        .sum();
    priced(format!("| {own} × 0.30 |"));
}
