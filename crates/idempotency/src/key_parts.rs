//! The values that a key can be made of.

use std::borrow::Cow;
use std::fmt;

/// The kind of a part of a key, besides its bytes. In the hash it is the first byte of the eight
/// that say how long the part is, which no length reaches. So strings are hashed as they were
/// before there were kinds.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A string, or bytes.
    Text = 0,
    /// An integer, in decimal digits.
    Number = 1,
    /// `true` or `false`.
    Bool = 2,
}

/// One part of a [`Key`](crate::Key), which is a text, bytes, an integer or a boolean.
///
/// A text is the same part as its UTF-8 bytes. A number is another part than its digits as a text.
#[derive(Clone)]
pub struct KeyPart<'a> {
    pub(crate) kind: Kind,
    pub(crate) bytes: Cow<'a, [u8]>,
}

/// It shows nothing of the part, which may be somebody's data.
impl fmt::Debug for KeyPart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPart").finish_non_exhaustive()
    }
}

impl<'a> KeyPart<'a> {
    fn text(bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        let (kind, bytes) = (Kind::Text, bytes.into());
        Self { kind, bytes }
    }
}

/// The parts of a [`Key`](crate::Key), in their sequence.
///
/// | | |
/// |---|---|
/// | one part | `&str`, `String`, `&String`, `bool`, every integer but `u8` |
/// | several | tuples of up to six parts, arrays, slices and `Vec`s of parts |
/// | bytes | `&[u8]`, `[u8; N]`, `&[u8; N]` or `Vec<u8>`, as a part of several |
///
/// A `u8` is not a part. Otherwise an array of bytes would be as many numbers.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the parts of a key",
    label = "pass a text, an integer, or a tuple, array, slice or `Vec` of them"
)]
pub trait KeyParts<'a> {
    /// The parts.
    fn into_parts(self) -> Vec<KeyPart<'a>>;
}

/// Values that are one part, and parts as well.
macro_rules! scalars {
    ($($scalar:ty => |$value:ident| $part:expr;)+) => {$(
        impl<'a> From<$scalar> for KeyPart<'a> {
            fn from($value: $scalar) -> Self {
                $part
            }
        }

        impl<'a> KeyParts<'a> for $scalar {
            fn into_parts(self) -> Vec<KeyPart<'a>> {
                vec![self.into()]
            }
        }
    )+};
}

scalars! {
    &'a str => |value| Self::text(value.as_bytes());
    &'a String => |value| Self::text(value.as_bytes());
    String => |value| Self::text(value.into_bytes());
    bool => |value| Self {
        kind: Kind::Bool,
        bytes: Cow::Borrowed(if value { b"true" } else { b"false" }),
    };
}

macro_rules! integers {
    ($($integer:ty)+) => {$(
        scalars! {
            $integer => |value| Self {
                kind: Kind::Number,
                bytes: Cow::Owned(value.to_string().into_bytes()),
            };
        }
    )+};
}

integers! { i8 i16 u16 i32 u32 i64 u64 i128 u128 isize usize }

impl<'a> From<&'a [u8]> for KeyPart<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::text(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for KeyPart<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::text(bytes.as_slice())
    }
}

impl<const N: usize> From<[u8; N]> for KeyPart<'_> {
    fn from(bytes: [u8; N]) -> Self {
        Self::text(bytes.to_vec())
    }
}

impl From<Vec<u8>> for KeyPart<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::text(bytes)
    }
}

impl<'a> KeyParts<'a> for KeyPart<'a> {
    fn into_parts(self) -> Vec<Self> {
        vec![self]
    }
}

impl<'a, T: Into<KeyPart<'a>>, const N: usize> KeyParts<'a> for [T; N] {
    fn into_parts(self) -> Vec<KeyPart<'a>> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<'a, T: Into<KeyPart<'a>>> KeyParts<'a> for Vec<T> {
    fn into_parts(self) -> Vec<KeyPart<'a>> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<'a, T: Clone + Into<KeyPart<'a>>> KeyParts<'a> for &[T] {
    fn into_parts(self) -> Vec<KeyPart<'a>> {
        self.iter().cloned().map(Into::into).collect()
    }
}

macro_rules! tuples {
    ($(($($part:ident)+))+) => {$(
        impl<'a, $($part: Into<KeyPart<'a>>),+> KeyParts<'a> for ($($part,)+) {
            fn into_parts(self) -> Vec<KeyPart<'a>> {
                #[expect(non_snake_case, reason = "a part is called like its type")]
                let ($($part,)+) = self;
                vec![$($part.into()),+]
            }
        }
    )+};
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) }
