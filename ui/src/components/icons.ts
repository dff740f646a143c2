import Box from "@lucide/svelte/icons/box";
import Boxes from "@lucide/svelte/icons/boxes";
import Check from "@lucide/svelte/icons/check";
import ChevronDown from "@lucide/svelte/icons/chevron-down";
import ChevronUp from "@lucide/svelte/icons/chevron-up";
import Circle from "@lucide/svelte/icons/circle";
import Copy from "@lucide/svelte/icons/copy";
import Download from "@lucide/svelte/icons/download";
import Ellipsis from "@lucide/svelte/icons/ellipsis";
import HardDrive from "@lucide/svelte/icons/hard-drive";
import Info from "@lucide/svelte/icons/info";
import Languages from "@lucide/svelte/icons/languages";
import Layers from "@lucide/svelte/icons/layers";
import Network from "@lucide/svelte/icons/network";
import Pause from "@lucide/svelte/icons/pause";
import Play from "@lucide/svelte/icons/play";
import Plug from "@lucide/svelte/icons/plug";
import Plus from "@lucide/svelte/icons/plus";
import RotateCw from "@lucide/svelte/icons/rotate-cw";
import Search from "@lucide/svelte/icons/search";
import Server from "@lucide/svelte/icons/server";
import Settings from "@lucide/svelte/icons/settings-2";
import Square from "@lucide/svelte/icons/square";
import Sun from "@lucide/svelte/icons/sun-moon";
import Trash from "@lucide/svelte/icons/trash-2";
import Alert from "@lucide/svelte/icons/triangle-alert";
import Unplug from "@lucide/svelte/icons/unplug";
import Cross from "@lucide/svelte/icons/x";

/** Every icon of the window, by what it stands for; all of them Lucide's. */
export const icons = {
  container: Box,
  image: Layers,
  volume: HardDrive,
  network: Network,
  project: Boxes,
  machine: Server,
  settings: Settings,
  play: Play,
  stop: Square,
  pause: Pause,
  restart: RotateCw,
  trash: Trash,
  copy: Copy,
  check: Check,
  cross: Cross,
  alert: Alert,
  info: Info,
  plus: Plus,
  circle: Circle,
  download: Download,
  search: Search,
  more: Ellipsis,
  up: ChevronUp,
  down: ChevronDown,
  connect: Plug,
  disconnect: Unplug,
  theme: Sun,
  language: Languages,
} as const;

export type IconName = keyof typeof icons;
