//! The conditions of every carrier, over the one that needs no machine.

use naru_transport::suite;

use crate::support::Guest;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_multiplexed_carrier_passes_the_suite() -> anyhow::Result<()> {
    let guest = Guest::start()?;
    suite::run(&*guest.connect().await?).await
}

#[tokio::test]
async fn the_suite_passes_on_one_thread_and_twice_over_one_connection() -> anyhow::Result<()> {
    let guest = Guest::start()?;
    let dialer = guest.connect().await?;
    suite::run(&*dialer).await?;
    suite::run(&*dialer).await
}
