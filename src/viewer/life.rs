//! A viewer's life on the host: parked, served, leaving.

pub mod leaving;
pub mod parked;
pub mod served;
