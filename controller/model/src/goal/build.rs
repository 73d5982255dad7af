//! Building a goal from the records.
