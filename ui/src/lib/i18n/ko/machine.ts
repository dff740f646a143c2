import type { Messages } from "../i18n.svelte";

export const machine: Messages["machine"] = {
  states: {
    stopped: "가상 머신 꺼짐",
    starting: "가상 머신 시작 중",
    running: "가상 머신 실행 중",
    stopping: "가상 머신 종료 중",
    failed: "가상 머신 오류",
  },
  titles: {
    stopped: "가상 머신이 꺼져 있습니다",
    starting: "준비하고 있습니다",
    running: "가상 머신이 실행 중입니다",
    stopping: "종료하고 있습니다",
    failed: "가상 머신을 시작하지 못했습니다",
  },
  intro: "나루는 전용 소형 리눅스 가상 머신에서 컨테이너를 실행합니다.",
  stoppedText: "컨테이너와 이미지는 그대로 보관됩니다. 사용하려면 가상 머신을 시작하세요.",
  start: "가상 머신 시작",
  stop: "가상 머신 종료",
  stopTitle: "가상 머신을 종료할까요?",
  stopText: (running) =>
    running === 0
      ? "실행 중인 컨테이너가 없습니다. 컨테이너와 이미지는 보관됩니다."
      : `실행 중인 컨테이너 ${running}개도 함께 멈춥니다. 컨테이너와 이미지는 보관됩니다.`,
  steps: {
    qemu: "QEMU 찾기",
    image: "시스템 이미지 확인",
    disk: "데이터 디스크 준비",
    boot: "가상 머신 시작",
    channel: "리눅스 시작 대기",
    handshake: "버전 확인",
    engine: "엔진 시작",
  },
  stepsLabel: "시작 단계",
  stepStates: { pending: "대기 중", running: "진행 중", done: "완료", failed: "실패" },
  tcg: "하드웨어 가속을 사용할 수 없어 시작이 오래 걸리고 컨테이너가 느리게 실행됩니다. 기능은 모두 그대로 동작합니다.",
  console: "가상 머신 콘솔의 마지막 내용",
  getQemu: "QEMU 설치 방법",
  getQemuText: "사용 중인 시스템의 명령을 터미널에 입력한 다음 여기서 다시 시도하세요.",
  accelerator: "가속",
  carrier: "통신 채널",
  restart: "가상 머신 다시 시작",
  restartTitle: "가상 머신을 다시 시작할까요?",
  what: "구성",
  change: "바꾸기",
  processors: "프로세서",
  memory: "메모리",
  system: "시스템",
  engine: "엔진",
  uses: "사용량",
  ofProcessors: (n) => `프로세서 ${n}개 기준`,
};

export const reset: Messages["reset"] = {
  heading: "처음부터 다시 시작",
  text: "가상 머신의 디스크를 모든 이미지, 컨테이너, 볼륨과 함께 지우고 빈 디스크를 새로 만듭니다.",
  offer: "가상 머신 초기화…",
  reset: "가상 머신 초기화",
  title: "가상 머신을 초기화할까요?",
  lostText: "디스크에 있는 것은 모두 영구히 사라지고, 빈 디스크로 바뀝니다.",
  lost: (count, bytes) => `${count}개 · ${bytes}`,
  running: (n) => `실행 중인 컨테이너 ${n}개를 멈추고 진행합니다.`,
  uncounted: "무엇이 얼마나 있는지 셀 수 없었습니다. 이미지, 컨테이너, 볼륨, 네트워크가 모두 사라집니다.",
  kept: "네트워크도 사라집니다. 설정, 파일로 저장해 둔 백업, 이 컴퓨터의 파일은 그대로 남습니다.",
  done: "가상 머신을 초기화했습니다",
};

export const disk: Messages["disk"] = {
  title: "디스크 사용량",
  again: "다시 계산",
  counting: "계산하는 중…",
  total: (bytes) => `데이터 디스크에서 ${bytes} 사용`,
  kinds: { images: "이미지", containers: "컨테이너", volumes: "볼륨", build_cache: "빌드 캐시" },
  reclaimable: (bytes) => `미사용 ${bytes}`,
  show: "보기",
  showLabel: (kind) => `${kind} 보기`,
  largest: (kind) => `가장 큰 ${kind}`,
  free: "비우기",
  freeLabel: "빌드 캐시 비우기",
  freeTitle: "빌드 캐시를 비울까요?",
  freeText: "이전 빌드에서 남겨 둔 단계 중 쓰이지 않는 것이 모두 삭제됩니다. 이미지와 컨테이너는 그대로이며, 다음 빌드는 단계를 새로 실행합니다.",
  freeSize: (bytes) => `${bytes} 공간이 생깁니다.`,
  freed: (bytes) => `${bytes} 공간이 생겼습니다`,
  nothingToFree: "쓰이지 않는 항목이 없습니다.",
  used: "사용 중",
  unused: "미사용",
};

export const console: Messages["console"] = {
  title: "가상 머신 콘솔",
  text: "리눅스와 엔진이 남긴 기록입니다. 최근 내용이 아래에 있습니다.",
  show: "콘솔 보기",
  hide: "콘솔 숨기기",
};

export const diagnostics: Messages["diagnostics"] = {
  title: "진단 정보",
  text: "도와줄 사람에게 보낼 파일입니다. 버전, 설정, 가상 머신 상태, 로그의 마지막 부분이 들어갑니다. 비밀번호, 키, 토큰은 지워지고, 컨테이너는 개수만 들어갑니다.",
  save: "진단 정보 저장…",
  saved: (file) => `${file} 저장 완료`,
};
