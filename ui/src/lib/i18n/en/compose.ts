/** Compose files and projects brought up and taken down, in English. */
export const compose = {
  open: "Open a compose file",
  title: "Bring up a compose file",
  file: "Compose file",
  fileHelp: "Such as compose.yaml. Files that it names are looked for beside it.",
  badFile: "A file is a path from the root.",
  looking: "Looking for this computer's compose…",
  none: "This computer has no docker compose.",
  noneText: "It is one program, which works with Naru as it is. Get it, then look again:",
  getting: "How to get it",
  lookAgain: "Look again",
  by: (program: string, version: string) => `${program} ${version} of this computer brings it up.`,
  bringUp: "Bring up",
  up: {
    doing: (name: string) => `Bringing up ${name}`,
    cancelled: (name: string) => `Bringing up ${name} was cancelled; what is up already stays`,
    failed: (name: string) => `${name} could not be brought up`,
    next: "Compose's own words are below. Change the file, and try again; what is up already stays.",
  },
  down: {
    doing: (name: string) => `Taking ${name} down`,
    cancelled: (name: string) => `Taking ${name} down was cancelled; what is gone already stays gone`,
    failed: (name: string) => `${name} could not be taken down`,
    next: "Compose's own words are below. What is gone already stays gone.",
  },
  isUp: (name: string) => `${name} is up`,
  isDown: (name: string) => `${name} is down`,
  show: (name: string) => `Details of ${name}`,
  output: (name: string) => `What compose says of ${name}`,
  takeDown: "Take down",
  downLabel: (name: string) => `Take down ${name}`,
  downTitle: (name: string) => `Take ${name} down?`,
  downText: (n: number) =>
    n === 1
      ? "Its container and its networks go, with what the container wrote outside of volumes. Images stay."
      : `Its ${n} containers and its networks go, with what the containers wrote outside of volumes. Images stay.`,
  volumes: "Its volumes",
  keepVolumes: "Keep them for the next time",
  removeVolumes: "Remove them too",
  volumesKept: "Nothing in them is lost.",
  volumesLost: "All that is in them is lost.",
  views: "Views of the project",
};
