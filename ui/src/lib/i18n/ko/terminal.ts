import type { Messages } from "../i18n.svelte";

/** Terminals in containers, in Korean. */
export const terminal: Messages["terminal"] = {
  label: (name) => `${name} 터미널`,
  opening: "셸을 여는 중…",
  closed: "종료되었습니다.",
  again: "다시 열기",
  stopped: "터미널은 실행 중인 컨테이너에서만 열 수 있습니다.",
  none: "열린 터미널이 없습니다.",
  leave: "F6 키로 터미널에서 나갑니다.",
  tabs: "터미널 목록",
  shell: "셸",
  tab: (program, number) => `${program} ${number}`,
  open: "새 터미널",
  other: "다른 프로그램이나 사용자…",
  close: (tab) => `${tab} 닫기`,
  closeTitle: (tab) => `${tab} 터미널을 닫을까요?`,
  closeText: (commands) => `아직 실행 중인 다음 프로그램도 함께 종료됩니다: ${commands}.`,
  closeIt: "닫기",
  otherTitle: (name) => `${name}에서 터미널 열기`,
  program: "프로그램",
  programHelp: "인수도 함께 적습니다. 비워 두면 컨테이너에 있는 가장 나은 셸을 씁니다.",
  badProgram: "따옴표가 닫히지 않았습니다.",
  user: "사용자",
  userHelp: "이름이나 번호입니다. 비워 두면 컨테이너의 사용자입니다.",
  openIt: "열기",
};
