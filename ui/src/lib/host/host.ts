import type { AppEvent, Commands } from "../ipc/bindings";

/** The name of a command, such as `container.list`. */
export type Command = keyof Commands;
export type Request<K extends Command> = Commands[K][0];
export type Response<K extends Command> = Commands[K][1];
export type Item<K extends Command> = Commands[K][2];

/** The commands that send items while they run. */
export type StreamCommand = {
  [K in Command]: [Item<K>] extends [never] ? never : K;
}[Command];

/**
 * The one seam between the window and what runs it. Every rejection is an
 * `IpcFailure`.
 */
export interface Host {
  call<K extends Command>(command: K, request: Request<K>): Promise<Response<K>>;
  /** As `call`; `onItem` gets the items in order, some of them after the answer. */
  stream<K extends StreamCommand>(
    command: K,
    request: Request<K>,
    onItem: (item: Item<K>) => void,
  ): Promise<Response<K>>;
  /** Calls `onEvent` for every notice until the answer is called. */
  listen(onEvent: (event: AppEvent) => void): Promise<() => void>;
  /** Lets the person choose a file to read; `null` when they think better of it. */
  pickFile(): Promise<string | null>;
  /** Lets the person choose a folder; `null` when they think better of it. */
  pickFolder(): Promise<string | null>;
  /** Lets the person choose where a file of this name goes, and asks before one is replaced. */
  saveFile(name: string): Promise<string | null>;
  /** Calls `onDrop` with the paths of files that are dropped on the window, until the answer is called. */
  onDrop(onDrop: (paths: readonly string[]) => void): Promise<() => void>;
  /** Opens an http address in the person's browser. */
  openUrl(url: string): Promise<void>;
  /** Says something by the system's notifications. */
  notify(title: string, body: string): Promise<void>;
}
