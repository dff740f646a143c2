import type { Messages } from "../../lib/i18n/i18n.svelte";
import type { ContainerRun, RunMount } from "../../lib/ipc/bindings";
import { HIDDEN, isSecret } from "../../lib/text/secret";
import { quote } from "../../lib/text/shell";
import { cpusWord, memoryWord } from "./limits";

/** One thing that is other than before, in the reader's words; nothing is empty. */
export interface Change {
  what: string;
  from: string;
  to: string;
}

/** A setting as a person calls it, as it is compared and as it is shown. */
type Line = readonly [what: string, value: string, shown: string];

const line = (what: string, value: string, shown = value): Line => [what, value, shown];

const mountText = ({ source, read_only }: RunMount, t: Messages): string =>
  `${source === "" ? t.edit.nameless : source}${read_only ? ` (${t.mounts.readOnlyShort})` : ""}`;

const variableLine = (variable: string, t: Messages): Line => {
  const key = variable.replace(/=.*$/s, "");
  const value = variable.slice(key.length + 1);
  return line(t.edit.variable(key), `=${value}`, isSecret(key) && value !== "" ? HIDDEN : quote(value));
};

/** A port of a container may be open on several of the computer. */
const portLines = ({ ports }: ContainerRun, t: Messages): Line[] => {
  const places = new Map<number, string[]>();
  for (const { host_ip, host_port, container_port } of ports) {
    const place = `${host_ip || "0.0.0.0"}:${host_port === 0 ? t.edit.anyPort : host_port}`;
    places.set(container_port, [...(places.get(container_port) ?? []), place]);
  }
  return [...places].map(([port, where]) => line(t.edit.port(port), where.join(", ")));
};

/** All settings, in the form's order. */
const linesOf = (made: ContainerRun, t: Messages): Line[][] => {
  const yes = (is: boolean) => (is ? t.edit.yes : t.edit.no);
  const command = made.command.map(quote).join(" ");
  return [
    [line(t.run.image, made.image)],
    [line(t.run.command, command, command === "" ? t.edit.imagesOwn : command)],
    portLines(made, t),
    made.mounts.map((mount) => line(t.edit.mount(mount.target), mountText(mount, t))),
    made.env.map((variable) => variableLine(variable, t)),
    [line(t.run.memory, made.memory === 0 ? t.details.unlimited : memoryWord(made.memory))],
    [line(t.run.cpus, made.nano_cpus === 0 ? t.details.unlimited : cpusWord(made.nano_cpus))],
    [line(t.run.restart, t.run.restarts[made.restart])],
    [line(t.run.network, made.network === "" ? t.run.usualNetwork : made.network)],
    [line(t.run.interactive, yes(made.interactive))],
    [line(t.run.autoRemove, yes(made.auto_remove))],
  ];
};

const differing = (old: readonly Line[], now: readonly Line[]): Change[] => {
  const whats = new Set([...old, ...now].map(([what]) => what));
  const find = (lines: readonly Line[], wanted: string) => lines.find(([what]) => what === wanted);
  return [...whats].flatMap((what): Change[] => {
    const [from, to] = [find(old, what), find(now, what)];
    return from?.[1] === to?.[1] ? [] : [{ what, from: from?.[2] ?? "", to: to?.[2] ?? "" }];
  });
};

/** What would be other than before. */
export const changesOf = (before: ContainerRun, after: ContainerRun, t: Messages): Change[] => {
  const now = linesOf(after, t);
  return linesOf(before, t).flatMap((old, at) => differing(old, now[at] ?? []));
};
