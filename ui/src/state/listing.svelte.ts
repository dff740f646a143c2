import { IpcFailure, type ErrorKind } from "../lib/ipc/failure";

/** How long until an engine that did not answer is asked again, in milliseconds. */
const AGAIN = 2000;
/** What an engine that is away or comes back says, and who speaks for it; what it refuses it refuses again. */
const AWAY: ReadonlySet<ErrorKind> = new Set<ErrorKind>(["unavailable", "deadline", "precondition"]);

/**
 * A list as the engine last said it. Asked for again while an answer is under way,
 * it is read once more afterwards, so that the last word is never an old one.
 */
export class Listing<T> {
  /** `null` until the first answer. */
  items = $state.raw<readonly T[] | null>(null);
  /** When it was read, in Unix seconds: what ages in the list count from. */
  readAt = $state(0);
  failure = $state.raw<IpcFailure | null>(null);
  loading = $state(false);

  readonly #read: () => Promise<readonly T[]>;
  readonly #changed: (before: readonly T[], after: readonly T[]) => void;
  #again = false;
  /** Counts how often everything was forgotten: an answer from before is none. */
  #forgotten = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `changed` is told what the list was and is, but not of the first one. */
  constructor(read: () => Promise<readonly T[]>, changed: (before: readonly T[], after: readonly T[]) => void = () => undefined) {
    this.#read = read;
    this.#changed = changed;
  }

  /** Reads the list; never rejects, `failure` says what went wrong. */
  async refresh(): Promise<void> {
    if (this.loading) {
      this.#again = true;
      return;
    }
    this.loading = true;
    clearTimeout(this.#timer);
    do {
      this.#again = false;
      const mine = this.#forgotten;
      try {
        const read = await this.#read();
        if (mine !== this.#forgotten) continue;
        if (this.items !== null) this.#changed(this.items, read);
        this.items = read;
        this.readAt = Date.now() / 1000;
        this.failure = null;
      } catch (error) {
        if (mine === this.#forgotten) this.failure = IpcFailure.from(error);
      }
      // The compiler cannot see that an event may have asked again meanwhile.
    } while (this.#again as boolean);
    this.loading = false;
    if (this.failure !== null && AWAY.has(this.failure.kind)) this.#timer = setTimeout(() => void this.refresh(), AGAIN);
  }

  /** Forgets everything: the machine is off. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#forgotten += 1;
    this.items = null;
    this.failure = null;
  }
}
