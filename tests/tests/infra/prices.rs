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

/// A decimal number, exactly. It is `digits` divided by ten to the power of `places`.
#[derive(Clone, Copy, Debug)]
struct Decimal {
    digits: u128,
    places: u32,
}

impl Decimal {
    const ONE: Self = Self::whole(1);

    const fn whole(digits: u128) -> Self {
        Self { digits, places: 0 }
    }

    /// Reads a number such as `0.015`.
    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{fraction}").parse().ok()?;
        let places = u32::try_from(fraction.len()).unwrap();
        Some(Self { digits, places })
    }

    fn times(self, other: Self) -> Self {
        Self {
            digits: self.digits * other.digits,
            places: self.places + other.places,
        }
    }

    fn plus(self, other: Self) -> Self {
        let places = self.places.max(other.places);
        let aligned = |of: Self| of.digits * 10_u128.pow(places - of.places);
        Self {
            digits: aligned(self) + aligned(other),
            places,
        }
    }

    /// The number with two places. Half a hundredth is rounded up.
    fn rounded(self) -> String {
        let hundredth = 10_u128.pow(self.places);
        let hundredths = (self.digits * 200 + hundredth) / (2 * hundredth);
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    }
}

/// A part of a row's arithmetic.
#[derive(Clone, Copy, Debug)]
enum Token {
    Number(Decimal),
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
            ("M", Some(Token::Number(number))) => {
                *number = number.times(Decimal::whole(1_000_000));
            }
            ("KB", Some(Token::Number(number))) => number.places += 6,
            _ => {
                let number = Decimal::parse(word.split('/').next().unwrap());
                tokens.extend(number.map(Token::Number));
            }
        }
    }
    tokens
}

/// The value of a sum of products, up to the end or to a closing bracket.
fn sum(tokens: &mut impl Iterator<Item = Token>) -> Decimal {
    let (mut sum, mut product) = (Decimal::whole(0), Decimal::ONE);
    while let Some(token) = tokens.next() {
        match token {
            Token::Number(number) => product = product.times(number),
            Token::Open => product = product.times(self::sum(tokens)),
            Token::Times => {}
            Token::Plus => sum = sum.plus(std::mem::replace(&mut product, Decimal::ONE)),
            Token::Close => break,
        }
    }
    sum.plus(product)
}

#[test]
fn arithmetic_is_exact_and_knows_brackets_and_units() {
    for (arithmetic, amount) in [
        ("2 M × 1.00/M", "2.00"),
        ("(2 M + 1 M batches) × 0.20/M", "0.60"),
        ("1.5 GB × (0.25 + 0.20), for each month kept", "0.68"),
        ("(3 M × 1.2 KB + 2 M × 0.4 KB) × 0.50/GB", "2.20"),
        ("1 M × 1.6 KB × (0.50 + 3 × 0.03)/GB", "0.94"),
        (
            "4 shards × 730 h × (0.015 + 0.020 beyond 24 h) + 100 M × 0.014/M",
            "103.60",
        ),
        (
            "5 % of 210 M and one a second a function: 15.5 M × 5.00/M",
            "77.50",
        ),
    ] {
        let value = sum(&mut tokens(arithmetic).into_iter());
        assert_eq!(value.rounded(), amount, "{arithmetic}");
    }
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
            let value = sum(&mut tokens(arithmetic).into_iter());
            assert_eq!(value.rounded(), amount, "{arithmetic}");
            compared += 1;
        }
    }
    assert!(compared > 30, "{compared}");
}

#[test]
fn the_prices_of_waiting_and_polling_are_what_their_arithmetic_gives() {
    let document = read("docs/deploy.md");
    let head = "| | waiting | $ | polling | $ |\n|---|---|---|---|---|\n";
    let (_, table) = document.split_once(head).unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let rows: Vec<Vec<&str>> = rows
        .map(|row| {
            row.split('|')
                .map(|cell| cell.trim().trim_matches('*'))
                .collect()
        })
        .collect();
    let (sums, rows) = rows.split_last().unwrap();
    assert!(rows.len() > 3, "{rows:?}");
    for column in [2, 4] {
        for row in rows {
            let value = sum(&mut tokens(row[column]).into_iter());
            assert_eq!(value.rounded(), row[column + 1], "{}", row[column]);
        }
        let summed: u64 = rows.iter().map(|row| cents(row[column + 1])).sum();
        assert_eq!(summed, cents(sums[column + 1]), "column {column}");
    }
}

#[test]
fn the_prices_of_looking_are_what_their_arithmetic_gives() {
    let document = read("docs/deploy.md");
    let head = "| looks | for an order that comes | $ | for one that does not come | $ |\n|---|---|---|---|---|\n";
    let (_, table) = document.split_once(head).unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let rows: Vec<Vec<&str>> = rows
        .map(|row| row.split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), 3);
    for column in [2, 4] {
        for row in &rows {
            let value = sum(&mut tokens(row[column]).into_iter());
            assert_eq!(value.rounded(), row[column + 1], "{}", row[column]);
        }
        // The gateway, the requests and the logs.
        let whole = |row: &Vec<&str>| {
            let whole = cents(row[column + 1]) + 205;
            format!("{}.{:02}", whole / 100, whole % 100)
        };
        let told = format!("{} before and {} now", whole(&rows[0]), whole(&rows[1]));
        assert!(document.contains(&told), "{told}");
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
    for is_of_facts in [false, true] {
        let alarms = terraform.locals().filter(|local| {
            local.key().starts_with("alarms_") && local.key().ends_with("facts") == is_of_facts
        });
        let watched = alarms.map(|alarms| metrics(alarms.expr())).sum::<usize>();
        let dollars = format!("{}.{}0", watched / 10, watched % 10);
        priced(format!("| {watched} metrics × 0.10 | {dollars} |"));
        priced(format!("| {dollars} + "));
        let composites = ["composites", "composites_of_facts"][usize::from(is_of_facts)];
        let composites = names(terraform.local(composites)).len();
        priced(format!("| alarms of two parts | {composites} × 0.50 |"));
    }

    for (part, metrics) in [
        (
            "service",
            &["batch_metrics", "put_metrics", "gateway_metrics"][..],
        ),
        ("notifier", &["facts_metrics", "publish_metrics"]),
    ] {
        let metrics = metrics
            .iter()
            .map(|local| names(terraform.local(local)).len());
        let own: usize = metrics.sum();
        priced(format!("| the {part}'s metrics | {own} × 0.30 |"));
    }
}
