//! Pure deciders.
