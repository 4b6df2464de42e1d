//! The model's one source of randomness. The generator is seeded, so that a run can be repeated
//! exactly.

use std::sync::{Mutex, PoisonError};

use fastrand::Rng;

/// A generator of request ids, message ids and fault rolls. It is not for secrets.
#[derive(Debug)]
pub(crate) struct Random {
    generator: Mutex<Rng>,
}

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self {
            generator: Mutex::new(Rng::with_seed(seed)),
        }
    }

    /// A seed that differs from process to process.
    pub(crate) fn seed_from_os() -> u64 {
        fastrand::u64(..)
    }

    pub(crate) fn next(&self) -> u64 {
        self.draw(|generator| generator.u64(..))
    }

    /// A version 4 UUID, as AWS uses for request and message ids.
    pub(crate) fn uuid(&self) -> String {
        let bits = self.draw(|generator| generator.u128(..));
        uuid::Builder::from_random_bytes(bits.to_be_bytes())
            .into_uuid()
            .to_string()
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(
            &mut self
                .generator
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (one, other) = (Random::seeded(7), Random::seeded(7));
        assert_eq!([one.next(), one.next()], [other.next(), other.next()]);
        assert_ne!(Random::seeded(7).next(), Random::seeded(8).next());
    }

    #[test]
    fn an_id_has_the_shape_of_a_version_4_uuid() {
        let id = Random::seeded(1).uuid();
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&id.as_bytes()[19]));
    }
}
