use super::*;

const OTHER: &str = if cfg!(target_arch = "aarch64") { "linux/amd64" } else { "linux/arm64" };

/// As Debian's package has them registered.
fn emulator(machine: &str, flags: &str) -> String {
    format!(
        "enabled\ninterpreter /usr/libexec/qemu-binfmt/x\nflags: {flags}\noffset 0\n\
         magic 7f454c460201010000000000000000000200{machine}00\n\
         mask ffffffffffffff00fffffffffffffffffeffffff\n"
    )
}

fn of(rules: &[(&str, String)]) -> Emulators {
    let all = rules.iter().map(|(name, text)| Emulator::parse((*name).to_owned(), text));
    Emulators { is_mounted: true, is_on: true, all: all.flatten().collect() }
}

fn other() -> Platform {
    OTHER.parse().unwrap()
}

#[test]
fn who_fits_is_known_by_the_rule_and_not_by_the_name() {
    let both = [("x", emulator("b7", "POF")), ("y", emulator("3e", "OCF"))];
    let names: Vec<String> = of(&both).platforms().iter().map(ToString::to_string).collect();
    assert_eq!(names, [Platform::host().to_string(), OTHER.to_owned()]);
    // Java's archives have a magic, too; whatever else there is is left alone.
    let others = [
        ("jar", "enabled\ninterpreter /j\nflags: \noffset 0\nmagic 504b0304\n".to_owned()),
        ("py", "enabled\ninterpreter /p\nflags: F\nextension .py\n".to_owned()),
        ("status", "enabled\n".to_owned()),
        ("odd", "enabled\ninterpreter /p\nflags: F\noffset -1\nmagic 7f\n".to_owned()),
    ];
    assert_eq!(of(&others).lacking(&other()), Some(Lacking::Emulator));
    let everything =
        [("all", "enabled\ninterpreter /a\nflags: F\noffset 0\nmagic 7f45\n".to_owned())];
    assert_eq!(of(&everything).platforms().len(), PROGRAMS.len());
}

#[test]
fn big_endian_programs_are_told_apart() {
    let rule = "enabled\ninterpreter /q\nflags: F\noffset 0\n\
         magic 7f454c4602020100000000000000000000020016\n\
         mask ffffffffffffff00fffffffffffffffffffeffff\n";
    let platforms = of(&[("qemu-s390x", rule.to_owned())]).platforms();
    assert_eq!(platforms[1].to_string(), "linux/s390x");
    assert_eq!(platforms.len(), 2);
}

#[test]
fn what_is_lacking_is_said() {
    let rules = [("b", emulator("b7", "PO")), ("m", emulator("3e", "PO"))];
    let name = if cfg!(target_arch = "aarch64") { "m" } else { "b" };
    assert_eq!(of(&rules).lacking(&other()), Some(Lacking::Flag(name.to_owned())));
    let off = rules.clone().map(|(name, text)| (name, text.replacen("enabled", "disabled", 1)));
    assert_eq!(of(&off).lacking(&other()), Some(Lacking::Enabling(name.to_owned())));
    let off = Emulators { is_on: false, ..of(&[]) };
    assert_eq!(off.lacking(&other()), Some(Lacking::Switch));
    let nothing = Emulators { is_mounted: false, ..of(&[]) };
    assert_eq!(nothing.lacking(&other()), Some(Lacking::Mount));
    assert_eq!(nothing.lacking(&Platform::host()), None);
    let unknown: Platform = "linux/sparc64".parse().unwrap();
    assert_eq!(of(&rules).lacking(&unknown), Some(Lacking::Emulator));
}
