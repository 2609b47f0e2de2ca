//! One row per command name. (placeholder: filled in next)
