//! The options of `--mount type=tmpfs`, as the kernel takes them.

use bollard_stubs::models::MountTmpfsOptions;

use crate::error::{EngineError, Result};

/// Options that a tmpfs may have by `tmpfs-options`, with and without a value.
const TMPFS_FLAGS: [&str; 2] = ["exec", "noexec"];
const TMPFS_VALUES: [&str; 2] = ["nr_blocks", "nr_inodes"];

pub(super) fn tmpfs(options: Option<&MountTmpfsOptions>, read_only: bool) -> Result<Vec<String>> {
    let mut all: Vec<String> = read_only.then(|| "ro".to_owned()).into_iter().collect();
    let Some(options) = options else { return Ok(all) };
    all.extend(options.mode.filter(|mode| *mode != 0).map(|mode| format!("mode={mode:o}")));
    all.extend(options.size_bytes.filter(|size| *size != 0).map(|size| format!("size={size}")));
    for option in options.options.iter().flatten() {
        let invalid = |option: &str| EngineError::Invalid(format!("invalid option: {option:?}"));
        match option.as_slice() {
            [flag] if TMPFS_FLAGS.contains(&flag.as_str()) => all.push(flag.clone()),
            [key, value] if TMPFS_VALUES.contains(&key.as_str()) && is_number(value) => {
                all.push(format!("{key}={value}"));
            }
            [option] | [option, _] => return Err(invalid(option)),
            _ => return Err(EngineError::Invalid("invalid option array length".to_owned())),
        }
    }
    Ok(all)
}

/// A number with its unit, as the kernel reads it.
fn is_number(text: &str) -> bool {
    let digits = text.trim_end_matches(['k', 'K', 'm', 'M', 'g', 'G']);
    digits.len() + 1 >= text.len() && digits.parse::<u64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tmpfs_has_its_options() {
        let options = r#"{"SizeBytes":1048576,"Mode":448,"Options":[["exec"],["nr_inodes","1k"]]}"#;
        let options = serde_json::from_str(options).unwrap();
        let options = tmpfs(Some(&options), true).unwrap();
        assert_eq!(options, ["ro", "mode=700", "size=1048576", "exec", "nr_inodes=1k"]);
    }

    #[test]
    fn others_are_refused_by_name() {
        for (options, said) in [
            (r#"[["uid","7"]]"#, "invalid option: \"uid\""),
            (r#"[["nr_inodes","1,size=1"]]"#, "invalid option: \"nr_inodes\""),
            (r#"[["nr_inodes","kk"]]"#, "invalid option: \"nr_inodes\""),
            ("[[]]", "invalid option array length"),
        ] {
            let options = format!(r#"{{"Options":{options}}}"#);
            let error = tmpfs(Some(&serde_json::from_str(&options).unwrap()), false).unwrap_err();
            assert_eq!(error.to_string(), said);
        }
    }
}
