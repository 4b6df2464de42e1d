//! A valid order, and the one way to get one.

use std::fmt;

use serde::Serialize;

use crate::currency;
use crate::json::{self, Json};
#[cfg(test)]
use crate::schema::{CURRENCY, NO_CONTROLS};
use crate::violation::{Code, Pointer, Violation, Violations};

/// The longest `customer_id` and `sku`, in characters (Unicode scalar values).
const MAX_NAME: usize = 64;
/// The longest `note`, in characters.
const MAX_NOTE: usize = 500;
/// The most line items of an order.
const MAX_ITEMS: usize = 100;
/// The largest quantity of a line item.
const MAX_QUANTITY: u64 = 10_000;
/// The largest unit price, in minor units of the currency.
const MAX_UNIT_PRICE: u64 = 1_000_000_000_000;

// The dearest order there can be fits the type of a total, so no sum below can overflow. Raising a
// limit past that point does not compile.
/// The largest total of an order. The compiler checks that it is computed without an overflow.
pub(crate) const MAX_TOTAL: u64 = MAX_ITEMS as u64 * MAX_QUANTITY * MAX_UNIT_PRICE;
const _: () = assert!(MAX_TOTAL <= i64::MAX as u64);

/// An order whose every field is within its limits. [`NewOrder::parse`] is the only way to get one.
///
/// The limits are:
///
/// - `customer_id` and each `sku`: 1–64 characters without control characters
/// - `currency`: an upper-case ISO 4217 code
/// - `items`: 1–100, each with a quantity of 1–10,000 and a unit price of 0–10¹² minor units of the
///   currency
/// - `note`, if there is one: at most 500 characters
///
/// `Serialize` writes the document that `parse` reads. `Debug` shows no content, so an order can
/// not slip into a log by accident.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NewOrder {
    /// The customer, in the words of the client.
    #[cfg_attr(test, schemars(length(min = 1, max = MAX_NAME), regex(pattern = NO_CONTROLS)))]
    customer_id: String,
    /// The ISO 4217 code of every price in the order.
    #[cfg_attr(test, schemars(regex(pattern = CURRENCY)))]
    currency: String,
    /// The lines of the order.
    #[cfg_attr(test, schemars(length(min = 1, max = MAX_ITEMS)))]
    items: Vec<LineItem>,
    /// The client's addition in free text, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String", length(max = MAX_NOTE)))]
    note: Option<String>,
}

/// One line of an order, which is so many of this article at this price.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LineItem {
    /// The article.
    #[cfg_attr(test, schemars(length(min = 1, max = MAX_NAME), regex(pattern = NO_CONTROLS)))]
    sku: String,
    /// The number of pieces.
    #[cfg_attr(test, schemars(range(min = 1, max = MAX_QUANTITY)))]
    quantity: u64,
    /// The price of one piece, in minor units of the currency.
    #[cfg_attr(test, schemars(range(min = 0, max = MAX_UNIT_PRICE)))]
    unit_price: u64,
}

/// Why bytes are not an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The bytes are not a JSON document.
    #[error("not a JSON document: syntax error at line {line}, column {column}")]
    NotJson {
        /// Line of the first error, counted from 1.
        line: usize,
        /// Column of the first error in bytes, counted from 1. It is 0 if the error lies before the
        /// first column.
        column: usize,
    },
    /// The document breaks these rules. Each field is reported with the first rule that it breaks,
    /// up to a hundred altogether. The fields of an object come in the sequence of the schema, and
    /// its unknown and duplicate fields after them.
    #[error("the order breaks {} rule(s)", .0.len())]
    Invalid(Vec<Violation>),
}

impl NewOrder {
    /// Reads an order from a JSON document.
    ///
    /// Unknown and duplicate fields are errors. A client whose `qantity` is ignored would have
    /// ordered something else than it believes.
    ///
    /// # Errors
    /// [`ParseError::NotJson`] if the bytes are not a JSON document. [`ParseError::Invalid`] with
    /// the violations if the document is not a valid order.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let json = match Json::parse(bytes) {
            Ok(json) => json,
            Err(_) if json::is_json(bytes) => {
                let mut violations = Violations::default();
                unreadable(&Pointer::Root, &mut violations);
                return Err(ParseError::Invalid(violations.into_vec()));
            }
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                return Err(ParseError::NotJson { line, column });
            }
        };
        let mut violations = Violations::default();
        let order = Self::from_json(&json, &Pointer::Root, &mut violations);
        match order {
            Some(order) if violations.is_empty() => Ok(order),
            _ => Err(ParseError::Invalid(violations.into_vec())),
        }
    }

    /// Reads an order from a part of a document. `None` only if a violation was noted.
    pub(crate) fn from_json(
        json: &Json,
        at: &Pointer<'_>,
        violations: &mut Violations,
    ) -> Option<Self> {
        let mut members = json.object(at, violations)?;
        let customer_id = members
            .require("customer_id", at, violations)
            .and_then(|value| name(value, &at.field("customer_id"), violations));
        let currency = members
            .require("currency", at, violations)
            .and_then(|value| code(value, &at.field("currency"), violations));
        let items = members
            .require("items", at, violations)
            .and_then(|value| items(value, &at.field("items"), violations));
        let note = match members.take("note") {
            None => Some(None),
            Some(value) => text(value, 0..=MAX_NOTE, &at.field("note"), violations).map(Some),
        };
        members.finish(at, violations);
        Some(Self {
            customer_id: customer_id?,
            currency: currency?,
            items: items?,
            note: note?,
        })
    }

    /// The customer, in the words of the client.
    #[must_use]
    pub fn customer_id(&self) -> &str {
        &self.customer_id
    }

    /// The ISO 4217 code of every price in this order.
    #[must_use]
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// The lines, at least one.
    #[must_use]
    pub fn items(&self) -> &[LineItem] {
        &self.items
    }

    /// The client's addition in free text.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// The sum of quantity × unit price over all lines, in minor units of the currency. It is at
    /// most 10¹⁸.
    ///
    /// The sum is always computed here, never taken from a client. It cannot overflow, because the
    /// limits rule that out. The compiler checks this when it builds the crate.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.items
            .iter()
            .map(|item| item.quantity * item.unit_price)
            .sum()
    }
}

impl LineItem {
    /// The article.
    #[must_use]
    pub fn sku(&self) -> &str {
        &self.sku
    }

    /// How many, 1–10,000.
    #[must_use]
    pub fn quantity(&self) -> u64 {
        self.quantity
    }

    /// The price of one, in minor units of the order's currency.
    #[must_use]
    pub fn unit_price(&self) -> u64 {
        self.unit_price
    }
}

/// Notes that a value is JSON by its grammar, with content that no value here can hold. Such
/// content is a number beyond a double's range, a string that is not Unicode text, or more levels
/// of nesting than any order has.
pub(crate) fn unreadable(at: &Pointer<'_>, violations: &mut Violations) {
    let detail = "contains a number or a string that cannot be read, or too many levels of nesting";
    violations.add(at, Code::Format, detail);
}

impl fmt::Debug for NewOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewOrder({} items)", self.items.len())
    }
}

impl fmt::Debug for LineItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LineItem")
    }
}

fn items(json: &Json, at: &Pointer<'_>, violations: &mut Violations) -> Option<Vec<LineItem>> {
    let Json::Array(elements) = json else {
        violations.add(at, Code::Type, "must be an array");
        return None;
    };
    if elements.is_empty() || elements.len() > MAX_ITEMS {
        violations.add(
            at,
            Code::Length,
            format!("must have 1 to {MAX_ITEMS} elements"),
        );
        return None;
    }
    // Every element is looked at, also after a bad one, so that a client learns everything at once.
    let items: Vec<Option<LineItem>> = elements
        .iter()
        .enumerate()
        .map(|(index, element)| line_item(element, &at.element(index), violations))
        .collect();
    items.into_iter().collect()
}

fn line_item(json: &Json, at: &Pointer<'_>, violations: &mut Violations) -> Option<LineItem> {
    let mut members = json.object(at, violations)?;
    let sku = members
        .require("sku", at, violations)
        .and_then(|value| name(value, &at.field("sku"), violations));
    let quantity = members
        .require("quantity", at, violations)
        .and_then(|value| integer(value, 1, MAX_QUANTITY, &at.field("quantity"), violations));
    let unit_price = members
        .require("unit_price", at, violations)
        .and_then(|value| {
            integer(
                value,
                0,
                MAX_UNIT_PRICE,
                &at.field("unit_price"),
                violations,
            )
        });
    members.finish(at, violations);
    Some(LineItem {
        sku: sku?,
        quantity: quantity?,
        unit_price: unit_price?,
    })
}

/// Reads an integer from `least` to `most`.
pub(crate) fn integer(
    json: &Json,
    least: u64,
    most: u64,
    at: &Pointer<'_>,
    violations: &mut Violations,
) -> Option<u64> {
    let Json::Integer(value) = json else {
        violations.add(
            at,
            Code::Type,
            format!("must be an integer from {least} to {most}"),
        );
        return None;
    };
    match u64::try_from(*value) {
        Ok(value) if (least..=most).contains(&value) => Some(value),
        _ => {
            violations.add(
                at,
                Code::Range,
                format!("must be an integer from {least} to {most}"),
            );
            None
        }
    }
}

fn text(
    json: &Json,
    length: std::ops::RangeInclusive<usize>,
    at: &Pointer<'_>,
    violations: &mut Violations,
) -> Option<String> {
    let Some(text) = json.as_str() else {
        violations.add(at, Code::Type, "must be a string");
        return None;
    };
    if !length.contains(&text.chars().count()) {
        violations.add(
            at,
            Code::Length,
            format!(
                "must have {} to {} characters",
                length.start(),
                length.end()
            ),
        );
        return None;
    }
    Some(text.to_owned())
}

fn name(json: &Json, at: &Pointer<'_>, violations: &mut Violations) -> Option<String> {
    let name = text(json, 1..=MAX_NAME, at, violations)?;
    if name.chars().any(char::is_control) {
        violations.add(at, Code::Characters, "must not contain control characters");
        return None;
    }
    Some(name)
}

fn code(json: &Json, at: &Pointer<'_>, violations: &mut Violations) -> Option<String> {
    let Some(code) = json.as_str() else {
        violations.add(at, Code::Type, "must be a string");
        return None;
    };
    if !currency::is_listed(code) {
        violations.add(
            at,
            Code::Currency,
            "must be an upper-case ISO 4217 currency code",
        );
        return None;
    }
    Some(code.to_owned())
}
