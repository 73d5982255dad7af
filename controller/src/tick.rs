//! What time alone brings about: silence, and what follows from it.

use std::time::Duration;

use muster_model::upkeep::lapsed_leaders;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::heard::Hearing;
use crate::ledger::Ledger;

/// How often silence is looked for.
const EVERY: Duration = Duration::from_secs(5);

/// Looks, until `shutdown`, for machines that have fallen silent, and opens the matters that their
/// silence leaves: leads to be given to others, removals by force to be finished without them.
pub(crate) async fn run(ledger: Ledger, hearing: Hearing, shutdown: CancellationToken) {
    let mut beat = tokio::time::interval(EVERY);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = shutdown.cancelled() => return,
        }
        let estate = ledger.estate();
        hearing.listen(&estate);
        let heard = std::sync::Arc::clone(&hearing.watch().borrow());
        let matters = lapsed_leaders(&estate, &heard, clock::now());
        if !matters.is_empty()
            && let Err(error) = ledger.look(matters)
        {
            tracing::warn!(%error, "silence is looked at later");
        }
    }
}
