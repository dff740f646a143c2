import type { Messages } from "../i18n.svelte";

export const projects: Messages["projects"] = {
  title: "프로젝트",
  name: "이름",
  state: "상태",
  services: "서비스",
  open: (name) => `${name} 보기`,
  running: (running, all) => `${all}개 중 ${running}개 실행 중`,
  empty: "아직 프로젝트가 없습니다",
  emptyText: "컴포즈 파일을 열거나 docker compose로 실행하면 그 컨테이너들이 여기에 함께 나타납니다.",
  startAll: "모두 시작",
  stopAll: "모두 정지",
  restartAll: "모두 다시 시작",
  startLabel: (name) => `${name} 모두 시작`,
  stopLabel: (name) => `${name} 모두 정지`,
  restartLabel: (name) => `${name} 모두 다시 시작`,
  removeAll: "모두 삭제",
  removeLabel: (name) => `${name} 모두 삭제`,
  selectAll: (name) => `${name} 모두 선택`,
  needs: (names) => `${names} 필요`,
  service: "서비스",
  container: "컨테이너",
};
