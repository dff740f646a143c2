import { describe, expect, it } from "vitest";

import { Rate } from "./rate";

describe("a rate", () => {
  it("says nothing before it knows", () => {
    const rate = new Rate();
    rate.add(0, 0);
    rate.add(100, 1000);
    expect(rate.perSecond).toBeNull();
  });

  it("is that of the last seconds, and falls to nothing where nothing comes", () => {
    const rate = new Rate();
    for (let second = 0; second <= 20; second += 1) rate.add(second * 1000, second * 1000);
    expect(rate.perSecond).toBeCloseTo(1000);
    for (let second = 21; second <= 30; second += 1) rate.add(second * 1000, 20_000);
    expect(rate.perSecond).toBe(0);
  });
});
