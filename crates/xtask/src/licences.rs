//! The licences of everything that is linked in: SPDX expressions against a list.

use crate::{Result, workspace};

/// Licences that let Weir be given away under Apache-2.0.
const PERMITTED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages under another licence, each looked at.
const EXCEPTIONS: [(&str, &str); 1] = [
    // Comes with pgwire's SCRAM. Its terms bind changes of its own files, and Weir changes none.
    ("x509-certificate", "MPL-2.0"),
];

/// A package and the licence that it states.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// An SPDX expression; empty where none is stated.
    pub licence: String,
}

/// All packages that a build for this machine uses.
///
/// # Errors
/// Where cargo cannot be asked.
pub fn packages() -> Result<Vec<Package>> {
    let host = workspace::host()?;
    let metadata = workspace::metadata(&["--locked", "--filter-platform", &host])?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    Ok(packages
        .iter()
        .map(|package| Package { name: text(&package["name"]), licence: text(&package["license"]) })
        .collect())
}

/// Packages that may not be used.
#[must_use]
pub fn violations(packages: &[Package]) -> Vec<String> {
    let is_excepted =
        |package: &Package| EXCEPTIONS.contains(&(package.name.as_str(), package.licence.as_str()));
    packages
        .iter()
        .filter(|package| !is_excepted(package) && !is_permitted(&package.licence))
        .map(|package| {
            format!("{}: licence \"{}\" is not permitted", package.name, package.licence)
        })
        .collect()
}

/// True where the expression leaves a choice whose every part is permitted.
#[must_use]
pub fn is_permitted(expression: &str) -> bool {
    // `/` is the old way to write OR.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words };
    parser.either() == Some(true) && parser.words.is_empty()
}

/// Reads an expression; each method gives whether its part is permitted, `None` where it is no
/// expression. AND binds tighter than OR.
struct Parser<'a> {
    words: &'a [&'a str],
}

impl<'a> Parser<'a> {
    fn either(&mut self) -> Option<bool> {
        let mut is_permitted = self.all()?;
        while self.accept("OR") {
            is_permitted |= self.all()?;
        }
        Some(is_permitted)
    }

    fn all(&mut self) -> Option<bool> {
        let mut is_permitted = self.one()?;
        while self.accept("AND") {
            is_permitted &= self.one()?;
        }
        Some(is_permitted)
    }

    fn one(&mut self) -> Option<bool> {
        if self.accept("(") {
            let is_permitted = self.either()?;
            return self.accept(")").then_some(is_permitted);
        }
        let mut name = self.next()?.to_owned();
        if self.accept("WITH") {
            name = format!("{name} WITH {}", self.next()?);
        }
        Some(PERMITTED.contains(&name.as_str()))
    }

    fn accept(&mut self, word: &str) -> bool {
        let is_next = self.words.first() == Some(&word);
        if is_next {
            self.words = &self.words[1..];
        }
        is_next
    }

    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_as_spdx_says() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0-only OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0-only",
            "GPL-3.0-only AND ISC OR MIT",
        ] {
            assert!(is_permitted(good), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0-only",
            "MIT AND GPL-3.0-only",
            "(MIT OR ISC) AND GPL-3.0-only",
            "MIT AND (GPL-3.0-only OR AGPL-3.0-only)",
            "MIT WITH some-exception",
            "MIT OR",
            "(MIT",
            "MIT MIT",
        ] {
            assert!(!is_permitted(bad), "{bad}");
        }
    }

    #[test]
    fn a_package_without_a_permitted_licence_is_named() {
        let package = |name: &str, licence: &str| Package {
            name: name.to_owned(),
            licence: licence.to_owned(),
        };
        let packages = [
            package("a", "MIT"),
            package("b", "AGPL-3.0-only"),
            package("x509-certificate", "MPL-2.0"),
        ];
        assert_eq!(violations(&packages), ["b: licence \"AGPL-3.0-only\" is not permitted"]);
        assert_eq!(violations(&[package("x509-certificate", "")]).len(), 1);
    }
}
