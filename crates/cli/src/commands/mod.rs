//! The commands, one file each: its arguments and what it does.

pub(crate) mod attribute;
pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod diagnose;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod fetch;
pub(crate) mod init;
pub(crate) mod manual;
pub(crate) mod plan;
pub(crate) mod pretrain;
pub(crate) mod preview;
pub(crate) mod report;
pub(crate) mod status;
pub(crate) mod sweep;
pub(crate) mod verify;
pub(crate) mod watch;
pub(crate) mod worker;
