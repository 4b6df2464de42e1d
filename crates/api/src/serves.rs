//! The setting `SERVES`, which says what part of the API a function serves. A function has only
//! what its part needs, so that it cannot do what the other part does.

use function_runtime::{Environment, StartError};
use orders_table::OrdersTable;

use crate::stream::Stream;

/// The part of the API that a function serves, with all that this part needs.
///
/// A function that reads has no stream, and a function that writes has no table. So waiting reads
/// cannot take the execution environments that orders need, and each role allows one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serves<S = Stream, T = OrdersTable> {
    /// The whole API, which writes into the stream and reads the table.
    All(S, T),
    /// All but the reads of orders.
    Writes(S),
    /// `GET /orders/{id}` alone.
    Reads(T),
}

/// The values of the setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Setting {
    #[default]
    All,
    Writes,
    Reads,
}

impl Setting {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "writes" => Ok(Self::Writes),
            "reads" => Ok(Self::Reads),
            _ => Err("must be all, writes or reads".to_owned()),
        }
    }
}

impl Serves<String, String> {
    /// Reads `SERVES`, and the names of what it needs. They are `STREAM_NAME` for writes, and
    /// `TABLE_NAME` for reads.
    pub(crate) fn read(environment: &Environment) -> Result<Self, StartError> {
        let stream_name = || environment.required("STREAM_NAME");
        let table_name = || environment.required("TABLE_NAME");
        Ok(
            match environment.parsed_or_default("SERVES", Setting::parse)? {
                Setting::All => Self::All(stream_name()?, table_name()?),
                Setting::Writes => Self::Writes(stream_name()?),
                Setting::Reads => Self::Reads(table_name()?),
            },
        )
    }
}

impl<S, T> Serves<S, T> {
    /// The same part, with a stream and a table made of these.
    pub(crate) fn map<S2, T2>(
        self,
        stream: impl FnOnce(S) -> S2,
        table: impl FnOnce(T) -> T2,
    ) -> Serves<S2, T2> {
        match self {
            Self::All(s, t) => Serves::All(stream(s), table(t)),
            Self::Writes(s) => Serves::Writes(stream(s)),
            Self::Reads(t) => Serves::Reads(table(t)),
        }
    }

    /// The stream, if the function writes.
    pub(crate) fn stream(&self) -> Option<&S> {
        match self {
            Self::All(stream, _) | Self::Writes(stream) => Some(stream),
            Self::Reads(_) => None,
        }
    }

    /// The table, if the function reads.
    pub(crate) fn table(&self) -> Option<&T> {
        match self {
            Self::All(_, table) | Self::Reads(table) => Some(table),
            Self::Writes(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the setting from an environment that has these variables, each with its name as its
    /// value.
    fn read(
        serves: &'static str,
        names: &'static [&str],
    ) -> Result<Serves<String, String>, String> {
        let environment = Environment::from_lookup(move |asked| match asked {
            "SERVES" => Some(serves.to_owned()),
            _ => names.contains(&asked).then(|| asked.to_owned()),
        });
        Serves::read(&environment).map_err(|error| error.to_string())
    }

    const STREAM: &str = "STREAM_NAME";
    const TABLE: &str = "TABLE_NAME";

    #[test]
    fn each_part_needs_only_what_it_serves() {
        let (stream, table) = (|| STREAM.to_owned(), || TABLE.to_owned());
        assert_eq!(read("writes", &[STREAM]), Ok(Serves::Writes(stream())));
        assert_eq!(read("reads", &[TABLE]), Ok(Serves::Reads(table())));
        for all in ["all", ""] {
            let both = read(all, &[STREAM, TABLE]);
            assert_eq!(both, Ok(Serves::All(stream(), table())));
        }
    }

    #[test]
    fn what_a_part_does_not_need_is_not_taken() {
        let writes = read("writes", &[STREAM, TABLE]).unwrap();
        assert_eq!(writes.table(), None);
        let reads = read("reads", &[STREAM, TABLE]).unwrap();
        assert_eq!(reads.stream(), None);
    }

    #[test]
    fn what_a_part_needs_and_has_not_is_named() {
        for (serves, names, missing) in [
            ("all", &[TABLE][..], STREAM),
            ("all", &[STREAM], TABLE),
            ("writes", &[TABLE], STREAM),
            ("reads", &[STREAM], TABLE),
        ] {
            let expected = format!("setting {missing} is missing");
            assert_eq!(read(serves, names), Err(expected), "{serves}");
        }
    }

    #[test]
    fn another_value_is_refused_by_name() {
        for value in ["write", "ALL", "reads,writes", " all"] {
            let expected = "setting SERVES is wrong: must be all, writes or reads";
            assert_eq!(read(value, &[STREAM, TABLE]), Err(expected.to_owned()));
        }
    }
}
