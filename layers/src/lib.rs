//! Composing one charm from layers.
