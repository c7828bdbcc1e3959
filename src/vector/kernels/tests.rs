//! Every set that the machine can run, beside loops in f64 and i64.

use super::*;
use crate::vector::aligned::{self, Block};
use crate::vector::half::{f32_to_f16, from_f16};

/// Lengths around every width of register and unrolled loop, and some that are in use.
fn lengths() -> impl Iterator<Item = usize> {
    (0..=70).chain([95, 127, 128, 129, 255, 383, 384, 785, 1000, 1536])
}

fn noise(seed: u64) -> impl FnMut() -> u32 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u32
    }
}

/// Floats of one kind, drawn from `next`.
type Kind = fn(u32) -> f32;

const KINDS: [(&str, Kind); 6] = [
    ("ordinary", |bits| bits as f32 / u32::MAX as f32 - 0.5),
    ("of every size", |bits| Some(f32::from_bits(bits)).filter(|x| x.is_finite()).unwrap_or(-0.0)),
    ("subnormal", |bits| f32::from_bits(bits & 0x807f_ffff)),
    ("near the largest", |bits| f32::from_bits(bits & 0x807f_ffff | 0x7f00_0000)),
    ("extreme", |bits| {
        let list = [0.0, -0.0, 1e-45, -1e-45, f32::MIN_POSITIVE, 1.0, -1.0, 1e19, f32::MAX, f32::MIN];
        list[bits as usize % list.len()]
    }),
    ("halves", |bits| from_f16(bits as u16 & 0xfbff)),
];

/// Bytes of `values` behind `shift` others.
fn moved(bytes: &[u8], shift: usize) -> Vec<u8> {
    let mut all = vec![0xff; shift];
    all.extend_from_slice(bytes);
    all
}

/// What a sum in f32 has to be.
struct Oracle {
    /// The sum in f64.
    sum: f64,
    /// The sum of the magnitudes.
    size: f64,
    /// What rounding of each term and each addition, and underflow, may change.
    error: f64,
}

fn oracle(terms: impl Iterator<Item = f64>) -> Oracle {
    let (mut sum, mut size, mut count) = (0.0, 0.0, 0.0);
    for term in terms {
        sum += term;
        size += term.abs();
        count += 1.0;
    }
    let error = size * f64::from(f32::EPSILON) * (4.0 + count / 4.0) + (count + 1.0) * 3e-45;
    Oracle { sum, size, error }
}

fn dot_oracle(a: &[f32], b: &[f32]) -> Oracle {
    oracle(a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)))
}

fn square_oracle(a: &[f32], b: &[f32]) -> Oracle {
    oracle(a.iter().zip(b).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)))
}

/// Right within rounding; or, where f32 may overflow on the way, not finite.
fn assert_near(found: f32, Oracle { sum, size, error }: Oracle, what: &str) {
    let near = (f64::from(found) - sum).abs() <= error;
    let overflow = size > 0.99 * f64::from(f32::MAX) && !found.is_finite();
    assert!(near || overflow, "{what}: {found} is not {sum} +- {error}");
}

#[test]
fn pairs_agree_with_plain_loops_at_any_length_and_address_and_for_extreme_numbers() {
    let mut next = noise(11);
    for (kind, draw) in KINDS {
        let a: Vec<f32> = (0..1600).map(|_| draw(next())).collect();
        let b: Vec<f32> = (0..1600).map(|_| draw(next())).collect();
        for len in lengths() {
            for shift in 0..4 {
                let (a, b) = (&a[shift..shift + len], &b[3 - shift..3 - shift + len]);
                let halves = f32_to_f16(b);
                let from_halves: Vec<f32> =
                    halves.as_chunks().0.iter().map(|half| from_f16(u16::from_le_bytes(*half))).collect();
                for set in all() {
                    let stored = [
                        (&set.f32, moved(aligned::as_bytes(b), shift), b),
                        (&set.f16, moved(&halves, shift), &from_halves[..]),
                    ];
                    for (pairs, bytes, b) in stored {
                        let bytes = &bytes[shift..];
                        let what = format!("{} {kind} {len} {shift}", set.name);
                        let [dot] = (pairs.dot)(a, bytes);
                        assert_near(dot, dot_oracle(a, b), &what);
                        let [square] = (pairs.square)(a, bytes);
                        assert_near(square, square_oracle(a, b), &what);
                        let [ab, aa, bb] = (pairs.norms)(a, bytes);
                        assert_eq!(ab.to_bits(), dot.to_bits(), "{what}");
                        assert_near(aa, dot_oracle(a, a), &what);
                        assert_near(bb, dot_oracle(b, b), &what);
                    }
                }
            }
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_the_address_or_on_the_form_of_what_is_stored() {
    let mut next = noise(12);
    for len in lengths() {
        let a: Vec<f32> = (0..len).map(|_| KINDS[0].1(next())).collect();
        let b: Vec<f32> = (0..len).map(|_| KINDS[5].1(next())).collect();
        let (floats, halves) = (aligned::as_bytes(&b), f32_to_f16(&b));
        for set in all() {
            let expected = (set.f32.norms)(&a, floats).map(f32::to_bits);
            let square = (set.f32.square)(&a, floats).map(f32::to_bits);
            for shift in 0..8 {
                let (floats, halves) = (moved(floats, shift), moved(&halves, shift));
                for (pairs, bytes) in [(&set.f32, &floats[shift..]), (&set.f16, &halves[shift..])] {
                    assert_eq!((pairs.norms)(&a, bytes).map(f32::to_bits), expected, "{} {len}", set.name);
                    assert_eq!((pairs.square)(&a, bytes).map(f32::to_bits), square, "{} {len}", set.name);
                }
            }
        }
    }
}

#[test]
fn what_is_not_finite_is_never_lost_in_a_sum() {
    for len in lengths().skip(1) {
        for at in [0, len / 2, len - 1] {
            for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut b = vec![0.25; len];
                b[at] = broken;
                let halves: Vec<u8> =
                    b.iter().flat_map(|x| crate::vector::half::to_f16(*x).to_le_bytes()).collect();
                for set in all() {
                    for (pairs, bytes) in [(&set.f32, aligned::as_bytes(&b)), (&set.f16, &halves[..])] {
                        for a in [0.0, 1.0] {
                            let a = vec![a; len];
                            let [dot] = (pairs.dot)(&a, bytes);
                            let [square] = (pairs.square)(&a, bytes);
                            let [_, _, bb] = (pairs.norms)(&a, bytes);
                            assert!(
                                !dot.is_finite() && !square.is_finite() && !bb.is_finite(),
                                "{}",
                                set.name
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn the_shorter_slice_ends_a_sum() {
    for set in all() {
        for (a, b) in [(3, 40), (40, 3), (0, 5), (17, 33), (33, 17)] {
            let len = a.min(b) as f32;
            let (a, b) = (vec![1.0; a], vec![1.0; b]);
            assert_eq!((set.f32.dot)(&a, aligned::as_bytes(&b)), [len]);
            assert_eq!((set.f16.dot)(&a, &f32_to_f16(&b)), [len]);
            // A number of which a part is missing is left out.
            assert_eq!((set.f32.dot)(&[1.0; 9], &aligned::as_bytes(&[1.0_f32; 9])[..35]), [8.0]);
            assert_eq!((set.f16.dot)(&[1.0; 9], &f32_to_f16(&[1.0; 9])[..17]), [8.0]);
        }
    }
}

#[test]
fn halves_are_decoded_exactly_at_any_length() {
    let halves: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    for set in all() {
        let mut at = 0_usize;
        for len in (1..70).chain([4096]).cycle() {
            let bytes = &halves[at * 2..halves.len().min((at + len) * 2)];
            let mut out = vec![7.0; len + 1];
            (set.f16_to_f32)(bytes, &mut out);
            for (i, half) in bytes.as_chunks::<2>().0.iter().enumerate() {
                let expected = from_f16(u16::from_le_bytes(*half));
                let same = out[i].to_bits() == expected.to_bits() || out[i].is_nan() && expected.is_nan();
                assert!(same, "{} {:04x}: {} {expected}", set.name, at + i, out[i]);
            }
            assert!(out[bytes.len() / 2..].iter().all(|x| *x == 7.0), "{} wrote too far", set.name);
            at += len;
            if at > usize::from(u16::MAX) {
                break;
            }
        }
    }
}

#[test]
fn byte_rows_give_the_same_integers_everywhere() {
    type Fill = fn(u32) -> u8;
    let fills: [(Fill, Fill); 5] = [
        (|bits| bits as u8, |bits| bits as u8),
        (|_| 255, |_| 0x80),
        (|_| 255, |_| 127),
        (|_| 0, |_| 0x80),
        (|bits| (bits & 1) as u8 * 255, |bits| if bits & 1 == 0 { 0x80 } else { 127 }),
    ];
    let mut next = noise(2);
    for stride in [64, 128, 192, 384, 832, 16_384] {
        for (code, level) in fills {
            let mut block = Block::zeroed(stride * 20);
            block.bytes_mut().iter_mut().for_each(|b| *b = code(next()));
            let query: Vec<i8> = (0..stride).map(|_| level(next()) as i8).collect();
            let table = Table { bytes: block.bytes(), stride };
            let row = |id: u32| &block.bytes()[id as usize * stride..][..stride];
            for count in [0_usize, 1, 2, 3, 4, 5, 8, 15, 64, 65, 66, 131] {
                let ids: Vec<u32> = (0..count).map(|_| next() % 20).collect();
                let plain = |id: &u32| -> i64 {
                    row(*id).iter().zip(&query).map(|(c, q)| i64::from(*c) * i64::from(*q)).sum()
                };
                let expected: Vec<i64> = ids.iter().map(plain).collect();
                for set in all() {
                    let mut out = vec![-1; count + 1];
                    (set.dot_i8_rows)(table, &query, &ids, &mut out);
                    assert_eq!(out.pop(), Some(-1), "{} wrote too far", set.name);
                    let found: Vec<i64> = out.into_iter().map(i64::from).collect();
                    assert_eq!(found, expected, "{} {stride} {count}", set.name);
                    (set.prefetch_rows)(table, &ids);
                }
            }
        }
    }
}

#[test]
fn float_rows_agree_with_plain_loops_and_do_not_depend_on_their_neighbours() {
    let mut next = noise(3);
    for (kind, draw) in KINDS {
        for dims in [16_usize, 32, 48, 112, 400] {
            let mut block = Block::zeroed(dims * 4 * 20);
            aligned::as_f32_mut(block.bytes_mut()).iter_mut().for_each(|x| *x = draw(next()));
            let query: Vec<f32> = (0..dims).map(|_| draw(next())).collect();
            let table = Table { bytes: block.bytes(), stride: dims * 4 };
            // As few as a walk has, and as many as a scan.
            let ids: Vec<u32> = (0..70).map(|_| next() % 20).collect();
            for set in all() {
                let one = |id: u32| {
                    let (mut dot, mut square) = ([0.0], [0.0]);
                    (set.dot_f32_rows)(table, &query, &[id], &mut dot);
                    (set.l2_f32_rows)(table, &query, &[id], &mut square);
                    let row = &aligned::as_f32(block.bytes())[id as usize * dims..][..dims];
                    let what = format!("{} {kind} {dims} {id}", set.name);
                    assert_near(dot[0], dot_oracle(row, &query), &what);
                    assert_near(square[0], square_oracle(row, &query), &what);
                    (dot[0].to_bits(), square[0].to_bits())
                };
                let alone: Vec<(u32, u32)> = (0..20).map(one).collect();
                for count in (0..=7).chain([64, 65, 66, 70]) {
                    let (mut dots, mut squares) = ([0.5; 71], [0.5; 71]);
                    (set.dot_f32_rows)(table, &query, &ids[..count], &mut dots);
                    (set.l2_f32_rows)(table, &query, &ids[..count], &mut squares);
                    assert!(dots[count..].iter().chain(&squares[count..]).all(|x| *x == 0.5));
                    for (at, id) in ids[..count].iter().enumerate() {
                        let found = (dots[at].to_bits(), squares[at].to_bits());
                        assert_eq!(found, alone[*id as usize], "{} {kind} {dims} {at}", set.name);
                    }
                }
            }
        }
    }
}

#[test]
fn rows_out_of_bounds_are_refused_before_they_are_read() {
    let block = Block::zeroed(128);
    let table = Table { bytes: block.bytes(), stride: 64 };
    for set in all() {
        let refuses = |stride: usize, query: usize, ids: &[u32], out: usize| {
            let table = Table { stride, ..table };
            std::panic::catch_unwind(|| {
                (set.dot_i8_rows)(table, &vec![0; query], ids, &mut vec![0; out]);
            })
            .is_err()
                && std::panic::catch_unwind(|| {
                    (set.l2_f32_rows)(table, &vec![0.0; query / 4], ids, &mut vec![0.0; out]);
                })
                .is_err()
        };
        assert!(!refuses(64, 64, &[0, 1], 2));
        assert!(refuses(64, 64, &[2], 1), "{}: a row beyond the block", set.name);
        assert!(refuses(64, 64, &[u32::MAX, 0], 2), "{}: a row far beyond the block", set.name);
        assert!(refuses(64, 60, &[0], 1), "{}: a query shorter than a row", set.name);
        assert!(refuses(64, 64, &[0, 1], 1), "{}: no room for the numbers", set.name);
        assert!(refuses(32, 64, &[0], 1), "{}: a row that is no whole line", set.name);
    }
}
