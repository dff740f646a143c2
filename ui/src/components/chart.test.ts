import { expect, it } from "vitest";

import { path } from "./chart";

it("fills from the right, the greatest value at the upper edge", () => {
  expect(path([0, 5, 10], 10, 4)).toBe("M1 100.0L2 50.0L3 0.0");
});

it("keeps to its edges, and stays at the bottom when there is nothing", () => {
  expect(path([20], 10, 2)).toBe("M1 0.0");
  expect(path([0, 0], 0, 2)).toBe("M0 100.0L1 100.0");
  expect(path([1, 2, 3], 3, 2)).toBe("M0 33.3L1 0.0");
});
