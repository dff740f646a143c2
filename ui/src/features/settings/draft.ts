import type { Settings } from "../../lib/ipc/bindings";

/** The machine's part of the settings as it is typed. */
export interface MachineDraft {
  cpus: number | null;
  memory_mib: number | null;
  disk_gib: number | null;
  qemu_path: string;
  accelerator: string;
  carrier: string;
}

export interface MachineProblems {
  cpus: boolean;
  memory: boolean;
  disk: boolean;
}

const LEAST = { cpus: 1, memory_mib: 512, disk_gib: 8 };

export const draftOf = (settings: Settings): MachineDraft => ({
  cpus: settings.cpus,
  memory_mib: settings.memory_mib,
  disk_gib: settings.disk_gib,
  qemu_path: settings.qemu_path,
  accelerator: settings.accelerator,
  carrier: settings.carrier,
});

const isCount = (value: number | null, least: number): value is number =>
  value !== null && Number.isInteger(value) && value >= least;

export const problemsOf = (draft: MachineDraft): MachineProblems => ({
  cpus: !isCount(draft.cpus, LEAST.cpus),
  memory: !isCount(draft.memory_mib, LEAST.memory_mib),
  disk: !isCount(draft.disk_gib, LEAST.disk_gib),
});

/** The changes that a draft makes, or `null` while something is wrong with it. */
export const changesOf = (draft: MachineDraft): Partial<Settings> | null => {
  const { cpus, memory_mib, disk_gib, ...rest } = draft;
  if (!isCount(cpus, LEAST.cpus) || !isCount(memory_mib, LEAST.memory_mib) || !isCount(disk_gib, LEAST.disk_gib)) {
    return null;
  }
  return { ...rest, qemu_path: rest.qemu_path.trim(), cpus, memory_mib, disk_gib };
};
