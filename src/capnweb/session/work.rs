//! What a session does for its peer beyond reading its frames, and how much of that there may be.
//!
//! A short frame can name a long result many times: to read members of it, to have it copied into calls and into other results, or to
//! fail with its error. Each such operation takes units from an account, and each frame of the peer puts some in. So one frame
//! cannot keep the session busy for long, and a row of frames can for no longer than their bytes pay for.

use super::super::limits::{WORK_OF_A_BYTE, WORK_OF_A_FRAME};
use super::super::value::{Fault, Value};

/// Units for a value that is copied, with all looks at it until it is where it belongs.
const COPY: usize = 64;
/// Units for a member whose name is compared, and for a step of a path that is kept.
const LOOK: usize = 8;

/// The account. A unit is a byte that is looked at.
#[derive(Debug)]
pub(super) struct Work {
    /// Units that are there. Below 0 if the last operation took more than were left: how much it takes is known afterwards.
    left: isize,
    max: usize,
}

impl Work {
    pub(super) const fn new(max: usize) -> Self {
        Self { left: 0_isize.saturating_add_unsigned(max), max }
    }

    /// Puts in what a frame of the peer pays for.
    pub(super) fn earn(&mut self, frame_bytes: usize) {
        let earned = WORK_OF_A_FRAME.saturating_add(WORK_OF_A_BYTE.saturating_mul(frame_bytes));
        let max = 0_isize.saturating_add_unsigned(self.max);
        self.left = self.left.saturating_add_unsigned(earned).min(max);
    }

    /// Asks whether an operation may begin.
    pub(super) fn may(&self) -> Result<(), Fault> {
        if self.left > 0 {
            return Ok(());
        }
        let advice =
            "await a long result once and use it at your side, instead of calling with it or reading its members here";
        Err(Fault::passing("work", self.max, advice))
    }

    /// Takes out what an operation took: bytes that were looked at.
    pub(super) const fn looked(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub_unsigned(bytes);
    }

    /// Members whose names were compared, or steps of a path that were copied.
    pub(super) const fn compared(&mut self, members: usize) {
        self.looked(members.saturating_mul(LOOK));
    }

    /// Values that were copied.
    pub(super) const fn copied(&mut self, values: usize) {
        self.looked(values.saturating_mul(COPY));
    }

    /// Copies a value.
    pub(super) fn copy(&mut self, value: &Value) -> Result<Value, Fault> {
        self.may()?;
        self.copied(value.weigh().values);
        Ok(value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_begins_while_anything_is_left_and_its_debt_is_paid_by_frames() {
        let mut work = Work::new(100);
        work.looked(99);
        assert!(work.may().is_ok());
        work.looked(WORK_OF_A_FRAME + WORK_OF_A_BYTE);
        assert!(work.may().is_err());
        work.earn(0);
        assert!(work.may().is_err());
        work.earn(1);
        assert!(work.may().is_ok());
        work.earn(1 << 40);
        assert_eq!(work.left, 100);
    }
}
