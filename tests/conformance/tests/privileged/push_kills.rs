//! An engine that is killed in the midst of pushes. What it has told as pushed is not sent again,
//! and what comes of the next push can be pulled and run.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use naru_test_framework::{NativeEngine, PartedImage, Registry, indexed_layers};
use rand::Rng as _;

use crate::kills::{store_is_whole, wait, with_seed};

const KILLS: u32 = 6;

/// The layers that were said to be so.
fn layers<'a>(said: &'a str, state: &str) -> BTreeSet<&'a str> {
    let lines = said.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(_, said)| *said == state).map(|(layer, _)| layer).collect()
}

/// What the tag stands for that was pushed.
fn digest(said: &str) -> anyhow::Result<&str> {
    let line = said.lines().find_map(|line| line.strip_prefix("1: digest: "));
    let (digest, _) = line.and_then(|line| line.split_once(' ')).context("no digest is told")?;
    Ok(digest)
}

/// A registry that has nothing yet, and an engine that has pushed none of the image's layers before.
struct Push<'a> {
    registry: Registry,
    name: String,
    engine: &'a mut NativeEngine,
    image: &'a PartedImage,
}

impl<'a> Push<'a> {
    fn new(engine: &'a mut NativeEngine, image: &'a PartedImage) -> anyhow::Result<Self> {
        let registry = Registry::start()?;
        let name = registry.reference("parted", "1");
        engine.load(&image.image, &name)?;
        Ok(Self { registry, name, engine, image })
    }

    /// Pushes, and kills the engine `at` some time after that began or, if so wanted, after a layer
    /// was told as pushed. Gives what was said, and whether the push was cut.
    fn cut(&mut self, at: Duration, after_a_layer: bool) -> anyhow::Result<(String, bool)> {
        let mut running = self.engine.spawn(&["push", &self.name])?;
        let mut said = String::new();
        while after_a_layer && layers(&said, "Pushed").is_empty() {
            said += &(running.line()? + "\n");
        }
        wait(at);
        self.engine.kill()?;
        let rest = running.finish()?;
        self.engine.restart()?;
        store_is_whole(self.engine)?;
        self.runs(self.engine, &self.name)?;
        Ok((said + &rest.stdout, rest.code != 0))
    }

    fn whole(&self) -> anyhow::Result<String> {
        Ok(self.engine.docker(&["push", &self.name])?.success()?.to_owned())
    }

    /// Holds if an engine that has nothing gets the whole image. Leaves nothing to either.
    fn arrives_at(self, other: &NativeEngine, digest: &str) -> anyhow::Result<()> {
        let name = format!("{}/parted@{digest}", self.registry.address());
        other.docker(&["pull", "-q", &name])?.success()?;
        self.runs(other, &name)?;
        for (engine, name) in [(other, &name), (&*self.engine, &self.name)] {
            engine.docker(&["rmi", "-f", name])?.success()?;
            let left = indexed_layers(&engine.root().join("images/index.db"))?;
            ensure!(left.is_empty(), "layers are left: {left:?}");
            store_is_whole(engine)?;
        }
        Ok(())
    }

    fn runs(&self, engine: &NativeEngine, name: &str) -> anyhow::Result<()> {
        let run = [&["run", "--rm", "--network=none", name], &PartedImage::ASK[..]].concat();
        ensure!(engine.docker(&run)?.success()? == self.image.says, "{name} is not whole");
        Ok(())
    }
}

#[test]
fn what_was_told_as_pushed_is_there_whenever_the_engine_is_killed() -> anyhow::Result<()> {
    with_seed(|random| {
        let image = PartedImage::new(4)?;
        let (mut engine, other) = (NativeEngine::start()?, NativeEngine::start()?);
        let push = Push::new(&mut engine, &image)?;
        let begun = Instant::now();
        let said = push.whole()?;
        let takes = begun.elapsed();
        let expected = digest(&said)?;
        push.arrives_at(&other, expected)?;
        let (mut cut, mut kept) = (0, 0);
        for round in 0..KILLS {
            // By itself hardly any instant is one at which some layers are there, and some not.
            let after_a_layer = round % 2 == 1;
            let most = if after_a_layer { 0.1 } else { 1.1 };
            let at = takes.mul_f64(random.random_range(0.0..most));
            let what = || format!("kill {round}, {at:?} of {takes:?}");
            let mut push = Push::new(&mut engine, &image)?;
            let (first, is_cut) = push.cut(at, after_a_layer).with_context(what)?;
            let second = push.whole().with_context(what)?;
            let (done, skipped) =
                (layers(&first, "Pushed"), layers(&second, "Layer already exists"));
            ensure!(done.is_subset(&skipped), "{}: {first} and then {second}", what());
            ensure!(digest(&second)? == expected, "{}: {second}", what());
            push.arrives_at(&other, expected).with_context(what)?;
            cut += u32::from(is_cut);
            kept += done.len();
        }
        ensure!(cut > KILLS / 4, "only {cut} of {KILLS} kills came in the midst of a push");
        ensure!(kept > 0, "no kill came after a layer");
        Ok(())
    })
}
