import type { Messages } from "../i18n.svelte";

/** A volume's files, its backups, what comes out of them, and copies, in Korean. */
export const backup: Messages["backup"] = {
  files: "파일",
  backUp: "백업…",
  backUpLabel: (name) => `${name} 백업`,
  restore: "파일에서 복원…",
  restoreLabel: (name) => `파일에서 ${name} 복원`,
  restoreAny: "파일에서 복원",
  clone: "복제…",
  cloneTitle: (name) => `${name} 복제`,
  restoreTitle: (file) => `${file}에서 복원`,
  into: "볼륨",
  intoHelp: "새 볼륨이나 이미 있는 볼륨의 이름입니다.",
  isNew: (name) => `${name} 볼륨을 새로 만들고 파일에 든 것을 모두 넣습니다.`,
  isEmpty: (name) => `${name} 볼륨은 비어 있습니다. 파일에 든 것을 모두 넣습니다.`,
  replaces: (name) => `지금 ${name} 볼륨에 있는 파일이 모두 사라지고, 복원할 파일에 든 것이 그 자리에 들어갑니다.`,
  replacesSize: (name, size) =>
    `지금 ${name} 볼륨에 있는 파일 ${size}가 모두 사라지고, 복원할 파일에 든 것이 그 자리에 들어갑니다.`,
  runs: (containers) => `${containers} 컨테이너가 이 볼륨으로 실행 중입니다. 먼저 정지하세요.`,
  restoreNow: "복원",
  replace: "모든 파일 바꾸기",
  newName: "복제본 이름",
  cloneHelp: "지금 있는 파일을 모두 복사합니다. 그 뒤에 한쪽에 쓴 내용은 다른 쪽에 나타나지 않습니다.",
  cloneNow: "복제",
  live: (containers) =>
    `그동안 ${containers} 컨테이너가 계속 쓰면 서로 맞아야 할 내용이 다른 시점의 것일 수 있습니다. 확실히 하려면 먼저 정지하세요.`,
};
