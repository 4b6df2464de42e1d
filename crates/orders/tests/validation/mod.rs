//! Events against the schemas that `docs/schemas` has.

use std::collections::BTreeMap;
use std::path::Path;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

/// The schemas by the type of their events.
pub(crate) struct Validator {
    schemas: Schemas,
    by_type: BTreeMap<String, SchemaIndex>,
}

impl Validator {
    /// Reads all schemas.
    pub(crate) fn new() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas");
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.enable_format_assertions();
        let files = std::fs::read_dir(folder).unwrap();
        let by_type = files
            .filter_map(|file| {
                let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
                let schema: Value = serde_json::from_str(&text).unwrap();
                // The documents of the HTTP API are no events. Their file has no title.
                let type_name = schema["title"].as_str()?.to_owned();
                compiler.add_resource(&type_name, schema).unwrap();
                let index = compiler.compile(&type_name, &mut schemas).unwrap();
                Some((type_name, index))
            })
            .collect();
        Self { schemas, by_type }
    }

    /// The types that have a schema.
    #[allow(dead_code, reason = "a test target uses a part of this module")]
    pub(crate) fn types(&self) -> Vec<&str> {
        self.by_type.keys().map(String::as_str).collect()
    }

    /// Validates an event by the schema of its type.
    pub(crate) fn validate(&self, event: &Value) -> Result<(), String> {
        let type_name = event["type"].as_str().unwrap();
        self.validate_as(type_name, event)
    }

    /// Validates an event by the schema of this type.
    pub(crate) fn validate_as(&self, type_name: &str, event: &Value) -> Result<(), String> {
        let index = self.by_type.get(type_name).ok_or("there is no schema")?;
        let result = self.schemas.validate(event, *index);
        result.map_err(|error| error.to_string())
    }
}
