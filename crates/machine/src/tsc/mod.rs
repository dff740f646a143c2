//! How fast this processor's time stamp counter runs.
//!
//! A translated guest reads the host's counter. Left to itself its kernel measures the
//! counter against emulated timers, in its first milliseconds, and on a busy host the
//! result can be wrong by any factor: the guest's clock then runs wild, timers fire too
//! early, and the guest hangs or panics. So it is told the rate.

#[cfg(target_arch = "x86_64")]
mod sys;

/// Ticks of the counter per millisecond, which is its rate in kHz; none where the
/// processor is another. Takes some 30 ms. Cancel safe.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) async fn rate_khz() -> Option<u32> {
    None
}

#[cfg(target_arch = "x86_64")]
pub(crate) use measure::rate_khz;

#[cfg(target_arch = "x86_64")]
mod measure {
    use std::time::{Duration, Instant};

    use tokio::time::sleep;

    use super::sys;

    /// With samples that are right within a microsecond: an error below 0.01 %.
    const SPAN: Duration = Duration::from_millis(30);
    const TRIES: usize = 16;

    /// The counter at an instant.
    struct Sample {
        ticks: u64,
        at: Instant,
    }

    impl Sample {
        /// The one of several in which the clock was read in the least time: in the others
        /// this thread may have been interrupted between the two.
        fn take() -> Self {
            let read = |_| {
                let before = sys::read();
                let at = Instant::now();
                let took = sys::read().wrapping_sub(before);
                (took, Self { ticks: before.wrapping_add(took / 2), at })
            };
            let best = (0..TRIES).map(read).min_by_key(|(took, _)| *took);
            best.expect("there is more than one try").1
        }
    }

    pub(crate) async fn rate_khz() -> Option<u32> {
        let first = Sample::take();
        sleep(SPAN).await;
        let last = Sample::take();
        let ticks = u128::from(last.ticks.wrapping_sub(first.ticks));
        let nanos = (last.at - first.at).as_nanos();
        u32::try_from(ticks * 1_000_000 / nanos.max(1)).ok()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[tokio::test]
        async fn the_rate_is_the_same_each_time() {
            let rates = [rate_khz().await.unwrap(), rate_khz().await.unwrap()];
            let difference = rates[0].abs_diff(rates[1]);
            // The kernel itself takes a rate for the same within one per cent.
            assert!(difference < rates[0] / 100, "{rates:?}");
            assert!(rates[0] > 100_000, "no counter is that slow: {rates:?}");
        }
    }
}
