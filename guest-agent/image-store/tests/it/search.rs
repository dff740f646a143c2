//! What Docker Hub finds, and what it vouches for.

use naru_image_store::{ImageStore, Mark, RegistryConfig};
use serde_json::{Value, json};

use crate::registry::{Answer, Double};

async fn hub() -> anyhow::Result<(Double, ImageStore, tempfile::TempDir)> {
    let double = Double::start().await?;
    let directory = tempfile::tempdir()?;
    let index = format!("http://{}", double.address);
    let config = RegistryConfig { index, ..RegistryConfig::default() };
    let store = ImageStore::open(directory.path(), config).await?;
    Ok((double, store, directory))
}

fn answer(body: &Value) -> Answer {
    Answer { status: 200, body: body.to_string().into_bytes(), ..Answer::default() }
}

#[tokio::test]
async fn marks_are_those_of_the_hubs_own_search() -> anyhow::Result<()> {
    let (hub, store, _directory) = hub().await?;
    let results = json!([
        { "name": "library/nginx", "badge": "official", "star_count": 3 },
        { "name": "bitnami/nginx", "badge": "verified_publisher" },
        { "name": "linuxserver/nginx", "badge": "open_source" },
        { "name": "someone/nginx", "badge": "none" },
        { "name": "other/nginx", "badge": null },
        { "name": "new/nginx", "badge": "something_new" },
        { "badge": "official" },
    ]);
    hub.set("/api/search/v4", answer(&json!({ "total": 7, "results": results })));
    let marks = store.marks("docker.io/nginx & co", 25).await?;
    let expected = [
        ("", Mark::Official),
        ("bitnami/nginx", Mark::VerifiedPublisher),
        ("linuxserver/nginx", Mark::OpenSource),
        ("nginx", Mark::Official),
    ];
    assert_eq!(marks, expected.map(|(name, mark)| (name.to_owned(), mark)).into());
    let asked = hub.requests("/api/search/v4");
    let query = "query=nginx+%26+co&type=image&from=0&size=25";
    assert_eq!(asked[0].headers.get("query").map(String::as_str), Some(query));
    Ok(())
}

#[tokio::test]
async fn a_hub_that_tells_no_marks_is_an_error_and_another_registry_is_not_asked()
-> anyhow::Result<()> {
    let (hub, store, _directory) = hub().await?;
    store.marks("nginx", 25).await.expect_err("there is no such page");
    hub.set("/api/search/v4", answer(&json!("no object")));
    store.marks("nginx", 25).await.expect_err("it is something else");
    let asked = hub.requests("/").len();
    assert!(store.marks("registry.example/nginx", 25).await?.is_empty());
    assert_eq!(hub.requests("/").len(), asked);
    Ok(())
}
