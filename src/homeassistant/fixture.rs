//! Cars and options for the tests of this room.
