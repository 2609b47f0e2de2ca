//! Whether a request may go to the car now. (placeholder: filled in next)
