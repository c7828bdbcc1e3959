//! Claims whose process is gone.
#![cfg_attr(unix, expect(unsafe_code))]

use crate::storage::{Claim, Maker, Token};

/// Whether the process that made a claim is gone, as far as this machine knows. A claim of this process is looked at only where
/// it has no job for it.
pub fn is_orphan(token: &Token) -> bool {
    let (maker, this) = (Claim::maker(token), Maker::this());
    // Numbers of another machine or container say nothing here.
    maker.realm == this.realm && (maker == this || !exists(maker.process))
}

/// Whether there may be such a process.
#[cfg(unix)]
fn exists(process: u32) -> bool {
    const NO_SUCH_PROCESS: i32 = 3;
    // On Linux; one that has ended is there until its parent asks for it.
    let state = std::fs::read_to_string(format!("/proc/{process}/stat")).ok();
    if state.and_then(|line| Some(line.rsplit_once(") ")?.1.starts_with(['Z', 'X']))) == Some(true) {
        return false;
    }
    unsafe extern "C" {
        fn kill(process: i32, signal: i32) -> i32;
    }
    let Ok(process @ 1..) = i32::try_from(process) else { return false };
    // SAFETY: signal 0 is sent to nobody; the call only says whether it could be.
    let sent = unsafe { kill(process, 0) };
    sent == 0 || std::io::Error::last_os_error().raw_os_error() != Some(NO_SUCH_PROCESS)
}

#[cfg(not(unix))]
fn exists(_: u32) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_ended_is_gone_and_its_parent_is_not() {
        let claim = Claim::new(&[], true, Vec::new());
        assert_eq!(Claim::maker(&claim.token), Maker::this());
        assert!(is_orphan(&claim.token));
        assert!(exists(std::process::id()));
        if cfg!(unix) {
            let mut ended = std::process::Command::new("true").spawn().unwrap();
            let process = ended.id();
            if cfg!(target_os = "linux") {
                // It is there until it is waited for.
                while exists(process) {
                    std::thread::yield_now();
                }
            }
            ended.wait().unwrap();
            assert!(!exists(process));
            let elsewhere = Maker { process, realm: Maker::this().realm ^ 1 };
            let mut token = claim.token;
            token[..Maker::LENGTH].copy_from_slice(&elsewhere.bytes());
            assert!(!is_orphan(&token));
            assert!(!exists(u32::MAX) && !exists(0));
        }
    }
}
