//! Files that are fetched from web servers.

use futures::TryStreamExt as _;
use naru_error::ErrorKind;
use naru_image_store::{ImageStore, RegistryConfig, WebRequest};
use reqwest::header::HeaderValue;

use crate::registry::{Answer, Double};

struct Bench {
    double: Double,
    store: ImageStore,
    _directory: tempfile::TempDir,
}

impl Bench {
    async fn new() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let store = ImageStore::open(directory.path(), RegistryConfig::default()).await?;
        Ok(Self { double: Double::start().await?, store, _directory: directory })
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.double.address)
    }

    fn redirect(&self, from: &str, to: &str) {
        let headers = vec![("Location".to_owned(), to.to_owned())];
        self.double.set(from, Answer { status: 302, headers, ..Answer::default() });
    }

    async fn fetch(&self, url: &str) -> anyhow::Result<Vec<u8>> {
        let file = self.store.fetch(&url.parse()?).await?;
        let size = file.size();
        let chunks: Vec<_> = file.into_stream().try_collect().await?;
        let content = chunks.concat();
        anyhow::ensure!(size == Some(content.len() as u64), "{size:?}");
        Ok(content)
    }

    async fn refused(&self, path: &str) -> anyhow::Result<(String, ErrorKind)> {
        let Err(error) = self.store.fetch(&self.url(path).parse()?).await else {
            anyhow::bail!("{path} was fetched");
        };
        Ok((naru_error::chain(&error), error.kind()))
    }
}

#[tokio::test]
async fn a_file_is_fetched_where_it_is_and_where_redirects_lead() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    bench.double.set("/file", Answer { status: 200, body: b"content".to_vec(), ..<_>::default() });
    bench.redirect("/moved", "/file");
    assert_eq!(bench.fetch(&bench.url("/file")).await?, b"content");
    let address = bench.double.address.to_string();
    assert_eq!(bench.fetch(&format!("u:p%21@{address}/moved")).await?, b"content");
    let told = &bench.double.requests("/file")[1].headers;
    assert_eq!(told.get("authorization").map(String::as_str), Some("Basic dTpwIQ=="));
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_not_given_is_told_in_the_servers_words() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    for (status, phrase, kind) in [
        (404, "Not Found", ErrorKind::NotFound),
        (403, "Forbidden", ErrorKind::Forbidden),
        (500, "Internal Server Error", ErrorKind::Internal),
    ] {
        let body = b"\x1b[31mno such file\n".to_vec();
        bench.double.set("/file", Answer { status, body, ..Answer::default() });
        let (message, found) = bench.refused("/file").await?;
        let url = bench.url("/file");
        let expected =
            format!("failed to GET {url} with status {status} {phrase}: [31mno such file");
        assert_eq!((message, found), (expected, kind));
    }
    bench.redirect("/circle", "/circle");
    let (message, _) = bench.refused("/circle").await?;
    assert!(message.ends_with("it redirects in circles"), "{message}");
    assert_eq!(bench.double.requests("/circle").len(), 6);
    bench.redirect("/elsewhere", "file:///etc/passwd");
    assert!(bench.refused("/elsewhere").await?.0.ends_with("a redirect leaves https"));
    Ok(())
}

#[tokio::test]
async fn a_file_that_ends_too_soon_is_an_error() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let cut = Answer { status: 200, body: vec![7; 100], cut: Some((50, 9)), ..Answer::default() };
    bench.double.set("/cut", cut);
    bench.fetch(&bench.url("/cut")).await.expect_err("half of it is not the file");
    Ok(())
}

#[tokio::test]
async fn who_asks_is_told_to_no_other_server() -> anyhow::Result<()> {
    let (bench, other) = (Bench::new().await?, Bench::new().await?);
    for bench in [&bench, &other] {
        bench.double.set("/file", Answer { status: 200, ..Answer::default() });
    }
    bench.redirect("/near", "/file");
    bench.redirect("/far", &other.url("/file"));
    let mut hush = HeaderValue::from_static("bearer hush");
    hush.set_sensitive(true);
    let request = WebRequest { authorization: Some(hush), ..WebRequest::default() };
    assert!(!format!("{request:?}").contains("hush"));
    for path in ["/near", "/far"] {
        bench.store.ask_web(&bench.url(path).parse()?, &request).await?;
    }
    let told = |bench: &Bench, path: &str| {
        let requests = bench.double.requests(path);
        let told = requests.iter().map(|request| request.headers.get("authorization").cloned());
        told.collect::<Vec<_>>()
    };
    let known = vec![Some("bearer hush".to_owned())];
    for path in ["/near", "/far", "/file"] {
        assert_eq!(told(&bench, path), known, "{path}");
    }
    assert_eq!(told(&other, "/file"), [None]);
    // It goes before what the URL has.
    let address = bench.double.address;
    bench.store.ask_web(&format!("http://u:p@{address}/file").parse()?, &request).await?;
    assert_eq!(told(&bench, "/file"), [known.clone(), known].concat());
    Ok(())
}
