import type { ContainerSummary, VolumeSummary } from "../lib/ipc/bindings";

/** What compose and the engine put on volumes. */
const PROJECT = "com.docker.compose.project";
const UNNAMED = "com.docker.volume.anonymous";

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

/** The volumes that compose made for a project, and those that were made for its containers alone without a name. */
export const volumesOf = (project: Project, volumes: readonly VolumeSummary[]): { named: VolumeSummary[]; unnamed: VolumeSummary[] } => {
  const ids = new Set(project.containers.map(({ id }) => id));
  const isOwn = ({ users }: VolumeSummary) => users.length > 0 && users.every(({ container_id }) => ids.has(container_id));
  const unnamed = volumes.filter((volume) => UNNAMED in volume.labels && isOwn(volume));
  return { named: volumes.filter(({ labels }) => labels[PROJECT] === project.name && !(UNNAMED in labels)), unnamed };
};
