/** A volume's files, its backups, what comes out of them, and copies, in English. */
export const backup = {
  files: "Files",
  backUp: "Back up…",
  backUpLabel: (name: string) => `Back up ${name}`,
  restore: "Restore from a file…",
  restoreLabel: (name: string) => `Restore ${name} from a file`,
  restoreAny: "Restore from a file",
  clone: "Clone…",
  cloneTitle: (name: string) => `Clone ${name}`,
  restoreTitle: (file: string) => `Restore from ${file}`,
  into: "Volume",
  intoHelp: "A new one, or one that is there.",
  isNew: (name: string) => `${name} is made anew, with all that is in the file.`,
  isEmpty: (name: string) => `${name} is empty, and gets all that is in the file.`,
  replaces: (name: string) => `All files that are in ${name} now are lost. What is in the file takes their place.`,
  replacesSize: (name: string, size: string) =>
    `All files that are in ${name} now are lost, ${size} of them. What is in the file takes their place.`,
  runs: (containers: string) => `${containers} runs with it. Stop that first.`,
  restoreNow: "Restore",
  replace: "Replace all files",
  newName: "Name of the copy",
  cloneHelp: "It gets all files as they are now. What is written to one of them later, the other does not see.",
  cloneNow: "Clone",
  live: (containers: string) =>
    `${containers} may write to it meanwhile, and what belongs together be of two moments. To be sure, stop that first.`,
};
