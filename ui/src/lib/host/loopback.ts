import type { AppEvent } from "../ipc/bindings";
import { IpcFailure } from "../ipc/failure";
import type { Command, Host, Item, Request, Response, StreamCommand } from "./host";

/** What the other end says: an answer or an error ends a call, items come before or after. */
interface Message {
  id?: number;
  answer?: unknown;
  error?: unknown;
  item?: unknown;
  event?: AppEvent;
  drop?: readonly string[];
}

interface Waiting {
  answered: (answer: unknown) => void;
  failed: (error: IpcFailure) => void;
}

/**
 * The app behind a socket of the page's own server, which is how tests show the window in a
 * browser (`tests/desktop/src/browser`).
 */
class LoopbackHost implements Host {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, Waiting>();
  readonly #streams = new Map<number, (item: unknown) => void>();
  readonly #listeners = new Set<(event: AppEvent) => void>();
  readonly #droppers = new Set<(paths: readonly string[]) => void>();
  #count = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.#take(JSON.parse(String(data)) as Message));
    socket.addEventListener("close", () => {
      const gone = new IpcFailure({ kind: "unavailable", message: "the app is gone", hints: [] });
      for (const { failed } of this.#waiting.values()) failed(gone);
      this.#waiting.clear();
    });
  }

  call<K extends Command>(command: K, request: Request<K>): Promise<Response<K>> {
    return this.#ask(command, request);
  }

  stream<K extends StreamCommand>(
    command: K,
    request: Request<K>,
    onItem: (item: Item<K>) => void,
  ): Promise<Response<K>> {
    return this.#ask(command, request, onItem as (item: unknown) => void);
  }

  listen(onEvent: (event: AppEvent) => void): Promise<() => void> {
    this.#listeners.add(onEvent);
    return Promise.resolve(() => this.#listeners.delete(onEvent));
  }

  pickFile(): Promise<string | null> {
    return this.#ask("shell.choose", null);
  }

  pickFolder(): Promise<string | null> {
    return this.#ask("shell.choose", null);
  }

  saveFile(name: string): Promise<string | null> {
    return this.#ask("shell.choose", name);
  }

  onDrop(onDrop: (paths: readonly string[]) => void): Promise<() => void> {
    this.#droppers.add(onDrop);
    return Promise.resolve(() => this.#droppers.delete(onDrop));
  }

  openUrl(url: string): Promise<void> {
    return this.#ask("shell.open", url);
  }

  notify(title: string, body: string): Promise<void> {
    return this.#ask("shell.notify", { title, body });
  }

  #ask<T>(command: string, request: unknown, onItem?: (item: unknown) => void): Promise<T> {
    this.#count += 1;
    const id = this.#count;
    // A stream's items come after its answer too, and nothing says which is the last.
    if (onItem !== undefined) this.#streams.set(id, onItem);
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { answered: (answer) => resolve(answer as T), failed: reject });
      this.#socket.send(JSON.stringify({ id, command, request }));
    });
  }

  #take({ id, answer, error, item, event, drop }: Message): void {
    if (event !== undefined) for (const listener of this.#listeners) listener(event);
    if (drop !== undefined) for (const dropper of this.#droppers) dropper(drop);
    if (id === undefined) return;
    if (item !== undefined) {
      this.#streams.get(id)?.(item);
      return;
    }
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.answered(answer);
    else waiting?.failed(IpcFailure.from(error));
  }
}

/** Connects to the app behind this page. */
export const connect = (): Promise<Host> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(new URL("app", location.href));
    socket.addEventListener("open", () => resolve(new LoopbackHost(socket)));
    socket.addEventListener("error", () => reject(new Error("the app cannot be reached")));
  });
