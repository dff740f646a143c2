//! What Docker Hub vouches for, which `docker search` tells only a part of.

use naru_test_framework::{FakeHub, NativeEngine};
use serde_json::{Value, json};

use crate::raw::{ask, request};

#[test]
fn found_repositories_have_the_marks_that_docker_hub_gives() -> anyhow::Result<()> {
    let (hub, engine) = (FakeHub::start()?, NativeEngine::start()?);
    let index = json!({ "index": hub.url() }).to_string();
    let headers = ["Connection: close", "Content-Type: application/json"];
    assert_eq!(request(&engine, "PUT", "/naru/registries", &headers, &index)?.status, 204);

    let format = ["--no-trunc", "--format", "{{.Name}} {{.StarCount}} {{.IsOfficial}}", "nginx"];
    let found = engine.docker(&[&["search"], &format[..]].concat())?;
    let expected = "nginx 20000 [OK]\nbitnami/nginx 200 \nlinuxserver/nginx 200 \nsomeone/nginx 2 ";
    assert_eq!(found.success()?, expected);

    let found = ask(&engine, "GET", "/naru/search?term=nginx")?.json()?;
    let marks: Vec<&Value> =
        found.as_array().into_iter().flatten().map(|found| &found["mark"]).collect();
    let expected = json!(["official", "verified_publisher", "open_source", null]);
    assert_eq!(json!(marks), expected);
    let first = json!({
        "name": "nginx", "description": "nginx, served", "stars": 20_000, "mark": "official",
    });
    assert_eq!(found[0], first);
    assert_eq!(ask(&engine, "GET", "/naru/search?term=http://a")?.status, 400);
    Ok(())
}
