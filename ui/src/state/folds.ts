import { SvelteSet } from "svelte/reactivity";

import { recall, remember } from "../lib/remember";

const namesIn = (text: string | null): string[] => {
  try {
    const kept: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(kept) ? kept.filter((name) => typeof name === "string") : [];
  } catch {
    return [];
  }
};

/** What is folded away in a list, kept from one start of the window to the next. */
export class Folds {
  readonly names: SvelteSet<string>;
  readonly #key: string;

  constructor(key: string) {
    this.#key = key;
    this.names = new SvelteSet(namesIn(recall(key)));
  }

  /** Of `known`, those that there are; what is said of others is forgotten. */
  toggle(name: string, known: readonly string[]): void {
    for (const each of [...this.names]) if (!known.includes(each)) this.names.delete(each);
    if (!this.names.delete(name)) this.names.add(name);
    remember(this.#key, JSON.stringify([...this.names]));
  }

  open(name: string): void {
    if (this.names.delete(name)) remember(this.#key, JSON.stringify([...this.names]));
  }
}
