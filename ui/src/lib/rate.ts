/** How far back a speed looks, in milliseconds: long enough to be calm, short enough to be true. */
const WINDOW = 5000;

/** Bytes a second, from sums that are told now and then. */
export class Rate {
  #samples: { at: number; bytes: number }[] = [];

  /** `bytes` in all have come by `at` milliseconds. */
  add(at: number, bytes: number): void {
    this.#samples.push({ at, bytes });
    // One of those that are too old stays: the way from it to the others is what counts.
    while ((this.#samples[1]?.at ?? at) < at - WINDOW) this.#samples.shift();
  }

  /** `null` until there is something to compare. */
  get perSecond(): number | null {
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.at - first.at < 500) return null;
    return Math.max(0, (1000 * (last.bytes - first.bytes)) / (last.at - first.at));
  }
}
