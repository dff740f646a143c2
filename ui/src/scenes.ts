import {
  chunk,
  failure,
  fakeContainer,
  fakeDetails,
  fakeImage,
  fakeNetwork,
  FakeHost,
  fakePort,
  fakeSettings,
  fakeStatus,
  fakeSteps,
  fakeUsers,
  fakeVolume,
} from "./lib/host/fake";
import type { FoundRepository, ImageDetails, ImageStep, ImageSummary, Repository, Settings } from "./lib/ipc/bindings";
import { closeUp } from "./scene_close";
import { views, type View } from "./state/app.svelte";

/** What a browser shows of the window under `npm run build:fake`, by the address's query. */
type Scene = (host: FakeHost) => void;

const LOG = [
  chunk("stdout", "2026/11/23 22:47:38 [notice] 1#1: using the \"epoll\" event method\n"),
  chunk("stdout", "\u001b[32m2026/11/23 22:47:38 [notice]\u001b[0m 1#1: start worker process 29\n"),
  chunk("stderr", "warning: no configuration found, taking the defaults <b>as text</b>\n"),
  chunk("stdout", "172.17.0.1 - - [23/Nov/2026:22:48:02 +0000] \"GET / HTTP/1.1\" 200 615\n"),
];

const STEPS: ImageStep[] = [
  { created: 5, created_by: 'CMD ["nginx" "-g" "daemon off;"]', size: 0, comment: "buildkit.dockerfile.v0" },
  { created: 4, created_by: "EXPOSE map[80/tcp:{}]", size: 0, comment: "buildkit.dockerfile.v0" },
  { created: 3, created_by: "RUN /bin/sh -c npm ci --omit=dev && npm run build # buildkit", size: 214_000_000, comment: "" },
  { created: 2, created_by: "COPY package.json package-lock.json ./ # buildkit", size: 312_000, comment: "" },
  { created: 1, created_by: "/bin/sh -c #(nop) ADD file:4b6c in / ", size: 74_800_000, comment: "" },
];

const FOUND: FoundRepository[] = [
  { name: "postgres", description: "The PostgreSQL object-relational database system provides reliability and data integrity.", stars: 14_212, mark: "official" },
  { name: "bitnami/postgresql", description: "Bitnami container image for PostgreSQL", stars: 319, mark: "verified_publisher" },
  { name: "cimg/postgres", description: "", stars: 4, mark: "open_source" },
  { name: "someone/postgres-with-a-rather-long-name-that-has-to-break", description: "<b>markup</b> stays text", stars: 0, mark: null },
];

const REPOSITORY: Repository = {
  name: "postgres",
  official: true,
  more: true,
  tags: ["latest", "17", "17-alpine", "16"].map((name, at) => ({
    name,
    error: "",
    images: ["linux/amd64", "linux/arm64/v8", "linux/arm/v7", "linux/ppc64le", "linux/s390x"].map((platform) => ({
      platform,
      size: 152_000_000 - at * 31_000_000,
    })),
  })),
};

const withConfig = (image: ImageSummary): ImageDetails => {
  const plain = fakeDetails(image);
  return {
    ...plain,
    config: {
      ...plain.config,
      entrypoint: ["/docker-entrypoint.sh"],
      command: ["nginx", "-g", "daemon off;"],
      working_dir: "/app",
      user: "node",
      ports: ["80/tcp", "443/tcp"],
      volumes: ["/var/lib/shop"],
      env: [...plain.config.env, "NODE_ENV=production", "NGINX_VERSION=1.29.3"],
      labels: { "org.opencontainers.image.source": "https://git.example.com/team/shop" },
      stop_signal: "SIGQUIT",
    },
  };
};

const filled: Scene = (host) => {
  host.images = [
    fakeImage("busybox:latest", { users: fakeUsers("nightly-import", "hello") }),
    fakeImage("registry.example.com/team/shop-frontend:2026-11-22", { id: "sha256:11", size: 412_000_000, users: fakeUsers("web") }),
    fakeImage("postgres:17", { id: "sha256:22", platforms: ["linux/amd64", "linux/arm64/v8"], size: 438_200_000, users: fakeUsers("database") }),
    fakeImage("x", { id: `sha256:${"9c4e".repeat(16)}`, tags: [], size: 7_800_000 }),
  ];
  host.containers = [
    fakeContainer("web", {
      image: "registry.example.com/team/shop-frontend:2026-11-22",
      ports: [fakePort(8080, 80)],
      command: "nginx -g 'daemon off;'",
    }),
    fakeContainer("database", { image: "postgres:17", ports: [fakePort(5432, 5432)] }),
    fakeContainer("nightly-import", { state: "exited", status: "Exited (137) 2 hours ago", created: Date.now() / 1000 - 9000 }),
    fakeContainer("hello", { state: "exited", status: "Exited (0) 3 days ago", created: Date.now() / 1000 - 300_000 }),
  ];
  host.log = LOG;
  host.containers.push(
    fakeContainer("shop-web-1", { project: "shop", service: "web", image: "shop-web:dev", needs: ["db", "worker"] }),
    fakeContainer("shop-db-1", { project: "shop", service: "db", image: "postgres:17", state: "paused", status: "Up 2 hours (Paused)" }),
    fakeContainer("shop-worker-1", { project: "shop", service: "worker", needs: ["db"], image: "shop-web:dev", state: "exited", status: "Exited (0) 1 hour ago" }),
  );
  for (const image of host.images.slice(1, 2)) host.details.set(image.id, withConfig(image));
  host.steps = STEPS;
  host.found = FOUND;
  host.repositories = [REPOSITORY];
  host.prunePlan = { images: ["9c4e9c4e9c4e", "node:20", "node:22"], bytes: 1_310_000_000 };
  closeUp(host);
  const user = (name: string) => ({ container_id: fakeContainer(name).id, container_name: name, running: true });
  host.volumes = [
    fakeVolume("shop_data", {
      labels: { "com.docker.compose.project": "shop" },
      users: [{ ...user("shop-db-1"), destination: "/var/lib/postgresql/data", read_only: false }],
    }),
    fakeVolume("npm-cache"),
    fakeVolume("3f8a1c0d9e7b5a4f3f8a1c0d9e7b5a4f3f8a1c0d9e7b5a4f3f8a1c0d9e7b5a4f"),
  ];
  host.volumeSizes = [{ name: "shop_data", bytes: 438_200_000 }, { name: "npm-cache", bytes: 1_220_000_000 }];
  host.networks = [
    fakeNetwork("bridge", {
      built_in: true,
      subnets: [{ subnet: "172.17.0.0/16", gateway: "172.17.0.1" }],
      users: [{ ...user("web"), addresses: ["172.17.0.2"] }, { ...user("database"), addresses: ["172.17.0.3"] }],
    }),
    fakeNetwork("host", { driver: "host", built_in: true, subnets: [] }),
    fakeNetwork("none", { driver: "null", built_in: true, subnets: [] }),
    fakeNetwork("shop_default", {
      users: [
        { ...user("shop-web-1"), addresses: ["172.18.0.2"] },
        { ...user("shop-db-1"), addresses: ["172.18.0.3", "fd00:18::3"] },
        { ...user("shop-worker-1"), running: false, addresses: [] },
      ],
    }),
  ];
};

const scenes: Readonly<Record<string, Scene>> = {
  filled,
  starting: (host) => {
    host.machine = fakeStatus("starting", { steps: fakeSteps(3), accelerator: "tcg", carrier: null });
  },
  failed: (host) => {
    host.machine = fakeStatus("failed", {
      steps: fakeSteps(3, "failed"),
      error: {
        kind: "unavailable",
        message: "the machine ended by itself after 1.2 s: qemu-system-x86_64: cannot set up guest memory",
        hints: ["less-memory"],
      },
      console_tail: [
        "[    0.000000] Linux version 6.1.0-naru (debian@naru)",
        "[    0.412200] virtio_blk virtio2: [vda] 134217728 512-byte logical blocks",
        "[    1.190044] Kernel panic - not syncing: Out of memory: compulsory panic_on_oom is enabled",
      ],
    });
  },
  noqemu: (host) => {
    host.machine = fakeStatus("failed", {
      steps: fakeSteps(0, "failed"),
      error: { kind: "precondition", message: "no QEMU was found in PATH", hints: ["install-qemu"] },
    });
  },
  stopped: (host) => {
    host.machine = fakeStatus("stopped");
    host.failures.set("machine.start", failure("conflict", "another instance holds the disk's lock", "close-other-instance"));
  },
  empty: () => undefined,
  many: (host) => {
    const states = ["running", "exited", "paused"] as const;
    host.containers = Array.from({ length: 1000 }, (_, at) => {
      const name = `worker-${String(at).padStart(4, "0")}`;
      // The first half are fifty projects of ten.
      const project = at < 500 ? `team-${Math.floor(at / 10)}` : "";
      return fakeContainer(name, { id: String(at).padStart(64, "0"), state: states[at % 3] ?? "running", project, service: name });
    });
  },
  demo: (host) => {
    host.images = [fakeImage("naru/demo:latest", { size: 1_900_000 })];
  },
  tour: (host) => {
    host.settings = { ...host.settings, tour: true };
  },
  pulling: (host) => {
    filled(host);
    host.hanging.add("image.pull");
    host.progress = [
      { layer: "a3ed95caeb02", status: "Already exists", current: null, total: null },
      { layer: "5e6ec7f28fb7", status: "Pull complete", current: 31_000_000, total: 31_000_000 },
      { layer: "ab803f2f4c1d", status: "Extracting", current: 12_400_000, total: 27_800_000 },
      { layer: "cf8c1d0f6a90", status: "Downloading", current: 41_200_000, total: 187_000_000 },
      { layer: "0e0f5a1b2c3d", status: "Waiting", current: null, total: null },
    ];
  },
  broken: (host) => {
    host.failures.set("container.list", failure("unavailable", "the engine closed the connection"));
    host.failures.set("image.list", failure("unavailable", "the engine closed the connection"));
    host.failures.set(
      "image.pull",
      failure("not_found", "manifest for busybox:nope not found: manifest unknown"),
    );
  },
};

/** `?scene=…&view=…&lang=…&theme=…`; anything unknown shows the filled lists. */
export const scene = (query: URLSearchParams): { host: FakeHost; view: View } => {
  const host = new FakeHost();
  const language = query.get("lang") === "ko" ? "ko" : "en";
  const themes: Readonly<Record<string, Settings["theme"]>> = { dark: "dark", light: "light" };
  host.settings = { ...fakeSettings, language, theme: themes[query.get("theme") ?? ""] ?? "system" };
  (scenes[query.get("scene") ?? ""] ?? filled)(host);
  return { host, view: views.find((view) => view === query.get("view")) ?? "containers" };
};
