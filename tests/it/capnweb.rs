//! Sessions of Cap'n Web, frame by frame: no socket, no clock.

mod app;
mod data;
mod frames;
mod limits;
mod machine;
mod peers;
mod recordings;
