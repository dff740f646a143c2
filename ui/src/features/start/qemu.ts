import type { AppInfo } from "../../lib/ipc/bindings";
import type { Way } from "../shared/ways";

/** How QEMU comes to this computer, its own way or the most usual first. */
export const waysToQemu = ({ platform, architecture }: Pick<AppInfo, "platform" | "architecture">): Way[] => {
  if (platform === "macos") return [{ systems: "Homebrew", line: "brew install qemu" }];
  if (platform === "windows") {
    return [{ systems: "winget", line: "winget install --id SoftwareFreedomConservancy.QEMU" }];
  }
  // Distributions have a package for each kind of machine, and names of their own for them.
  const arm = architecture === "aarch64";
  return [
    { systems: "Debian, Ubuntu", line: `sudo apt install ${arm ? "qemu-system-arm" : "qemu-system-x86"}` },
    { systems: "Fedora", line: `sudo dnf install ${arm ? "qemu-system-aarch64" : "qemu-system-x86"}` },
    { systems: "Arch", line: `sudo pacman -S ${arm ? "qemu-system-aarch64" : "qemu-system-x86"}` },
    { systems: "openSUSE", line: `sudo zypper install ${arm ? "qemu-arm" : "qemu-x86"}` },
  ];
};
