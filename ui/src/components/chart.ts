/** How many values a chart has room for; it fills from the right. */
export const PLACES = 120;
/** Its height in its own units. */
const HEIGHT = 100;

/** The line through `values`, the newest at the right edge, `top` at the upper one. */
export const path = (values: readonly number[], top: number, places = PLACES): string => {
  const shown = values.slice(-places);
  const first = places - shown.length;
  const y = (value: number) => (top <= 0 ? HEIGHT : HEIGHT - (Math.min(value, top) / top) * HEIGHT);
  return shown.map((value, at) => `${at === 0 ? "M" : "L"}${first + at} ${y(value).toFixed(1)}`).join("");
};
