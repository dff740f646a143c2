//! What the images' screen says, in both languages.

use crate::words::{EN, Words};

/// The names of what is on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ImageWords {
    pub(super) common: Words,
    pub(super) more: &'static str,
    pub(super) menu: &'static str,
    pub(super) save: &'static str,
    pub(super) load: &'static str,
    pub(super) dismiss: &'static str,
    pub(super) tag: &'static str,
    pub(super) new_name: &'static str,
    pub(super) add: &'static str,
    pub(super) push: &'static str,
    pub(super) log_in_to: &'static str,
    pub(super) log_in: &'static str,
    pub(super) username: &'static str,
    pub(super) password: &'static str,
    pub(super) prune: &'static str,
    pub(super) nothing_unused: &'static str,
    pub(super) dangling: &'static str,
    pub(super) all_unused: &'static str,
    pub(super) add_mount: &'static str,
    pub(super) volume_name: &'static str,
    pub(super) target: &'static str,
}

impl ImageWords {
    /// In the same language.
    pub(super) fn of(common: &Words) -> Self {
        if common.locale == EN.locale { english(common) } else { korean(common) }
    }

    fn either(&self, english: String, korean: String) -> String {
        if self.common.locale == EN.locale { english } else { korean }
    }

    /// What a button that does `verb` to `object` is called.
    pub(super) fn verb(&self, verb: &str, object: &str) -> String {
        self.either(format!("{verb} {object}"), format!("{object} {verb}"))
    }

    pub(super) fn show(&self, image: &str) -> String {
        self.either(format!("Show {image}"), format!("{image} 보기"))
    }

    pub(super) fn pull_of(&self, image: &str) -> String {
        self.either(format!("Pull {image}"), format!("{image} 가져오기"))
    }

    pub(super) fn open_port(&self, port: u16) -> String {
        let korean = format!("브라우저에서 포트 {port} 열기");
        self.either(format!("Open port {port} in the browser"), korean)
    }

    pub(super) fn written(&self, file: &str) -> String {
        self.either(format!("{file} was written"), format!("{file} 저장 완료"))
    }

    pub(super) fn pushed(&self, image: &str) -> String {
        self.either(format!("{image} was pushed"), format!("{image} 올리기 완료"))
    }
}

fn english(common: &Words) -> ImageWords {
    ImageWords {
        common: *common,
        more: "More actions",
        menu: "More to do with images",
        save: "Save to a file",
        load: "Load from a file",
        dismiss: "Dismiss",
        tag: "Add a name",
        new_name: "New name",
        add: "Add",
        push: "Push",
        log_in_to: "Log in…",
        log_in: "Log in",
        username: "User name",
        password: "Password or token",
        prune: "Remove unused",
        nothing_unused: "There is nothing to remove.",
        dangling: "Those without a name",
        all_unused: "All that no container uses",
        add_mount: "Add a volume or folder",
        volume_name: "Volume name",
        target: "Place in the container",
    }
}

fn korean(common: &Words) -> ImageWords {
    ImageWords {
        common: *common,
        more: "작업 더 보기",
        menu: "이미지 관리",
        save: "파일로 저장",
        load: "파일에서 불러오기",
        dismiss: "지우기",
        tag: "이름 추가",
        new_name: "새 이름",
        add: "추가",
        push: "올리기",
        log_in_to: "로그인…",
        log_in: "로그인",
        username: "사용자 이름",
        password: "비밀번호 또는 토큰",
        prune: "쓰지 않는 이미지 삭제",
        nothing_unused: "삭제할 것이 없습니다.",
        dangling: "이름 없는 이미지만",
        all_unused: "컨테이너가 쓰지 않는 이미지 모두",
        add_mount: "볼륨이나 폴더 추가",
        volume_name: "볼륨 이름",
        target: "컨테이너 안의 위치",
    }
}
