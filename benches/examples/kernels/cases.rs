//! The kernels of every instruction set, simsimd's and plain loops, each as a function of a query and some rows.

use crate::vector::aligned::{self, Block};
use crate::vector::half::{self, from_f16};
use crate::vector::kernels::{Kernels, Table, all};
use simsimd::SpatialSimilarity;
use std::cell::RefCell;
use std::hint::black_box;

/// How the numbers of a row are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    F32,
    F16,
    Codes,
}

/// The most rows in one call: as a scan has them.
pub const MOST: usize = 256;

/// A query and rows of one form.
pub struct Rows {
    dim: usize,
    /// Bytes of a number.
    width: usize,
    /// Bytes of a row with its padding.
    pub stride: usize,
    pub count: u32,
    pub block: Block,
    floats: Vec<f32>,
    halves: Vec<simsimd::f16>,
    bytes: Vec<i8>,
    /// For the numbers of one call.
    room: RefCell<(Vec<f32>, Vec<i32>)>,
}

impl Rows {
    /// `count` rows of `dim` numbers.
    pub fn new(form: Form, dim: usize, count: usize) -> Self {
        let mut state = 9_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        let width = match form {
            Form::F32 => 4,
            Form::F16 => 2,
            Form::Codes => 1,
        };
        let stride = (dim * width).next_multiple_of(aligned::LINE);
        let floats: Vec<f32> = (0..stride / width).map(|_| next()).collect();
        let mut block = Block::zeroed(stride * count);
        // The same 64 rows again and again: where a number comes from matters here, not what it is.
        let head: Vec<f32> = (0..64.min(count) * stride / width).map(|_| next()).collect();
        let head = match form {
            Form::F32 => aligned::as_bytes(&head).to_vec(),
            Form::F16 => half::f32_to_f16(&head),
            Form::Codes => head.iter().map(|x| (x * 127.0 + 128.0) as u8).collect(),
        };
        for part in block.bytes_mut().chunks_mut(head.len()) {
            part.copy_from_slice(&head[..part.len()]);
        }
        Self {
            dim,
            width,
            room: RefCell::new((vec![0.0; MOST], vec![0; MOST])),
            stride,
            count: count as u32,
            halves: floats.iter().map(|x| simsimd::f16::from_f32(*x)).collect(),
            bytes: floats.iter().map(|x| (x * 127.0) as i8).collect(),
            floats,
            block,
        }
    }

    /// Bytes of a row without its padding.
    fn row(&self, id: u32) -> &[u8] {
        &self.block.bytes()[id as usize * self.stride..][..self.dim * self.width]
    }

    fn f32s(&self, id: u32) -> &[f32] {
        aligned::as_f32(self.row(id))
    }

    fn i8s(&self, id: u32) -> &[i8] {
        &self.block.i8s()[id as usize * self.stride..][..self.stride]
    }

    fn f16s(&self, id: u32) -> &[simsimd::f16] {
        // SAFETY: simsimd's half is a `u16` by its representation, and every bit pattern is valid.
        unsafe { self.row(id).align_to().1 }
    }

    /// The same numbers by the decoder that a plain loop would use.
    fn decoded(&self, id: u32) -> impl Iterator<Item = f32> {
        self.row(id).as_chunks().0.iter().map(|half| from_f16(u16::from_le_bytes(*half)))
    }

    fn table(&self) -> Table<'_> {
        Table { bytes: self.block.bytes(), stride: self.stride }
    }

    fn query(&self) -> &[f32] {
        &self.floats[..self.dim]
    }
}

type Score = Box<dyn Fn(&Rows, &[u32])>;

/// One kernel by one hand: scores up to [`MOST`] rows.
pub struct Case {
    /// An instruction set, `simsimd` or `plain loop`.
    pub by: &'static str,
    pub score: Score,
}

/// A kernel and all who compute it: our sets, the one chosen for this machine first, then simsimd and a plain loop.
pub struct Kernel {
    pub name: &'static str,
    pub form: Form,
    pub cases: Vec<Case>,
}

/// All kernels.
pub fn kernels() -> Vec<Kernel> {
    vec![
        Kernel {
            name: "f32 dot",
            form: Form::F32,
            cases: pairs(
                |set, rows, id| (set.f32.dot)(rows.query(), rows.row(id)),
                |rows, id| f32::dot(rows.query(), rows.f32s(id)),
                |rows, id| dot(rows.query(), rows.f32s(id).iter().copied()),
            ),
        },
        Kernel {
            name: "f32 l2",
            form: Form::F32,
            cases: pairs(
                |set, rows, id| (set.f32.square)(rows.query(), rows.row(id)),
                |rows, id| f32::l2sq(rows.query(), rows.f32s(id)),
                |rows, id| square(rows.query(), rows.f32s(id).iter().copied()),
            ),
        },
        Kernel {
            name: "f32 cosine",
            form: Form::F32,
            cases: pairs(
                |set, rows, id| cosine_of((set.f32.norms)(rows.query(), rows.row(id))),
                |rows, id| f32::cosine(rows.query(), rows.f32s(id)),
                |rows, id| cosine(rows.query(), rows.f32s(id).iter().copied()),
            ),
        },
        Kernel {
            name: "f32 dot, rows",
            form: Form::F32,
            cases: in_rows(
                |set, rows, ids, out, _| (set.dot_f32_rows)(rows.table(), &rows.floats, ids, out),
                |rows, id| f32::dot(rows.query(), rows.f32s(id)),
                |rows, id| dot(rows.query(), rows.f32s(id).iter().copied()),
            ),
        },
        Kernel {
            name: "f32 l2, rows",
            form: Form::F32,
            cases: in_rows(
                |set, rows, ids, out, _| (set.l2_f32_rows)(rows.table(), &rows.floats, ids, out),
                |rows, id| f32::l2sq(rows.query(), rows.f32s(id)),
                |rows, id| square(rows.query(), rows.f32s(id).iter().copied()),
            ),
        },
        Kernel {
            name: "f16 dot",
            form: Form::F16,
            cases: pairs(
                |set, rows, id| (set.f16.dot)(rows.query(), rows.row(id)),
                |rows, id| SpatialSimilarity::dot(&rows.halves[..rows.dim], rows.f16s(id)),
                |rows, id| dot(rows.query(), rows.decoded(id)),
            ),
        },
        Kernel {
            name: "f16 l2",
            form: Form::F16,
            cases: pairs(
                |set, rows, id| (set.f16.square)(rows.query(), rows.row(id)),
                |rows, id| SpatialSimilarity::l2sq(&rows.halves[..rows.dim], rows.f16s(id)),
                |rows, id| square(rows.query(), rows.decoded(id)),
            ),
        },
        Kernel {
            name: "f16 cosine",
            form: Form::F16,
            cases: pairs(
                |set, rows, id| cosine_of((set.f16.norms)(rows.query(), rows.row(id))),
                |rows, id| SpatialSimilarity::cosine(&rows.halves[..rows.dim], rows.f16s(id)),
                |rows, id| cosine(rows.query(), rows.decoded(id)),
            ),
        },
        Kernel {
            name: "8-bit dot, rows",
            form: Form::Codes,
            cases: in_rows(
                |set, rows, ids, _, out| (set.dot_i8_rows)(rows.table(), &rows.bytes, ids, out),
                |rows, id| i8::dot(&rows.bytes, rows.i8s(id)),
                |rows, id| {
                    let products = rows.row(id).iter().zip(&rows.bytes);
                    products.map(|(code, q)| i32::from(*code) * i32::from(*q)).sum::<i32>()
                },
            ),
        },
    ]
}

/// Cases that take rows one by one.
fn pairs<T, S, P>(
    ours: impl Fn(&Kernels, &Rows, u32) -> T + Copy + 'static,
    simsimd: impl Fn(&Rows, u32) -> S + 'static,
    plain: impl Fn(&Rows, u32) -> P + 'static,
) -> Vec<Case> {
    let ours = all().into_iter().map(|set| each(set.name, move |rows, id| ours(set, rows, id)));
    ours.chain([each("simsimd", simsimd), each("plain loop", plain)]).collect()
}

/// Cases of which ours take many rows at once.
fn in_rows<S, P>(
    ours: impl Fn(&Kernels, &Rows, &[u32], &mut [f32], &mut [i32]) + Copy + 'static,
    simsimd: impl Fn(&Rows, u32) -> S + 'static,
    plain: impl Fn(&Rows, u32) -> P + 'static,
) -> Vec<Case> {
    let ours = all().into_iter().map(|set| Case {
        by: set.name,
        score: Box::new(move |rows, ids| {
            let (floats, integers) = &mut *rows.room.borrow_mut();
            ours(set, rows, ids, floats, integers);
            black_box((floats, integers));
        }),
    });
    ours.chain([each("simsimd", simsimd), each("plain loop", plain)]).collect()
}

fn each<T>(by: &'static str, one: impl Fn(&Rows, u32) -> T + 'static) -> Case {
    let score = move |rows: &Rows, ids: &[u32]| {
        for id in ids {
            black_box(one(rows, *id));
        }
    };
    Case { by, score: Box::new(score) }
}

fn dot(a: &[f32], b: impl Iterator<Item = f32>) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn square(a: &[f32], b: impl Iterator<Item = f32>) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

fn cosine(a: &[f32], b: impl Iterator<Item = f32>) -> f32 {
    cosine_of(a.iter().zip(b).fold([0.0; 3], |[xy, xx, yy], (x, y)| [xy + x * y, xx + x * x, yy + y * y]))
}

fn cosine_of([xy, xx, yy]: [f32; 3]) -> f32 {
    1.0 - xy / (xx * yy).sqrt()
}
