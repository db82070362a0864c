//! Where things lie below the root of the layer store. Pure: names to paths.
//!
//! ```text
//! <root>/<dataset>                   the mount point; of a plain dataset, the files themselves
//! <root>/.store/datasets/<name>.json one record per dataset, `/` in its name written as `+`
//! <root>/.store/layers/<id>/files    a layer: the difference to the layers below it, in overlayfs' own form
//! <root>/.store/layers/<id>/work     what overlayfs wants beside a layer that is written to
//! <root>/.store/trash                what waits for removal
//! <root>/.store/lock                 held by the one process that uses the store
//! ```

use std::path::{Path, PathBuf};

use kleene_plan::{DatasetName, Id};

/// The paths of one store.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn mountpoint(&self, dataset: &DatasetName) -> PathBuf {
        self.root.join(dataset.as_str())
    }

    pub(crate) fn records(&self) -> PathBuf {
        self.root.join(".store/datasets")
    }

    pub(crate) fn record(&self, dataset: &DatasetName) -> PathBuf {
        self.records()
            .join(format!("{}.json", dataset.as_str().replace('/', "+")))
    }

    /// The dataset of a record by the name of its file; `None`: not a record, such as one half written.
    pub(crate) fn dataset_of_record(file: &str) -> Option<DatasetName> {
        file.strip_suffix(".json")?.replace('+', "/").parse().ok()
    }

    pub(crate) fn layers(&self) -> PathBuf {
        self.root.join(".store/layers")
    }

    pub(crate) fn layer(&self, id: &Id) -> PathBuf {
        self.layers().join(id.as_str())
    }

    pub(crate) fn files(&self, layer: &Id) -> PathBuf {
        self.layer(layer).join("files")
    }

    pub(crate) fn work(&self, layer: &Id) -> PathBuf {
        self.layer(layer).join("work")
    }

    pub(crate) fn trash(&self) -> PathBuf {
        self.root.join(".store/trash")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join(".store/lock")
    }

    /// Whether a dataset's mount point would lie among the store's own files.
    pub(crate) fn is_reserved(dataset: &DatasetName) -> bool {
        dataset.as_str().split('/').next() == Some(".store")
    }
}
