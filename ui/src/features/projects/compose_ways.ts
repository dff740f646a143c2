import type { Way } from "../shared/ways";

/** How a compose of version 2 or later comes to a computer of this platform. */
export const waysToCompose = (platform: string): Way[] => {
  if (platform === "macos") return [{ systems: "Homebrew", line: "brew install docker-compose" }];
  if (platform === "windows") return [{ systems: "winget", line: "winget install --id Docker.DockerCompose" }];
  // What older ones of these call docker-compose is the first compose, which is another program.
  return [
    { systems: "Debian 13", line: "sudo apt install docker-compose" },
    { systems: "Ubuntu", line: "sudo apt install docker-compose-v2" },
    { systems: "Fedora", line: "sudo dnf install docker-compose" },
    { systems: "Arch", line: "sudo pacman -S docker-compose" },
    { systems: "download.docker.com", line: "sudo apt install docker-compose-plugin" },
  ];
};
