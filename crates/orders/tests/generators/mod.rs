//! Random orders within every limit.

use proptest::prelude::*;
use serde_json::{Value, json};

pub(crate) fn any_order() -> impl Strategy<Value = Value> {
    let name = "[^\\p{Cc}]{1,64}";
    let item = (name, 1..=10_000_u64, 0..=1_000_000_000_000_u64)
        .prop_map(|(sku, quantity, unit_price)| json!({"sku": sku, "quantity": quantity, "unit_price": unit_price}));
    let currency = prop::sample::select(vec!["EUR", "USD", "JPY", "KWD", "CLF"]);
    (
        name,
        currency,
        prop::collection::vec(item, 1..5),
        prop::option::of("(?s).{0,500}"),
    )
        .prop_map(|(customer, currency, items, note)| {
            let mut order = json!({"customer_id": customer, "currency": currency, "items": items});
            if let Some(note) = note {
                order["note"] = json!(note);
            }
            order
        })
}
