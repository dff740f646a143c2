import { describe, expect, it } from "vitest";

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
});
