//! The consumer function: each intent of the stream becomes one conditional write.
