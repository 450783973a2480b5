//! One run of one service, readable top to bottom.

pub mod export;
pub mod model;
pub mod resolve;
