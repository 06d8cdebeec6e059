//! Administration: over the wire, in the program, and the audit log.
