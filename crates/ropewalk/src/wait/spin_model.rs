//! Nobody spins in a model, whose time does not pass: each wake is seen as early as can be.

use super::runtime::ResourceKind;
use crate::primitive::Parker;

/// There is none.
#[derive(Debug)]
pub(super) enum Spin {}

impl Spin {
    pub(super) fn for_permit(_: &Parker, _: ResourceKind, _: Option<u64>, _: u64) -> Option<Self> {
        None
    }

    pub(super) fn learn(self) {
        match self {}
    }
}

pub(super) fn after_fork_in_child() {}
