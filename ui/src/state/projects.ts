import type { ContainerSummary } from "../lib/ipc/bindings";

/** The containers that compose made together. */
export interface Project {
  name: string;
  containers: ContainerSummary[];
  running: number;
}

const runs = ({ state }: ContainerSummary) => state === "running" || state === "restarting";

/** The projects there are, by name; their containers by service. */
export const projectsOf = (containers: readonly ContainerSummary[]): Project[] => {
  const projects = new Map<string, ContainerSummary[]>();
  for (const container of containers) {
    if (container.project === "") continue;
    const members = projects.get(container.project);
    if (members === undefined) projects.set(container.project, [container]);
    else members.push(container);
  }
  return [...projects]
    .map(([name, members]) => ({
      name,
      containers: members.sort((a, b) => a.service.localeCompare(b.service) || a.name.localeCompare(b.name)),
      running: members.filter(runs).length,
    }))
    .sort((a, b) => a.name.localeCompare(b.name));
};
