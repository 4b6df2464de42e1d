//! Validation by a JSON Schema.

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};

pub(crate) struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    pub(crate) fn new(schema: &Value) -> Self {
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        let name = "https://vectors.example/schema.json";
        compiler.add_resource(name, schema.clone()).unwrap();
        let index = compiler.compile(name, &mut schemas).unwrap();
        Self { schemas, index }
    }

    pub(crate) fn validate(&self, document: &Value) -> Result<(), String> {
        self.schemas
            .validate(document, self.index)
            .map_err(|error| format!("{error:#}"))
    }
}

/// True if the regular expression matches, by the rules of JSON Schema's `pattern`.
pub(crate) fn matches_pattern(pattern: &str, text: &str) -> bool {
    let schema = Schema::new(&json!({ "pattern": pattern }));
    schema.validate(&text.into()).is_ok()
}
