//! Which segments become one next. Pure: numbers in, a choice out.
//!
//! Segments fall into size classes by powers of `fan`. A class of `fan` segments is merged together with every smaller
//! segment, so that each row moves up one class at least: it is written about `log(rows) / log(fan)` times, and there are
//! at most `fan - 1` segments a class. A segment whose rows have died in good part is rewritten alone, while its graph can
//! still be healed. The cost model is in docs/design.md; the simulation below holds both to their bounds.

/// What the policy knows of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Rows, dead ones included.
    pub rows: usize,
    /// Living rows.
    pub live: usize,
}

/// Segments that are to become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// Their positions in the list.
    pub inputs: Vec<usize>,
    /// Rows of the result.
    pub rows: usize,
    /// Rows that are inserted into the graph of the largest input.
    pub inserted: usize,
}

/// How much is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Zeal {
    /// What pays while rows are being written.
    Steady,
    /// What makes searches fast, where nobody writes at the moment.
    Leisure,
    /// The same, and the last rows of the log: somebody asked for it.
    Thorough,
}

/// Below this many rows classes are not distinguished: such segments cost next to nothing to write.
const LEAST: usize = 256;

/// More segments than three times `fan` are never left, whatever their sizes: then a third of them, the smallest, are merged.
/// Nine, unless the table asks for more.
const MOST_FOR_FAN: usize = 3;

/// With more segments than this a table is behind with its merges.
pub const USUAL: usize = 5;

/// Beside other merges no segment is merged with others that have less than this share of its rows together.
const LOPSIDED: usize = 4;

/// A merge is large if it takes in more than an eighth of the table's rows, and more than are merged in a second or two. Only one
/// runs at a time: two would keep all processors busy for minutes, while small segments pile up.
const LARGE: usize = 8;
const LARGE_LEAST: usize = 32_768;

/// The share of dead rows, in tenths, from which on a segment is rewritten. Below four tenths a graph is healed, above it is
/// built again.
const DEAD_TENTHS: usize = 3;

/// A thorough merge goes on while the largest segment is less than this many times all others.
const DOMINANCE: usize = 32;

/// What it costs to copy a row that stays in its graph, as a share of what it costs to insert one: measured 0.08 to 0.15.
const COPIES_FOR_AN_INSERT: usize = 8;

impl Zeal {
    /// Log entries that are sealed, of a table that seals by itself at `delta_rows`.
    pub fn seals_from(self, delta_rows: usize) -> usize {
        match self {
            Self::Steady => delta_rows,
            Self::Leisure => (delta_rows / 16).max(1),
            Self::Thorough => 1,
        }
    }
}

impl Merge {
    /// A merge of the segments at these positions.
    pub fn of(parts: &[Part], mut inputs: Vec<usize>) -> Self {
        inputs.sort_unstable();
        let live = |at: &usize| parts.get(*at).map_or(0, |part| part.live);
        let rows: usize = inputs.iter().map(live).sum();
        let inserted = rows - inputs.iter().map(live).max().unwrap_or(0);
        Self { inputs, rows, inserted }
    }

    /// What it costs, counted in rows inserted into a graph.
    pub fn cost(&self) -> usize {
        self.inserted + self.rows / COPIES_FOR_AN_INSERT
    }
}

/// Size class: powers of `fan`.
fn class(live: usize, fan: usize) -> u32 {
    (live / LEAST).max(1).ilog(fan)
}

/// How many segments may be left.
fn most(fan: usize) -> usize {
    fan.max(3).saturating_mul(MOST_FOR_FAN)
}

/// How many segments there are beyond those that are left, where those who write have outrun those who merge.
pub fn excess(segments: usize, fan: usize) -> usize {
    if fan > 0 { segments.saturating_sub(most(fan)) } else { 0 }
}

/// The merges that are under way when another one is chosen.
#[derive(Debug, Clone, Copy)]
pub struct Beside {
    /// Segments that they are at work on.
    segments: usize,
    /// Rows that another one may have.
    room: usize,
}

impl Beside {
    /// Merges at work on `segments` segments, which leave room for any other.
    pub fn segments(segments: usize) -> Self {
        Self { segments, room: usize::MAX }
    }

    /// Merges at work on `segments` segments of a table of `all` rows; `merges` are the rows of each.
    pub fn of(segments: usize, mut merges: impl Iterator<Item = usize>, all: usize) -> Self {
        let room = (all / LARGE).max(LARGE_LEAST);
        let large = merges.any(|rows| rows > room);
        if large { Self { segments, room } } else { Self::segments(segments) }
    }
}

/// The next merge; `None` when the segments are as they should be, or as good as they can be beside the merges that are under way.
pub fn next(parts: &[Part], beside: Beside, fan: usize, zeal: Zeal) -> Option<Merge> {
    let fan = fan.max(2);
    if let Some(empty) = parts.iter().position(|part| part.live == 0) {
        return Some(Merge::of(parts, vec![empty]));
    }
    // Smallest first; the position decides among equals, so the choice depends on the list alone.
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|at| (parts[*at].live, *at));
    let class_of = |at: &usize| class(parts[*at].live, fan);
    let mut end = 0;
    for members in order.chunk_by(|a, b| class_of(a) == class_of(b)) {
        end += members.len();
        if members.len() >= fan {
            return fitting(parts, &order[..end], beside.room, fan);
        }
    }
    let most = most(fan);
    if order.len() > most {
        return fitting(parts, &order[..=order.len() - most * 2 / 3], beside.room, fan);
    }
    if order.len() + beside.segments > most {
        // The other merges will leave fewer, but may take minutes.
        let chosen = &order[..order.len().min(order.len() + beside.segments - most * 2 / 3 + 1)];
        if let Some(merge) = balanced(parts, fits(parts, chosen, beside.room)) {
            return Some(merge);
        }
    }
    let may = |merge: &Merge| merge.rows <= beside.room;
    let stale = |at: &&usize| {
        let part = parts[**at];
        (part.rows - part.live) * 10 >= part.rows * DEAD_TENTHS
    };
    if let Some(stale) = order.iter().find(stale) {
        return Some(Merge::of(parts, vec![*stale])).filter(may);
    }
    if zeal != Zeal::Steady && parts.len() > 1 {
        let all = Merge::of(parts, order.clone());
        if all.inserted * DOMINANCE > all.rows {
            return Some(all).filter(may);
        }
        if parts.len() > 2 {
            return Some(Merge::of(parts, order[..order.len() - 1].to_vec())).filter(may);
        }
    }
    None
}

/// A merge of `chosen`, which come in order of size. Where there is no room for all, of the smallest of them, if these are `least` and
/// more: they would wait for the large merge to end, while more segments come.
fn fitting(parts: &[Part], chosen: &[usize], room: usize, least: usize) -> Option<Merge> {
    let fit = fits(parts, chosen, room);
    if fit.len() == chosen.len() {
        return Some(Merge::of(parts, chosen.to_vec()));
    }
    balanced(parts, fit).filter(|merge| merge.inputs.len() >= least)
}

/// The smallest of `chosen` that have no more than `room` rows together.
fn fits<'a>(parts: &[Part], chosen: &'a [usize], room: usize) -> &'a [usize] {
    let mut rows = 0_usize;
    let fit = chosen.iter().take_while(|at| {
        rows = rows.saturating_add(parts[**at].live);
        rows <= room
    });
    &chosen[..fit.count()]
}

/// A merge of the smallest of `chosen`: one that is much larger than all that are smaller is not written again for them.
fn balanced(parts: &[Part], mut chosen: &[usize]) -> Option<Merge> {
    while let Some((last, others)) = chosen.split_last() {
        if parts[*last].live <= LOPSIDED * others.iter().map(|at| parts[*at].live).sum::<usize>() {
            return Some(Merge::of(parts, chosen.to_vec()));
        }
        chosen = others;
    }
    None
}

#[cfg(test)]
mod tests;
