//! Registries that are busy and say when to come again.

use std::time::{Duration, Instant};

use naru_image_store::{ImageError, ImageStore, RegistryConfig, RegistryError};

use crate::registry::{Answer, Double};

async fn store() -> anyhow::Result<(ImageStore, tempfile::TempDir)> {
    let directory = tempfile::tempdir()?;
    let store = ImageStore::open(directory.path(), RegistryConfig::default()).await?;
    Ok((store, directory))
}

fn tags(busy: (u16, &str, u32)) -> Answer {
    let (status, after, times) = busy;
    Answer {
        status: 200,
        body: br#"{"tags":["1"]}"#.to_vec(),
        busy: Some((status, after.to_owned(), times)),
        ..Answer::default()
    }
}

#[tokio::test]
async fn a_busy_registry_is_asked_again_when_it_says() -> anyhow::Result<()> {
    let (store, _directory) = store().await?;
    for (status, after, wait) in [(429, "1", 1), (503, "0", 0)] {
        let double = Double::start().await?;
        double.set("tags/list", tags((status, after, 1)));
        let begun = Instant::now();
        let found = store.tags(&double.reference().parse()?, None).await?;
        assert_eq!(found.len(), 1);
        assert_eq!(double.requests("tags/list").len(), 2);
        assert!(begun.elapsed() >= Duration::from_secs(wait), "{:?}", begun.elapsed());
    }
    Ok(())
}

#[tokio::test]
async fn a_registry_that_wants_too_much_patience_fails_at_once() -> anyhow::Result<()> {
    let (store, _directory) = store().await?;
    // An hour; no time at all, again and again.
    for (after, asked) in [("3600", 1), ("0", 13)] {
        let double = Double::start().await?;
        double.set("tags/list", tags((429, after, u32::MAX)));
        let refused = store.tags(&double.reference().parse()?, None).await;
        let is_limited =
            matches!(refused, Err(ImageError::Registry(RegistryError::RateLimited { .. })));
        assert!(is_limited, "{refused:?}");
        assert_eq!(double.requests("tags/list").len(), asked);
    }
    Ok(())
}
