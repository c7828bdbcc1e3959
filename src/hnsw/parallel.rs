//! Runs one job for each element of a slice on a few threads. The result of an element may depend on the element only,
//! so the number of threads never shows.

use crate::crew;
use parking_lot::Mutex;
use std::thread::Builder;

/// Calls `job(worker, index, element)` for each element, `chunk` elements at a time, one thread a worker.
pub(super) fn each<W: Send, T: Send>(
    workers: &mut [W],
    items: &mut [T],
    chunk: usize,
    job: impl Fn(&mut W, usize, &mut T) + Sync,
) {
    let [first, others @ ..] = workers else { return };
    if others.is_empty() || items.len() <= chunk {
        items.iter_mut().enumerate().for_each(|(at, item)| job(first, at, item));
        return;
    }
    let queue = Mutex::new(items.chunks_mut(chunk).enumerate());
    let run = |worker: &mut W| {
        loop {
            let Some((index, items)) = queue.lock().next() else { break };
            for (at, item) in items.iter_mut().enumerate() {
                job(worker, index * chunk + at, item);
            }
        }
    };
    std::thread::scope(|scope| {
        let most = crew::others(others.len());
        for worker in others.iter_mut().take(most) {
            // Where the system has no more threads, fewer do the work.
            if Builder::new().spawn_scoped(scope, || run(worker)).is_err() {
                break;
            }
        }
        run(first);
    });
}
