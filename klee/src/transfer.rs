//! A bar that says how much of a stream has been sent, for people who watch. As [`Progress`](crate::progress::Progress), it
//! is drawn on standard error, and only if that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A stream that is being sent; the bar is gone when this is dropped.
#[derive(Debug)]
pub struct Transfer {
    bar: ProgressBar,
}

impl Transfer {
    /// A stream of `total` bytes, if that is known.
    pub fn begin(what: &str, total: Option<u64>) -> Self {
        let template = match total {
            Some(_) => "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes}",
            None => "{msg} {decimal_bytes}",
        };
        // A style that cannot be read would be a defect of the lines above, and a plain bar is no loss.
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr())
            .with_style(style)
            .with_message(what.to_owned());
        Self { bar }
    }

    /// So many bytes have been sent.
    pub fn at(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
