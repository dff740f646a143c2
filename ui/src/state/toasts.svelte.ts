/** How long one stays that nobody looks at. */
const STAY = 6000;
/** Older ones go when there are more. */
const MOST = 4;

export interface Toast {
  id: number;
  text: string;
}

/** Short notices of what has ended, the newest last. */
export class Toasts {
  items = $state.raw<readonly Toast[]>([]);

  #count = 0;
  #held = false;
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- nothing is shown of them
  readonly #timers = new Map<number, ReturnType<typeof setTimeout>>();

  say(text: string): void {
    this.#count += 1;
    const toast = { id: this.#count, text };
    this.items = [...this.items, toast].slice(-MOST);
    if (!this.#held) this.#expire(toast.id);
  }

  dismiss(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.items = this.items.filter((toast) => toast.id !== id);
  }

  /** None goes by itself while someone reads. */
  hold(held: boolean): void {
    this.#held = held;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    if (!held) for (const { id } of this.items) this.#expire(id);
  }

  #expire(id: number): void {
    this.#timers.set(
      id,
      setTimeout(() => this.dismiss(id), STAY),
    );
  }
}
