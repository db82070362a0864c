//! A line that says what long work is at, for people who watch.
//!
//! It is drawn on standard error, and only if that is a terminal; what scripts read on standard output is the same
//! with it and without. Where both are the same terminal, the line makes way for output.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use crate::config::Theme;
use crate::failure::Failure;

const FRAME: Duration = Duration::from_millis(100);
const FANCY: &str = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ";
const SIMPLE: &str = "|/-\\ ";

/// How far long work is.
#[derive(Debug)]
pub struct Progress {
    theme: Theme,
    is_watched: bool,
    since: Instant,
    step: String,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Work that begins with `step`.
    pub fn begin(theme: Theme, step: &str) -> Self {
        let mut progress = Self {
            theme,
            // Terminals that cannot move their cursor count as none.
            is_watched: !ProgressDrawTarget::stderr().is_hidden(),
            since: Instant::now(),
            step: step.to_owned(),
            bar: None,
        };
        progress.draw();
        progress
    }

    /// Whether somebody sees the line.
    pub fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// What the work is at now.
    pub fn step(&mut self, step: &str) {
        self.step = step.trim_end().to_owned();
        if let Some(bar) = &self.bar {
            bar.set_message(self.step.clone());
        }
    }

    /// How long the work has taken so far.
    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// Makes way for output. After a whole line the progress is drawn below it; after a part of one it would end up
    /// within the line, so it stays away until there is more.
    pub fn aside(
        &mut self,
        ends_a_line: bool,
        print: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.clear();
        print()?;
        if ends_a_line {
            self.draw();
        }
        Ok(())
    }

    /// Takes the line away, for good if nothing else is drawn.
    pub fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn draw(&mut self) {
        if !self.is_watched {
            return;
        }
        let frames = match self.theme {
            Theme::Fancy => FANCY,
            Theme::Simple => SIMPLE,
        };
        // A style that cannot be read would be a defect of the two lines below, and a plain line is no loss.
        let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner())
            .tick_chars(frames);
        let bar = ProgressBar::new_spinner()
            .with_style(style)
            .with_message(self.step.clone())
            .with_elapsed(self.since.elapsed())
            .with_finish(ProgressFinish::AndClear);
        bar.enable_steady_tick(FRAME);
        self.bar = Some(bar);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
