//! Here-documents: files that are written in the Dockerfile itself.

use crate::directives::ESCAPE;
use crate::error::Problem;
use crate::lexer::Lexer;

/// A file in the lines after its instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heredoc {
    /// What ends it, and how it is called.
    pub name: String,
    /// Whether variables in it are filled in: nothing of the name was quoted.
    pub expands: bool,
    /// Whether tabs at the beginnings of its lines are not of it.
    pub strips_tabs: bool,
    /// Its lines as they were written.
    pub content: String,
}

impl Heredoc {
    /// The content, without tabs if those are not of it.
    pub fn stripped(&self) -> String {
        if !self.strips_tabs {
            return self.content.clone();
        }
        let lines = self.content.split_inclusive('\n');
        lines.map(|line| line.trim_start_matches('\t')).collect()
    }
}

/// The documents that an instruction's line asks for.
pub(crate) fn documents_of(line: &str) -> Result<Vec<Heredoc>, Problem> {
    let lexer = Lexer { raw_quotes: true, raw_escapes: true, ..Lexer::without_variables(ESCAPE) };
    // Where the shell is to make sense of the line, we need not.
    let words = lexer.words(line).unwrap_or_default();
    words.iter().filter_map(|word| document(word).transpose()).collect()
}

/// The document that a word asks for: `<<name`, `3<<-"name"`.
pub(crate) fn document(word: &str) -> Result<Option<Heredoc>, Problem> {
    let name = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<");
    let Some(name) = name else { return Ok(None) };
    let (strips_tabs, name) = match name.strip_prefix('-') {
        Some(name) => (true, name),
        None => (false, name),
    };
    let name = name.trim_start();
    if name.is_empty() || name.contains('<') {
        return Ok(None);
    }
    let lexer = Lexer::without_variables(ESCAPE);
    let words = lexer.words(name)?;
    let [plain] = words.as_slice() else { return Ok(None) };
    let raw = Lexer { raw_quotes: true, ..lexer }.words(name)?.concat();
    let quotes = |text: &str| text.matches(['\'', '"']).count();
    Ok(Some(Heredoc {
        name: plain.clone(),
        expands: quotes(plain) == quotes(&raw),
        strips_tabs,
        content: String::new(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_quoted_and_far_away() {
        for (line, name, expands, strips_tabs) in [
            ("RUN <<EOF", "EOF", true, false),
            ("RUN cat <<-EOF", "EOF", true, true),
            ("RUN 3<<EOF", "EOF", true, false),
            ("RUN << EOF", "EOF", true, false),
            ("RUN <<\"E O F\"", "E O F", false, false),
            ("RUN <<'EOF' && <x", "EOF", false, false),
            ("RUN <<E\"O\"F", "EOF", false, false),
            ("RUN $a <<$b", "$b", true, false),
        ] {
            let documents = documents_of(line).unwrap();
            let content = String::new();
            let name = name.to_owned();
            assert_eq!(documents, [Heredoc { name, expands, strips_tabs, content }], "{line}");
        }
        for line in ["RUN a < b", "RUN a <<", "RUN '<<EOF'", "RUN a <<<b", "RUN <<'EOF"] {
            assert_eq!(documents_of(line), Ok(vec![]), "{line}");
        }
    }

    #[test]
    fn tabs_go_where_that_is_asked_for() {
        let mut document = document("<<-x").unwrap().unwrap();
        document.content = "\t\ta\n b\n\t\n\tc".to_owned();
        assert_eq!(document.stripped(), "a\n b\n\nc");
        document.strips_tabs = false;
        assert_eq!(document.stripped(), document.content);
    }
}
