//! "Did you mean": of the words that could stand there, the one that a typing slip is away.

/// The known word nearest to `word`, if one is near enough to have been meant.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const ALIKE_MIN: f64 = 0.6;
    let alike = |other: &str| strsim::normalized_damerau_levenshtein(word, other);
    known
        .into_iter()
        .map(|other| (alike(other), other))
        .filter(|(score, _)| *score >= ALIKE_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_word_is_found_or_nothing() {
        let known = ["schedule", "services", "state_dir", "retention"];
        assert_eq!(nearest("shedule", known), Some("schedule"));
        assert_eq!(nearest("service", known), Some("services"));
        assert_eq!(nearest("statedir", known), Some("state_dir"));
        assert_eq!(nearest("frobnicate", known), None);
    }
}
