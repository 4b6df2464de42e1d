//! The members of DynamoDB's inputs that dynoxide reads. dynoxide ignores all other members, so
//! they are refused here. Values are not looked at, because an item's attributes may have any name.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The known shape of a value.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// A value of any shape. dynoxide reads the value or refuses it.
    Any,
    Members(&'static [(&'static str, Shape)]),
    List(&'static Shape),
    Map(&'static Shape),
}

use Shape::{Any, List, Map, Members};

const WRITE: Shape = Members(&[
    ("TableName", Any),
    ("Key", Any),
    ("Item", Any),
    ("UpdateExpression", Any),
    ("ConditionExpression", Any),
    ("ExpressionAttributeNames", Any),
    ("ExpressionAttributeValues", Any),
    ("ReturnValuesOnConditionCheckFailure", Any),
]);
const TRANSACT_WRITE: Shape = Members(&[
    ("Put", WRITE),
    ("Update", WRITE),
    ("Delete", WRITE),
    ("ConditionCheck", WRITE),
]);
const GET: Shape = Members(&[
    ("TableName", Any),
    ("Key", Any),
    ("ProjectionExpression", Any),
    ("ExpressionAttributeNames", Any),
]);
const KEYS: Shape = Members(&[
    ("Keys", Any),
    ("ProjectionExpression", Any),
    ("ExpressionAttributeNames", Any),
    ("ConsistentRead", Any),
    ("AttributesToGet", Any),
]);
const WRITE_REQUEST: Shape = Members(&[
    ("PutRequest", Members(&[("Item", Any)])),
    ("DeleteRequest", Members(&[("Key", Any)])),
]);
const INDEX: Shape = Members(&[
    ("IndexName", Any),
    ("KeySchema", Any),
    ("Projection", Any),
    ("ProvisionedThroughput", Any),
]);
const STREAM_SPECIFICATION: Shape = Members(&[("StreamEnabled", Any), ("StreamViewType", Any)]);
const INDEX_UPDATE: Shape = Members(&[("Create", INDEX), ("Update", INDEX), ("Delete", INDEX)]);

macro_rules! plain {
    ($($name:literal)*) => { Members(&[$(($name, Any)),*]) };
}

/// The members of an operation that is modelled.
pub(super) fn of(operation: &str) -> Option<Shape> {
    Some(match operation {
        "BatchGetItem" => Members(&[
            ("RequestItems", Map(&KEYS)),
            ("ReturnConsumedCapacity", Any),
        ]),
        "BatchWriteItem" => Members(&[
            ("RequestItems", Map(&List(&WRITE_REQUEST))),
            ("ReturnConsumedCapacity", Any),
            ("ReturnItemCollectionMetrics", Any),
        ]),
        "CreateTable" => Members(&[
            ("TableName", Any),
            ("KeySchema", Any),
            ("AttributeDefinitions", Any),
            ("GlobalSecondaryIndexes", List(&INDEX)),
            ("LocalSecondaryIndexes", List(&INDEX)),
            ("BillingMode", Any),
            ("ProvisionedThroughput", Any),
            ("StreamSpecification", STREAM_SPECIFICATION),
            ("SSESpecification", Any),
            ("TableClass", Any),
            ("Tags", Any),
            ("DeletionProtectionEnabled", Any),
            ("OnDemandThroughput", Any),
        ]),
        "DeleteTable" | "DescribeTable" => plain!("TableName"),
        "ListTables" => plain!("ExclusiveStartTableName" "Limit"),
        "GetItem" => {
            plain!("TableName" "Key" "ConsistentRead" "ProjectionExpression" "ExpressionAttributeNames"
            "ReturnConsumedCapacity" "AttributesToGet")
        }
        "DeleteItem" | "PutItem" | "UpdateItem" => {
            plain!("TableName" "Key" "Item" "UpdateExpression"
            "ConditionExpression" "ExpressionAttributeNames" "ExpressionAttributeValues" "ReturnValues"
            "ReturnConsumedCapacity" "ReturnValuesOnConditionCheckFailure" "ReturnItemCollectionMetrics"
            "AttributeUpdates" "Expected" "ConditionalOperator")
        }
        "Query" | "Scan" => {
            plain!("TableName" "KeyConditionExpression" "FilterExpression" "ProjectionExpression"
            "ExpressionAttributeNames" "ExpressionAttributeValues" "ScanIndexForward" "Limit" "ExclusiveStartKey"
            "Select" "ConsistentRead" "IndexName" "ReturnConsumedCapacity" "KeyConditions" "AttributesToGet"
            "QueryFilter" "ScanFilter" "ConditionalOperator" "Segment" "TotalSegments")
        }
        "TransactGetItems" => Members(&[
            ("TransactItems", List(&Members(&[("Get", GET)]))),
            ("ReturnConsumedCapacity", Any),
        ]),
        "TransactWriteItems" => Members(&[
            ("TransactItems", List(&TRANSACT_WRITE)),
            ("ClientRequestToken", Any),
            ("ReturnConsumedCapacity", Any),
            ("ReturnItemCollectionMetrics", Any),
        ]),
        "UpdateTable" => Members(&[
            ("TableName", Any),
            ("AttributeDefinitions", Any),
            ("GlobalSecondaryIndexUpdates", List(&INDEX_UPDATE)),
            ("StreamSpecification", STREAM_SPECIFICATION),
            ("DeletionProtectionEnabled", Any),
            ("ProvisionedThroughput", Any),
            ("BillingMode", Any),
            ("TableClass", Any),
            ("OnDemandThroughput", Any),
        ]),
        _ => return None,
    })
}

/// The first member of `body` that `shape` does not have and that is not null. The function goes
/// over the text once, without a copy. dynoxide refuses everything else that is not of the shape.
pub(super) fn unknown(shape: &Shape, body: &[u8]) -> Option<String> {
    let mut found = None;
    let look = Look {
        shape,
        found: &mut found,
    };
    let _ = look.deserialize(&mut serde_json::Deserializer::from_slice(body));
    found
}

struct Look<'a> {
    shape: &'a Shape,
    found: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.shape {
            Any => deserializer.deserialize_ignored_any(IgnoredAny).map(|_| ()),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an input")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let shape = match self.shape {
                Members(members) => members.iter().find(|(known, _)| *known == name),
                Map(shape) => {
                    map.next_value_seed(Look {
                        shape,
                        found: self.found,
                    })?;
                    continue;
                }
                Any | List(_) => Some(&("", Any)),
            };
            match shape {
                Some((_, shape)) => map.next_value_seed(Look {
                    shape,
                    found: self.found,
                })?,
                None => {
                    let given = map.next_value::<Option<IgnoredAny>>()?.is_some();
                    if given && self.found.is_none() {
                        *self.found = Some(name);
                    }
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let shape = match self.shape {
            List(shape) => *shape,
            _ => &Any,
        };
        while items
            .next_element_seed(Look {
                shape,
                found: self.found,
            })?
            .is_some()
        {}
        Ok(())
    }
}
