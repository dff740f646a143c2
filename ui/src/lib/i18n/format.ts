import type { Locale } from "./i18n.svelte";

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** The longest units first, with their seconds. */
const AGES = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
] as const;

/** Numbers as a reader of the language expects them. */
export class Format {
  readonly #locale: Locale;
  readonly #relative: Intl.RelativeTimeFormat;

  constructor(locale: Locale) {
    this.#locale = locale;
    this.#relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  }

  /** `4.3 MB`: decimal units, as Docker prints sizes. */
  bytes(count: number): string {
    let power = 0;
    let value = count;
    while (value >= 999.5 && power < UNITS.length - 1) {
      value /= 1000;
      power += 1;
    }
    return new Intl.NumberFormat(this.#locale, {
      style: "unit",
      unit: UNITS[power] ?? "byte",
      unitDisplay: power === 0 ? "long" : "short",
      maximumFractionDigits: value < 10 && power > 0 ? 1 : 0,
    }).format(value);
  }

  /** `1.5`, `2,000`. */
  number(value: number): string {
    return new Intl.NumberFormat(this.#locale, { maximumFractionDigits: 2 }).format(value);
  }

  /** `12%`, and `0.4%` where a whole one would be too coarse. */
  percent(share: number): string {
    const maximumFractionDigits = share < 0.1 ? 1 : 0;
    return new Intl.NumberFormat(this.#locale, { style: "percent", maximumFractionDigits }).format(share);
  }

  /** `14:05:09.120` in this computer's own time, from RFC 3339; empty for what is none. */
  clock(time: string): string {
    const then = new Date(time);
    if (Number.isNaN(then.getTime())) return "";
    const two = (value: number) => String(value).padStart(2, "0");
    const milliseconds = String(then.getMilliseconds()).padStart(3, "0");
    return `${two(then.getHours())}:${two(then.getMinutes())}:${two(then.getSeconds())}.${milliseconds}`;
  }

  /** `0.4s`, from milliseconds. */
  seconds(duration: number): string {
    return new Intl.NumberFormat(this.#locale, {
      style: "unit",
      unit: "second",
      unitDisplay: "narrow",
      minimumFractionDigits: 1,
      maximumFractionDigits: 1,
    }).format(duration / 1000);
  }

  /** `2,041`. */
  count(number: number): string {
    return new Intl.NumberFormat(this.#locale).format(number);
  }

  /** `12 sec`, `3 min`, `2 hr`: how long something still takes. */
  duration(seconds: number): string {
    const [unit, length] = AGES.find(([, least]) => seconds >= least && least <= 3600) ?? ["second", 1];
    return new Intl.NumberFormat(this.#locale, { style: "unit", unit, unitDisplay: "short" }).format(
      Math.max(1, Math.ceil(seconds / length)),
    );
  }

  /** `3 minutes ago`, from Unix seconds. */
  age(then: number, now: number): string {
    const seconds = Math.max(0, now - then);
    for (const [unit, length] of AGES) {
      if (seconds >= length) return this.#relative.format(-Math.floor(seconds / length), unit);
    }
    return this.#relative.format(0, "second");
  }
}
