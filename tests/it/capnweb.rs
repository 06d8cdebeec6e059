//! Sessions of Cap'n Web, frame by frame: no socket, no clock.

mod app;
mod both;
mod conformance;
mod data;
mod ends;
mod frames;
mod limits;
mod machine;
mod peers;
mod recordings;
