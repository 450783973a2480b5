//! One run of one service, readable top to bottom.
