import type { ContainerSummary } from "../lib/ipc/bindings";

/** A container of a project in the order of what needs what. */
export interface ServiceRow {
  container: ContainerSummary;
  /** Whether it stands for its service: the first container of it. */
  first: boolean;
}

/** That the service of row `from` is needed by the one of row `to`. */
export interface Need {
  from: number;
  to: number;
}

/** Containers by service, and a service after all that it needs; those that need each other stay by name. */
const ordered = (services: ReadonlyMap<string, readonly ContainerSummary[]>): string[] => {
  const done = new Set<string>();
  const begun = new Set<string>();
  const order: string[] = [];
  const visit = (name: string) => {
    if (done.has(name) || begun.has(name)) return;
    begun.add(name);
    const needs = new Set((services.get(name) ?? []).flatMap((container) => container.needs));
    for (const need of [...needs].sort()) if (services.has(need)) visit(need);
    done.add(name);
    order.push(name);
  };
  for (const name of [...services.keys()].sort()) visit(name);
  return order;
};

/** The rows of a project's picture: what is needed stands above what needs it. */
export const serviceRows = (containers: readonly ContainerSummary[]): ServiceRow[] => {
  const services = new Map<string, ContainerSummary[]>();
  for (const container of containers) {
    const known = services.get(container.service);
    if (known === undefined) services.set(container.service, [container]);
    else known.push(container);
  }
  return ordered(services).flatMap((name) =>
    (services.get(name) ?? []).map((container, at) => ({ container, first: at === 0 })),
  );
};

/** What is drawn between the rows. */
export const needsOf = (rows: readonly ServiceRow[]): Need[] => {
  const firsts = new Map(rows.flatMap(({ container, first }, at) => (first ? [[container.service, at] as const] : [])));
  return rows.flatMap(({ container, first }, to) =>
    (first ? container.needs : []).flatMap((name) => {
      const from = firsts.get(name);
      return from === undefined || from === to ? [] : [{ from, to }];
    }),
  );
};
