//! The costs of the service in docs/deploy.md. The tests check the sums, and the numbers that come
//! from the configuration.

use hcl::Expression;

use crate::source::{Terraform, names, parts, read};

/// An amount in cents.
fn cents(amount: &str) -> u64 {
    let (whole, hundredths) = amount.split_once('.').unwrap();
    assert_eq!(hundredths.len(), 2, "{amount}");
    whole.parse::<u64>().unwrap() * 100 + hundredths.parse::<u64>().unwrap()
}

/// The tables of prices, without their heads. Each row is its last cell.
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

/// The number of CloudWatch's metrics that an expression looks at.
fn metrics(expression: &Expression) -> usize {
    let is_metric = |part: &Expression| match part {
        Expression::Object(_) => names(part).contains("namespace"),
        _ => false,
    };
    let is_choice = |part: &Expression| match part {
        Expression::Conditional(choice) => is_metric(&choice.false_expr),
        _ => false,
    };
    let parts = parts(expression);
    let named = parts.iter().filter(|part| is_metric(part)).count();
    named - parts.iter().filter(|part| is_choice(part)).count()
}

#[test]
fn every_metric_is_paid_for() {
    let document = read("docs/deploy.md");
    let priced = |price: String| assert!(document.contains(&price), "no {price:?}");

    // An alarm costs as many metrics as it looks at. If the expression chooses between two metrics,
    // the alarm looks at one of them.
    let terraform = Terraform::all();
    let alarms = terraform
        .locals()
        .filter(|local| local.key().starts_with("alarms_"));
    let watched = alarms.map(|alarms| metrics(alarms.expr())).sum::<usize>();
    let dollars = format!("{}.{}0", watched / 10, watched % 10);
    priced(format!("| {watched} metrics × 0.10 | {dollars} |"));
    priced(format!("| {dollars} + "));

    let own: usize = ["batch_metrics", "put_metrics"]
        .map(|local| names(terraform.local(local)).len())
        .iter()
        .sum();
    priced(format!("| {own} × 0.30 |"));
}
