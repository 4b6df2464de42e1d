//! A value as serde_json would write it, except that a float stays one, an integer of any size
//! keeps its digits, and a member keeps its place beside another of the same name.

use std::fmt::Display;

use serde::ser::{
    Error, Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct,
    SerializeStructVariant, SerializeTuple, SerializeTupleStruct, SerializeTupleVariant,
    Serializer,
};

use super::{Fault, Json, What};

/// By these names serde_json hands over its numbers if its feature `arbitrary_precision` is on
/// (which anybody in a build can switch on for all), and its raw values.
const NUMBER: &str = "$serde_json::private::Number";
const RAW_VALUE: &str = "$serde_json::private::RawValue";

const NO_FORM: Fault = What::NoForm.at(String::new());

/// A value as JSON.
pub(crate) fn serialize<T: Serialize + ?Sized>(value: &T) -> Result<Json, Fault> {
    value.serialize(ToJson)
}

impl std::error::Error for Fault {}

impl Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} at {:?}", self.what, self.pointer)
    }
}

impl Error for Fault {
    /// The words of a `Serialize` are not kept, because they may quote the payload.
    fn custom<T: Display>(_: T) -> Self {
        NO_FORM
    }
}

struct ToJson;

/// The elements of an array so far, and in an enum's variant its name.
struct Elements {
    variant: Option<&'static str>,
    values: Vec<Json>,
}

/// The members of an object so far.
struct Members {
    variant: Option<&'static str>,
    members: Vec<(String, Json)>,
    /// The name whose value comes next.
    name: Option<String>,
}

/// A struct, or what serde_json passes off as one.
enum Fields {
    Members(Members),
    /// A number, by its text once that has come.
    Number(Option<Json>),
    /// A raw value, by its text once that has come.
    RawValue(Option<Json>),
}

/// The value as an enum's variant, if it is one.
fn variant(name: Option<&'static str>, value: Json) -> Json {
    match name {
        None => value,
        Some(name) => Json::Object(vec![(name.to_owned(), value)]),
    }
}

fn in_variant(name: Option<&'static str>, fault: Fault) -> Fault {
    match name {
        None => fault,
        Some(name) => fault.below(name),
    }
}

impl Elements {
    fn new(variant: Option<&'static str>) -> Self {
        Self {
            variant,
            values: vec![],
        }
    }

    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        let value = serialize(value)
            .map_err(|fault| in_variant(self.variant, fault.below(&self.values.len().to_string())));
        self.values.push(value?);
        Ok(())
    }

    fn finish(self) -> Json {
        variant(self.variant, Json::Array(self.values))
    }
}

impl Members {
    fn new(variant: Option<&'static str>) -> Self {
        Self {
            variant,
            members: vec![],
            name: None,
        }
    }

    fn add<T: Serialize + ?Sized>(&mut self, name: String, value: &T) -> Result<(), Fault> {
        let value = serialize(value).map_err(|fault| in_variant(self.variant, fault.below(&name)));
        self.members.push((name, value?));
        Ok(())
    }

    fn finish(self) -> Json {
        variant(self.variant, Json::Object(self.members))
    }
}

macro_rules! integers {
    ($($method:ident: $type:ty,)+) => {
        $(fn $method(self, value: $type) -> Result<Json, Fault> {
            Ok(Json::Number(value.to_string()))
        })+
    };
}

impl Serializer for ToJson {
    type Ok = Json;
    type Error = Fault;
    type SerializeSeq = Elements;
    type SerializeTuple = Elements;
    type SerializeTupleStruct = Elements;
    type SerializeTupleVariant = Elements;
    type SerializeMap = Members;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Members;

    integers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
    }

    fn serialize_bool(self, value: bool) -> Result<Json, Fault> {
        Ok(Json::Bool(value))
    }

    fn serialize_f32(self, _: f32) -> Result<Json, Fault> {
        Ok(Json::Float)
    }

    fn serialize_f64(self, _: f64) -> Result<Json, Fault> {
        Ok(Json::Float)
    }

    fn serialize_char(self, value: char) -> Result<Json, Fault> {
        Ok(Json::Text(value.to_string()))
    }

    fn serialize_str(self, value: &str) -> Result<Json, Fault> {
        Ok(Json::Text(value.to_owned()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Json, Fault> {
        let numbers = value.iter().map(|byte| Json::Number(byte.to_string()));
        Ok(Json::Array(numbers.collect()))
    }

    fn serialize_none(self) -> Result<Json, Fault> {
        Ok(Json::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Json, Fault> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Json, Fault> {
        Ok(Json::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Json, Fault> {
        Ok(Json::Null)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
    ) -> Result<Json, Fault> {
        Ok(Json::Text(name.to_owned()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Json, Fault> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<Json, Fault> {
        let value = serialize(value).map_err(|fault| fault.below(name))?;
        Ok(variant(Some(name), value))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Elements, Fault> {
        Ok(Elements::new(None))
    }

    fn serialize_tuple(self, _: usize) -> Result<Elements, Fault> {
        Ok(Elements::new(None))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Elements, Fault> {
        Ok(Elements::new(None))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Elements, Fault> {
        Ok(Elements::new(Some(name)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members, Fault> {
        Ok(Members::new(None))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields, Fault> {
        Ok(match name {
            NUMBER => Fields::Number(None),
            RAW_VALUE => Fields::RawValue(None),
            _ => Fields::Members(Members::new(None)),
        })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Members, Fault> {
        Ok(Members::new(Some(name)))
    }
}

impl SerializeSeq for Elements {
    type Ok = Json;
    type Error = Fault;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        self.add(value)
    }

    fn end(self) -> Result<Json, Fault> {
        Ok(self.finish())
    }
}

impl SerializeTuple for Elements {
    type Ok = Json;
    type Error = Fault;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        self.add(value)
    }

    fn end(self) -> Result<Json, Fault> {
        Ok(self.finish())
    }
}

impl SerializeTupleStruct for Elements {
    type Ok = Json;
    type Error = Fault;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        self.add(value)
    }

    fn end(self) -> Result<Json, Fault> {
        Ok(self.finish())
    }
}

impl SerializeTupleVariant for Elements {
    type Ok = Json;
    type Error = Fault;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        self.add(value)
    }

    fn end(self) -> Result<Json, Fault> {
        Ok(self.finish())
    }
}

impl SerializeMap for Members {
    type Ok = Json;
    type Error = Fault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fault> {
        self.name = Some(key.serialize(ToName)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        // By serde's contract a key comes before each value.
        let name = self.name.take().ok_or(NO_FORM)?;
        self.add(name, value)
    }

    fn end(self) -> Result<Json, Fault> {
        Ok(self.finish())
    }
}

impl SerializeStructVariant for Members {
    type Ok = Json;
    type Error = Fault;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        self.add(name.to_owned(), value)
    }

    fn end(self) -> Result<Json, Fault> {
        Ok(self.finish())
    }
}

impl SerializeStruct for Fields {
    type Ok = Json;
    type Error = Fault;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        match self {
            Self::Members(members) => members.add(name.to_owned(), value),
            Self::Number(text) | Self::RawValue(text) => {
                *text = Some(serialize(value)?);
                Ok(())
            }
        }
    }

    fn end(self) -> Result<Json, Fault> {
        match self {
            Self::Members(members) => Ok(members.finish()),
            Self::Number(Some(Json::Text(json))) => match Json::read(json.as_bytes()) {
                Ok(number @ Json::Number(_)) => Ok(number),
                _ => Err(NO_FORM),
            },
            Self::RawValue(Some(Json::Text(json))) => {
                Json::read(json.as_bytes()).map_err(|_| NO_FORM)
            }
            Self::Number(_) | Self::RawValue(_) => Err(NO_FORM),
        }
    }
}

/// The name of a member. It is what serde_json takes as a map's key, except floats.
struct ToName;

macro_rules! names {
    ($($method:ident: $type:ty,)+) => {
        $(fn $method(self, value: $type) -> Result<String, Fault> {
            Ok(value.to_string())
        })+
    };
}

impl Serializer for ToName {
    type Ok = String;
    type Error = Fault;
    type SerializeSeq = Impossible<String, Fault>;
    type SerializeTuple = Impossible<String, Fault>;
    type SerializeTupleStruct = Impossible<String, Fault>;
    type SerializeTupleVariant = Impossible<String, Fault>;
    type SerializeMap = Impossible<String, Fault>;
    type SerializeStruct = Impossible<String, Fault>;
    type SerializeStructVariant = Impossible<String, Fault>;

    names! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_bool: bool, serialize_char: char, serialize_str: &str,
    }

    fn serialize_f32(self, _: f32) -> Result<String, Fault> {
        Err(What::Float.at(String::new()))
    }

    fn serialize_f64(self, _: f64) -> Result<String, Fault> {
        Err(What::Float.at(String::new()))
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<String, Fault> {
        Err(NO_FORM)
    }

    fn serialize_none(self) -> Result<String, Fault> {
        Err(NO_FORM)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<String, Fault> {
        Err(NO_FORM)
    }

    fn serialize_unit(self) -> Result<String, Fault> {
        Err(NO_FORM)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<String, Fault> {
        Err(NO_FORM)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
    ) -> Result<String, Fault> {
        Ok(name.to_owned())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<String, Fault> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<String, Fault> {
        Err(NO_FORM)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Fault> {
        Err(NO_FORM)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Fault> {
        Err(NO_FORM)
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Fault> {
        Err(NO_FORM)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Fault> {
        Err(NO_FORM)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Fault> {
        Err(NO_FORM)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, Fault> {
        Err(NO_FORM)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Fault> {
        Err(NO_FORM)
    }
}
