//! Applies a unified difference, strictly: every line that it names must be where it says.

use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};

use super::tree::Tree;

/// Where patched files lie, as the difference names them.
const COPY: &str = "b/vendor/openmls/";

/// Changes `tree` as `patch` says. What stands before the first file is for readers.
pub(super) fn apply(patch: &str, tree: &mut Tree) -> anyhow::Result<()> {
    let mut lines = patch.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(old) = line.strip_prefix("--- ") else { continue };
        let new = lines.next().and_then(|line| line.strip_prefix("+++ ")).context("--- without +++")?;
        let path = new.strip_prefix(COPY).with_context(|| format!("{new} is not below {COPY}"))?;
        let path = PathBuf::from(path);
        let before = match old {
            "/dev/null" => "",
            _ => tree.get(&path).with_context(|| format!("{} is not in the crate", path.display()))?,
        };
        let mut file = File { before: before.lines().collect(), at: 0, after: Vec::new() };
        while let Some(heading) = lines.next_if(|line| line.starts_with("@@ ")) {
            let hunk = Hunk::parse(heading).with_context(|| format!("not a hunk: {heading}"))?;
            file.hunk(&hunk, &mut lines).with_context(|| format!("{}: {heading}", path.display()))?;
        }
        let text = file.finish();
        tree.set(path, text);
    }
    Ok(())
}

/// Where a hunk begins in the old file, counted from zero, and how many lines it has of the old and of the new.
struct Hunk {
    start: usize,
    old: usize,
    new: usize,
}

impl Hunk {
    /// Reads `@@ -start,old +start,new @@`.
    fn parse(heading: &str) -> Option<Self> {
        let mut words = heading.split(' ').skip(1);
        let (start, old) = range(words.next()?.strip_prefix('-')?)?;
        let (_, new) = range(words.next()?.strip_prefix('+')?)?;
        // The lines of an empty old file are numbered from zero.
        Some(Self { start: start.saturating_sub(usize::from(old > 0)), old, new })
    }
}

fn range(text: &str) -> Option<(usize, usize)> {
    let (start, count) = text.split_once(',').unwrap_or((text, "1"));
    Some((start.parse().ok()?, count.parse().ok()?))
}

struct File<'a> {
    before: Vec<&'a str>,
    /// How many lines of `before` are dealt with.
    at: usize,
    after: Vec<String>,
}

impl File<'_> {
    fn hunk<'p>(&mut self, hunk: &Hunk, lines: &mut impl Iterator<Item = &'p str>) -> anyhow::Result<()> {
        let untouched = self.before.get(self.at..hunk.start).context("hunks are out of order")?;
        self.after.extend(untouched.iter().map(ToString::to_string));
        self.at = hunk.start;
        let (mut old, mut new) = (0, 0);
        while old < hunk.old || new < hunk.new {
            let line = lines.next().context("the hunk ends early")?;
            let (sign, text) = line.split_at_checked(1).unwrap_or((" ", ""));
            match sign {
                " " | "-" => {
                    let found = self.before.get(self.at).copied();
                    ensure!(
                        found == Some(text),
                        "line {} of the crate is {found:?}",
                        self.at.saturating_add(1)
                    );
                    self.at = self.at.saturating_add(1);
                    old = old.saturating_add(1);
                }
                "+" => {}
                _ => bail!("neither kept, removed nor added: {line}"),
            }
            if sign != "-" {
                self.after.push(text.to_owned());
                new = new.saturating_add(1);
            }
        }
        Ok(())
    }

    fn finish(mut self) -> String {
        self.after.extend(self.before.get(self.at..).unwrap_or_default().iter().map(ToString::to_string));
        self.after.iter().flat_map(|line| [line, "\n"]).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const PATCH: &str = "Why.\n\n--- a/x\n+++ b/vendor/openmls/x\n@@ -2,2 +2,2 @@ fn\n b\n-c\n+C\n@@ -5 +5,2 @@\n-e\n+E\n+f\n--- /dev/null\n+++ b/vendor/openmls/y\n@@ -0,0 +1 @@\n+new\n";

    fn tree(text: &str) -> Tree {
        let mut tree = Tree::default();
        tree.set(PathBuf::from("x"), text.to_owned());
        tree
    }

    #[test]
    fn lines_are_replaced_where_the_patch_says() {
        let mut tree = tree("a\nb\nc\nd\ne\ng\n");
        apply(PATCH, &mut tree).unwrap();
        assert_eq!(tree.get(Path::new("x")), Some("a\nb\nC\nd\nE\nf\ng\n"));
        assert_eq!(tree.get(Path::new("y")), Some("new\n"));
    }

    #[test]
    fn a_crate_that_is_not_the_one_it_was_made_for_is_refused() {
        for text in ["a\nb\nX\nd\ne\ng\n", "a\na\nb\nc\nd\ne\n", "a\nb\n", ""] {
            assert!(apply(PATCH, &mut tree(text)).is_err(), "{text:?}");
        }
        assert!(apply(PATCH, &mut Tree::default()).is_err());
    }
}
