//! Work that waits for the disk, some at a time. The runtime starts a thread for each piece of work
//! that comes while all are busy, and a thread keeps memory of its own: a crowd of agents that say
//! something at once would leave as many.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::problem::Failure;

/// So many threads at most. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lane(Arc<Semaphore>);

impl Lane {
    /// A lane as wide as this.
    #[must_use]
    pub fn new(width: usize) -> Lane {
        Lane(Arc::new(Semaphore::new(width)))
    }

    /// Does `work` on a thread, once it is its turn; in the order of coming. `what` it is stands in
    /// the log if it panics.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        // Nobody closes it.
        let turn = Arc::clone(&self.0).acquire_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            // Held to the end, also where nobody waits for that any more.
            drop(turn);
            done
        });
        done.await.map_err(|error| Failure::internal(what, &error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_crowd_is_served_by_as_many_threads_as_the_lane_is_wide() {
        let lane = Lane::new(2);
        let (present, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = (0..50).map(|number| {
            let (present, most) = (Arc::clone(&present), Arc::clone(&most));
            lane.run("count", move || {
                let now = present.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                std::thread::yield_now();
                present.fetch_sub(1, Ordering::SeqCst);
                number
            })
        });
        let done = futures_util::future::join_all(work).await;
        let done: Vec<i32> = done.into_iter().map(|done| done.unwrap()).collect();
        assert_eq!(done, (0..50).collect::<Vec<_>>());
        assert!(most.load(Ordering::SeqCst) <= 2);
    }
}
