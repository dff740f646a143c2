import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

// Vitest gives styles no text; it runs in `ui/`.
const css = readFileSync("src/styles/tokens.css", "utf8");

/** A token's two colours. */
const tokens = new Map(
  [...css.matchAll(/--([\w-]+): light-dark\(#([0-9a-f]{6}), #([0-9a-f]{6})\)/g)].map(([, name = "", light = "", dark = ""]) => [
    name,
    { light, dark },
  ]),
);

const luminance = (hex: string): number => {
  const [red = 0, green = 0, blue = 0] = [0, 2, 4].map((at) => {
    const share = parseInt(hex.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};

/** As WCAG 2.2 defines it. */
const contrast = (a: string, b: string): number => {
  const [light = 0, dark = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
};

/** What stands on what: text needs 4.5, the edges of controls and the focus ring 3. */
const PAIRS: [number, string[], string[]][] = [
  [4.5, ["text", "muted", "accent", "ok", "warn", "danger"], ["ground", "surface", "sunken"]],
  [4.5, ["text", "muted"], ["hover"]],
  [4.5, ["text", "muted", "accent", "ok", "danger"], ["accent-soft"]],
  [4.5, ["text", "muted", "danger"], ["danger-soft"]],
  [4.5, ["text", "warn"], ["warn-soft"]],
  [4.5, ["blue", "magenta"], ["sunken"]],
  [4.5, ["on-accent"], ["accent", "accent-hover"]],
  [4.5, ["on-danger"], ["danger"]],
  [4.5, ["ground"], ["text"]],
  [3, ["line-strong", "accent"], ["ground", "surface", "hover", "accent-soft"]],
];

describe.each(["light", "dark"] as const)("the %s theme", (theme) => {
  const cases = PAIRS.flatMap(([least, above, below]) =>
    above.flatMap((over) => below.map((under) => [over, under, least] as const)),
  );

  it.each(cases)("has enough contrast of %s on %s", (over, under, least) => {
    const [a, b] = [tokens.get(over), tokens.get(under)];
    if (a === undefined || b === undefined) throw new Error(`there is no token ${over} or ${under}`);
    expect(contrast(a[theme], b[theme])).toBeGreaterThanOrEqual(least);
  });
});
