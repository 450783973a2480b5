//! Kill anywhere: a run is killed before and after each of its effects, and at most two runs later
//! nothing may tell of it. `main.rs` beside this plays all points, `killed.rs` a few.

mod point;
mod traps;
mod world;

pub use point::{Call, Moment, Point, Route, Source, Victim};
pub use world::{Ended, World};
