//! One query against many rows.
//!
//! Invariant: a row's number does not depend on the rows that it is scored with.
#![expect(
    unsafe_code,
    unsafe_op_in_unsafe_fn,
    reason = "unsafe as a whole: each trait states what its callers owe"
)]

use super::lanes::{Lanes, Measure};
use super::{Table, prefetch};
use std::marker::PhantomData;

/// One stretch of a row and of the query: how it adds to a sum.
///
/// # Safety
/// As for [`Lanes`].
pub(super) trait Step {
    /// A stretch of the query, loaded once for several rows.
    type Query: Copy;
    type Sum: Copy;
    type Number;
    /// Bytes of a stretch, a divisor of 64.
    const BYTES: usize;
    unsafe fn query(from: *const u8) -> Self::Query;
    unsafe fn zero() -> Self::Sum;
    /// Where the sum of a row begins.
    #[inline(always)]
    unsafe fn start(_query: *const u8, _bytes: usize) -> Self::Sum {
        Self::zero()
    }
    unsafe fn step(row: *const u8, query: Self::Query, sum: Self::Sum) -> Self::Sum;
    unsafe fn join(one: Self::Sum, other: Self::Sum) -> Self::Sum;
    unsafe fn total(sum: Self::Sum) -> Self::Number;
    /// The same totals as four calls of [`Step::total`], to the bit.
    #[inline(always)]
    unsafe fn total4([a, b, c, d]: [Self::Sum; 4]) -> [Self::Number; 4] {
        [Self::total(a), Self::total(b), Self::total(c), Self::total(d)]
    }
}

/// Rows of floats under a measure.
pub(super) struct Floats<L, M>(PhantomData<(L, M)>);

impl<L: Lanes, M: Measure<1>> Step for Floats<L, M> {
    type Query = L;
    type Sum = L;
    type Number = f32;
    const BYTES: usize = L::N * 4;
    #[inline(always)]
    unsafe fn query(from: *const u8) -> L {
        L::load(from)
    }
    #[inline(always)]
    unsafe fn zero() -> L {
        L::zero()
    }
    #[inline(always)]
    unsafe fn step(row: *const u8, query: L, sum: L) -> L {
        let mut sums = [sum];
        M::step(L::load(row), query, &mut sums);
        sums[0]
    }
    #[inline(always)]
    unsafe fn join(one: L, other: L) -> L {
        one.add(other)
    }
    #[inline(always)]
    unsafe fn total(sum: L) -> f32 {
        sum.sum()
    }
    #[inline(always)]
    unsafe fn total4(four: [L; 4]) -> [f32; 4] {
        L::sum4(four)
    }
}

/// Lists this long are treated as sequential scans.
const SCAN: usize = 65;

/// Bytes that a scan asks the caches for in advance. Longer rows the processor finds early enough by itself.
const AHEAD: usize = 2048;

/// The number of each row in `ids`. The rows of a walk come four at a time: they share the loads of the query, and
/// there is always a sum that can go on. The rows of a scan come one by one, because the processor reads ahead in one
/// stream better than in four.
///
/// # Safety
/// The processor has the features of `S`; the rows lie inside the table, `query` has the bytes of a row, and `out` is
/// at least as long as `ids`.
#[inline(always)]
pub(super) unsafe fn rows<S: Step>(table: Table<'_>, query: *const u8, ids: &[u32], out: &mut [S::Number]) {
    let start = S::start(query, table.stride);
    let ahead = AHEAD / table.stride.max(1);
    let scan = ids.len() >= SCAN;
    let (fours, rest) = ids.as_chunks::<4>();
    let (out_fours, out_rest) = out[..ids.len()].as_chunks_mut::<4>();
    for (at, (four, out)) in fours.iter().zip(out_fours).enumerate() {
        let mut sums = [start; 4];
        if scan {
            for (i, sum) in sums.iter_mut().enumerate() {
                if ahead > 0
                    && let Some(later) = ids.get(at * 4 + i + ahead)
                {
                    prefetch::row_ahead(table, *later);
                }
                [*sum] = some::<S, 1>(table, query, [four[i]], start);
            }
        } else {
            sums = some::<S, 4>(table, query, *four, start);
        }
        *out = S::total4(sums);
    }
    for (id, out) in rest.iter().zip(out_rest) {
        let [sum] = some::<S, 1>(table, query, [*id], start);
        *out = S::total(sum);
    }
}

/// The sums of `R` rows.
#[inline(always)]
unsafe fn some<S: Step, const R: usize>(
    table: Table<'_>,
    query: *const u8,
    ids: [u32; R],
    start: S::Sum,
) -> [S::Sum; R] {
    let rows = ids.map(|id| table.bytes.as_ptr().add(id as usize * table.stride));
    let (mut even, mut odd) = ([start; R], [S::zero(); R]);
    let mut at = 0;
    while at + 2 * S::BYTES <= table.stride {
        let (first, second) = (S::query(query.add(at)), S::query(query.add(at + S::BYTES)));
        for row in 0..R {
            even[row] = S::step(rows[row].add(at), first, even[row]);
            odd[row] = S::step(rows[row].add(at + S::BYTES), second, odd[row]);
        }
        at += 2 * S::BYTES;
    }
    if at < table.stride {
        let last = S::query(query.add(at));
        for row in 0..R {
            even[row] = S::step(rows[row].add(at), last, even[row]);
        }
    }
    for row in 0..R {
        even[row] = S::join(even[row], odd[row]);
    }
    even
}
