import { chunk, fakeContainerDetails, fakeDisk, fakeEntry, type FakeHost, fakeMachineUsage, fakeSample } from "./lib/host/fake";

/** A container from close by, for looking at the window in a browser. */
export const closeUp = (host: FakeHost): void => {
  host.close.details = fakeContainerDetails({
    name: "web",
    image: "registry.example.com/team/shop-frontend:2026-11-22",
    image_id: "sha256:11",
    health: { status: "healthy", failing: 0, output: "HTTP/1.1 200 OK" },
    restarts: 2,
    env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "NGINX_VERSION=1.29.3", "API_TOKEN=0d9e7b5a4f"],
    ports: [
      { container_port: 80, protocol: "tcp", host_ip: "127.0.0.1", host_port: 8080 },
      { container_port: 443, protocol: "tcp", host_ip: "", host_port: 0 },
    ],
    mounts: [
      { kind: "volume", source: "shop_data", destination: "/usr/share/nginx/html", read_only: true },
      { kind: "tmpfs", source: "", destination: "/run", read_only: false },
    ],
    networks: [{ network: "shop_default", address: "172.18.0.2/16", gateway: "172.18.0.1", names: ["web", "shop-web-1"] }],
    restart_policy: "unless-stopped",
    memory_bytes: 268_435_456,
    nano_cpus: 1_500_000_000,
    labels: { "com.docker.compose.project": "shop", maintainer: "NGINX Docker Maintainers <docker-maint@nginx.com>" },
  });
  host.close.samples = Array.from({ length: 90 }, (_, second) =>
    fakeSample(second, {
      cpus: 0.18 + 0.12 * Math.sin(second / 7) + (second % 31 === 0 ? 0.5 : 0),
      memory_bytes: 42_000_000 + second * 90_000,
      memory_limit: 268_435_456,
      received: second * 40_000 + (second % 9) * 12_000,
      sent: second * 210_000,
      written: Math.floor(second / 20) * 4_000_000,
    }),
  );
  const running = host.containers.filter(({ state }) => state === "running");
  host.close.usage = Array.from({ length: 40 }, (_, at) =>
    running.map(({ id }, which) => ({
      id,
      time_ms: at * 2000,
      cpu_ms: at * 400 * (which + 1) + 300 * Math.sin(at),
      memory_bytes: 42_000_000 * (which + 1),
    })),
  );
  host.close.machineUsage = Array.from({ length: 90 }, (_, second) =>
    fakeMachineUsage(second, {
      cpu_ms: 9000 + second * 700 + 2000 * Math.sin(second / 5),
      memory_bytes: 640_000_000 + 80_000_000 * Math.sin(second / 9),
      disk_bytes: 5_600_000_000 + Math.floor(second / 20) * 90_000_000,
    }),
  );
  const item = (name: string, bytes: number, used: boolean) => ({ id: name, name, bytes, used });
  host.close.disk = fakeDisk({
    images: {
      bytes: 3_412_000_000,
      reclaimable: 1_100_000_000,
      count: 14,
      largest: [item("postgres:17", 438_200_000, true), item("shop-frontend:2026-11-22", 412_000_000, true), item("node:22", 398_000_000, false)],
    },
    containers: { bytes: 96_000_000, reclaimable: 12_000_000, count: 7, largest: [item("web", 84_000_000, true), item("nightly-import", 12_000_000, false)] },
    volumes: { bytes: 1_658_200_000, reclaimable: 1_220_000_000, count: 3, largest: [item("npm-cache", 1_220_000_000, false), item("shop_data", 438_200_000, true)] },
    build_cache: { bytes: 520_000_000, reclaimable: 520_000_000, count: 31, largest: [item("RUN npm ci", 310_000_000, false)] },
  });
  host.close.console = [chunk("stdout", "[    0.000000] Linux version 6.12.48 (debian@naru)\n[    0.412200] virtio_blk virtio2: [vda] 134217728 512-byte logical blocks\ninit: the engine is ready\n")];
  host.close.processes = {
    titles: ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"],
    rows: [
      ["root", "4121", "4098", "0", "22:47", "?", "00:00:00", "nginx: master process nginx -g daemon off;"],
      ["101", "4155", "4121", "0", "22:47", "?", "00:00:03", "nginx: worker process"],
      ["101", "4156", "4121", "0", "22:47", "?", "00:00:02", "nginx: worker process"],
    ],
  };
  host.close.folders.set("/", {
    entries: [
      ...["dev", "etc", "home", "proc", "tmp", "usr", "var"].map((name) => fakeEntry(name, { kind: "folder", mode: "0755" })),
      fakeEntry("bin", { kind: "link", target: "/usr/bin", to_folder: true, mode: "0777" }),
      fakeEntry("docker-entrypoint.sh", { size: 1620, mode: "0755" }),
      fakeEntry("broken", { kind: "link", mode: "0777" }),
    ],
    more: false,
  });
  host.close.texts.set("/docker-entrypoint.sh", {
    text: "#!/bin/sh\n# vim:sw=4:ts=4:et\n\nset -e\n\nexec \"$@\"\n",
    size: 1620,
  });
  host.close.changes = [
    { path: "/etc/nginx/conf.d/default.conf", kind: "changed" },
    { path: "/run/nginx.pid", kind: "added" },
    { path: "/var/log/nginx/access.log", kind: "removed" },
  ];
};
