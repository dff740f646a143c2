import type { Language } from "../ipc/bindings";
import { en } from "./en";
import { Format } from "./format";
import { ko } from "./ko";

/** The same keys and parameters, any words. A catalogue that lacks a key does not compile. */
type Shape<T> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => string
    ? (...args: A) => string
    : T[K] extends string
      ? string
      : Shape<T[K]>;
};
export type Messages = Shape<typeof en>;

/** The languages there are catalogues for. */
export type Locale = Exclude<Language, "system">;
const catalogues: Record<Locale, Messages> = { en, ko };

/**
 * The locale for a setting. Only ever one of ours: what the system says may be no
 * language tag at all (WebKitGTK says `C` under `LANG=C`), on which `Intl` throws.
 */
export const localeFor = (setting: Language, system: string): Locale => {
  if (setting !== "system") return setting;
  return /^ko\b/i.test(system) ? "ko" : "en";
};

/** The window's words and formats, in the chosen language. */
export class I18n {
  readonly #setting: () => Language;
  readonly locale: Locale = $derived.by(() => localeFor(this.#setting(), navigator.language));
  readonly messages: Messages = $derived(catalogues[this.locale]);
  readonly format = $derived(new Format(this.locale));

  /** `setting` is read reactively. */
  constructor(setting: () => Language) {
    this.#setting = setting;
  }
}
