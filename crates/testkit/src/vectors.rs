//! Third parties' test data, which lies beside the checkout and is never copied into it.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The folder `shared/vectors` beside the checkout; none where it is missing, which is said loudly.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared/vectors"))
        .find(|folder| folder.join("MANIFEST.json").is_file());
    if found.is_none() {
        eprintln!(
            "SKIPPED: the folder shared/vectors beside the checkout is missing; nothing of it was tested"
        );
    }
    found
}

/// The JSON document at `path` below the folder; none where the folder is missing.
///
/// # Errors
/// When the folder is there but the document cannot be read.
pub fn document(path: &str) -> Result<Option<Value>, String> {
    let Some(folder) = folder() else { return Ok(None) };
    let text = std::fs::read_to_string(folder.join(path)).map_err(|error| format!("{path}: {error}"))?;
    serde_json::from_str(&text).map(Some).map_err(|error| format!("{path}: {error}"))
}
