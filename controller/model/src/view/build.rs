//! Making views from records.
