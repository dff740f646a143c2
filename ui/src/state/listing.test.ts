import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { failure } from "../lib/host/fake";
import { Listing } from "./listing.svelte";

describe("a listing", () => {
  it("reads once more when it is asked while reading", async () => {
    let reads = 0;
    const listing = new Listing(() => Promise.resolve([(reads += 1)]));
    await Promise.all([listing.refresh(), listing.refresh(), listing.refresh()]);
    expect(reads).toBe(2);
    expect(listing.items).toEqual([2]);
  });

  it("keeps the old items beside a failure", async () => {
    let fails = false;
    const listing = new Listing(() => (fails ? Promise.reject(new Error("gone")) : Promise.resolve(["a"])));
    await listing.refresh();
    fails = true;
    await listing.refresh();
    expect(listing.items).toEqual(["a"]);
    expect(listing.failure?.message).toBe("gone");
    expect(listing.loading).toBe(false);
  });

  it("takes no answer from before it was cleared", async () => {
    for (const answer of [Promise.resolve(["old"]), Promise.reject(failure("unavailable", "no answer"))]) {
      const listing = new Listing(() => answer);
      const read = listing.refresh();
      listing.clear();
      await read;
      expect([listing.items, listing.failure, listing.loading]).toEqual([null, null, false]);
    }
  });
});

describe("a listing of an engine that is away", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const listingOf = (failed: ReturnType<typeof failure>) => {
    const engine = { away: true, reads: 0 };
    const listing = new Listing(() => {
      engine.reads += 1;
      return engine.away ? Promise.reject(failed) : Promise.resolve(["a"]);
    });
    return { engine, listing };
  };

  it("is read again by itself until there is an answer", async () => {
    const { engine, listing } = listingOf(failure("unavailable", "no answer"));
    await listing.refresh();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(engine.reads).toBeGreaterThan(2);
    expect(listing.failure?.message).toBe("no answer");
    engine.away = false;
    await vi.advanceTimersByTimeAsync(2000);
    expect(listing.items).toEqual(["a"]);
    expect(listing.failure).toBeNull();
    const { reads } = engine;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(engine.reads).toBe(reads);
  });

  it("is let be once it is cleared, or when it was refused", async () => {
    const cleared = listingOf(failure("unavailable", "no answer"));
    await cleared.listing.refresh();
    cleared.listing.clear();
    const refused = listingOf(failure("internal", "no"));
    await refused.listing.refresh();
    await vi.advanceTimersByTimeAsync(60_000);
    expect([cleared.engine.reads, refused.engine.reads]).toEqual([1, 1]);
  });
});
