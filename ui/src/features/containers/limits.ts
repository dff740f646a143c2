/** Docker's units are powers of 1024. */
const UNITS = "bkmgt";
/** Docker refuses less. */
const LEAST_MEMORY = 6 * 1024 ** 2;
const BILLION = 1_000_000_000;

/** Bytes from `512m` or `2 GB`; 0 from nothing, `null` from what is no amount of memory. */
export const bytesOf = (text: string): number | null => {
  if (text.trim() === "") return 0;
  const [, number, power, one] = /^(\d+(?:\.\d+)?)\s*(?:([kmgt])i?b?|(b))$/i.exec(text.trim()) ?? [];
  const unit = power ?? one;
  if (number === undefined || unit === undefined) return null;
  const bytes = Math.round(Number(number) * 1024 ** UNITS.indexOf(unit.toLowerCase()));
  return bytes >= LEAST_MEMORY ? bytes : null;
};

/** Billionths of a processor from `1.5`; 0 from nothing, `null` from what is no such number. */
export const nanoCpusOf = (text: string): number | null => {
  if (text.trim() === "") return 0;
  if (!/^\d+(\.\d+)?$/.test(text.trim())) return null;
  const nano = Math.round(Number(text) * BILLION);
  // Docker's own least is a hundredth.
  return nano >= BILLION / 100 && nano <= 1024 * BILLION ? nano : null;
};

/** As a command line has it: `512m`. */
export const memoryWord = (bytes: number): string => {
  for (const [power, unit] of [[3, "g"], [2, "m"], [1, "k"]] as const) {
    if (bytes % 1024 ** power === 0) return `${bytes / 1024 ** power}${unit}`;
  }
  return `${bytes}b`;
};

export const cpusWord = (nano: number): string => String(nano / BILLION);
