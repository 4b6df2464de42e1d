//! The costs of the service in docs/deploy.md. The tests check the amounts, the sums, and the
//! numbers that come from the configuration.

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
    assert_eq!(tables.len(), 5);
    for table in tables {
        let (sum, rows) = table.split_last().unwrap();
        let summed: u64 = rows.iter().copied().map(cents).sum();
        assert_eq!(summed, cents(sum), "{rows:?}");
    }
}

/// A part of a row's arithmetic.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    Number(f64),
    Times,
    Plus,
    Open,
    Close,
}

/// The tokens of a row's arithmetic. Words are left out. `M` is a million and `/M` a millionth.
/// Sizes are in GB, of which a `KB` is a millionth.
fn tokens(arithmetic: &str) -> Vec<Token> {
    // The text before a colon says where the first number comes from.
    let text = arithmetic.rsplit(": ").next().unwrap();
    let text = text.replace(" beyond 24 h", "").replace("/M", " KB");
    let text = text.replace('(', " ( ").replace(')', " ) ");
    let mut tokens = Vec::new();
    for word in text.split([' ', ',']) {
        match (word, tokens.last_mut()) {
            ("×", _) => tokens.push(Token::Times),
            ("+", _) => tokens.push(Token::Plus),
            ("(", _) => tokens.push(Token::Open),
            (")", _) => tokens.push(Token::Close),
            ("M", Some(Token::Number(number))) => *number *= 1e6,
            ("KB", Some(Token::Number(number))) => *number /= 1e6,
            _ => {
                let number = word.split('/').next().unwrap().parse();
                tokens.extend(number.ok().map(Token::Number));
            }
        }
    }
    tokens
}

/// The value of a sum of products, up to the end or to a closing bracket.
fn sum(tokens: &mut impl Iterator<Item = Token>) -> f64 {
    let (mut sum, mut product) = (0.0, 1.0);
    while let Some(token) = tokens.next() {
        match token {
            Token::Number(number) => product *= number,
            Token::Open => product *= self::sum(tokens),
            Token::Times => {}
            Token::Plus => sum += std::mem::replace(&mut product, 1.0),
            Token::Close => break,
        }
    }
    sum + product
}

#[test]
fn each_amount_is_what_its_arithmetic_gives() {
    let document = read("docs/deploy.md");
    let mut compared = 0;
    for table in document
        .split("| | arithmetic | $ |\n|---|---|---|\n")
        .skip(1)
    {
        for row in table.lines().take_while(|line| line.starts_with('|')) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let [_, _, arithmetic, amount, _] = cells[..] else {
                panic!("{row}");
            };
            if arithmetic.is_empty() {
                continue;
            }
            let cents = sum(&mut tokens(arithmetic).into_iter()) * 100.0;
            // Half a cent is rounded up. A float may be a little less than that half.
            let dollars = format!("{:.2}", (cents + 1e-6).round() / 100.0);
            assert_eq!(dollars, amount, "{arithmetic}");
            compared += 1;
        }
    }
    assert!(compared > 30, "{compared}");
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
    for is_of_facts in [false, true] {
        let alarms = terraform.locals().filter(|local| {
            local.key().starts_with("alarms_") && local.key().ends_with("facts") == is_of_facts
        });
        let watched = alarms.map(|alarms| metrics(alarms.expr())).sum::<usize>();
        let dollars = format!("{}.{}0", watched / 10, watched % 10);
        priced(format!("| {watched} metrics × 0.10 | {dollars} |"));
        priced(format!("| {dollars} + "));
    }

    for (part, metrics) in [
        ("service", ["batch_metrics", "put_metrics"]),
        ("notifier", ["facts_metrics", "publish_metrics"]),
    ] {
        let metrics = metrics.map(|local| names(terraform.local(local)).len());
        let own: usize = metrics.iter().sum();
        priced(format!("| the {part}'s metrics | {own} × 0.30 |"));
    }
}
