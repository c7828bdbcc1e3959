//! Choice of neighbours: the diversity heuristic (Malkov & Yashunin 2016, algorithm 4), for forward and reverse links.
//!
//! A candidate is kept when it is nearer to the node than to every neighbour kept before it. Places left over are
//! not filled with rejected candidates, except up to `floor`, so that no node depends on one or two links.

use super::SearchStats;
use super::frontier::{key_of, node_of, pack};
use super::graph::{Layer, Scratch};
use crate::vector::codes::{Query, View};

/// A neighbour kept before rejects a candidate when it is nearer by this factor (of squared distances): somewhat more
/// links survive than by the plain rule, worth about a tenth of the distances at recall .99 (Vamana's alpha).
const SLACK: f32 = 1.06;

/// How many candidates ahead the caches are asked for rows.
const AHEAD: usize = 6;

/// A possible neighbour: its key to the node and its number.
pub(super) type Link = (f32, u32);

/// Sorts links by key, then node. As entries of a beam they are single numbers, which sort several times as fast as pairs.
pub(super) fn sort(links: &mut [Link], entries: &mut Vec<u64>) {
    entries.clear();
    entries.extend(links.iter().map(|(key, node)| pack(*key, *node)));
    entries.sort_unstable();
    links.iter_mut().zip(entries).for_each(|(link, entry)| *link = (key_of(*entry), node_of(*entry)));
}

/// Sorts `candidates` (nearest first, no node twice) and keeps at most `limit` diverse ones. A node may be among them twice,
/// from either end of a link: the keys of a pair differ in their last bits with the direction.
pub(super) fn choose(
    codes: View<'_>,
    layer: Layer<'_>,
    candidates: &mut Vec<Link>,
    limit: usize,
    floor: usize,
    query: &mut Query,
    scratch: &mut Scratch,
) {
    const STEP: usize = 8;
    sort(candidates, &mut scratch.links);
    candidates.dedup_by_key(|link| link.1);
    let mut stats = SearchStats::default();
    let mut kept: Vec<u32> = Vec::with_capacity(limit);
    let mut chosen: Vec<Link> = Vec::with_capacity(limit);
    let mut rejected: Vec<Link> = Vec::new();
    let ord_of = |node: u32| layer.ords.get(node as usize).copied().unwrap_or(node);
    candidates.iter().take(AHEAD).for_each(|link| codes.prefetch_row(ord_of(link.1)));
    for (at, (key, node)) in candidates.iter().copied().enumerate() {
        if kept.len() == limit {
            break;
        }
        if let Some(later) = candidates.get(at + AHEAD) {
            codes.prefetch_row(ord_of(later.1));
        }
        let ord = ord_of(node);
        if !kept.is_empty() {
            codes.row_query(ord, query);
        }
        let crowded = kept.chunks(STEP).any(|group| {
            scratch.nodes.clear();
            scratch.nodes.extend_from_slice(group);
            scratch.score(codes, layer, query, &mut stats);
            scratch.keys.iter().any(|other| *other * SLACK < key)
        });
        // What `dedup` leaves are the twins that another key lies between.
        let is_twin = |rejected: &[Link]| kept.contains(&node) || rejected.iter().any(|link| link.1 == node);
        if crowded {
            if rejected.len() < floor && !is_twin(&rejected) {
                rejected.push((key, node));
            }
        } else if !is_twin(&rejected) {
            kept.push(node);
            chosen.push((key, node));
        }
    }
    let missing = floor.min(limit).saturating_sub(chosen.len());
    chosen.extend(rejected.into_iter().take(missing));
    sort(&mut chosen, &mut scratch.links);
    *candidates = chosen;
}
