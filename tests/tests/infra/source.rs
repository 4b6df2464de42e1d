//! The readers of Terraform's configuration and of Rust's sources.

use std::collections::BTreeSet;

use hcl::expr::{Operation, TemplateExpr, TraversalOperator};
use hcl::structure::{Attribute, Block};
use hcl::{Body, Expression};
use tests::repository;

/// The folder of the module that has every resource of the service.
pub(crate) const MODULE: &str = "infra/modules/orders";

/// A file of the repository.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A part of Terraform's configuration.
pub(crate) struct Terraform(Body);

impl Terraform {
    /// Every `.tf` file of the module.
    pub(crate) fn all() -> Self {
        Self::folder(MODULE)
    }

    /// Every `.tf` file of a folder, without those of the folders in it.
    pub(crate) fn folder(path: &str) -> Self {
        let folder = std::fs::read_dir(repository().join(path)).unwrap();
        let files = folder.map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> = files
            .filter(|path| path.extension().is_some_and(|extension| extension == "tf"))
            .collect();
        paths.sort();
        assert!(paths.len() > 3, "{paths:?}");
        let parts = paths.iter().flat_map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            let body =
                hcl::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            body.into_inner()
        });
        Self(parts.collect())
    }

    /// One file, which is a `.tf` file or a file of values.
    pub(crate) fn file(path: &str) -> Self {
        Self(hcl::parse(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}")))
    }

    /// The names outside of blocks that are given a value.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let attributes = self.0.attributes();
        attributes.map(|given| given.key().to_owned()).collect()
    }

    /// The variables that are declared, each with its block.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&str, &Body)> {
        let blocks = self.0.blocks();
        let variables = blocks.filter(|block| block.identifier() == "variable");
        variables.map(|block| (block.labels()[0].as_str(), block.body()))
    }

    /// A resource.
    pub(crate) fn resource(&self, kind: &str, name: &str) -> &Body {
        let mut blocks = self.0.blocks();
        let is_it = |block: &&Block| {
            let labels: Vec<_> = block.labels().iter().map(|label| label.as_str()).collect();
            block.identifier() == "resource" && labels == [kind, name]
        };
        let found = blocks.find(is_it);
        found
            .unwrap_or_else(|| panic!("no resource {kind} {name}"))
            .body()
    }

    /// An output.
    pub(crate) fn output(&self, name: &str) -> &Expression {
        let mut blocks = self.0.blocks();
        let is_it =
            |block: &&Block| block.identifier() == "output" && block.labels()[0].as_str() == name;
        let found = blocks.find(is_it);
        attribute(
            found.unwrap_or_else(|| panic!("no output {name}")).body(),
            "value",
        )
    }

    /// The local values.
    pub(crate) fn locals(&self) -> impl Iterator<Item = &Attribute> {
        let blocks = self.0.blocks();
        let locals = blocks.filter(|block| block.identifier() == "locals");
        locals.flat_map(|block| block.body().attributes())
    }

    /// A local value.
    pub(crate) fn local(&self, name: &str) -> &Expression {
        let found = self.locals().find(|local| local.key() == name);
        found.unwrap_or_else(|| panic!("no local.{name}")).expr()
    }

    /// Every expression, and the expressions that each expression is put together from.
    pub(crate) fn expressions(&self) -> Vec<&Expression> {
        inside(&self.0)
    }
}

/// Every expression in a block, and the expressions that each expression is put together from.
fn inside(body: &Body) -> Vec<&Expression> {
    let attributes = body.attributes().flat_map(|given| parts(given.expr()));
    let blocks = body.blocks().flat_map(|block| inside(block.body()));
    attributes.chain(blocks).collect()
}

/// The value of an attribute.
pub(crate) fn attribute<'a>(body: &'a Body, name: &str) -> &'a Expression {
    let found = body.attributes().find(|given| given.key() == name);
    found.unwrap_or_else(|| panic!("no {name}")).expr()
}

/// A block in a block.
pub(crate) fn block<'a>(body: &'a Body, name: &str) -> &'a Body {
    let found = body.blocks().find(|block| block.identifier() == name);
    found.unwrap_or_else(|| panic!("no block {name}")).body()
}

/// An expression and the expressions that it is put together from. The whole comes before its
/// parts.
pub(crate) fn parts(expression: &Expression) -> Vec<&Expression> {
    let direct: Vec<&Expression> = match expression {
        Expression::Array(values) => values.iter().collect(),
        Expression::Object(object) => object.values().collect(),
        Expression::Traversal(traversal) => {
            let indexes = traversal.operators.iter().filter_map(|operator| {
                let TraversalOperator::Index(index) = operator else {
                    return None;
                };
                Some(index)
            });
            std::iter::once(&traversal.expr).chain(indexes).collect()
        }
        Expression::FuncCall(call) => call.args.iter().collect(),
        Expression::Parenthesis(inner) => vec![inner],
        Expression::Conditional(choice) => {
            vec![&choice.cond_expr, &choice.true_expr, &choice.false_expr]
        }
        Expression::Operation(operation) => match &**operation {
            Operation::Unary(unary) => vec![&unary.expr],
            Operation::Binary(binary) => vec![&binary.lhs_expr, &binary.rhs_expr],
        },
        Expression::ForExpr(each) => [Some(&each.collection_expr), each.key_expr.as_ref()]
            .into_iter()
            .chain([Some(&each.value_expr), each.cond_expr.as_ref()])
            .flatten()
            .collect(),
        _ => Vec::new(),
    };
    let nested = direct.into_iter().flat_map(parts);
    std::iter::once(expression).chain(nested).collect()
}

/// The names and values of an object.
pub(crate) fn entries(object: &Expression) -> Vec<(String, &Expression)> {
    let Expression::Object(object) = object else {
        panic!("not an object: {object:?}");
    };
    let entries = object.iter();
    entries
        .map(|(name, value)| (name.to_string(), value))
        .collect()
}

/// The names in an object.
pub(crate) fn names(object: &Expression) -> BTreeSet<String> {
    entries(object).into_iter().map(|(name, _)| name).collect()
}

/// Every text without a placeholder in an expression.
pub(crate) fn texts(expression: &Expression) -> Vec<&str> {
    let parts = parts(expression).into_iter();
    parts
        .filter_map(|part| match part {
            Expression::String(text) => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

/// The text of a template, with its placeholders as they are.
pub(crate) fn template(expression: &Expression) -> String {
    let Expression::TemplateExpr(template) = expression else {
        panic!("not a template: {expression:?}");
    };
    let TemplateExpr::QuotedString(text) = &**template else {
        panic!("not in quotes: {expression:?}");
    };
    text.replace("\\\"", "\"")
}

/// A number.
pub(crate) fn number(expression: &Expression) -> f64 {
    let Expression::Number(number) = expression else {
        panic!("not a number: {expression:?}");
    };
    number.as_f64().unwrap()
}

/// The names behind `root.` that these expressions refer to. `root` is `local` or `var`, for
/// example.
pub(crate) fn references<'a>(
    expressions: impl IntoIterator<Item = &'a Expression>,
    root: &str,
) -> BTreeSet<String> {
    let references = expressions.into_iter().filter_map(|expression| {
        let Expression::Traversal(traversal) = expression else {
            return None;
        };
        match (&traversal.expr, traversal.operators.first()) {
            (Expression::Variable(variable), Some(TraversalOperator::GetAttr(name))) => {
                (variable.as_str() == root).then(|| name.to_string())
            }
            _ => None,
        }
    });
    references.collect()
}

fn expression(text: &str) -> Expression {
    text.parse().unwrap()
}

#[test]
fn an_expression_has_the_parts_of_all_kinds_of_expressions() {
    for text in [
        "[\"it\"]",
        "{ a = \"it\" }",
        "f(1, \"it\")",
        "(\"it\")",
        "a ? \"it\" : 1",
        "a ? 1 : \"it\"",
        "a == \"it\"",
        "[for b in c : \"it\"]",
        "[for b in [\"it\"] : b if d]",
        "[for b in c : b if b == \"it\"]",
        "a[\"it\"].b",
        "f([{ a = [for b in c : { d = x ? (\"it\") : 1 }] }])",
    ] {
        assert_eq!(texts(&expression(text)), ["it"], "{text}");
    }
}

#[test]
fn names_are_those_of_the_object_itself() {
    let found = names(&expression("{ a = 1, \"b\" = { c = 2 }, d = [3] }"));
    assert_eq!(found, ["a", "b", "d"].map(str::to_owned).into());
}

#[test]
fn a_reference_is_found_wherever_it_is() {
    let text = expression("f(local.a, [for b in local.c.d : var.e ? local.f[0] : b.local])");
    let found = references(parts(&text), "local");
    assert_eq!(found, ["a", "c", "f"].map(str::to_owned).into());
}
