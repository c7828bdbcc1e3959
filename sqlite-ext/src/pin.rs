//! Keeps the library in the process: caches and threads outlive a connection. On systems with ELF files the linker marks
//! it (`build.rs`); macOS and Windows are asked at run time.

/// A place inside this library.
#[cfg(any(target_vendor = "apple", windows))]
fn here() -> *const std::ffi::c_void {
    pin as fn() as *const std::ffi::c_void
}

/// Opens the library once more, never to be closed. A failure leaves it as it was loaded: it works until it is unloaded.
#[cfg(target_vendor = "apple")]
pub fn pin() {
    use std::ffi::{c_char, c_int, c_void};

    #[repr(C)]
    struct Info {
        file: *const c_char,
        base: *mut c_void,
        symbol: *const c_char,
        address: *mut c_void,
    }
    unsafe extern "C" {
        fn dladdr(address: *const c_void, info: *mut Info) -> c_int;
        fn dlopen(file: *const c_char, mode: c_int) -> *mut c_void;
    }
    const RTLD_LAZY: c_int = 0x1;
    const RTLD_NOLOAD: c_int = 0x10;
    const RTLD_NODELETE: c_int = 0x80;

    let mut info = Info {
        file: std::ptr::null(),
        base: std::ptr::null_mut(),
        symbol: std::ptr::null(),
        address: std::ptr::null_mut(),
    };
    // SAFETY: `dladdr` fills the struct or returns 0; the file name it gives lives as long as the library.
    unsafe {
        if dladdr(here(), &raw mut info) != 0 && !info.file.is_null() {
            dlopen(info.file, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
        }
    }
}

/// Asks Windows to keep the module until the process ends.
#[cfg(windows)]
pub fn pin() {
    use std::ffi::c_void;

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetModuleHandleExW(flags: u32, name: *const c_void, module: *mut *mut c_void) -> i32;
    }
    const PIN: u32 = 0x1;
    const FROM_ADDRESS: u32 = 0x4;

    let mut module = std::ptr::null_mut();
    // SAFETY: with FROM_ADDRESS the name is an address inside the module.
    unsafe { GetModuleHandleExW(PIN | FROM_ADDRESS, here(), &raw mut module) };
}

/// The linker did it.
#[cfg(not(any(target_vendor = "apple", windows)))]
pub fn pin() {}
