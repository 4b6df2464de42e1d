//! The output of the commands for people, which is their progress, and their verdict in colour.

use std::fmt::Display;

use console::{StyledObject, style};
use indicatif::{ProgressBar, ProgressStyle};

/// A bar of the progress to a length, by a template of indicatif's. The bar is shown on a terminal
/// alone.
///
/// # Panics
/// If the text is not a template.
#[must_use]
pub fn progress(length: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap();
    ProgressBar::new(length).with_style(style.progress_chars("=> "))
}

/// The verdict that a promise is kept. It is green on a terminal, unless `NO_COLOR` is set.
#[must_use]
pub fn kept<T: Display>(verdict: T) -> StyledObject<T> {
    style(verdict).green().bold()
}

/// The verdict that a promise is broken. It is red on a terminal, unless `NO_COLOR` is set.
#[must_use]
pub fn broken<T: Display>(verdict: T) -> StyledObject<T> {
    style(verdict).red().bold()
}
