import { SvelteMap } from "svelte/reactivity";

import type { Host } from "../lib/host/host";
import type { ContainerSummary } from "../lib/ipc/bindings";
import { Output, type OutputLine } from "./output.svelte";
import { KEPT_LINES, type SaidLine } from "./said.svelte";

/** What tells services apart besides their names. */
const STYLES = ["cyan", "magenta", "green", "blue", "yellow"] as const;

interface Followed {
  /** What its lines begin with. */
  label: string;
  output: Output;
}

interface Placed {
  at: string;
  line: SaidLine;
}

/** A time whose text sorts as the time does: fractions of a second may have any length. */
export const sortable = (time: string): string => {
  const [, second = "", fraction = ""] = /^(.{19})(?:\.(\d+))?/.exec(time) ?? [];
  return `${second}.${fraction.padEnd(9, "0")}`;
};

/** One container's lines; those without a time of their own go on where the one before is. */
const placed = (id: string, label: string, style: string, lines: readonly OutputLine[]): Placed[] => {
  let at = "";
  return lines.map(({ number, time, text, runs }) => {
    if (time !== "") at = sortable(time);
    const rest = runs ?? [{ text, style: "" }];
    return { at, line: { key: `${id} ${number}`, runs: [{ text: label, style }, ...rest] } };
  });
};

/** The output of all of a project's containers together, in the order in which it was written. */
export class ProjectOutput {
  readonly #host: Host;
  readonly #followed = new SvelteMap<string, Followed>();

  readonly lines: readonly SaidLine[] = $derived.by(() => {
    const all = [...this.#followed].flatMap(([id, { label, output }], at) =>
      placed(id, label, STYLES[at % STYLES.length] ?? "", output.lines.slice(-KEPT_LINES)),
    );
    return all
      .sort((one, other) => (one.at < other.at ? -1 : one.at > other.at ? 1 : 0))
      .slice(-KEPT_LINES)
      .map(({ line }) => line);
  });

  constructor(host: Host) {
    this.#host = host;
  }

  /** Follows these and no others. A container that was started again is followed anew. */
  sync(containers: readonly ContainerSummary[]): void {
    const width = Math.max(0, ...containers.map(({ service }) => service.length));
    for (const { id, service, state } of containers) {
      const followed = this.#followed.get(id);
      if (followed !== undefined && !(followed.output.phase === "ended" && state === "running")) continue;
      const output = new Output(this.#host);
      this.#followed.set(id, { label: `${service.padEnd(width)}  `, output });
      void output.open(id);
    }
    for (const [id, { output }] of this.#followed) {
      if (containers.some((container) => container.id === id)) continue;
      this.#followed.delete(id);
      void output.close();
    }
  }

  close(): void {
    for (const { output } of this.#followed.values()) void output.close();
    this.#followed.clear();
  }
}
