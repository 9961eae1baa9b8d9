//! Where the GIL is, to tell threads that wait for it from those that wait for something else.

#[cfg(target_os = "linux")]
unsafe extern "C" {
    /// All of the interpreter's own state, the GIL in it; its type is CPython's secret.
    static _PyRuntime: u8;
}

/// Within this distance of its beginning is that state, and nothing of anybody else's that threads
/// would wait for.
#[cfg(target_os = "linux")]
const SIZE: usize = 1 << 20;

/// Whether this is the address of a word of the interpreter's own state.
pub(crate) fn is_in(address: usize) -> bool {
    #[cfg(target_os = "linux")]
    {
        // Its address only.
        let start = (&raw const _PyRuntime) as usize;
        (start..start + SIZE).contains(&address)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = address;
        false
    }
}
