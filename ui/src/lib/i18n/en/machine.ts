export const machine = {
  states: {
    stopped: "Machine is off",
    starting: "Machine is starting",
    running: "Machine is running",
    stopping: "Machine is stopping",
    failed: "Machine has failed",
  },
  titles: {
    stopped: "The machine is off",
    starting: "Getting ready",
    running: "The machine is running",
    stopping: "Shutting down",
    failed: "The machine did not start",
  },
  intro: "Naru runs containers in a small Linux machine of its own.",
  stoppedText: "Containers and images are kept. Start the machine to use them.",
  start: "Start machine",
  stop: "Stop machine",
  stopTitle: "Stop the machine?",
  stopText: (running: number) =>
    running === 0
      ? "No container is running. Containers and images are kept."
      : running === 1
        ? "1 running container stops with it. Containers and images are kept."
        : `${running} running containers stop with it. Containers and images are kept.`,
  steps: {
    qemu: "Find QEMU",
    image: "Check the machine's system",
    disk: "Prepare the data disk",
    boot: "Start the machine",
    channel: "Wait for Linux",
    handshake: "Agree on versions",
    engine: "Start the engine",
  },
  stepsLabel: "Start-up steps",
  stepStates: { pending: "waiting", running: "in progress", done: "done", failed: "failed" },
  tcg: "Hardware acceleration is not available, so starting takes longer and containers run more slowly. Everything works all the same.",
  console: "The end of the machine's console",
  getQemu: "How QEMU comes to this computer",
  getQemuText: "Type the line for your system into a terminal, then try again here.",
  accelerator: "Acceleration",
  carrier: "Channel",
  restart: "Restart machine",
  restartTitle: "Restart the machine?",
  what: "What it has",
  change: "Change",
  processors: "Processors",
  memory: "Memory",
  system: "System",
  engine: "Engine",
  uses: "What it uses",
  ofProcessors: (n: number) => (n === 1 ? "of one processor" : `of ${n} processors`),
};

export const reset = {
  heading: "Begin anew",
  text: "Throws away the machine's disk, with all images, containers and volumes, and makes a new, empty one.",
  offer: "Reset machine…",
  reset: "Reset machine",
  title: "Reset the machine?",
  lostText: "All that is on its disk is lost for good, and a new, empty disk takes its place:",
  lost: (count: string, bytes: string) => `${count} · ${bytes}`,
  running: (n: number) => (n === 1 ? "1 running container stops for that." : `${n} running containers stop for that.`),
  uncounted: "What is on it could not be counted. Every image, container, volume and network goes.",
  kept: "Networks go too. Settings, backups that were saved to files and this computer's own files stay.",
  done: "The machine begins anew",
};

export const disk = {
  title: "Where the bytes are",
  again: "Count again",
  counting: "Counting…",
  total: (bytes: string) => `${bytes} on the data disk`,
  kinds: { images: "Images", containers: "Containers", volumes: "Volumes", build_cache: "Build cache" },
  reclaimable: (bytes: string) => `${bytes} unused`,
  show: "Show",
  showLabel: (kind: string) => `Show ${kind}`,
  largest: (kind: string) => `${kind}: the largest`,
  free: "Free",
  freeLabel: "Free the build cache",
  freeTitle: "Free the build cache?",
  freeText: "What is kept of earlier builds goes, but for what is in use. Images and containers stay; the next builds do their steps anew.",
  freeSize: (bytes: string) => `${bytes} come free.`,
  freed: (bytes: string) => `${bytes} came free`,
  nothingToFree: "Nothing in it is unused.",
  used: "in use",
  unused: "unused",
};

export const console = {
  title: "Console of the machine",
  text: "What Linux and the engine said, the newest at the end.",
  show: "Show the console",
  hide: "Hide the console",
};

export const diagnostics = {
  title: "Diagnostics",
  text: "A file for somebody who helps: versions, settings, the machine's state and the ends of its logs. Passwords, keys and tokens are taken out; of containers it has numbers only.",
  save: "Save diagnostics…",
  saved: (file: string) => `${file} was written`,
};
