import ArrowLeft from "@lucide/svelte/icons/arrow-left";
import BadgeCheck from "@lucide/svelte/icons/badge-check";
import Box from "@lucide/svelte/icons/box";
import Boxes from "@lucide/svelte/icons/boxes";
import BrushCleaning from "@lucide/svelte/icons/brush-cleaning";
import Check from "@lucide/svelte/icons/check";
import ChevronDown from "@lucide/svelte/icons/chevron-down";
import ChevronRight from "@lucide/svelte/icons/chevron-right";
import ChevronUp from "@lucide/svelte/icons/chevron-up";
import Circle from "@lucide/svelte/icons/circle";
import Copy from "@lucide/svelte/icons/copy";
import Download from "@lucide/svelte/icons/download";
import Ellipsis from "@lucide/svelte/icons/ellipsis";
import FileDown from "@lucide/svelte/icons/file-down";
import FileText from "@lucide/svelte/icons/file-text";
import Folder from "@lucide/svelte/icons/folder";
import Hammer from "@lucide/svelte/icons/hammer";
import HardDrive from "@lucide/svelte/icons/hard-drive";
import Info from "@lucide/svelte/icons/info";
import KeyRound from "@lucide/svelte/icons/key-round";
import Languages from "@lucide/svelte/icons/languages";
import Layers from "@lucide/svelte/icons/layers";
import Link from "@lucide/svelte/icons/link";
import Network from "@lucide/svelte/icons/network";
import Pause from "@lucide/svelte/icons/pause";
import Pencil from "@lucide/svelte/icons/pencil";
import Play from "@lucide/svelte/icons/play";
import Plug from "@lucide/svelte/icons/plug";
import Plus from "@lucide/svelte/icons/plus";
import RotateCw from "@lucide/svelte/icons/rotate-cw";
import Search from "@lucide/svelte/icons/search";
import Server from "@lucide/svelte/icons/server";
import Settings from "@lucide/svelte/icons/settings-2";
import ShieldCheck from "@lucide/svelte/icons/shield-check";
import Square from "@lucide/svelte/icons/square";
import Sliders from "@lucide/svelte/icons/sliders-horizontal";
import Star from "@lucide/svelte/icons/star";
import Sun from "@lucide/svelte/icons/sun-moon";
import Tag from "@lucide/svelte/icons/tag";
import Trash from "@lucide/svelte/icons/trash-2";
import Alert from "@lucide/svelte/icons/triangle-alert";
import Unplug from "@lucide/svelte/icons/unplug";
import Upload from "@lucide/svelte/icons/upload";
import Cross from "@lucide/svelte/icons/x";
import Zap from "@lucide/svelte/icons/zap";

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
  tag: Tag,
  upload: Upload,
  file: FileDown,
  broom: BrushCleaning,
  build: Hammer,
  official: BadgeCheck,
  verified: ShieldCheck,
  star: Star,
  back: ArrowLeft,
  folder: Folder,
  text: FileText,
  link: Link,
  rename: Pencil,
  edit: Sliders,
  kill: Zap,
  key: KeyRound,
  more: Ellipsis,
  up: ChevronUp,
  down: ChevronDown,
  right: ChevronRight,
  connect: Plug,
  disconnect: Unplug,
  theme: Sun,
  language: Languages,
} as const;

export type IconName = keyof typeof icons;
