//! The API function: POST /orders is accepted once its intent is in the stream.
