//! A text and the words in it, while it comes character by character.

/// What has been read. Words are told apart only where they are asked for.
#[derive(Debug)]
pub(crate) struct Split {
    pub(crate) text: String,
    words: Option<Vec<String>>,
    word: String,
}

impl Split {
    pub(crate) fn new(with_words: bool) -> Self {
        Self { text: String::new(), words: with_words.then(Vec::new), word: String::new() }
    }

    /// Adds what ends a word at its spaces.
    pub(crate) fn add(&mut self, text: &str) {
        self.text.push_str(text);
        let Some(words) = &mut self.words else { return };
        for character in text.chars() {
            if !character.is_whitespace() {
                self.word.push(character);
            } else if !self.word.is_empty() {
                words.push(std::mem::take(&mut self.word));
            }
        }
    }

    /// Adds what is of one word, with its spaces.
    pub(crate) fn add_whole(&mut self, text: &str) {
        self.text.push_str(text);
        if self.words.is_some() {
            self.word.push_str(text);
        }
    }

    pub(crate) fn into_words(self) -> Vec<String> {
        let mut words = self.words.unwrap_or_default();
        if !self.word.is_empty() {
            words.push(self.word);
        }
        words
    }
}
