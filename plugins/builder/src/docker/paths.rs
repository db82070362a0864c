//! Paths in an image.

/// A path as it is seen from the working directory, without `.` and `..`. It has no `/` at its end.
pub(super) fn joined(workdir: Option<&str>, path: &str) -> String {
    let from = if path.starts_with('/') {
        ""
    } else {
        workdir.unwrap_or("/")
    };
    let mut names: Vec<&str> = Vec::new();
    for name in from.split('/').chain(path.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

/// An absolute path without `.` and `..`, if it is absolute.
pub(super) fn absolute(path: &str) -> Option<String> {
    path.starts_with('/').then(|| joined(None, path))
}

/// Where COPY copies to: a `/` at the end says that it is a directory, and `.` is one.
pub(super) fn destination(workdir: Option<&str>, path: &str) -> String {
    let joined = joined(workdir, path);
    let last = path.rsplit('/').next().unwrap_or_default();
    if matches!(last, "" | "." | "..") && joined != "/" {
        joined + "/"
    } else {
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_seen_from_the_working_directory() {
        assert_eq!(joined(None, "a"), "/a");
        assert_eq!(joined(Some("/x"), "a/./b/../c/"), "/x/a/c");
        assert_eq!(joined(Some("/x"), "/a//b"), "/a/b");
        assert_eq!(joined(Some("/x"), "../../.."), "/");
        assert_eq!(absolute("/a/.."), Some("/".to_owned()));
        assert_eq!(absolute("a"), None);
    }

    #[test]
    fn a_destination_may_be_a_directory() {
        for (path, expected) in [
            ("y", "/x/y"),
            ("y/", "/x/y/"),
            (".", "/x/"),
            ("./", "/x/"),
            ("..", "/"),
            ("/", "/"),
            ("/y/.", "/y/"),
        ] {
            assert_eq!(destination(Some("/x"), path), expected, "{path}");
        }
    }
}
