//! Inbox.
