//! Control messages: what other hosts tell this one besides hints, taken to whom it is about.

use crate::hints::{Control, ControlListener};
use crate::hub::Hub;
use crate::peers::HOST_IS_THERE;

impl ControlListener for Hub {
    fn told(&self, control: &Control) {
        if &*control.name == HOST_IS_THERE {
            // Whether it is, the bucket says.
            self.hosts.stir();
        } else {
            self.connections.told(control);
        }
    }
}
