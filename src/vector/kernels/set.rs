//! The table of functions of one instruction set, made of its [`Lanes`](super::lanes::Lanes) and its
//! [`Step`](super::rows::Step).
//!
//! All that is generic is `#[inline(always)]`, because it has to be compiled inside a function that has the features
//! of the set: those functions, and the safe ones around them, are made here.

/// `kernels!(#[target_feature(..)] NAME = "name": floats, bytes)`.
macro_rules! kernels {
    ($(#[$on:meta])? $set:ident = $name:literal: $floats:ty, $bytes:ty) => {
        pub(super) static $set: super::Kernels = super::Kernels {
            name: $name,
            f32: super::Pairs {
                dot: kernels!($(#[$on])? pair $floats, F32, Dot, 1),
                square: kernels!($(#[$on])? pair $floats, F32, Square, 1),
                norms: kernels!($(#[$on])? pair $floats, F32, Norms, 3),
            },
            f16: super::Pairs {
                dot: kernels!($(#[$on])? pair $floats, F16, Dot, 1),
                square: kernels!($(#[$on])? pair $floats, F16, Square, 1),
                norms: kernels!($(#[$on])? pair $floats, F16, Norms, 3),
            },
            dot_i8_rows: kernels!($(#[$on])? rows $bytes, i8, i32),
            dot_f32_rows: kernels!($(#[$on])? rows super::rows::Floats<$floats, super::lanes::Dot>, f32, f32),
            l2_f32_rows: kernels!($(#[$on])? rows super::rows::Floats<$floats, super::lanes::Square>, f32, f32),
            prefetch_rows: super::prefetch::rows,
            f16_to_f32: {
                fn entry(bytes: &[u8], out: &mut [f32]) {
                    $(#[$on])?
                    unsafe fn inner(bytes: &[u8], out: &mut [f32]) {
                        // SAFETY: as the caller says.
                        unsafe { super::lanes::widen::<$floats>(bytes, out) }
                    }
                    // SAFETY: a table is given out only where its features were detected.
                    unsafe { inner(bytes, out) }
                }
                entry
            },
            loops: super::Loops {
                peak: kernels!($(#[$on])? plain peak(x: &[f32]) -> f32),
                to_bytes: kernels!($(#[$on])? plain to_bytes(x: &mut [f32], step: f32, inverse: f32, out: &mut [u8]) -> (i32, i32)),
                to_planes: kernels!($(#[$on])? plain to_planes(x: &mut [f32], step: f32, inverse: f32, planes: &mut [u64], words: usize) -> u32),
                rotate: kernels!($(#[$on])? plain rotate(x: &mut [f32], flips: &[u32]) -> ()),
            },
        };
    };
    ($(#[$on:meta])? plain $name:ident($($arg:ident: $type:ty),*) -> $out:ty) => {{
        fn entry($($arg: $type),*) -> $out {
            $(#[$on])?
            unsafe fn inner($($arg: $type),*) -> $out {
                super::loops::$name($($arg),*)
            }
            // SAFETY: a table is given out only where its features were detected.
            unsafe { inner($($arg),*) }
        }
        entry
    }};
    ($(#[$on:meta])? pair $floats:ty, $element:ident, $measure:ident, $sums:literal) => {{
        fn entry(a: &[f32], b: &[u8]) -> [f32; $sums] {
            $(#[$on])?
            unsafe fn inner(a: &[f32], b: &[u8]) -> [f32; $sums] {
                // SAFETY: as the caller says.
                unsafe { super::lanes::pair::<$floats, super::lanes::$element, super::lanes::$measure, $sums>(a, b) }
            }
            // SAFETY: a table is given out only where its features were detected.
            unsafe { inner(a, b) }
        }
        entry
    }};
    ($(#[$on:meta])? rows $step:ty, $query:ty, $number:ty) => {{
        fn entry(table: super::Table<'_>, query: &[$query], ids: &[u32], out: &mut [$number]) {
            $(#[$on])?
            unsafe fn inner(table: super::Table<'_>, query: &[$query], ids: &[u32], out: &mut [$number]) {
                // SAFETY: as the caller says.
                unsafe { super::rows::rows::<$step>(table, query.as_ptr().cast(), ids, out) }
            }
            table.check(ids, size_of_val(query), out.len());
            // SAFETY: a table is given out only where its features were detected; the bounds were checked.
            unsafe { inner(table, query, ids, out) }
        }
        entry
    }};
}
pub(super) use kernels;
