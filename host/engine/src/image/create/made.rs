//! What was made of a source, besides files.

use crate::image::oci::Recipe;

/// It has nothing but files, if it is the default.
#[derive(Default)]
pub(super) struct Made {
    pub(super) recipe: Recipe,
    /// What it is called where it comes from, if that is a name here, too; or empty.
    pub(super) nametag: String,
}
