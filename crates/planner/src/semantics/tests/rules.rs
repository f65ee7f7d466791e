//! The rules that no data file can tell.
