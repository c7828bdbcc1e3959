//! Registers of floats, and sums over two vectors in them: the same order of additions for every set.
//!
//! Invariant: a sum does not depend on where the bytes lie, nor on whether a number is stored as a float or as a half.
#![expect(
    unsafe_code,
    unsafe_op_in_unsafe_fn,
    reason = "unsafe as a whole: each trait states what its callers owe"
)]

/// A register of floats.
///
/// # Safety
/// For every method: the processor has the set's features, and what is read or written lies inside one object.
/// Addresses need no alignment.
pub(super) trait Lanes: Copy {
    /// Floats in a register, a divisor of 16.
    const N: usize;
    unsafe fn zero() -> Self;
    /// [`Lanes::N`] floats.
    unsafe fn load(from: *const u8) -> Self;
    /// [`Lanes::N`] halves.
    unsafe fn load_half(from: *const u8) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    /// `self * by + to`.
    unsafe fn mul_add(self, by: Self, to: Self) -> Self;
    /// Zero but for the last `count` lanes; `count` is less than [`Lanes::N`].
    unsafe fn last(self, count: usize) -> Self;
    unsafe fn sum(self) -> f32;
    /// The same sums as four calls of [`Lanes::sum`], to the bit.
    #[inline(always)]
    unsafe fn sum4(four: [Self; 4]) -> [f32; 4] {
        [four[0].sum(), four[1].sum(), four[2].sum(), four[3].sum()]
    }
}

/// The form of a stored number.
pub(super) trait Element {
    const BYTES: usize;
    /// # Safety
    /// As for [`Lanes`].
    unsafe fn load<L: Lanes>(from: *const u8) -> L;

    /// The first `count` lanes from memory, the others zero; `count` is less than [`Lanes::N`].
    ///
    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    unsafe fn load_first<L: Lanes>(from: *const u8, count: usize) -> L {
        let mut room = [0_u8; 64];
        from.copy_to_nonoverlapping(room.as_mut_ptr(), count * Self::BYTES);
        Self::load(room.as_ptr())
    }
}

pub(super) struct F32;
impl Element for F32 {
    const BYTES: usize = 4;
    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const u8) -> L {
        L::load(from)
    }
}

pub(super) struct F16;
impl Element for F16 {
    const BYTES: usize = 2;
    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const u8) -> L {
        L::load_half(from)
    }
}

/// What is summed over the elements of two vectors: `S` sums beside each other. Zeros add nothing.
pub(super) trait Measure<const S: usize> {
    /// # Safety
    /// As for [`Lanes`].
    unsafe fn step<L: Lanes>(x: L, y: L, sums: &mut [L; S]);
}

/// `x · y`.
pub(super) struct Dot;
impl Measure<1> for Dot {
    #[inline(always)]
    unsafe fn step<L: Lanes>(x: L, y: L, [sum]: &mut [L; 1]) {
        *sum = x.mul_add(y, *sum);
    }
}

/// `|x - y|²`.
pub(super) struct Square;
impl Measure<1> for Square {
    #[inline(always)]
    unsafe fn step<L: Lanes>(x: L, y: L, [sum]: &mut [L; 1]) {
        let d = x.sub(y);
        *sum = d.mul_add(d, *sum);
    }
}

/// `x · y`, `x · x`, `y · y`.
pub(super) struct Norms;
impl Measure<3> for Norms {
    #[inline(always)]
    unsafe fn step<L: Lanes>(x: L, y: L, [xy, xx, yy]: &mut [L; 3]) {
        *xy = x.mul_add(y, *xy);
        *xx = x.mul_add(x, *xx);
        *yy = y.mul_add(y, *yy);
    }
}

/// Independent sums in a loop, so that one addition need not wait for the last.
const CHAINS: usize = 4;

/// The sums of `a` and the numbers in `b`, over the length of the shorter.
///
/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
pub(super) unsafe fn pair<L: Lanes, E: Element, M: Measure<S>, const S: usize>(
    a: &[f32],
    b: &[u8],
) -> [f32; S] {
    let len = a.len().min(b.len() / E::BYTES);
    let (a, b) = (a.as_ptr().cast::<u8>(), b.as_ptr());
    let mut sums = [[L::zero(); S]; CHAINS];
    if len < L::N {
        M::step(F32::load_first::<L>(a, len), E::load_first(b, len), &mut sums[0]);
    } else {
        // Every load starts at `at <= len - N`.
        let mut at = 0;
        while at + CHAINS * L::N <= len {
            for (chain, sums) in sums.iter_mut().enumerate() {
                let at = at + chain * L::N;
                M::step(F32::load::<L>(a.add(at * 4)), E::load(b.add(at * E::BYTES)), sums);
            }
            at += CHAINS * L::N;
        }
        for sums in &mut sums[..CHAINS - 1] {
            if at + L::N <= len {
                M::step(F32::load::<L>(a.add(at * 4)), E::load(b.add(at * E::BYTES)), sums);
                at += L::N;
            }
        }
        if at < len {
            let (rest, at) = (len - at, len - L::N);
            let (x, y) = (F32::load::<L>(a.add(at * 4)), E::load::<L>(b.add(at * E::BYTES)));
            M::step(x.last(rest), y.last(rest), &mut sums[CHAINS - 1]);
        }
    }
    let mut out = [0.0; S];
    for (at, out) in out.iter_mut().enumerate() {
        *out = sums[0][at].add(sums[1][at]).add(sums[2][at].add(sums[3][at])).sum();
    }
    out
}

/// Decodes halves; stops at the shorter of the two.
///
/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
pub(super) unsafe fn widen<L: Lanes>(bytes: &[u8], out: &mut [f32]) {
    let len = out.len().min(bytes.len() / 2);
    if len < L::N {
        let mut room = [0.0; 16];
        F16::load_first::<L>(bytes.as_ptr(), len).store(room.as_mut_ptr());
        out[..len].copy_from_slice(&room[..len]);
        return;
    }
    let mut at = 0;
    while at + L::N <= len {
        L::load_half(bytes.as_ptr().add(at * 2)).store(out.as_mut_ptr().add(at));
        at += L::N;
    }
    // The last register again, as far as the end.
    let at = len - L::N;
    L::load_half(bytes.as_ptr().add(at * 2)).store(out.as_mut_ptr().add(at));
}
